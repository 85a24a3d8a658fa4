"""Networks without residual sums: perceptrons, LeNet-5, and convolutional networks in the manner of VGG."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from ticketlab.errors import UserError
from ticketlab.networks.architecture import StagedArchitecture, before, normalised
from ticketlab.networks.initialisation import GLOROT_NORMAL, Initialisation
from ticketlab.networks.stages import (
    Activate,
    Activation,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Normalisation,
    Normalise,
    Pool,
    Pooling,
    Shape,
    Stage,
)

__all__ = ["MLP", "VGG", "AllConv", "ConvNet", "LeNet5", "LeNet300100"]


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
        act = (*before(self.normalisation), Activate(self.activation))
        hidden = [stage for width in self.widths for stage in (Dense(width), *act)]
        return (Flatten(), *hidden, Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        sizes = [] if input_shape is None else [math.prod(input_shape)]
        sizes += self.widths
        sizes += [] if outputs is None else [outputs]
        kind = "MLP" if self.widths else "linear model"
        return f"{kind} {'–'.join(map(str, sizes))}".strip() + normalised(self.normalisation)


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
        act = (*before(self.normalisation), Activate(self.activation))
        pool = (Pool(Pooling(self.pooling), 2),)
        ending = (*pool, *act) if self.activation is Activation.SIGN else (*act, *pool)
        w = self.width
        pairs = [
            (Convolution(c), *act, Convolution(c), *ending) for c in (w, 2 * w, 4 * w)[: self.depth // 2]
        ]
        convolutions = [stage for pair in pairs for stage in pair]
        return (*convolutions, Flatten(), Dense(4 * w), *act, Dense(4 * w), *act, Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        return f"Conv-{self.depth}{_width(self.width)}{normalised(self.normalisation)}{_pooled(self.pooling)}"


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
        return f"VGG-{self.depth}{_width(self.width)}{normalised(self.normalisation)}{_pooled(self.pooling)}"


_VGG_GROUPS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _width(width: int) -> str:
    return "" if width == 64 else f" of width {width}"


def _pooled(pooling: Pooling) -> str:
    return "" if pooling == Pooling.MAX else ", average pools"
