"""A new kind of stage: a network needs only one class, and what needs a rule for the kind says so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks import Activate, Activation, Dense, Network, permute_units, sequential
from ticketlab.networks.layers import DrawnLayer, Parametrised, Shape
from ticketlab.networks.stages.stage import Fitting, Stage, Step
from ticketlab.networks.streams import Streams
from ticketlab.networks.walk import Walk
from ticketlab.store import torch_layout
from ticketlab.tangent import Jacobian, kernel_cost, tangent_kernel
from ticketlab.tangent.contractions import TangentProduct
from ticketlab.tickets.masks import full_mask
from ticketlab.tickets.reach import effective_mask


@dataclass(frozen=True)
class Wave(Stage, Parametrised):
    """z = sin(a · w) + b, unit by unit: not linear in its weight, as all kinds of the package are."""

    prefix: ClassVar[str] = "wave"
    weighted: ClassVar[bool] = False

    def shape(self, given: Shape) -> Shape:
        return given

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        layer = fitting.layer(self, given[-1:], given)
        return Step(self, DrawnLayer(layer, 0.0, 0.0, start=2.0))

    def multiply(self, a: Array, weight: Any, convolution: Callable[..., Array]) -> Array:
        return jnp.sin(a * weight)

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return walk.layer(step.layer, a)

    def follow(self, step: Step, streams: Streams) -> None:
        streams.scale(step.layer)


X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def network() -> Network:
    return sequential((Dense(5), Wave(), Activate(Activation.TANH), Dense(2)), (3,), name="waves")


def test_it_is_named_drawn_and_computed() -> None:
    waves = network()
    params = waves.init(jax.random.key(0))
    assert list(params) == ["dense1", "dense1-wave", "output"]
    np.testing.assert_array_equal(params["dense1-wave"]["weight"], 2.0)
    z = np.sin(2 * X @ np.asarray(params["dense1"]["weight"]))
    np.testing.assert_allclose(
        waves.apply(params, X), np.tanh(z) @ params["output"]["weight"], rtol=1e-5, atol=1e-6
    )
    assert waves.features is not None
    np.testing.assert_allclose(waves.features(params, X)["dense1"], np.tanh(z), rtol=1e-5, atol=1e-6)


def test_its_units_are_permuted_with_those_of_the_layer_before() -> None:
    waves = network()
    params = jax.tree.map(
        lambda a: a + jnp.arange(a.size).reshape(a.shape) / 10, waves.init(jax.random.key(0))
    )
    (group,) = waves.unit_groups
    other = permute_units(params, group, jnp.array([3, 1, 4, 0, 2]))
    assert not np.allclose(other["dense1-wave"]["weight"], params["dense1-wave"]["weight"])
    np.testing.assert_allclose(waves.apply(other, X), waves.apply(params, X), rtol=1e-5, atol=1e-5)


def test_its_part_of_the_kernel_is_contracted_without_a_rule() -> None:
    waves = network()
    params = waves.init(jax.random.key(0))
    jacobian = Jacobian(waves, params, X, dtype=np.float64)
    ways = {part.name: type(part.contraction) for part in kernel_cost(jacobian).parts}
    assert ways["dense1-wave"] is TangentProduct
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), params)
        rows = jax.tree.leaves(
            jax.jit(jax.jacrev(lambda p: waves.apply(p, jnp.asarray(X, jnp.float64))))(exact)
        )
        j = np.concatenate([np.reshape(leaf, (8, -1)) for leaf in rows], axis=1)
    np.testing.assert_allclose(tangent_kernel(jacobian), j @ j.T, rtol=1e-10, atol=1e-10)


def test_what_needs_a_rule_says_so() -> None:
    waves = network()
    with pytest.raises(UserError, match=r"the kind Wave.*counterpart in PyTorch"):
        torch_layout(waves, waves.init(jax.random.key(0)))
    with pytest.raises(UserError, match=r"the kind Wave.*effective density"):
        effective_mask(waves, full_mask(waves))
