"""Stages fitted to shapes: the names of layers, the read-out, and the description of a repeated layer."""

import jax
import jax.numpy as jnp
from network_cases import CASES

from ticketlab.networks import MLP


def test_names_stay_in_order_of_depth_when_sorted() -> None:
    network = MLP((2,) * 12).build((2,), 2)
    names = [layer.name for layer in network.layers]
    assert names == sorted(names)
    assert names[0] == "dense01"
    assert network.features is not None
    params = jax.eval_shape(network.init, jax.random.key(0))
    assert list(jax.eval_shape(network.features, params, jnp.ones((1, 2)))) == names[:-1]


def test_layers_of_sums_and_repetitions_are_named_in_order_of_depth() -> None:
    for name, expected in {
        "resnet": "conv1 conv1-norm conv2 conv2-norm conv3 conv3-norm conv4 conv4-norm conv5 conv5-norm conv6 output",
        "nested": "dense1 dense1-norm dense2 dense3 dense4 dense5 output output-norm",
        "shared": "before-norm conv1 conv2 conv2-norm conv3 conv4 output",
    }.items():
        names = [layer.name for layer in CASES[name][0].layers]
        assert names == expected.split() == sorted(names)


def test_only_a_dense_last_stage_is_the_readout() -> None:
    flags = {name: [layer.readout for layer in network.layers] for name, (network, _) in CASES.items()}
    assert not any(flag for f in flags.values() for flag in f[:-1])
    assert {name for name, f in flags.items() if not f[-1]} == {"all-conv ntk", "nested"}


def test_a_shared_layer_has_its_applications_first() -> None:
    network = CASES["shared"][0]
    shapes = {layer.name: layer.output_shape for layer in network.layers}
    assert shapes["conv1"] == (5, 6, 3)
    assert shapes["conv2"] == shapes["conv2-norm"] == (2, 5, 6, 3)
