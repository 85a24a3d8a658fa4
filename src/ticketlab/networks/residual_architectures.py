"""Residual networks, with the activation after each sum or inside it."""

from __future__ import annotations

from dataclasses import dataclass

from ticketlab.errors import UserError
from ticketlab.networks.architecture import StagedArchitecture, before, normalised
from ticketlab.networks.stages import (
    Activate,
    Convolution,
    Dense,
    GlobalAverage,
    Normalisation,
    Normalise,
    Residual,
    Shape,
    Stage,
)

__all__ = ["PreActResNet", "ResNet", "ResNet20"]

MOST_BLOCKS = 1000  # in a group; the deepest of He et al. has 200


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
        return f"ResNet-{depth} {'–'.join(map(str, self.channels))}{normalised(self.normalisation) if of_batch else ''}"


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
        return f"ResNet-20{usual}{normalised(self.normalisation)}"


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
        act = (*before(self.normalisation), Activate(self.activation))
        blocks = [
            Residual((*act, Convolution(units, stride=stride), *act, Convolution(units)))
            for units, stride in _strides(self.channels, self.blocks)
        ]
        return (Convolution(self.channels[0]), *blocks, *act, GlobalAverage(), Dense(outputs))

    def label(self, input_shape: Shape | None, outputs: int | None) -> str:
        depth = 2 * self.blocks * len(self.channels) + 2
        usual = self.normalisation == Normalisation.CHANNELS
        unusual = normalised(self.normalisation) if self.normalisation else ", not normalised"
        return f"PreActResNet-{depth} {'–'.join(map(str, self.channels))}{'' if usual else unusual}"


def _check_groups(channels: tuple[int, ...], blocks: int) -> None:
    if not channels or not 1 <= blocks <= MOST_BLOCKS:
        raise UserError(
            f"a ResNet of {len(channels)} groups of {blocks} blocks",
            f"at least one of each, and at most {MOST_BLOCKS} blocks",
        )


def _strides(channels: tuple[int, ...], blocks: int) -> list[tuple[int, int]]:
    """Channels and stride of each block: groups after the first begin with stride 2."""
    return [(units, 2 if i and not j else 1) for i, units in enumerate(channels) for j in range(blocks)]
