"""Normalisations: subtract the mean, divide by the standard deviation, then scale and shift each unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ticketlab.errors import UserError
from ticketlab.networks.initialisation import Choice
from ticketlab.networks.layers import DrawnLayer, Parametrised, Shape
from ticketlab.networks.stages.stage import Fitting, Stage, Step

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["EPSILON", "Normalisation", "Normalise"]

EPSILON = 1e-5  # added to the variance, which is zero where all channels are equal


class Normalisation(Choice):
    """Where mean and variance are taken: over the channels of each pixel, or over all pixels of all examples of a batch."""

    CHANNELS = "channels"
    BATCH = "batch"


@dataclass(frozen=True)
class Normalise(Stage, Parametrised):
    """z = (a − mean)/√(variance + 10⁻⁵) · scale + shift. Scales are 1 at the start, shifts 0.

    Arguments:
        over: "channels": mean and variance over the channels of each pixel; the network stays a function of each example alone.
            "batch": mean and variance of each channel over all pixels and examples of the batch; for a function of each
            example alone, fix the statistics (`Network.frozen`).

    Source: Ba, Kiros, Hinton 2016, arXiv 1607.06450 (layer normalisation), here pixel by pixel; Ioffe & Szegedy 2015,
    arXiv 1502.03167, algorithm 1 (over the batch).
    """

    over: Normalisation = Normalisation.CHANNELS
    prefix: ClassVar[str] = "norm"
    weighted: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "over", Normalisation(self.over))

    @property
    def of_batch(self) -> bool:
        return self.over is Normalisation.BATCH

    def shape(self, given: Shape) -> Shape:
        if given[-1] < 2 and not self.of_batch:
            raise UserError(
                "one channel before a normalisation over channels",
                "at least two",
                "Leave out the normalisation there.",
            )
        return given

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        layer = fitting.layer(self, given[-1:], self.shape(given))
        return Step(self, DrawnLayer(layer, 0.0, 0.0, start=1.0))

    def multiply(self, a: Array, weight: Array | np.ndarray, convolution: Callable[..., Array]) -> Array:
        from ticketlab.networks.pixels import spread

        return a * (spread(weight, a) if a.ndim == 4 else weight)

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        if not self.of_batch:
            return walk.layer(step.layer, _standardised(a))
        statistics = _moments(a) if walk.given is None else walk.given[step.layer.name]
        walk.statistics[step.layer.name] = statistics
        return walk.layer(step.layer, _standardised_by(a, *statistics))

    def follow(self, step: Step, streams: Streams) -> None:
        streams.scale(step.layer)


def _standardised(a: Array) -> Array:
    """(a − mean) / sd, over channels."""
    import jax
    import jax.numpy as jnp

    a = a - jnp.mean(a, axis=-1, keepdims=True)
    return a * jax.lax.rsqrt(jnp.mean(jnp.square(a), axis=-1, keepdims=True) + EPSILON)


def _moments(a: Array) -> tuple[Array, Array]:
    """Mean and variance of each channel, over all pixels of all examples."""
    import jax.numpy as jnp

    from ticketlab.networks.pixels import spread, summed

    if a.ndim != 4:
        axes = tuple(range(a.ndim - 1))
        mean = jnp.mean(a, axis=axes)
        return mean, jnp.mean(jnp.square(a - mean), axis=axes)
    pixels = a.size // a.shape[-1]
    mean = summed(a) / pixels
    return mean, summed(jnp.square(a - spread(mean, a))) / pixels


def _standardised_by(a: Array, mean: Array, variance: Array) -> Array:
    """(a − mean) / sd, of each channel."""
    import jax

    from ticketlab.networks.pixels import spread

    factor = jax.lax.rsqrt(variance + EPSILON)
    if a.ndim == 4:
        mean, factor = spread(mean, a), spread(factor, a)
    return (a - mean) * factor
