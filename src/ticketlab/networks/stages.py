"""The words in which architectures are written: what happens to a batch of activations, one stage after the other.

A stage knows the shape it makes of a shape (without the batch axis; images are height, width, channels) and refuses one that it
cannot take. It holds no arrays and computes nothing; `ticketlab.networks.sequential` gives it its meaning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ticketlab.errors import UserError
from ticketlab.networks.initialisation import Choice

__all__ = [
    "Activate",
    "Activation",
    "Convolution",
    "Dense",
    "Flatten",
    "GlobalAverage",
    "Normalisation",
    "Normalise",
    "Pool",
    "Pooling",
    "Repeat",
    "Residual",
    "Shape",
    "Stage",
]

Shape: TypeAlias = tuple[int, ...]


class Activation(Choice):
    """The function applied to every pre-activation.

    gelu is the exact x Φ(x), not its tanh approximation. sign is +1 for x ≥ 0 and −1 below; it is trained with the derivative
    2(1 − |x|) on |x| ≤ 1 in place of its own, which is zero (Liu et al. 2018, arXiv 1808.00278, section 3.3), and therefore has
    no tangent space.
    """

    RELU = "relu"
    TANH = "tanh"
    GELU = "gelu"
    ERF = "erf"
    SIGN = "sign"


class Pooling(Choice):
    """What a window of pixels is reduced to."""

    MAX = "max"
    AVERAGE = "average"


class Normalisation(Choice):
    """What a normalisation takes mean and variance over: the channels of each pixel, or all pixels of all examples of a batch."""

    CHANNELS = "channels"
    BATCH = "batch"


@dataclass(frozen=True)
class Dense:
    """z = a W + b on the last axis; `units` ≥ 1."""

    units: int

    def __post_init__(self) -> None:
        _positive(self.units, "units in a dense layer")

    def shape(self, given: Shape) -> Shape:
        if len(given) != 1:
            raise UserError(
                f"activations of shape {given} before a dense layer", "one axis", "Put a Flatten before it."
            )
        return (self.units,)


@dataclass(frozen=True)
class Convolution:
    """z = a ∗ W + b over height and width, with `units` channels out.

    Arguments:
        units: channels out, ≥ 1.
        window: height and width of the kernel in pixels.
        stride: the step of the window in pixels, the same both ways.
        padding: "same" (zeros around, ⌈size/stride⌉ pixels out) or "valid" (none).
    """

    units: int
    window: int = 3
    stride: int = 1
    padding: Literal["SAME", "VALID"] = "SAME"

    def __post_init__(self) -> None:
        _positive(self.units, "channels in a convolution")
        _positive(self.window, "pixels as a convolution's window")
        _positive(self.stride, "pixels as a convolution's stride")

    def shape(self, given: Shape) -> Shape:
        height, width, _ = _image(given)
        if self.padding == "VALID":
            _large_enough(given, self.window, f"a {self.window} × {self.window} convolution without padding")
            height, width = height - self.window + 1, width - self.window + 1
        return (-(-height // self.stride), -(-width // self.stride), self.units)


@dataclass(frozen=True)
class Activate:
    """The activation function, entry by entry."""

    activation: Activation

    def shape(self, given: Shape) -> Shape:
        return given


@dataclass(frozen=True)
class Pool:
    """Maximum or average over windows that do not overlap; rows and columns left over at the end are dropped."""

    pooling: Pooling
    window: int = 2

    def __post_init__(self) -> None:
        _positive(self.window, "pixels as a pool's window")

    def shape(self, given: Shape) -> Shape:
        height, width, channels = _image(given)
        _large_enough(given, self.window, f"a {self.window} × {self.window} pool")
        return (height // self.window, width // self.window, channels)


@dataclass(frozen=True)
class GlobalAverage:
    """The mean over all pixels, channel by channel."""

    def shape(self, given: Shape) -> Shape:
        return (_image(given)[2],)


@dataclass(frozen=True)
class Flatten:
    """All axes of an example into one, the last (channels) running fastest."""

    def shape(self, given: Shape) -> Shape:
        return (math.prod(given),)


@dataclass(frozen=True)
class Normalise:
    """z = (a − mean)/√(variance + 10⁻⁵) · scale + shift. Scales are 1 at the start, shifts 0.

    Arguments:
        over: channels: mean and variance over the channels of each pixel of each example, which leaves the network a function of
            each example alone. Batch: those of each channel over all pixels and all examples of the batch; to have a function
            of each example alone the network must be given statistics (`Network.frozen`).

    Source: Ba, Kiros, Hinton 2016, arXiv 1607.06450 (layer normalisation), here pixel by pixel; Ioffe & Szegedy 2015,
    arXiv 1502.03167, algorithm 1 (over the batch).
    """

    over: Normalisation = Normalisation.CHANNELS

    def __post_init__(self) -> None:
        object.__setattr__(self, "over", Normalisation(self.over))

    @property
    def of_batch(self) -> bool:
        return self.over is Normalisation.BATCH

    def shape(self, given: Shape) -> Shape:
        if given[-1] < 2 and not self.of_batch:
            raise UserError(
                "one channel before a normalisation over channels", "at least two", "Leave it out there."
            )
        return given


@dataclass(frozen=True)
class Residual:
    """a + body(a); where the body changes the shape, shortcut(a) + body(a) with a 1 × 1 convolution or a dense layer.

    Arguments:
        stages: the body, at least one.

    Source: He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 3.2 (and shortcuts B of section 4.1).
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        _some(self.stages, "a residual sum")

    def shape(self, given: Shape) -> Shape:
        self.shortcut(given)
        return _through(self.stages, given)

    def shortcut(self, given: Shape) -> Dense | Convolution | None:
        """What takes an input of this shape to the shape of the body's output; None where that is the same."""
        reached = _through(self.stages, given)
        if reached == given:
            return None
        if len(given) == len(reached) == 1:
            return Dense(reached[0])
        if len(given) == len(reached) == 3:
            for stride in range(1, max(given[:2]) + 1):
                if Convolution(reached[2], window=1, stride=stride).shape(given) == reached:
                    return Convolution(reached[2], window=1, stride=stride)
        raise UserError(
            f"a residual sum of shapes {given} and {reached}",
            "two vectors, or two images of which a stride makes one of the other",
            "Put what changes the shape outside of the sum.",
        )


@dataclass(frozen=True)
class Repeat:
    """The same stages several times over, with the same parameters each time.

    Arguments:
        stages: at least one; they keep the shape.
        times: how often, ≥ 1.
    """

    stages: tuple[Stage, ...]
    times: int

    def __post_init__(self) -> None:
        _some(self.stages, "a repetition")
        _positive(self.times, "repetitions")

    def shape(self, given: Shape) -> Shape:
        reached = _through(self.stages, given)
        if reached != given:
            raise UserError(
                f"a repetition of stages that make shape {reached} of {given}", "stages that keep the shape"
            )
        return given


Stage: TypeAlias = (
    Dense | Convolution | Activate | Pool | GlobalAverage | Flatten | Normalise | Residual | Repeat
)


def _through(stages: tuple[Stage, ...], given: Shape) -> Shape:
    for stage in stages:
        given = stage.shape(given)
    return given


def _some(stages: tuple[Stage, ...], what: str) -> None:
    if not stages:
        raise UserError(f"no stages in {what}", "at least one")


def _positive(value: int, what: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f"{value!r} {what}", "a whole number of at least 1")


def _image(given: Shape) -> Shape:
    if len(given) != 3:
        raise UserError(
            f"inputs of shape {given} for a convolutional network",
            "images: (height, width, channels)",
            "Give grey images a last axis of one channel, or use an MLP.",
        )
    return given


def _large_enough(given: Shape, window: int, what: str) -> None:
    if min(given[:2]) < window:
        raise UserError(
            f"images that have shrunk to {given[0]} × {given[1]} pixels before {what}",
            f"at least {window} × {window}",
            "Use larger images, or a network with fewer pools.",
        )
