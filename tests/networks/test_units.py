"""Units: permuting them, rescaling them or flipping their signs leaves the function as it is, where the description says so."""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    Convolution,
    Dense,
    Features,
    Flatten,
    GlobalAverage,
    Network,
    Parameterisation,
    Params,
    Pool,
    Pooling,
    permute_units,
    rescale_units,
    sequential,
)


def convolutional(activation: Activation, pooling: Pooling, bias: bool = True) -> Network:
    """Every way in which one layer can read another: convolution, pool and flattened image, vector, global average."""
    act = Activate(activation)
    stages = (
        *(Convolution(4), act, Pool(pooling), Convolution(3, stride=2), act, Flatten(), Dense(5), act),
        Dense(2),
    )
    return sequential(stages, (6, 8, 2), name="test", bias=bias)


def all_convolutional() -> Network:
    stages = (Convolution(4), Activate(Activation.RELU), GlobalAverage(), Dense(3))
    return sequential(stages, (4, 4, 2), name="test")


NETWORKS = {
    "mlp": MLP((6, 5)).build((4,), 3),
    "ntk": MLP((6, 5), parameterisation=Parameterisation.NTK).build((4,), 3),
    "cnn": convolutional(Activation.RELU, Pooling.MAX),
    "unbiased": convolutional(Activation.RELU, Pooling.AVERAGE, bias=False),
    "averaged": all_convolutional(),
    "tanh": convolutional(Activation.TANH, Pooling.AVERAGE),
    "erf": MLP((6, 5), activation=Activation.ERF).build((4,), 3),
}


def inputs(network: Network) -> Array:
    return jnp.asarray(np.random.default_rng(7).standard_normal((3, *network.input_shape)), jnp.float32)


@cache
def drawn(name: str) -> Params:
    """Parameters of the network's shapes, without compiling its `init`."""
    draws = np.random.default_rng(0)
    shapes = jax.eval_shape(NETWORKS[name].init, jax.random.key(0))
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.5 * draws.standard_normal(leaf.shape), jnp.float32), shapes
    )


@cache
def compiled(name: str) -> Callable[[Params], tuple[Array, Features]]:
    """Outputs and features on fixed inputs, compiled once for all tests."""
    network, x = NETWORKS[name], inputs(NETWORKS[name])
    features = network.features
    assert features is not None
    return jax.jit(lambda params: (network.apply(params, x), features(params, x)))


def same_function(name: str, params: Params, other: Params) -> None:
    np.testing.assert_allclose(compiled(name)(params)[0], compiled(name)(other)[0], atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_taking_and_putting_back_changes_nothing(name: str) -> None:
    network, params = NETWORKS[name], drawn(name)
    for group in network.unit_groups:
        for part in (*group.incoming, *group.outgoing):
            assert part.take(params).shape[0] == group.units
            back = part.put(params, part.take(params))
            jax.tree.map(np.testing.assert_array_equal, back, params)


@pytest.mark.parametrize("name", NETWORKS)
def test_permuted_units_compute_the_same_function(name: str) -> None:
    network, params = NETWORKS[name], drawn(name)
    for i, group in enumerate(network.unit_groups):
        order = jnp.asarray(np.random.default_rng(i).permutation(group.units))
        permuted = permute_units(params, group, order)
        same_function(name, params, permuted)
        features, moved = network.features, inputs(network)
        assert features is not None
        np.testing.assert_allclose(
            features(permuted, moved)[group.layer],
            features(params, moved)[group.layer][..., order],
            atol=2e-5,
        )


@pytest.mark.parametrize("name", ["mlp", "ntk", "cnn", "unbiased", "averaged"])
def test_rescaled_relu_units_compute_the_same_function(name: str) -> None:
    network, params = NETWORKS[name], drawn(name)
    for i, group in enumerate(network.unit_groups):
        assert group.rescalable
        assert not group.flippable
        factors = jnp.asarray(np.exp(np.random.default_rng(i).standard_normal(group.units)), jnp.float32)
        same_function(name, params, rescale_units(params, group, factors))


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_flipped_odd_units_compute_the_same_function(name: str) -> None:
    network, params = NETWORKS[name], drawn(name)
    for i, group in enumerate(network.unit_groups):
        assert group.flippable
        assert not group.rescalable
        signs = jnp.asarray(np.random.default_rng(i).choice([-1.0, 1.0], group.units), jnp.float32)
        same_function(name, params, rescale_units(params, group, signs))


def test_a_maximum_on_the_way_forbids_flipping() -> None:
    network = convolutional(Activation.TANH, Pooling.MAX)
    assert [group.flippable for group in network.unit_groups] == [False, True, True]


def test_gelu_units_can_only_be_permuted() -> None:
    (group,) = MLP((3,), activation=Activation.GELU).build((2,), 1).unit_groups
    assert not group.rescalable
    assert not group.flippable


def test_groups_are_the_hidden_layers() -> None:
    network = NETWORKS["cnn"]
    assert [g.layer for g in network.unit_groups] == [layer.name for layer in network.layers[:-1]]
    assert [g.units for g in network.unit_groups] == [layer.units for layer in network.layers[:-1]]
    assert MLP(()).build((4,), 2).unit_groups == ()
