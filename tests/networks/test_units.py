"""Units: permuting them, rescaling them or flipping their signs leaves the function as it is, where the description says so."""

from collections.abc import Callable
from functools import cache

import jax
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
    Normalise,
    Parameterisation,
    Params,
    Pool,
    Pooling,
    Repeat,
    Residual,
    ResNet,
    permute_units,
    rescale_units,
    sequential,
)
from ticketlab.networks.sequence_architectures import GRUNet, LSTMNet


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


def summed(activation: Activation) -> Network:
    """Sums with and without a shortcut, flattened in the middle, and layers that are repeated; no normalisation."""
    act = Activate(activation)
    stages = (
        *(Convolution(4), act, Residual((Convolution(3), act, Convolution(4))), act),
        *(Residual((Convolution(5, stride=2), act)), Repeat((Convolution(5), act), 2), Flatten()),
        *(Dense(6), act, Residual((Dense(4), act, Dense(6))), Repeat((act,), 2), Dense(2)),
    )
    return sequential(stages, (4, 4, 2), name="test")


def normalised_when_flat() -> Network:
    stages = (Convolution(3), Activate(Activation.RELU), Flatten(), Normalise(), Dense(2))
    return sequential(stages, (2, 3, 1), name="test")


NETWORKS = {
    "mlp": MLP((6, 5)).build((4,), 3),
    "ntk": MLP((6, 5), parameterisation=Parameterisation.NTK).build((4,), 3),
    "cnn": convolutional(Activation.RELU, Pooling.MAX),
    "unbiased": convolutional(Activation.RELU, Pooling.AVERAGE, bias=False),
    "averaged": all_convolutional(),
    "tanh": convolutional(Activation.TANH, Pooling.AVERAGE),
    "resnet": ResNet((3, 4), blocks=2).build((4, 4, 2), 2),
    "summed": summed(Activation.RELU),
    "summed tanh": summed(Activation.TANH),
    "flat norm": normalised_when_flat(),
    "erf": MLP((6, 5), activation=Activation.ERF).build((4,), 3),
    "sign": MLP((6, 5), activation=Activation.SIGN).build((4,), 3),
    "summed sign": summed(Activation.SIGN),
    "gru": GRUNet((4, 3)).build((4, 2), 2),
    "lstm": LSTMNet((4, 3)).build((4, 2), 2),
}


def inputs(network: Network) -> Array:
    return jax.device_put(
        np.random.default_rng(7).standard_normal((3, *network.input_shape)).astype(np.float32)
    )


@cache
def drawn(name: str) -> Params:
    """Parameters of the network's shapes, without compiling its `init`."""
    draws = np.random.default_rng(0)
    shapes = jax.eval_shape(NETWORKS[name].init, jax.random.key(0))
    return jax.tree.map(
        lambda leaf: jax.device_put((0.5 * draws.standard_normal(leaf.shape)).astype(np.float32)), shapes
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
    parts = [(g.units, part) for g in network.unit_groups for part in (*g.incoming, *g.outgoing)]
    taken = jax.jit(lambda params: [part.take(params) for _, part in parts])(params)
    assert [len(array) for array in taken] == [units for units, _ in parts]
    put = jax.jit(lambda params, taken: [p.put(params, a) for (_, p), a in zip(parts, taken, strict=True)])
    for back in put(params, taken):
        jax.tree.map(np.testing.assert_array_equal, back, params)


@pytest.mark.parametrize("name", NETWORKS)
def test_permuted_units_compute_the_same_function(name: str) -> None:
    network, params = NETWORKS[name], drawn(name)
    for i, group in enumerate(network.unit_groups):
        order = np.random.default_rng(i).permutation(group.units)
        permuted = permute_units(params, group, order)
        same_function(name, params, permuted)
        (_, moved), (_, features) = compiled(name)(permuted), compiled(name)(params)
        expected = np.asarray(features[group.layer])[..., order]
        np.testing.assert_allclose(moved[group.layer], expected, atol=2e-5)


@pytest.mark.parametrize("name", ["mlp", "ntk", "cnn", "unbiased", "averaged", "summed"])
def test_rescaled_relu_units_compute_the_same_function(name: str) -> None:
    network, params = NETWORKS[name], drawn(name)
    for i, group in enumerate(network.unit_groups):
        assert group.rescalable
        assert not group.flippable
        factors = np.exp(np.random.default_rng(i).standard_normal(group.units)).astype(np.float32)
        same_function(name, params, rescale_units(params, group, factors))


@pytest.mark.parametrize("name", ["tanh", "erf", "summed tanh", "sign", "summed sign", "gru", "lstm"])
def test_flipped_odd_units_compute_the_same_function(name: str) -> None:
    network, params = NETWORKS[name], drawn(name)
    for i, group in enumerate(network.unit_groups):
        assert group.flippable
        assert not group.rescalable
        signs = np.random.default_rng(i).choice([-1.0, 1.0], group.units).astype(np.float32)
        same_function(name, params, rescale_units(params, group, signs))


@pytest.mark.parametrize("name", ["sign", "summed sign"])
def test_what_only_signs_read_has_a_factor_of_its_own(name: str) -> None:
    network, params = NETWORKS[name], drawn(name)
    sets = [(group.units, axes) for group in network.unit_groups for axes in group.scaleless]
    assert len({axis.layer for _, axes in sets for axis in axes}) >= 2
    for i, (units, axes) in enumerate(sets):
        factors = np.exp(np.random.default_rng(i).standard_normal(units)).astype(np.float32)
        other = params
        for axis in axes:
            other = axis.put(other, axis.take(other) * axis.per_entry(factors))
        same_function(name, params, other)


def test_what_something_else_reads_too_has_no_factor() -> None:
    """A sum that passes the signs by, and a layer that reads the units before them."""
    sign = Activate(Activation.SIGN)
    by = sequential((Dense(4), Residual((sign,)), Dense(2)), (3,), name="sign and its argument")
    before = sequential((Dense(4), Residual((Dense(4),)), sign, Dense(2)), (3,), name="read before the sign")
    inside = sequential((Dense(4), Residual((sign, Dense(4), sign)), Dense(2)), (3,), name="inside")
    found = [
        [axis.layer for axes in group.scaleless for axis in axes if axis.leaf == "weight"]
        for network in (by, before, inside)
        for group in network.unit_groups
    ]
    assert found == [[], [], ["dense2"]]


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


def test_summed_layers_are_one_group_with_the_units_of_all_of_them() -> None:
    groups = {group.layer: group for group in ResNet((3, 4)).build((4, 4, 1), 2).unit_groups}
    assert list(groups) == ["conv1", "conv2", "conv4", "conv5"]
    assert {part.layer for part in groups["conv1"].incoming} == {"conv1", "conv1-norm", "conv3", "conv3-norm"}
    assert {part.layer for part in groups["conv1"].outgoing} == {"conv2", "conv4", "conv6"}
    assert {part.layer for part in groups["conv5"].incoming} == {"conv5", "conv5-norm", "conv6"}
    assert {part.layer for part in groups["conv5"].outgoing} == {"output"}
    assert not any(group.rescalable or group.flippable for group in groups.values())


def test_units_that_are_tied_to_inputs_or_outputs_stay_where_they_are() -> None:
    act = Activate(Activation.RELU)
    tied = sequential((Residual((Dense(3), act)), Dense(4), act, Residual((Dense(2),))), (3,), name="test")
    assert [group.layer for group in tied.unit_groups] == ["dense2"]  # dense1 is added to the input
    flat = sequential((Convolution(2), Flatten(), Residual((Dense(8),)), Dense(2)), (2, 2, 1), name="test")
    assert flat.unit_groups == ()  # one channel is tied to four units, each another number of times
