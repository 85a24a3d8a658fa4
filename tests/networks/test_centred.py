"""Centring: zero at θ₀, the same derivatives everywhere, and the explicit form that replicas use."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.networks import MLP, AllConv, Network, centred, centred_apply, pure_network

NETWORKS = {"mlp": MLP((5,)).build((3,), 2), "cnn": AllConv((3,)).build((4, 4, 1), 2)}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    return NETWORKS[request.param]


def test_it_is_zero_at_the_start_and_nowhere_else(network: Network) -> None:
    params0, params = network.init(jax.random.key(0)), network.init(jax.random.key(1))
    x = jax.random.normal(jax.random.key(2), (4, *network.input_shape))
    about = centred(network, params0)
    np.testing.assert_array_equal(about.apply(params0, x), np.zeros((4, 2)))
    np.testing.assert_allclose(about.apply(params, x), network.apply(params, x) - network.apply(params0, x))
    jax.tree.map(np.testing.assert_array_equal, about.init(jax.random.key(5)), params0)


def test_its_derivatives_are_the_networks_own(network: Network) -> None:
    params0, params = network.init(jax.random.key(0)), network.init(jax.random.key(1))
    x = jax.random.normal(jax.random.key(2), (4, *network.input_shape))
    about = centred(network, params0)
    for at in (params0, params):
        own, other = jax.jacrev(network.apply)(at, x), jax.jacrev(about.apply)(at, x)
        jax.tree.map(np.testing.assert_array_equal, own, other)


def test_taps_and_features_stay_those_of_the_network(network: Network) -> None:
    params0, params = network.init(jax.random.key(0)), network.init(jax.random.key(1))
    x = jax.random.normal(jax.random.key(2), (4, *network.input_shape))
    about = centred(network, params0)
    assert about.tapped is not None
    assert network.tapped is not None
    outputs, inputs = about.tapped(params, x, {})
    np.testing.assert_array_equal(outputs, about.apply(params, x))
    jax.tree.map(np.testing.assert_array_equal, inputs, network.tapped(params, x, {})[1])
    assert about.features is network.features
    assert about.layers == network.layers
    assert about.name == f"{network.name}, centred"


def test_replicas_can_each_have_their_own_start(network: Network) -> None:
    params0 = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 3))
    params = jax.tree.map(lambda leaf: leaf + 0.1, params0)
    x = jax.random.normal(jax.random.key(2), (4, *network.input_shape))
    together = jax.vmap(centred_apply(network), in_axes=(0, 0, None))(params, params0, x)
    for i in range(3):
        pick = lambda leaf, i=i: leaf[i]  # noqa: E731
        alone = centred(network, jax.tree.map(pick, params0)).apply(jax.tree.map(pick, params), x)
        np.testing.assert_allclose(together[i], alone, atol=1e-5)


def test_a_network_without_description_stays_without() -> None:
    plain = pure_network(
        lambda key: jnp.ones((3, 2)), lambda params, x: x @ params, input_shape=(3,), outputs=2
    )
    about = centred(plain, jnp.ones((3, 2)))
    assert about.tapped is None
    np.testing.assert_array_equal(about.apply(jnp.ones((3, 2)), jnp.ones((1, 3))), np.zeros((1, 2)))
