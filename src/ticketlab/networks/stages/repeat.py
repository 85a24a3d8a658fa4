"""Repetitions: the same stages applied several times with the same parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ticketlab.errors import UserError
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.checks import check_positive, check_some
from ticketlab.networks.stages.stage import (
    Fitting,
    Stage,
    Step,
    drawn_layers,
    fitted,
    follow,
    reached,
    through,
)

if TYPE_CHECKING:
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["Repeat"]


@dataclass(frozen=True)
class Repeat(Stage):
    """The same stages applied several times with the same parameters.

    Arguments:
        stages: at least one; they keep the shape.
        times: number of applications, ≥ 1.
    """

    stages: tuple[Stage, ...]
    times: int

    def __post_init__(self) -> None:
        check_some(self.stages, "a repetition")
        check_positive(self.times, "repetitions")

    def shape(self, given: Shape) -> Shape:
        made = reached(self.stages, given)
        if made != given:
            raise UserError(
                f"a repetition of stages that make shape {made} of {given}", "stages that keep the shape"
            )
        return given

    def widened(self, share: float) -> Repeat:
        return replace(self, stages=tuple(inner.widened(share) for inner in self.stages))

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        body = fitted(self.stages, given, replace(fitting, times=(*fitting.times, self.times)))
        if any(drawn.layer.stage.of_batch for drawn in drawn_layers(body)):
            raise UserError(
                "a normalisation over the batch inside a repetition",
                "one that is applied once, so that it has one set of statistics",
                "Normalise over channels there.",
            )
        return Step(self, body=body)

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        """Each application has its own taps. Inputs are stacked over applications; features are those of the last one."""
        import jax.numpy as jnp

        names = [drawn.layer.name for drawn in drawn_layers(step.body)]
        applications = []
        for i in range(self.times):
            taps = {name: walk.taps[name][:, i] for name in names if name in walk.taps}
            inner = replace(walk, taps=taps, inputs={}, statistics={})
            a = through(step.body, inner, a)
            walk.current = inner.current
            applications.append(inner.inputs)
        for name in names:
            walk.inputs[name] = jnp.stack([inputs[name] for inputs in applications], axis=1)
        return a

    def follow(self, step: Step, streams: Streams) -> None:
        """Ties the units of the input to those of the output, which the next application reads."""
        given = streams.current
        follow(step.body, streams)
        streams.tie(given, streams.current)
