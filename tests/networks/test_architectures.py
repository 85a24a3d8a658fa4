"""Architectures: their published sizes, their names, what they refuse, and that they cost no import of JAX."""

import inspect
import math
import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import (
    MLP,
    NETWORKS,
    VGG,
    Activation,
    AllConv,
    Architecture,
    ConvNet,
    Convolution,
    Distribution,
    Family,
    Initialisation,
    LeNet5,
    LeNet300100,
    Normalisation,
    Parameterisation,
    Pool,
    Pooling,
    PreActResNet,
    Residual,
    ResNet,
    ResNet20,
    parameter_count,
)
from ticketlab.networks.layers import checked_shape

MNIST, CIFAR = (28, 28, 1), (32, 32, 3)


def weights(architecture: Architecture, shape: tuple[int, ...], kind: str = "") -> int:
    """The number of weights, biases not counted, in all layers whose name begins with `kind`."""
    params = jax.eval_shape(architecture.build(shape, 10).init, jax.random.key(0))
    return sum(leaves["weight"].size for name, leaves in params.items() if name.startswith(kind))


def parameters(architecture: Architecture, shape: tuple[int, ...]) -> int:
    return parameter_count(jax.eval_shape(architecture.build(shape, 10).init, jax.random.key(0)))


def test_lenet_300_100_is_the_published_size() -> None:
    assert parameters(LeNet300100(), MNIST) == 266_610
    assert parameters(LeNet300100(), MNIST) == parameters(MLP((300, 100)), MNIST)


def test_lenet5_is_the_published_size() -> None:
    assert parameters(LeNet5(), MNIST) == 61_706


def test_conv_nets_are_the_published_sizes() -> None:
    """Frankle & Carbin 2018, figure 2: all weights 4.3 M, 2.4 M and weights of convolutions 38 K, 260 K, 1.1 M.

    Its 1.7 M for all of Conv-6 is not what its own list of layers adds up to, as written out below.
    """
    assert [weights(ConvNet(d), CIFAR) for d in (2, 4, 6)] == [4_300_992, 2_425_024, 2_261_184]
    assert [weights(ConvNet(d), CIFAR, "conv") for d in (2, 4, 6)] == [38_592, 259_776, 1_144_512]
    assert weights(ConvNet(2, width=32), CIFAR) == 32 * 9 * (3 + 32) + 16 * 16 * 32 * 128 + 128 * 128 + 1280
    assert weights(ConvNet(6), CIFAR) == 1_144_512 + 4 * 4 * 256 * 256 + 256 * 256 + 256 * 10


def test_all_conv_has_no_dense_layer() -> None:
    network = AllConv((8, 16)).build(CIFAR, 10)
    assert {type(layer.stage) for layer in network.layers} == {Convolution}
    assert network.outputs == 10


def test_resnet_has_the_published_depth_and_weights() -> None:
    """He et al. 2015, table 6: 0.27 M for ResNet-20, to which the 1 × 1 shortcuts add 2 560 weights."""
    network = ResNet(blocks=3).build(CIFAR, 10)
    assert network.name == "ResNet-20 16–32–64, ReLU, standard parameterisation"
    layers = [layer for layer in network.layers if layer.stage.weighted]
    assert len(layers) == 20 + 2
    published = 27 * 16 + 9 * (6 * 16**2 + 16 * 32 + 5 * 32**2 + 32 * 64 + 5 * 64**2) + 64 * 10
    assert round(published, -4) == 270_000
    assert sum(math.prod(layer.weight_shape) for layer in layers) == published + 16 * 32 + 32 * 64
    assert [layer.output_shape[0] for layer in layers] == [32] * 7 + [16] * 7 + [8] * 7 + [10]


def test_an_empty_resnet_is_refused() -> None:
    for impossible in ({"channels": ()}, {"blocks": 0}):
        with pytest.raises(UserError, match="at least one of each"):
            ResNet(**impossible)


def test_names_say_what_differs() -> None:
    assert MLP().build((64,), 10).name == "MLP 64–512–512–10, ReLU, standard parameterisation"
    assert MLP((8,), activation=Activation.GELU).describe() == "MLP 8, GELU, standard parameterisation"
    assert MLP(()).build((8, 8, 1), 10).name == "linear model 64–10, standard parameterisation"
    assert (
        ConvNet(4, 32, parameterisation=Parameterisation.NTK).describe()
        == "Conv-4 of width 32, ReLU, NTK parameterisation"
    )
    assert LeNet300100().describe() == "LeNet-300-100, ReLU, standard parameterisation"
    drawn = MLP(
        (8,), bias=False, initialisation=Initialisation(Family.LECUN, Distribution.UNIFORM)
    ).describe()
    assert drawn == "MLP 8, ReLU, standard parameterisation, LeCun uniform initialisation, no biases"


def test_choices_are_values() -> None:
    assert MLP((8, 8)) == MLP((8, 8))
    assert hash(MLP((8, 8))) == hash(MLP((8, 8)))
    assert MLP((8, 8)) != MLP((8, 9))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_registered_network_is_built_by_default(name: str) -> None:
    network = NETWORKS[name]().build(MNIST, 10)
    params = jax.eval_shape(network.init, jax.random.key(0))
    x = jax.ShapeDtypeStruct((3, *MNIST), "float32")
    assert jax.eval_shape(network.apply, params, x).shape == (3, 10)
    assert list(params) == [layer.name for layer in network.layers]
    assert network.layers[-1].name == "output"


@pytest.mark.parametrize("widths", [(0,), (8, -1)])
def test_impossible_widths_are_refused_at_once(widths: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="units in a dense layer"):
        MLP(widths)


def test_impossible_channels_are_refused_at_once() -> None:
    with pytest.raises(UserError, match="channels"):
        AllConv((8, 0))


def test_no_outputs_are_refused() -> None:
    with pytest.raises(UserError, match="0 units"):
        MLP().build((4,), 0)


def test_images_too_small_for_the_pools_are_refused() -> None:
    with pytest.raises(UserError, match=r"4 × 4 pixels.*larger images"):
        LeNet5().build((8, 8, 1), 10)
    with pytest.raises(UserError, match="1 × 1 pixels before a 2 × 2 pool"):
        ConvNet(6).build((4, 4, 1), 10)


def test_convolutional_networks_refuse_vectors() -> None:
    with pytest.raises(UserError, match=r"\(64,\).*images.*MLP"):
        ConvNet(2).build((64,), 10)


def test_an_empty_axis_is_refused() -> None:
    with pytest.raises(UserError, match="at least one entry"):
        MLP().build((0,), 10)


def test_choosing_costs_no_import_of_jax() -> None:
    """In a process of its own, since this one has imported everything."""
    code = (
        "import sys; from ticketlab.networks import MLP, NETWORKS, Initialisation; MLP((3,)).describe(); "
        "print([m for m in ('jax', 'numpy', 'jaxtyping') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_resnet_20_is_a_resnet_of_three_blocks() -> None:
    network = ResNet20()
    assert network.stages(10) == ResNet(blocks=3, normalisation=Normalisation.BATCH).stages(10)
    assert weights(network, CIFAR) == weights(ResNet(blocks=3), CIFAR)
    layers = network.build(CIFAR, 10).layers
    assert len([layer for layer in layers if layer.stage.of_batch]) == 19
    assert network.describe() == "ResNet-20, normalised over the batch, ReLU, standard parameterisation"
    assert (
        ResNet20(8, Normalisation.CHANNELS)
        .describe()
        .startswith("ResNet-20 8–16–32, normalised over channels")
    )


def test_vgg_16_is_the_published_size() -> None:
    """Thirteen convolutions of 14.71 million weights (Simonyan & Zisserman 2014, table 1, D), and one dense layer."""
    pairs = [
        (3, 64),
        (64, 64),
        (64, 128),
        (128, 128),
        (128, 256),
        *[(256, 256)] * 2,
        (256, 512),
        *[(512, 512)] * 5,
    ]
    scales = sum(units for _, units in pairs)  # which are called weights too
    assert weights(VGG(), CIFAR, "conv") - scales == sum(9 * a * b for a, b in pairs)
    assert sum(9 * a * b for a, b in pairs) == 14_710_464
    assert weights(VGG(), CIFAR, "output") == 5_120
    depths = {d: VGG(d, 8).build(CIFAR, 10) for d in (11, 13, 16, 19)}
    # Without the two dense layers that CIFAR does not need.
    assert {d: sum(layer.stage.weighted for layer in n.layers) for d, n in depths.items()} == {
        d: d - 2 for d in depths
    }
    with pytest.raises(UserError, match=r"1 × 1 pixels before a 2 × 2 pool"):
        VGG().build((8, 8, 1), 10)


def test_average_pools_take_the_place_of_maximum_pools_and_nothing_else_changes() -> None:
    for architecture in (ConvNet(4, 8), VGG(11, 8, Normalisation.CHANNELS), LeNet5()):
        average = replace(architecture, pooling=Pooling.AVERAGE)
        changed = [
            replace(stage, pooling=Pooling.MAX) if isinstance(stage, Pool) else stage
            for stage in average.stages(10)
        ]
        assert tuple(changed) == architecture.stages(10)
        assert "average pools" in average.describe()
        assert "average pools" not in architecture.describe()


def test_a_pre_activation_network_sums_what_convolutions_return() -> None:
    architecture = PreActResNet((8, 16), blocks=2, normalisation=None)
    sums = [stage for stage in architecture.stages(10) if isinstance(stage, Residual)]
    assert [type(stage).__name__ for stage in sums[2].stages] == ["Activate", "Convolution"] * 2
    assert [stage.stages[1].stride for stage in sums] == [1, 1, 2, 1]
    assert architecture.label(None, None) == "PreActResNet-10 8–16, not normalised"
    assert weights(PreActResNet(), CIFAR) == weights(ResNet(), CIFAR)
    with pytest.raises(UserError, match="at least one of each"):
        PreActResNet(())


def test_sizes_may_be_numbers_of_numpy() -> None:
    """As `labels.max() + 1` and the values of a search are."""
    for widths in (np.array([6, 5]), [np.int64(6), 5]):
        built = object.__new__(MLP)
        MLP.__init__.__wrapped__(built, widths=widths)
        assert built == MLP((6, 5))
        assert type(built.widths[0]) is int
    build = inspect.unwrap(MLP.build)
    assert build(MLP((6,)), np.array([4]), np.int64(3)) is MLP((6,)).build((4,), 3)


def test_one_number_is_no_list_of_sizes() -> None:
    with pytest.raises(UserError, match=r"widths=16; expected several whole numbers"):
        MLP.__init__.__wrapped__(object.__new__(MLP), widths=16)
    for shape in (64, (8.0,), "64"):
        with pytest.raises(UserError, match="input_shape="):
            checked_shape(shape)
    with pytest.raises(UserError, match=r"shape \(\)"):
        MLP((4,)).build((), 2)


def test_a_choice_that_is_not_built_says_so() -> None:
    with pytest.raises(AttributeError, match=r"choice\.build\(input_shape, outputs\) is the network"):
        _ = MLP((4,)).steps
    assert not hasattr(MLP((4,)), "apply")
