"""Structured kernels are products of explicit Jacobians: for every network of the zoo, every stage, every way in which a layer
can be contracted, and for random pure functions."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticketlab.networks import (
    MLP,
    NETWORKS,
    Activate,
    Activation,
    AllConv,
    Architecture,
    CausalCNN,
    ConvNet,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    GRUNet,
    LeNet5,
    LeNet300100,
    LSTMNet,
    Network,
    Normalise,
    Parameterisation,
    Params,
    Pool,
    Pooling,
    PreActResNet,
    Repeat,
    Residual,
    ResNet,
    Transformer,
    pure_network,
    sequential,
)
from ticketlab.tangent import (
    AllParameters,
    Jacobian,
    Layers,
    Masked,
    averaged_kernel,
    kernel,
    kernel_cost,
    kernel_diagonal,
    tangent_kernel,
)

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-11}
NTK, TANH, GELU = Parameterisation.NTK, Activate(Activation.TANH), Activate(Activation.GELU)

ZOO: dict[str, tuple[Architecture, tuple[int, ...]]] = {
    "mlp": (MLP((7, 5), parameterisation=NTK), (2, 3)),
    "lenet-300-100": (LeNet300100(), (4,)),
    "lenet5": (LeNet5(activation=Activation.TANH), (12, 12, 1)),
    "conv": (ConvNet(2), (2, 2, 1)),
    "all-conv": (AllConv((3, 4), parameterisation=NTK), (5, 4, 2)),
    "resnet": (ResNet((3, 4), parameterisation=NTK), (4, 3, 2)),
    "preact-resnet": (PreActResNet((3, 4), parameterisation=NTK), (4, 3, 2)),
    "gru": (GRUNet((4,), parameterisation=NTK), (3, 2)),
    "lstm": (LSTMNet((3,), answers="every"), (3, 2)),
    "transformer": (Transformer(4, 1, 2, "learned", symbols=5), (3,)),
    "causal-cnn": (CausalCNN((3, 4), 2), (4, 2)),
}


def shared() -> Network:
    """Layers that are applied several times, convolutions and dense ones; sums within; normalisation before and between."""
    stages = (
        *(Convolution(2), Normalise(), TANH, Pool(Pooling.AVERAGE)),
        *(
            Repeat((Residual((Convolution(2, 2), TANH)),), 2),
            Flatten(),
            Repeat((Dense(8), TANH), 3),
            Dense(3),
        ),
    )
    return sequential(stages, (4, 5, 2), name="shared")


def averaged_over_pixels() -> Network:
    stages = (Convolution(4, stride=2), GELU, Convolution(5, 2), TANH, GlobalAverage(), TANH, Dense(3))
    return sequential(stages, (5, 4, 2), name="averaged", parameterisation=NTK)


@cache
def network(name: str) -> Network:
    if name in ZOO:
        architecture, shape = ZOO[name]
        return architecture.build(shape, 3)
    return {"shared": shared, "averaged": averaged_over_pixels}[name]()


ALL = [*ZOO, "shared", "averaged"]


@cache
def drawn(name: str) -> Params:
    """Parameters of the network's shapes and about its sizes, without compiling its `init`."""
    draws = np.random.default_rng(len(name))
    shapes = jax.eval_shape(network(name).init, jax.random.key(0))
    scale = 1.0 if network(name).layers[0].weight_scale != 1 else None

    def leaf(shape: Any) -> np.ndarray:
        size = scale or 1 / np.sqrt(np.prod(shape.shape[:-1]))
        return (size * draws.standard_normal(shape.shape)).astype(np.float32)

    return jax.tree.map(leaf, shapes)


def inputs(name: str, n: int = 5, seed: int = 1) -> np.ndarray:
    draws = np.random.default_rng(seed)
    shape = (n, *network(name).input_shape)
    if name == "transformer":
        return draws.integers(0, 5, shape).astype(np.float32)  # tokens
    return draws.standard_normal(shape).astype(np.float32)


def jacobian_of(name: str, dtype: Any = np.float64, **options: Any) -> Jacobian:
    return Jacobian(network(name), drawn(name), inputs(name), dtype=dtype, **options)


def reverse(apply: Callable[[Params, Any], Any], params: Params, x: np.ndarray) -> np.ndarray:
    """J `[n, k, P]` by `jax.jacrev` of the whole batch, in float64."""
    with jax.enable_x64(True):
        at = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
        rows = jax.jit(jax.jacrev(lambda p: apply(p, np.asarray(x, np.float64))))(at)
        return np.concatenate([np.asarray(g).reshape(*g.shape[:2], -1) for g in jax.tree.leaves(rows)], -1)


@cache
def expected(name: str) -> np.ndarray:
    return reverse(network(name).apply, drawn(name), inputs(name))


def product(j: np.ndarray) -> np.ndarray:
    rows = j.reshape(-1, j.shape[-1])
    return rows @ rows.T


def near(found: Any, wanted: np.ndarray, dtype: Any = np.float64) -> None:
    assert found.dtype == dtype
    np.testing.assert_allclose(
        np.asarray(found), wanted, rtol=0, atol=TOLERANCE[dtype] * np.abs(wanted).max()
    )


def test_every_network_of_the_zoo_is_here() -> None:
    # A ResNet-20 is a ResNet, and a VGG made of the same layers; over the batch they have no tangent space.
    assert set(ZOO) | {"resnet-20", "vgg"} == set(NETWORKS)
    assert all(type(ZOO[name][0]) is NETWORKS[name] for name in ZOO)


SEQUENCES = ("gru", "lstm", "transformer", "causal-cnn")
BOTH = [
    pytest.param(name, dtype, marks=pytest.mark.slow if name in SEQUENCES and dtype is np.float32 else ())
    for name in ALL
    for dtype in TOLERANCE
]


@pytest.mark.parametrize(("name", "dtype"), BOTH)
def test_kernels_are_products_of_jacobians(name: str, dtype: Any) -> None:
    near(tangent_kernel(jacobian_of(name, dtype)), product(expected(name)), dtype)


@pytest.mark.parametrize("name", ["mlp", "resnet", "shared", "averaged"])
def test_the_mean_over_outputs_and_the_diagonal(name: str) -> None:
    j, jacobian = expected(name), jacobian_of(name)
    near(averaged_kernel(jacobian), np.einsum("ncp,mcp->nm", j, j) / 3)
    near(averaged_kernel(jacobian, jacobian.at(jacobian.x[1:3])), np.einsum("ncp,mcp->nm", j, j[1:3]) / 3)
    near(kernel_diagonal(jacobian), np.einsum("ncp,ncp->nc", j, j))


def test_examples_that_count_several_times_scale_their_rows() -> None:
    scale = np.sqrt(np.arange(1.0, 6.0))
    j, jacobian = scale[:, None, None] * expected("mlp"), jacobian_of("mlp", scale=scale)
    near(tangent_kernel(jacobian), product(j))
    near(averaged_kernel(jacobian), np.einsum("ncp,mcp->nm", j, j) / 3)
    beside = jacobian.at(jacobian.x[1:3])
    near(averaged_kernel(jacobian, beside), np.einsum("ncp,mcp->nm", j, expected("mlp")[1:3]) / 3)
    near(kernel_diagonal(jacobian), np.einsum("ncp,ncp->nc", j, j))


@pytest.mark.parametrize("name", ["mlp", "shared", "averaged"])
def test_every_way_to_contract_a_layer_is_right(name: str) -> None:
    """Not only the cheapest one, which is what the others compare with."""
    j, jacobian = expected(name), jacobian_of(name)
    plan = kernel_cost(jacobian)
    ways = max(len(part.others) for part in plan.parts)
    assert ways >= 2
    for way in range(ways):
        parts = [replace(p, contraction=p.others[min(way, len(p.others) - 1)][0]) for p in plan.parts]
        other = replace(plan, parts=tuple(parts))
        near(kernel._assembled(jacobian, None, other, 3, lambda done: None), product(j))
        if name == "averaged":
            mean = kernel._assembled(jacobian, None, other, 1, lambda done: None)
            near(mean, np.einsum("ncp,mcp->nm", j, j) / 3)


@pytest.mark.parametrize("name", ["resnet", "shared"])
def test_restricted_to_some_of_the_parameters(name: str) -> None:
    """Half of each weight, no first bias, one whole layer left out; and the normalisations alone."""
    leaves, structure = jax.tree.flatten(drawn(name))
    masks: list[Any] = [np.arange(leaf.size).reshape(leaf.shape) % 2 == 0 for leaf in leaves]
    masks[0], masks[2], masks[3] = False, True, False
    kept = np.concatenate(
        [np.broadcast_to(m, leaf.shape).ravel() for m, leaf in zip(masks, leaves, strict=True)]
    )
    masked = jacobian_of(name, selection=Masked(jax.tree.unflatten(structure, masks)))
    near(tangent_kernel(masked), product(expected(name)[:, :, kept]))
    norms = tuple(layer.name for layer in network(name).layers if not layer.stage.weighted)
    moving = jax.tree.leaves(
        {
            n: jax.tree.map(lambda leaf, n=n: np.full(leaf.shape, n in norms), p)
            for n, p in drawn(name).items()
        }
    )
    columns = np.concatenate([m.ravel() for m in moving])
    near(tangent_kernel(jacobian_of(name, selection=Layers(norms))), product(expected(name)[:, :, columns]))


def test_only_what_moves_is_in_the_plan() -> None:
    plan = kernel_cost(jacobian_of("resnet", selection=Layers(("conv2", "output"))))
    assert [part.name for part in plan.parts] == ["conv2", "output"]
    assert len(kernel_cost(jacobian_of("resnet", selection=AllParameters())).parts) == 12


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "dense": lambda p, a: a @ p["square"],
    "transposed": lambda p, a: a @ p["square"].T,  # the same parameters in another place
    "bilinear": lambda p, a: a * (a[:, ::-1] @ p["square"]),
    "sine": lambda p, a: jnp.sin(a * p["scale"]),
    "normalise": lambda p, a: a / jnp.sqrt(1 + jnp.sum(a * a, axis=1, keepdims=True)) * p["scale"],
    "attend": lambda p, a: a + jax.nn.softmax(a[:, :, None] * (a @ p["square"])[:, None, :]) @ p["scale"],
    "convolve": lambda p, a: jnp.stack([jnp.convolve(row, p["scale"], "same") for row in a]),
    "power": lambda p, a: a + p["shift"] ** 2,
}


@pytest.mark.slow
@settings(max_examples=5)  # each compiles its own program
@given(
    names=st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=3),
    n=st.integers(1, 4),
    outputs=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_any_pure_function_has_the_kernel_of_its_jacobian(
    names: list[str], n: int, outputs: int, seed: int
) -> None:
    draws = np.random.default_rng(seed)
    shapes = {"square": (4, 4), "scale": (4,), "shift": (), "out": (4, outputs)}
    params = {
        name: jax.device_put((0.5 * draws.standard_normal(shape)).astype(np.float32))
        for name, shape in shapes.items()
    }
    x = draws.standard_normal((n, 4)).astype(np.float32)

    def apply(p: Params, a: Any) -> Any:
        for name in names:
            a = OPERATIONS[name](p, a)
        return a @ p["out"]

    mine = pure_network(lambda key: params, apply, input_shape=(4,), outputs=outputs)
    j = reverse(apply, params, x)
    jacobian = Jacobian(mine, params, x, dtype=np.float64)
    near(tangent_kernel(jacobian), product(j))
    near(tangent_kernel(Jacobian(mine, params, x)), product(j), np.float32)
