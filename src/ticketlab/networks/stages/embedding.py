"""Embeddings: a row of a table for every token, and for every position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ticketlab.errors import UserError
from ticketlab.networks.layers import DrawnLayer, Layer, Parametrised, Shape
from ticketlab.networks.stages.checks import check_positive, check_sequence
from ticketlab.networks.stages.scaling import scaled
from ticketlab.networks.stages.stage import Fitting, Stage, Step

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["Embedding", "Positions"]


class _Table(Parametrised):
    """A layer whose input is the number of a row: z = W[a]."""

    weighted: ClassVar[bool] = True

    def multiply(self, a: Array, weight: Array | np.ndarray, convolution: Callable[..., Array]) -> Array:
        import jax.numpy as jnp

        # What is no token of the table gives NaN, so that training reports it, and not another token's row.
        row = a.astype(jnp.int32)
        row = jnp.where((row == a) & (row >= 0), row, weight.shape[0])
        return jnp.take(jnp.asarray(weight), row, axis=0, mode="fill")


def _drawn(layer: Layer, fitting: Fitting) -> DrawnLayer:
    """Rows of the size that a layer of fan-in 1 has: a token switches one input on. μP scales them as it does a first layer."""
    return scaled(replace(layer, inputs=1, has_bias=False), replace(fitting, first=layer.name))


@dataclass(frozen=True)
class Embedding(Stage, _Table):
    """z_t = W[x_t], the row of token x_t: (steps,) → (steps, units).

    Inputs are whole numbers from 0 to symbols − 1, as floats. The table has no biases.

    Arguments:
        symbols: rows of the table, ≥ 2.
        units: features of each row.
    """

    symbols: int
    units: int
    prefix: ClassVar[str] = "embed"

    def __post_init__(self) -> None:
        check_positive(self.units, "features of a token")
        if not isinstance(self.symbols, int) or self.symbols < 2:
            raise UserError(f"{self.symbols!r} symbols", "a whole number of at least 2")

    def shape(self, given: Shape) -> Shape:
        if len(given) != 1:
            raise UserError(
                f"inputs of shape {given} before an embedding",
                "one token a step: (steps,)",
                "Leave out symbols for inputs that are numbers.",
            )
        return (*given, self.units)

    def widened(self, share: float) -> Embedding:
        return replace(self, units=max(1, round(share * self.units)))

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        return Step(self, _drawn(fitting.layer(self, (self.symbols, self.units), self.shape(given)), fitting))

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return walk.weighted(step.layer, a)

    def follow(self, step: Step, streams: Streams) -> None:
        streams.renew(self.symbols)
        streams.cross(step.layer, step.layer.weight_shape)


@dataclass(frozen=True)
class Positions(Stage, _Table):
    """a_t + W[t]: a learned vector for every position is added. It keeps the shape, and fixes the number of steps."""

    prefix: ClassVar[str] = "positions"
    continues: ClassVar[bool] = True

    def shape(self, given: Shape) -> Shape:
        return check_sequence(given, "learned positions")

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        return Step(self, _drawn(fitting.layer(self, given, self.shape(given)), fitting))

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        import jax.numpy as jnp

        times = jnp.broadcast_to(jnp.arange(a.shape[1], dtype=a.dtype), a.shape[:2])
        return a + walk.layer(step.layer, times)

    def follow(self, step: Step, streams: Streams) -> None:
        streams.join(step.layer)
