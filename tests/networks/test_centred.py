"""Centring: zero at θ₀, the same derivatives everywhere, and the explicit form that replicas use."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from ticketlab.networks import MLP, AllConv, Network, Params, centred, centred_apply, pure_network

NETWORKS = {"mlp": MLP((5,)).build((3,), 2), "cnn": AllConv((3,)).build((4, 4, 1), 2)}


@dataclass(frozen=True)
class Case:
    network: Network
    params0: Params
    params: Params
    x: Array


@pytest.fixture(params=NETWORKS, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    network = NETWORKS[request.param]
    params0 = network.init(jax.random.key(0))
    params = jax.tree.map(lambda leaf: 1.5 * leaf + 0.1, params0)
    return Case(
        network,
        params0,
        params,
        jax.device_put(
            np.random.default_rng(2).standard_normal((4, *network.input_shape)).astype(np.float32)
        ),
    )


def test_it_is_zero_at_the_start_and_nowhere_else(case: Case) -> None:
    network, about = case.network, centred(case.network, case.params0)
    np.testing.assert_array_equal(about.apply(case.params0, case.x), np.zeros((4, 2)))
    expected = network.apply(case.params, case.x) - network.apply(case.params0, case.x)
    np.testing.assert_allclose(about.apply(case.params, case.x), expected, atol=1e-6)
    assert np.abs(expected).min() > 1e-4
    jax.tree.map(np.testing.assert_array_equal, about.init(jax.random.key(5)), case.params0)


def test_its_derivatives_are_the_networks_own(case: Case) -> None:
    about = centred(case.network, case.params0)
    own, other = (jax.jit(jax.jacrev(network.apply)) for network in (case.network, about))
    for at in (case.params0, case.params):
        jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), own(at, case.x), other(at, case.x))


def test_taps_and_features_stay_those_of_the_network(case: Case) -> None:
    network, about = case.network, centred(case.network, case.params0)
    assert about.tapped is not None
    assert network.tapped is not None
    outputs, inputs = about.tapped(case.params, case.x, {})
    # Not to the bit: this pass has a convolution of its own, which sums in another order.
    np.testing.assert_allclose(outputs, about.apply(case.params, case.x), atol=1e-5)
    assert about.corrected is not None
    corrected = about.corrected(case.params, case.x, lambda layer, z: z)
    np.testing.assert_allclose(corrected, about.apply(case.params, case.x), atol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, inputs, network.tapped(case.params, case.x, {})[1])
    assert about.features is network.features
    assert about.layers == network.layers
    assert about.unit_groups == network.unit_groups
    assert about.name == f"{network.name}, centred"


def test_replicas_can_each_have_their_own_start(case: Case) -> None:
    factors = jnp.array([1.0, 0.5, -2.0])
    starts = jax.tree.map(lambda leaf: jnp.tensordot(factors, leaf, axes=0), case.params0)
    together = jax.jit(jax.vmap(centred_apply(case.network), in_axes=(None, 0, None)))(
        case.params, starts, case.x
    )
    centred_at = jax.jit(lambda start: centred(case.network, start).apply(case.params, case.x))
    for i, factor in enumerate(factors):
        start = jax.tree.map(lambda leaf, factor=factor: factor * leaf, case.params0)
        np.testing.assert_allclose(together[i], centred_at(start), atol=1e-5)


def test_a_network_without_description_stays_without() -> None:
    plain = pure_network(
        lambda key: jnp.ones((3, 2)), lambda params, x: x @ params, input_shape=(3,), outputs=2
    )
    about = centred(plain, jnp.ones((3, 2)))
    assert about.tapped is None
    np.testing.assert_array_equal(about.apply(jnp.ones((3, 2)), jnp.ones((1, 3))), np.zeros((1, 2)))
