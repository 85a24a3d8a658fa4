"""The interface of all kinds of stage; each kind has its own file in this folder.

A stage is an operation on a batch of activations. It maps an input shape to an output shape and refuses shapes that it
cannot take. (Shapes leave out the batch axis; images are height, width, channels.) A stage fitted to a shape is a `Step`,
which has layers. The stage then says what the step computes and what it does with the units. Stages are declared without
importing JAX.
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
        reads_out: whether its z is exactly the output when it ends a network.
        gates: whether each output unit depends only on the same input unit, so that gates pass through it to the read-out.
    """

    reads_out: ClassVar[bool] = False
    gates: ClassVar[bool] = False

    @property
    def surrogate(self) -> bool:
        """Whether it is differentiated through a surrogate."""
        return False

    @abstractmethod
    def shape(self, given: Shape) -> Shape:
        """The output shape for an input shape.

        Raises:
            UserError: for a shape that it cannot take.
        """

    def widened(self, share: float) -> Stage:
        """The same with its units multiplied by `share`, at least one."""
        return self

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        """The stage fitted to the shape that reaches it."""
        return Step(self)

    @abstractmethod
    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        """The outputs for a batch; records the inputs of layers and the features in the walk."""

    def follow(self, step: Step, streams: Streams) -> None:  # noqa: B027 (most kinds have no layers)
        """Records which units its layers read and write; by default, units stay in place."""


@dataclass(frozen=True)
class Step:
    """A stage fitted to the shape that reaches it.

    Arguments:
        stage: which.
        drawn: its own layer.
        body: the stages inside, fitted.
        shortcut: the path around the body; its layers count as coming after those of the body.
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
    """What fitting a stage requires from the network around it.

    Arguments:
        name: names the next layer.
        bias: whether the network's layers have biases.
        parameterisation, initialisation: how they are drawn and scaled.
        first: the name of the first layer if there is a hidden layer; μP scales the first layer differently.
        times: how often each enclosing repetition applies the stage.
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
        """Whether the stage's own layer has biases; a normalisation over the batch would remove them with the mean."""
        return self.bias and not (isinstance(self.following, Parametrised) and self.following.of_batch)

    def layer(self, stage: Parametrised, weight_shape: Shape, shape: Shape, gates: int = 1) -> Layer:
        """The stage's own layer, with activations of this shape, in so many gates."""
        return Layer(
            self.name(stage),
            stage,
            inputs=math.prod(weight_shape[:-1]),
            units=weight_shape[-1],
            has_bias=self.has_bias,
            weight_shape=weight_shape,
            output_shape=(*self.times, *shape),
            times=self.times,
            gates=gates,
        )


def fitted(stages: Sequence[Stage], given: Shape, fitting: Fitting) -> tuple[Step, ...]:
    """The stages in order, each fitted to the shape that reaches it."""
    steps = []
    for stage, following in zip(stages, (*stages[1:], None), strict=True):
        steps.append(stage.fit(given, replace(fitting, following=following)))
        given = stage.shape(given)
    return tuple(steps)


def reached(stages: Sequence[Stage], given: Shape) -> Shape:
    """The shape after all the stages."""
    for stage in stages:
        given = stage.shape(given)
    return given


def through(steps: Sequence[Step], walk: Walk, a: Array) -> Array:
    """The outputs of the steps applied in order."""
    for step in steps:
        a = step.stage.forward(step, walk, a)
    return a


def follow(steps: Sequence[Step], streams: Streams) -> None:
    """Follows the units through the steps in order."""
    for step in steps:
        step.stage.follow(step, streams)


def drawn_layers(steps: Sequence[Step]) -> Iterator[DrawnLayer]:
    """The layers in order of depth."""
    for step in steps:
        if step.drawn is not None:
            yield step.drawn
        yield from drawn_layers((*step.body, *step.shortcut))


def has_surrogate(steps: Sequence[Step]) -> bool:
    """Whether any step is differentiated through a surrogate."""
    return any(step.stage.surrogate or has_surrogate(step.body) for step in steps)
