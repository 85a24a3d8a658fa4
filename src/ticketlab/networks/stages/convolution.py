"""Convolutions: every unit reads a window of pixels, with the same weights at every position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from ticketlab.errors import UserError
from ticketlab.networks.layers import Parametrised, Shape
from ticketlab.networks.stages.checks import check_image, check_positive, check_room
from ticketlab.networks.stages.scaling import scaled
from ticketlab.networks.stages.stage import Fitting, Stage, Step

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["Convolution"]


@dataclass(frozen=True)
class Convolution(Stage, Parametrised):
    """z = a ∗ W + b over height and width, with `units` channels out.

    Arguments:
        units: channels out, ≥ 1.
        window: height and width of the kernel in pixels.
        stride: the step of the window in pixels, down and across.
        padding: "SAME" (zeros around, ⌈size/stride⌉ pixels out) or "VALID" (none).
    """

    units: int
    window: int = 3
    stride: int = 1
    padding: Literal["SAME", "VALID"] = "SAME"
    prefix: ClassVar[str] = "conv"
    weighted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_positive(self.units, "channels in a convolution")
        check_positive(self.window, "pixels as a convolution's window")
        check_positive(self.stride, "pixels as a convolution's stride")
        if self.padding not in ("SAME", "VALID"):
            raise UserError(f"padding={self.padding!r}", "'SAME' or 'VALID'")

    @property
    def strides(self) -> tuple[int, int]:
        """Down and across."""
        return (self.stride, self.stride)

    def shape(self, given: Shape) -> Shape:
        height, width, _ = check_image(given)
        if self.padding == "VALID":
            check_room(given, self.window, f"a {self.window} × {self.window} convolution without padding")
            height, width = height - self.window + 1, width - self.window + 1
        return (-(-height // self.stride), -(-width // self.stride), self.units)

    def widened(self, share: float) -> Convolution:
        return replace(self, units=max(1, round(share * self.units)))

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        layer = fitting.layer(self, (self.window, self.window, given[-1], self.units), self.shape(given))
        return Step(self, scaled(layer, fitting))

    def multiply(self, a: Array, weight: Array | np.ndarray, convolution: Callable[..., Array]) -> Array:
        return convolution(a, weight, self.strides, self.padding)

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return walk.weighted(step.layer, a)

    def follow(self, step: Step, streams: Streams) -> None:
        streams.cross(step.layer, step.layer.weight_shape)
