"""Residual sums: the input plus the output of the inner stages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ticketlab.errors import UserError
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.checks import check_some
from ticketlab.networks.stages.convolution import Convolution
from ticketlab.networks.stages.dense import Dense
from ticketlab.networks.stages.stage import Fitting, Stage, Step, fitted, follow, reached, through

if TYPE_CHECKING:
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["Residual"]


@dataclass(frozen=True)
class Residual(Stage):
    """a + body(a); if the body changes the shape, shortcut(a) + body(a), with a 1 × 1 convolution or a dense layer.

    Arguments:
        stages: the body, at least one.

    Source: He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 3.2 (and shortcuts B of section 4.1).
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        check_some(self.stages, "a residual sum")

    def shape(self, given: Shape) -> Shape:
        self.shortcut(given)
        return reached(self.stages, given)

    def shortcut(self, given: Shape) -> Dense | Convolution | None:
        """The layer that maps this shape to the shape of the body's output; None if both are the same."""
        made = reached(self.stages, given)
        if made == given:
            return None
        if len(given) == len(made) == 1:
            return Dense(made[0])
        if len(given) == len(made) == 3:
            for stride in range(1, max(given[:2]) + 1):
                if Convolution(made[2], window=1, stride=stride).shape(given) == made:
                    return Convolution(made[2], window=1, stride=stride)
        raise UserError(
            f"a residual sum of shapes {given} and {made}",
            "two vectors, or two images whose sizes differ by a stride",
            "Move the stage that changes the shape out of the sum.",
        )

    def widened(self, share: float) -> Residual:
        return replace(self, stages=tuple(inner.widened(share) for inner in self.stages))

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        body, around = fitted(self.stages, given, fitting), self.shortcut(given)
        return Step(self, body=body, shortcut=fitted((around,), given, fitting) if around else ())

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        body, current = through(step.body, walk, a), walk.current
        around = through(step.shortcut, walk, a)
        walk.current = current  # features of the sum belong to the body's last layer
        return body + around

    def follow(self, step: Step, streams: Streams) -> None:
        """Ties the two streams: unit i of one is added to unit i of the other."""
        given = streams.current
        shared, given.shared = given.shared, True
        follow(step.body, streams)
        body, streams.current = streams.current, given
        follow(step.shortcut, streams)
        given.shared = shared
        streams.tie(streams.current, body)
