"""A point of the tangent space: a step Δθ, and the two functions that it gives.

The same Δθ gives F(x) = f(x, θ₀) + J(x)Δθ to first order, and f(x, θ₀ + Δθ) in the network itself. Their distance measures how
non-linear the network is along the step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.networks.network import Params
from ticketlab.tangent.jacobian import Jacobian

__all__ = ["TangentPoint", "predict_points"]


@dataclass(frozen=True, eq=False)
class TangentPoint:
    """θ₀ and Δθ.

    Arguments:
        jacobian: at the training inputs, in float64; it holds the network and θ₀.
        step: Δθ as a list over the leaves that may move.
        keeps_offset: whether f(x, θ₀) is part of F (else F = J(x)Δθ, the centred network).
    """

    jacobian: Jacobian = field(repr=False)
    step: list[np.ndarray] = field(repr=False)
    keeps_offset: bool = True

    def predict(self, x: Float[Any, "m ..."]) -> Float[np.ndarray, "m k"]:
        """F(x), to first order, in float64. Cost: two or three forward passes."""
        return predict_points([self], x)[0]

    @cached_property
    def delta(self) -> Params:
        """Δθ as a pytree of NumPy arrays like the parameters, zero for parameters that may not move."""
        return jax.tree.map(np.asarray, self.jacobian.embed(self.step))

    @cached_property
    def moved(self) -> Params:
        """θ₀ + Δθ, float64: the parameters of the network itself after the step."""
        return jax.tree.map(lambda a, b: np.asarray(a, np.float64) + b, self.jacobian.params, self.delta)

    @cached_property
    def relative_motion(self) -> float:
        """‖Δθ‖ / ‖θ₀‖ over all parameters; NaN for θ₀ = 0."""
        square = sum(float(np.sum(np.square(np.asarray(d, np.float64)))) for d in self.step)
        start = sum(
            float(np.sum(np.square(np.asarray(p, np.float64)))) for p in jax.tree.leaves(self.jacobian.params)
        )
        return float(np.sqrt(square / start)) if start > 0 else float("nan")


def predict_points(points: Sequence[TangentPoint], x: Float[Any, "m ..."]) -> Float[np.ndarray, "c m k"]:
    """F(x) of several points at the same θ₀ and selection, in one sweep."""
    at = points[0].jacobian.at(x)
    kept = np.array([p.keeps_offset for p in points], float)[:, None, None]
    linear = np.asarray(at.push_forward([p.step for p in points]))
    return linear + kept * np.asarray(at.outputs()) if kept.any() else linear
