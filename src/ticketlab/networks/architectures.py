"""The networks to choose from: frozen records that a plan, a command line or a file can hold.

A choice does not know its data. `build(input_shape, outputs)` fits it to them and returns a `Network`. Until then
nothing is computed and JAX is not imported. Every architecture has an activation function, optional biases, a
parameterisation and an initialisation. It lists its stages as a tuple.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from ticketlab.errors import UserError
from ticketlab.networks.initialisation import GLOROT_NORMAL, HE_NORMAL, Initialisation, Parameterisation
from ticketlab.networks.layers import Parametrised
from ticketlab.networks.stages import (
    Activate,
    Activation,
    Convolution,
    Dense,
    FeedForward,
    Flatten,
    GlobalAverage,
    Normalisation,
    Normalise,
    Pool,
    Pooling,
    Residual,
    Shape,
    Stage,
)

if TYPE_CHECKING:
    from ticketlab.networks.network import Network

__all__ = [
    "MLP",
    "VGG",
    "AllConv",
    "Architecture",
    "ConvNet",
    "LeNet5",
    "LeNet300100",
    "PreActResNet",
    "ResNet",
    "ResNet20",
    "StagedArchitecture",
    "Widened",
]

_ACTIVATION_TITLES = {
    Activation.RELU: "ReLU",
    Activation.TANH: "tanh",
    Activation.GELU: "GELU",
    Activation.ERF: "erf",
    Activation.SIGN: "sign",
}
_PARAMETERISATION_TITLES = {
    Parameterisation.STANDARD: "standard",
    Parameterisation.NTK: "NTK",
    Parameterisation.MUP: "μP",
}


MOST_BLOCKS = 1000  # in a group; the deepest of He et al. has 200


@dataclass(frozen=True)
class Architecture(ABC):
    """A choice of network, which is fitted to data when it is built."""

    @property
    def described(self) -> bool:
        """Whether the networks have a description of their layers and units."""
        return True

    @abstractmethod
    def describe(self, input_shape: Shape | None = None, outputs: int | None = None) -> str:
        """A short name, with the sizes that are given."""

    @abstractmethod
    def build(self, input_shape: Shape, outputs: int) -> Network:
        """The network for data of this shape: the same object for equal choices, so that its programs are compiled once.

        Arguments:
            input_shape: the shape of one example: any for an MLP, (height, width, channels) for a convolutional
                network.
            outputs: k, the number of classes or targets.

        Raises:
            UserError: if the architecture cannot take such data.
        """

    def staged(self) -> StagedArchitecture:
        """The architecture itself, with the options of stages; UserError for a network that is not made of stages."""
        raise self._not_described("its stages")

    @property
    def activation(self) -> Activation:
        """The activation function of all hidden layers; UserError for a network that is not made of stages."""
        raise self._not_described("its activation function")

    @property
    def parameterisation(self) -> Parameterisation:
        """Where the constants of the initialisation are; UserError for a network that is not made of stages."""
        raise self._not_described("its parameterisation")

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        """The network from input to output; UserError for a network that is not made of stages."""
        raise self._not_described("its stages")

    def widened(self, share: float) -> Architecture:
        """The same architecture with the units of every hidden layer multiplied; UserError for a network without widths."""
        raise self._not_described("the widths of its layers")

    def _not_described(self, what: str) -> UserError:
        return UserError(
            f"{self.describe()}, a model of your own, where {what} must be known",
            "a network of the zoo, such as mlp or conv",
        )


@dataclass(frozen=True, kw_only=True)
class StagedArchitecture(Architecture):
    """The options of every network that is made of stages.

    Arguments:
        activation: after every layer except the last.
        bias: whether the layers have biases.
        parameterisation: standard, ntk (constants multiply parameters of order one) or mup (features are learnt at
            every width).
        initialisation: the distribution of the effective weights and biases.

    Raises:
        UserError: for an unknown name or an impossible size.
    """

    activation: Activation = Activation.RELU
    bias: bool = True
    parameterisation: Parameterisation = Parameterisation.STANDARD
    initialisation: Initialisation = HE_NORMAL

    def __post_init__(self) -> None:
        for field_ in fields(self):  # a list is as good as a tuple, but has no hash
            if isinstance(value := getattr(self, field_.name), list):
                object.__setattr__(self, field_.name, tuple(value))
        object.__setattr__(self, "activation", Activation(self.activation))
        object.__setattr__(self, "parameterisation", Parameterisation(self.parameterisation))
        if not isinstance(self.initialisation, Initialisation):
            raise UserError(f"{self.initialisation!r} as initialisation", "an Initialisation")
        self.stages(outputs=1)  # refuses an impossible size where it was written

    @abstractmethod
    def stages(self, outputs: int) -> tuple[Stage, ...]:
        """The network from input to output."""

    def staged(self) -> StagedArchitecture:
        return self

    def widened(self, share: float) -> StagedArchitecture:
        """The same architecture with the units of every hidden layer multiplied by `share`, at least one in each."""
        return Widened(
            activation=self.activation,
            bias=self.bias,
            parameterisation=self.parameterisation,
            initialisation=self.initialisation,
            base=self,
            share=share,
        )

    @abstractmethod
    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        """The architecture's own name, with its sizes."""

    def describe(self, input_shape: Shape | None = None, outputs: int | None = None) -> str:
        """A short name: "MLP 64–512–512–10, ReLU, standard parameterisation"; leaves out sizes that are not given."""
        stages = self.stages(outputs or 1)
        parts = [self.label(input_shape, outputs)]
        if _activated(stages):
            parts.append(_ACTIVATION_TITLES[self.activation])
        parts.append(f"{_PARAMETERISATION_TITLES[self.parameterisation]} parameterisation")
        usual = next(f.default for f in fields(self) if f.name == "initialisation")
        if self.initialisation != usual:
            parts.append(f"{self.initialisation.describe()} initialisation")
        if not self.bias:
            parts.append("no biases")
        return ", ".join(parts)

    def build(self, input_shape: Shape, outputs: int) -> Network:
        return _built(self, tuple(input_shape), outputs)


@lru_cache(maxsize=256)
def _built(architecture: StagedArchitecture, input_shape: Shape, outputs: int) -> Network:
    from ticketlab.networks.sequential import sequential

    return sequential(
        architecture.stages(outputs),
        input_shape,
        name=architecture.describe(input_shape, outputs),
        bias=architecture.bias,
        parameterisation=architecture.parameterisation,
        initialisation=architecture.initialisation,
    )


@dataclass(frozen=True)
class MLP(StagedArchitecture):
    """A multilayer perceptron on the flattened input.

    Arguments:
        widths: units of each hidden layer; an empty tuple gives a linear model.
        normalisation: before each activation; "channels" normalises over the units of a layer.
    """

    widths: tuple[int, ...] = (512, 512)
    normalisation: Normalisation | None = None

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        before = _before(self.normalisation)
        hidden = [s for width in self.widths for s in (Dense(width), *before, Activate(self.activation))]
        return (Flatten(), *hidden, Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        sizes = [] if input_shape is None else [math.prod(input_shape)]
        sizes += self.widths
        sizes += [] if outputs is None else [outputs]
        kind = "MLP" if self.widths else "linear model"
        return f"{kind} {'–'.join(map(str, sizes))}".strip() + _normalised(self.normalisation)


@dataclass(frozen=True)
class LeNet300100(StagedArchitecture):
    """LeNet-300-100, the perceptron of the lottery-ticket papers: 266 610 parameters on MNIST.

    Glorot normal initialisation, as in Frankle & Carbin 2018, arXiv 1803.03635, figure 2. Sizes from LeCun et al. 1998,
    "Gradient-based learning applied to document recognition", section III.C.
    """

    initialisation: Initialisation = field(default=GLOROT_NORMAL, kw_only=True)

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        one, two = Activate(self.activation), Activate(self.activation)
        return (Flatten(), Dense(300), one, Dense(100), two, Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return "LeNet-300-100"


@dataclass(frozen=True)
class LeNet5(StagedArchitecture):
    """LeNet-5: two 5 × 5 convolutions (6 and 16 channels), each pooled by 2, then dense layers of 120 and 84 units.

    The first convolution is padded, so 28 × 28 pixels are enough (the paper pads the images to 32 × 32). On MNIST it
    has 61 706 parameters. This is today's variant: every map of the first layer feeds the second, pools have no
    weights, and the read-out is linear. `activation=tanh, pooling=average` is closest to the paper.

    Arguments:
        pooling: max or average.

    Source: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", section II.B.
    """

    pooling: Pooling = Pooling.MAX

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        act, pool = Activate(self.activation), Pool(Pooling(self.pooling), 2)
        convolutions = (Convolution(6, 5), act, pool, Convolution(16, 5, padding="VALID"), act, pool)
        return (*convolutions, Flatten(), Dense(120), act, Dense(84), act, Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return "LeNet-5" if self.pooling == Pooling.MAX else "LeNet-5 with average pools"


@dataclass(frozen=True)
class ConvNet(StagedArchitecture):
    """Conv-2, Conv-4 and Conv-6 of the lottery-ticket paper: smaller VGG networks for CIFAR-10.

    Pairs of 3 × 3 convolutions with w, 2w, 4w channels, each pair followed by a 2 × 2 maximum pool; then dense layers
    of 4w and 4w units. Glorot normal initialisation. With w = 64 there are 4.3, 2.4 and 2.3 million weights on
    CIFAR-10. (The paper prints 1.7 million for Conv-6, but its list of layers adds up to 2.3 million.)

    With sign activations the pool comes first, because a maximum of signs would lose most of the information:
    convolution, pool, normalisation, sign (Diffenderfer & Kailkhura 2021, arXiv 2103.09377, section 3).

    Arguments:
        depth: the number of convolutions: 2, 4 or 6.
        width: w, channels of the first pair.
        normalisation: before each activation.
        pooling: max as in the paper, or average, which has a limit of infinite width.

    Source: Frankle & Carbin 2018, arXiv 1803.03635, figure 2.
    """

    depth: Literal[2, 4, 6] = 2
    width: int = 64
    normalisation: Normalisation | None = None
    pooling: Pooling = Pooling.MAX
    initialisation: Initialisation = field(default=GLOROT_NORMAL, kw_only=True)

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        if self.depth not in (2, 4, 6):
            raise UserError(f"a ConvNet of depth {self.depth!r}", "2, 4 or 6")
        act = (*_before(self.normalisation), Activate(self.activation))
        pool = (Pool(Pooling(self.pooling), 2),)
        ending = (*pool, *act) if self.activation is Activation.SIGN else (*act, *pool)
        w = self.width
        pairs = [
            (Convolution(c), *act, Convolution(c), *ending) for c in (w, 2 * w, 4 * w)[: self.depth // 2]
        ]
        convolutions = [stage for pair in pairs for stage in pair]
        return (*convolutions, Flatten(), Dense(4 * w), *act, Dense(4 * w), *act, Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return (
            f"Conv-{self.depth}{_width(self.width)}{_normalised(self.normalisation)}{_pooled(self.pooling)}"
        )


@dataclass(frozen=True)
class AllConv(StagedArchitecture):
    """A small all-convolutional network: one global pool at the end, no dense layer.

    For each entry of `channels`: a 3 × 3 convolution, and another of stride 2 in place of a pool. Then a 1 × 1 convolution
    to the outputs, and the mean over all pixels. Unlike in the paper, the last layer has no activation function, so that
    outputs can be negative.

    Arguments:
        channels: channels of each block; each block halves the image.

    Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2014, arXiv 1412.6806, table 1 (All-CNN-C).
    """

    channels: tuple[int, ...] = (32, 64)

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        act = Activate(self.activation)
        blocks = [(Convolution(c), act, Convolution(c, stride=2), act) for c in self.channels]
        return (
            *(stage for block in blocks for stage in block),
            Convolution(outputs, window=1),
            GlobalAverage(),
        )

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return f"AllConv {'–'.join(map(str, self.channels))}".strip()


@dataclass(frozen=True)
class ResNet(StagedArchitecture):
    """A small residual network, as for CIFAR: 2 · blocks · len(channels) + 2 layers, by default ResNet-8.

    A 3 × 3 convolution, then for each entry of `channels` a group of residual sums of two 3 × 3 convolutions. Every
    group except the first begins with stride 2, and its shortcut there is a 1 × 1 convolution. Then the mean over all
    pixels and a dense layer. By default, normalisation is over the channels of each pixel, not over the batch as in the
    paper. The network is then a function of each example alone.

    Arguments:
        channels: channels of each group; the image is halved between groups.
        blocks: residual sums in each group.
        normalisation: over channels or over the batch.

    Source: He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 4.2.
    """

    channels: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1
    normalisation: Normalisation = Normalisation.CHANNELS

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        _check_groups(self.channels, self.blocks)
        act, norm = Activate(self.activation), Normalise(self.normalisation)

        def block(units: int, stride: int) -> tuple[Stage, ...]:
            body = (Convolution(units, stride=stride), norm, act, Convolution(units), norm)
            return Residual(body), act

        strides = _strides(self.channels, self.blocks)
        blocks = [stage for units, stride in strides for stage in block(units, stride)]
        return (Convolution(self.channels[0]), norm, act, *blocks, GlobalAverage(), Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        depth = 2 * self.blocks * len(self.channels) + 2
        of_batch = self.normalisation == Normalisation.BATCH
        return f"ResNet-{depth} {'–'.join(map(str, self.channels))}{_normalised(self.normalisation) if of_batch else ''}"


@dataclass(frozen=True)
class ResNet20(StagedArchitecture):
    """ResNet-20 for CIFAR: three groups of three residual sums, with normalisation over the batch as in the paper.

    The same as `ResNet` with channels w, 2w, 4w and three blocks; shortcuts between groups are 1 × 1 convolutions.

    Arguments:
        width: w, channels of the first group.
        normalisation: over the batch or over channels.

    Source: He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 4.2.
    """

    width: int = 16
    normalisation: Normalisation = Normalisation.BATCH

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        channels = (self.width, 2 * self.width, 4 * self.width)
        return ResNet(channels, 3, self.normalisation, activation=self.activation).stages(outputs)

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        usual = "" if self.width == 16 else f" {'–'.join(str(c * self.width) for c in (1, 2, 4))}"
        return f"ResNet-20{usual}{_normalised(self.normalisation)}"


@dataclass(frozen=True)
class PreActResNet(StagedArchitecture):
    """A residual network whose sums are linear: normalisation and activation come before each convolution, inside the sum.

    A 3 × 3 convolution, then groups as in `ResNet`, whose bodies are normalisation, activation, convolution, twice. Then a
    normalisation, an activation, the mean over all pixels and a dense layer. The sums of a very wide network are Gaussian, so
    unlike `ResNet` it has a limit of infinite width.

    Arguments:
        channels: channels of each group; the image is halved between groups.
        blocks: residual sums in each group.
        normalisation: over channels or over the batch; None for none.

    Source: He, Zhang, Ren, Sun 2016, arXiv 1603.05027, figure 1(b).
    """

    channels: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1
    normalisation: Normalisation | None = Normalisation.CHANNELS

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        _check_groups(self.channels, self.blocks)
        act = (*_before(self.normalisation), Activate(self.activation))
        blocks = [
            Residual((*act, Convolution(units, stride=stride), *act, Convolution(units)))
            for units, stride in _strides(self.channels, self.blocks)
        ]
        return (Convolution(self.channels[0]), *blocks, *act, GlobalAverage(), Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        depth = 2 * self.blocks * len(self.channels) + 2
        usual = self.normalisation == Normalisation.CHANNELS
        normalised = _normalised(self.normalisation) if self.normalisation else ", not normalised"
        return f"PreActResNet-{depth} {'–'.join(map(str, self.channels))}{'' if usual else normalised}"


def _activated(stages: tuple[Stage, ...]) -> bool:
    """Whether the choice of an activation function has any effect."""
    return any(isinstance(s, Activate | FeedForward) or _activated(getattr(s, "stages", ())) for s in stages)


def _check_groups(channels: tuple[int, ...], blocks: int) -> None:
    if not channels or not 1 <= blocks <= MOST_BLOCKS:
        raise UserError(
            f"a ResNet of {len(channels)} groups of {blocks} blocks",
            f"at least one of each, and at most {MOST_BLOCKS} blocks",
        )


def _strides(channels: tuple[int, ...], blocks: int) -> list[tuple[int, int]]:
    """Channels and stride of each block: groups after the first begin with stride 2."""
    return [(units, 2 if i and not j else 1) for i, units in enumerate(channels) for j in range(blocks)]


@dataclass(frozen=True)
class VGG(StagedArchitecture):
    """VGG for CIFAR: 3 × 3 convolutions in groups of w, 2w, 4w, 8w and 8w channels, a mean over pixels and one dense layer.

    A 2 × 2 maximum pool separates groups, and a normalisation follows every convolution. Depth 16 with w = 64 has 14.7
    million weights. Images need at least 16 × 16 pixels.

    Arguments:
        depth: 11, 13, 16 or 19, the paper's names; they count two more dense layers, which CIFAR does not need.
        width: w, channels of the first group.
        normalisation: over the batch or over channels.
        pooling: max as in the paper, or average, which has a limit of infinite width if normalised over channels.

    Source: Simonyan & Zisserman 2014, arXiv 1409.1556, table 1 (A, B, D, E); reduced for CIFAR as in Frankle et al.
        2019, arXiv 1912.05671, table 1.
    """

    depth: Literal[11, 13, 16, 19] = 16
    width: int = 64
    normalisation: Normalisation = Normalisation.BATCH
    pooling: Pooling = Pooling.MAX

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        if self.depth not in _VGG_GROUPS:
            raise UserError(f"a VGG of depth {self.depth!r}", "11, 13, 16 or 19")
        norm, act, pool = (
            Normalise(self.normalisation),
            Activate(self.activation),
            Pool(Pooling(self.pooling), 2),
        )
        found: list[Stage] = []
        for convolutions, factor in zip(_VGG_GROUPS[self.depth], (1, 2, 4, 8, 8), strict=True):
            group = (Convolution(factor * self.width), norm, act) * convolutions
            found += [*([pool] if found else []), *group]
        return (*found, GlobalAverage(), Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return f"VGG-{self.depth}{_width(self.width)}{_normalised(self.normalisation)}{_pooled(self.pooling)}"


_VGG_GROUPS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _width(width: int) -> str:
    return "" if width == 64 else f" of width {width}"


def _pooled(pooling: Pooling) -> str:
    return "" if pooling == Pooling.MAX else ", average pools"


def _before(normalisation: Normalisation | None) -> tuple[Stage, ...]:
    return () if normalisation is None else (Normalise(normalisation),)


def _normalised(normalisation: Normalisation | None) -> str:
    names = {None: "", Normalisation.BATCH: ", normalised over the batch"}
    return names.get(normalisation, ", normalised over channels")


@dataclass(frozen=True)
class Widened(StagedArchitecture):
    """Another architecture with more or fewer units in every hidden layer; `Architecture.widened` returns it.

    Arguments:
        base: the architecture.
        share: multiplies its units and channels; the read-out keeps its outputs.
    """

    base: StagedArchitecture = MLP()
    share: float = 1.0

    def stages(self, outputs: int) -> tuple[Stage, ...]:
        if not 0 < self.share < math.inf:
            raise UserError(f"share={self.share}", "a positive number")
        stages = self.base.stages(outputs)
        last = max(i for i, s in enumerate(stages) if isinstance(s, Parametrised) and s.weighted)
        return tuple(stage if i == last else stage.widened(self.share) for i, stage in enumerate(stages))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return f"{self.base.label(input_shape, outputs)} × {self.share:g}"
