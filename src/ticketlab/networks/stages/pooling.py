"""Pools: reduce windows of pixels, or all pixels, to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ticketlab.networks.initialisation import Choice
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.checks import check_image, check_positive, check_room
from ticketlab.networks.stages.stage import Stage, Step

if TYPE_CHECKING:
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["GlobalAverage", "Pool", "Pooling"]


class Pooling(Choice):
    """How a window of pixels is reduced."""

    MAX = "max"
    AVERAGE = "average"


@dataclass(frozen=True)
class Pool(Stage):
    """Maximum or average over windows that do not overlap; drops incomplete windows at the right and the bottom."""

    pooling: Pooling
    window: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "pooling", Pooling(self.pooling))
        check_positive(self.window, "pixels as a pool's window")

    def shape(self, given: Shape) -> Shape:
        height, width, channels = check_image(given)
        check_room(given, self.window, f"a {self.window} × {self.window} pool")
        return (height // self.window, width // self.window, channels)

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        """Reshapes and reduces: unlike `reduce_window`, this stays fast when vmapped and differentiated."""
        import jax.numpy as jnp

        reduce = jnp.max if self.pooling is Pooling.MAX else jnp.mean
        (n, height, width, channels), w = a.shape, self.window
        rows, columns = height // w, width // w
        windows = a[:, : rows * w, : columns * w].reshape(n, rows, w, columns, w, channels)
        return reduce(windows, axis=(2, 4))

    def follow(self, step: Step, streams: Streams) -> None:
        if self.pooling is Pooling.MAX:
            streams.current.flippable = False


@dataclass(frozen=True)
class GlobalAverage(Stage):
    """The mean of each channel over all pixels."""

    gates: ClassVar[bool] = True

    def shape(self, given: Shape) -> Shape:
        return (check_image(given)[2],)

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        import jax.numpy as jnp

        return jnp.mean(a, axis=(1, 2))
