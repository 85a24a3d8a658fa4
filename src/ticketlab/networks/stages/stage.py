"""What a network needs of a kind of stage, whichever it is; each kind has a file of its own in this folder.

A stage says what happens to a batch of activations. It knows the shape it makes of a shape (without the batch axis; images are
height, width, channels) and refuses one that it cannot take. Fitted to a shape it is a `Step`, which has its layers; the stage
then says what the step computes, and what it does with the units. Stages are written down without an import of JAX.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ticketlab.networks.initialisation import Initialisation, Parameterisation
from ticketlab.networks.layers import DrawnLayer, Layer, Parametrised, Shape

if TYPE_CHECKING:
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = [
    "Fitting",
    "Stage",
    "Step",
    "drawn_layers",
    "fitted",
    "follow",
    "has_surrogate",
    "reached",
    "through",
]


class Stage(ABC):
    """A kind of stage.

    Arguments:
        reads_out: whether, at the end of a network, its z is the output and nothing else.
        gates: whether each unit that it gives is a function of the same unit alone, so that gates go through it to the read-out.
    """

    reads_out: ClassVar[bool] = False
    gates: ClassVar[bool] = False

    @property
    def surrogate(self) -> bool:
        """Whether it is differentiated as another function."""
        return False

    @abstractmethod
    def shape(self, given: Shape) -> Shape:
        """The shape it makes of a shape.

        Raises:
            UserError: for one that it cannot take.
        """

    def widened(self, share: float) -> Stage:
        """The same with so many times the units, at least one."""
        return self

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        """The stage fitted to the shape that reaches it."""
        return Step(self)

    @abstractmethod
    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        """What it computes; inputs of layers and features are noted in the walk."""

    def follow(self, step: Step, streams: Streams) -> None:  # noqa: B027 (most kinds have no layers)
        """Notes which units its layers read and write; by default units stay where they are."""


@dataclass(frozen=True)
class Step:
    """A stage fitted to the shape that reaches it.

    Arguments:
        stage: which.
        drawn: its own layer.
        body: the stages inside, fitted.
        shortcut: the way around the body; its layers count as those after the body's.
    """

    stage: Stage
    drawn: DrawnLayer | None = None
    body: tuple[Step, ...] = ()
    shortcut: tuple[Step, ...] = ()

    @property
    def layer(self) -> Layer:
        """The layer of a step that has one."""
        assert self.drawn is not None
        return self.drawn.layer

    def marked(self, **flag: bool) -> Step:
        """The same with a flag of its layer set."""
        assert self.drawn is not None
        return replace(self, drawn=replace(self.drawn, layer=replace(self.layer, **flag)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Fitting:
    """What a stage must know of the network around it to be fitted.

    Arguments:
        name: gives the next layer its name.
        bias: whether the network's layers have biases.
        parameterisation, initialisation: how they are drawn and scaled.
        first: the first layer's name, where there is a hidden one; μP scales it otherwise.
        times: how often each of the repetitions around the stage applies it.
        following: the next stage.
    """

    name: Callable[[Parametrised], str]
    bias: bool
    parameterisation: Parameterisation
    initialisation: Initialisation
    first: str = ""
    times: Shape = ()
    following: Stage | None = None

    @property
    def has_bias(self) -> bool:
        """Whether the stage's own layer has biases: the mean over the batch would take them away."""
        return self.bias and not (isinstance(self.following, Parametrised) and self.following.of_batch)

    def layer(self, stage: Parametrised, weight_shape: Shape, shape: Shape) -> Layer:
        """The stage's own layer, which makes activations of this shape."""
        return Layer(
            self.name(stage),
            stage,
            inputs=math.prod(weight_shape[:-1]),
            units=weight_shape[-1],
            has_bias=self.has_bias,
            weight_shape=weight_shape,
            output_shape=(*self.times, *shape),
            times=self.times,
        )


def fitted(stages: Sequence[Stage], given: Shape, fitting: Fitting) -> tuple[Step, ...]:
    """The stages one after the other, each fitted to the shape that reaches it."""
    steps = []
    for stage, following in zip(stages, (*stages[1:], None), strict=True):
        steps.append(stage.fit(given, replace(fitting, following=following)))
        given = stage.shape(given)
    return tuple(steps)


def reached(stages: Sequence[Stage], given: Shape) -> Shape:
    """The shape that the stages make one after the other."""
    for stage in stages:
        given = stage.shape(given)
    return given


def through(steps: Sequence[Step], walk: Walk, a: Array) -> Array:
    """What the steps compute one after the other."""
    for step in steps:
        a = step.stage.forward(step, walk, a)
    return a


def follow(steps: Sequence[Step], streams: Streams) -> None:
    """The units of the steps one after the other."""
    for step in steps:
        step.stage.follow(step, streams)


def drawn_layers(steps: Sequence[Step]) -> Iterator[DrawnLayer]:
    """The layers in order of depth."""
    for step in steps:
        if step.drawn is not None:
            yield step.drawn
        yield from drawn_layers((*step.body, *step.shortcut))


def has_surrogate(steps: Sequence[Step]) -> bool:
    """Whether a step is differentiated as another function."""
    return any(step.stage.surrogate or has_surrogate(step.body) for step in steps)
