"""Dense layers: every unit reads every entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ticketlab.errors import UserError
from ticketlab.networks.layers import Parametrised, Shape
from ticketlab.networks.stages.checks import check_positive
from ticketlab.networks.stages.scaling import scaled
from ticketlab.networks.stages.stage import Fitting, Stage, Step

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["Dense"]


@dataclass(frozen=True)
class Dense(Stage, Parametrised):
    """z = a W + b on the last axis; `units` ≥ 1."""

    units: int
    prefix: ClassVar[str] = "dense"
    weighted: ClassVar[bool] = True
    reads_out: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_positive(self.units, "units in a dense layer")

    def shape(self, given: Shape) -> Shape:
        if len(given) != 1:
            raise UserError(
                f"activations of shape {given} before a dense layer", "one axis", "Put a Flatten before it."
            )
        return (self.units,)

    def widened(self, share: float) -> Dense:
        return replace(self, units=max(1, round(share * self.units)))

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        layer = fitting.layer(self, (given[-1], self.units), self.shape(given))
        return Step(self, scaled(layer, fitting))

    def multiply(self, a: Array, weight: Array | np.ndarray, convolution: Callable[..., Array]) -> Array:
        return a @ weight

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return walk.weighted(step.layer, a)

    def follow(self, step: Step, streams: Streams) -> None:
        # After Flatten, a channel feeds one row of the weight for each pixel; channels vary fastest.
        layer, units = step.layer, streams.current.units
        streams.cross(layer, (layer.inputs // units, units, layer.units))
