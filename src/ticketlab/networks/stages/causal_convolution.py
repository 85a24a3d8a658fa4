"""Causal convolutions: at every step, a window over that step and earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ticketlab.networks.layers import Parametrised, Shape
from ticketlab.networks.stages.checks import check_positive, check_sequence
from ticketlab.networks.stages.scaling import scaled
from ticketlab.networks.stages.stage import Fitting, Stage, Step

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array, Float

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["CausalConvolution", "windows_before"]


@dataclass(frozen=True)
class CausalConvolution(Stage, Parametrised):
    """z_t = Σ_p a_{t − (window − 1 − p)·dilation} W_p + b, with zeros before the first step: (steps, features) → (steps, units).

    Arguments:
        units: features out, ≥ 1.
        window: steps that are read, the present one last.
        dilation: the distance between them, in steps.

    Equivalent to `torch.nn.Conv1d` after (window − 1)·dilation zeros on the left.
    Source: van den Oord et al. 2016, arXiv 1609.03499, section 2.1.
    """

    units: int
    window: int = 3
    dilation: int = 1
    prefix: ClassVar[str] = "filter"
    weighted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_positive(self.units, "units in a causal convolution")
        check_positive(self.window, "steps as a causal convolution's window")
        check_positive(self.dilation, "steps as a causal convolution's dilation")

    def shape(self, given: Shape) -> Shape:
        return (check_sequence(given, "a causal convolution")[0], self.units)

    def widened(self, share: float) -> CausalConvolution:
        return replace(self, units=max(1, round(share * self.units)))

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        layer = fitting.layer(self, (self.window, given[1], self.units), self.shape(given))
        return Step(self, scaled(layer, fitting))

    def multiply(self, a: Array, weight: Array | np.ndarray, convolution: Callable[..., Array]) -> Array:
        return windows_before(a, self.window, self.dilation) @ weight.reshape(-1, self.units)

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        return walk.weighted(step.layer, a)

    def follow(self, step: Step, streams: Streams) -> None:
        layer, units = step.layer, streams.current.units
        streams.cross(layer, (layer.inputs // units, units, layer.units))


def windows_before(
    a: Float[Array, "n steps features"], window: int, dilation: int
) -> Float[Array, "n steps inputs"]:
    """What each step reads: window · features numbers, the earliest step first."""
    import jax.numpy as jnp

    steps, reach = a.shape[1], (window - 1) * dilation
    padded = jnp.pad(a, ((0, 0), (reach, 0), (0, 0)))
    return jnp.concatenate([padded[:, p * dilation : p * dilation + steps] for p in range(window)], axis=-1)
