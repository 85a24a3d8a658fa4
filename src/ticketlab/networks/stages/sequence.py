"""Where sequences begin and end: images as sequences of rows, and the last step of a sequence.

The activations of a sequence have the shape (steps, features). All stages that follow respect time: what they compute at a
step depends on that step and on earlier ones, never on later ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketlab.errors import UserError
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.checks import check_sequence
from ticketlab.networks.stages.stage import Fitting, Stage, Step

if TYPE_CHECKING:
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["LastStep", "Rows"]


@dataclass(frozen=True)
class Rows(Stage):
    """Reads an example as a sequence: an image row by row, a vector number by number; a sequence stays as it is.

    Shapes: (height, width, channels) → (height, width · channels); (steps,) → (steps, 1).
    """

    def shape(self, given: Shape) -> Shape:
        if not 1 <= len(given) <= 3:
            raise UserError(f"inputs of shape {given} for a sequence", "a vector, a sequence or an image")
        return (given[0], given[1] * given[2]) if len(given) == 3 else (*given, 1)[:2]

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        return Step(_Numbers() if len(given) == 1 else self)

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return a.reshape(*a.shape[:2], -1)


@dataclass(frozen=True)
class _Numbers(Rows):
    """A vector number by number: its entries, which were units, become steps."""

    def follow(self, step: Step, streams: Streams) -> None:
        streams.renew(1)


@dataclass(frozen=True)
class LastStep(Stage):
    """The features of the last step, which has seen the whole sequence: (steps, features) → (features,)."""

    def shape(self, given: Shape) -> Shape:
        return check_sequence(given, "the last step is read")[1:]

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return a[:, -1]
