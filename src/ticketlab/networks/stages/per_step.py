"""Dense layers at every step of a sequence, with the same weights at each: position-wise layers and read-outs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ticketlab.errors import UserError
from ticketlab.networks.layers import Parametrised, Shape
from ticketlab.networks.stages.activation import Activation, activate, leave_free
from ticketlab.networks.stages.checks import check_positive, check_sequence
from ticketlab.networks.stages.scaling import scaled
from ticketlab.networks.stages.stage import Fitting, Stage, Step

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["EveryStep", "FeedForward", "Map", "PerStep"]


class Map(Parametrised):
    """A layer that multiplies the features of every step by one matrix."""

    weighted: ClassVar[bool] = True

    def multiply(self, a: Array, weight: Array | np.ndarray, convolution: Callable[..., Array]) -> Array:
        return a @ weight


@dataclass(frozen=True)
class PerStep(Stage, Map):
    """z_t = a_t W + b at every step t, with `units` ≥ 1 features out."""

    units: int
    prefix: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        check_positive(self.units, "units in a dense layer")

    def shape(self, given: Shape) -> Shape:
        return (check_sequence(given, "a dense layer at every step")[0], self.units)

    def widened(self, share: float) -> PerStep:
        return replace(self, units=max(1, round(share * self.units)))

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        return Step(self, scaled(fitting.layer(self, (given[1], self.units), self.shape(given)), fitting))

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return walk.weighted(step.layer, a)

    def follow(self, step: Step, streams: Streams) -> None:
        layer, units = step.layer, streams.current.units
        # After Rows, a channel feeds one row of the weight for each pixel; channels vary fastest.
        streams.cross(layer, (layer.inputs // units, units, layer.units))


@dataclass(frozen=True)
class EveryStep(Stage, Map):
    """The read-out of a network that answers at every step: f_t = a_t W + b, and the outputs of all steps in one vector.

    Arguments:
        outputs: of all steps together, outputs / steps for each; step by step in the vector.
    """

    outputs: int
    prefix: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        check_positive(self.outputs, "outputs of all steps")

    def shape(self, given: Shape) -> Shape:
        steps, _ = check_sequence(given, "a read-out at every step")
        if self.outputs % steps:
            raise UserError(
                f"{self.outputs} outputs for a sequence of {steps} steps",
                "equally many outputs for every step",
                "Choose a task with an answer at every step, or a network that answers at the last (answers=last).",
            )
        return (self.outputs,)

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        self.shape(given)
        weight = (given[1], self.outputs // given[0])
        return Step(self, scaled(fitting.layer(self, weight, (given[0], weight[1])), fitting))

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return walk.weighted(step.layer, a).reshape(len(a), -1)

    def follow(self, step: Step, streams: Streams) -> None:
        layer, units = step.layer, streams.current.units
        streams.cross(layer, (layer.inputs // units, units, layer.units))  # as for PerStep


@dataclass(frozen=True)
class _Up(Map):
    prefix: ClassVar[str] = "layer"


@dataclass(frozen=True)
class _Down(Map):
    prefix: ClassVar[str] = "out"
    continues: ClassVar[bool] = True


@dataclass(frozen=True)
class FeedForward(Stage):
    """φ(a_t U + b) D + c at every step t: the position-wise network of a transformer block. Keeps the shape.

    Arguments:
        activation: φ.
        factor: hidden units for each feature, ≥ 1.

    Source: Vaswani et al. 2017, arXiv 1706.03762, equation 2.
    """

    activation: Activation = Activation.GELU
    factor: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", Activation(self.activation))
        check_positive(self.factor, "hidden units for each feature")

    @property
    def surrogate(self) -> bool:
        return self.activation is Activation.SIGN

    def shape(self, given: Shape) -> Shape:
        return check_sequence(given, "a position-wise network")

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        steps, features = self.shape(given)
        hidden, fitting = self.factor * features, replace(fitting, following=None)
        up = scaled(fitting.layer(_Up(), (features, hidden), (steps, hidden)), fitting)
        down = scaled(fitting.layer(_Down(), (hidden, features), given), fitting)
        return Step(self, body=(Step(self, up), Step(self, down)))

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        up, down = (part.layer for part in step.body)
        hidden = walk.features[up.name] = activate(self.activation, walk.weighted(up, a))
        return walk.layer(down, hidden)

    def follow(self, step: Step, streams: Streams) -> None:
        up, down = (part.layer for part in step.body)
        units = streams.current.units
        streams.cross(up, (up.inputs // units, units, up.units))  # as for PerStep
        leave_free(self.activation, streams.current)
        streams.cross(down, (1, *down.weight_shape))
