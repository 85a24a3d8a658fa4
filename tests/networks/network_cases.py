"""The networks that the tests of the folder share: each with parameters, inputs and what it computes, compiled once."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax
import numpy as np
from jaxtyping import Array

from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    AllConv,
    Architecture,
    Convolution,
    Dense,
    Features,
    Flatten,
    Initialisation,
    LeNet5,
    Network,
    Normalise,
    Parameterisation,
    Params,
    Pool,
    Pooling,
    Repeat,
    Residual,
    ResNet,
    Stage,
    sequential,
)

NTK, BIASED = Parameterisation.NTK, Initialisation(sigma_b=0.3)
ERF, TANH = Activate(Activation.ERF), Activate(Activation.TANH)
NESTED = (
    *(Dense(4), ERF, Repeat((Residual((Normalise(), Dense(5), TANH, Dense(4))), ERF), 3)),
    *(Residual((Dense(3), TANH)), Dense(2), Normalise()),
)
SHARED = (
    *(Normalise(), Convolution(3), ERF, Repeat((Convolution(3, 2), Normalise(), TANH), 2), Repeat((ERF,), 2)),
    *(Residual((Convolution(3, stride=2), Pool(Pooling.MAX))), Flatten(), Dense(2)),
)
POOLED = (Convolution(3, 2), Activate(Activation.ERF), Pool(Pooling.AVERAGE, 2), Flatten(), Dense(2))


def zoo(architecture: Architecture, shape: tuple[int, ...]) -> tuple[Network, tuple[Stage, ...]]:
    return architecture.build(shape, 2), architecture.stages(2)


CASES: dict[str, tuple[Network, tuple[Stage, ...]]] = {
    "mlp": zoo(MLP((5, 4), initialisation=BIASED), (3,)),
    "mlp ntk": zoo(MLP((5, 4), parameterisation=NTK, activation=Activation.GELU), (3,)),
    "mlp without bias": zoo(MLP((5, 4), bias=False, activation=Activation.ERF), (2, 3, 2)),
    "linear": zoo(MLP(()), (2, 2, 1)),
    "lenet5": zoo(LeNet5(activation=Activation.TANH), (12, 13, 1)),
    "all-conv ntk": zoo(AllConv((3, 4), parameterisation=NTK), (5, 6, 2)),
    "resnet": zoo(ResNet((3, 4), parameterisation=NTK), (5, 4, 2)),
    "nested": (sequential(NESTED, (3,), name="nested", initialisation=BIASED), NESTED),
    "shared": (sequential(SHARED, (5, 6, 2), name="shared", initialisation=BIASED), SHARED),
    "average pool": (sequential(POOLED, (5, 4, 1), name="pooled", initialisation=BIASED), POOLED),
}


@dataclass(frozen=True)
class Case:
    """A network with parameters and inputs, and what it computes from them."""

    network: Network
    stages: tuple[Stage, ...]
    params: Params
    x: Array
    compute: Callable[[Params, Array], tuple[Array, Features]]
    outputs: Array
    features: Features


def prepare(network: Network, stages: tuple[Stage, ...], params: Params) -> Case:
    features, x = network.features, batch(network)
    assert features is not None
    compute = jax.jit(lambda params, x: (network.apply(params, x), features(params, x)))
    return Case(network, stages, params, x, compute, *compute(params, x))


@cache
def prepared(name: str) -> Case:
    """Compiled once for all tests."""
    network, stages = CASES[name]
    return prepare(network, stages, random_params(network))


def batch(network: Network, n: int = 3, seed: int = 9) -> Array:
    draws = np.random.default_rng(seed).standard_normal((n, *network.input_shape))
    return jax.device_put(draws.astype(np.float32))  # NumPy's, because JAX compiles its own for every shape


def random_params(network: Network) -> Params:
    """Parameters of the network's shapes and about its sizes, without compiling its `init`."""
    draws = np.random.default_rng(0)
    shapes = jax.eval_shape(network.init, jax.random.key(0))

    def drawn(leaf: jax.ShapeDtypeStruct) -> Array:
        size = 1 / math.sqrt(math.prod(leaf.shape[:-1]))
        return jax.device_put((size * draws.standard_normal(leaf.shape)).astype(np.float32))

    return jax.tree.map(drawn, shapes)
