"""The line search along a Newton step: go as far as the convex objective falls.

Along a direction the objective is a convex function of one number, φ(t) = Σ ℓ(F + tF') + bt + ½at², so φ' never falls.
A t with φ'(t) ≤ 0 is never beyond the lowest point, so the search cannot diverge for any direction. The full step, t =
1, is taken if φ' shows that it ends near the lowest point or before it. Otherwise bisection finds the sign change of
φ'. Halving t until φ has fallen (Armijo 1966) would suffice for smooth losses. If the curvature jumps from zero (Huber,
hinge), the step is too long by orders of magnitude. Many steps that merely decrease φ would then be needed, but only a
few that end at the lowest point.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

__all__ = ["line_search"]

NEAR = 0.1  # |φ'(1)/φ'(0)| up to which the full step is accepted: Newton steps near the minimum must not be shortened
EXACT = 1e-3  # |φ'(t)/φ'(0)| at which bisection ends
BISECTIONS = 60


def line_search(
    value_and_gradient: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    outputs: Float[np.ndarray, "c n k"],
    direction: Float[np.ndarray, "c n k"],
    linear: Float[np.ndarray, "c"],
    quadratic: Float[np.ndarray, "c"],
) -> Float[np.ndarray, "c"]:
    """t in [0, 1] for each of c problems; 0 only if rounding leaves nothing to gain.

        φ(t) = Σ ℓ(F + tF') + bt + ½at²

    Arguments:
        value_and_gradient: F `[c, n, k]` ↦ Σ ℓ(F) `[c]` and ∇ℓ(F).
        outputs, direction: F, and its change along the step, F'.
        linear, quadratic: b and a, from the ridge along the step.

    Cost: one sweep over the outputs per bisection, at most 60.
    """

    def value_and_slope(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fit, gradient = value_and_gradient(outputs + t[:, None, None] * direction)
        value = fit + t * linear + 0.5 * t**2 * quadratic
        return value, np.sum(gradient * direction, axis=(1, 2)) + linear + t * quadratic

    low, high = np.zeros_like(linear), np.ones_like(linear)
    (now, start), (then, end) = value_and_slope(low), value_and_slope(high)
    rounding = 64 * np.finfo(now.dtype).eps * np.abs(now)
    fallen = then <= now + 1e-4 * start + rounding
    whole = (end <= 0) | (fallen & (end <= NEAR * np.abs(start)))
    at_low = start
    for _ in range(BISECTIONS):
        if np.all(whole | (at_low >= EXACT * start)):
            break
        middle = 0.5 * (low + high)
        _, there = value_and_slope(middle)
        before = there <= 0
        low, high = np.where(before, middle, low), np.where(before, high, middle)
        at_low = np.where(before, there, at_low)
    return np.where(whole, 1.0, low)
