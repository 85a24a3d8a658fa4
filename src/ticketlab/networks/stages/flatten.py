"""Images as vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Stage, Step

if TYPE_CHECKING:
    from jaxtyping import Array

    from ticketlab.networks.walk import Walk

__all__ = ["Flatten"]


@dataclass(frozen=True)
class Flatten(Stage):
    """Flattens all axes of an example into one; the last axis (channels) varies fastest."""

    def shape(self, given: Shape) -> Shape:
        return (math.prod(given),)

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return a.reshape(a.shape[0], -1)
