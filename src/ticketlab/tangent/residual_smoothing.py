"""Iterates of (K + λI)u = r judged by their residual, and conjugate gradients that keep their best iterate.

Half the squared residual is the duality gap (`square_loss`). Methods that minimise another quantity, such as conjugate
gradients, have residuals that rise and fall by large factors. So each iterate is replaced by the point with the smallest
residual on the line from the previous one to the method's own (minimal residual smoothing, Weiss 1994). This costs a few sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["DualPoint", "Gram", "Watch", "smoothed_conjugate_gradients"]

Gram = Callable[[np.ndarray], np.ndarray]
STALLED = 100  # iterations in which the residual falls by less than 1 %


@dataclass(frozen=True, eq=False)
class DualPoint:
    """u, K u and the residual r − (K + λI)u, all `[n, k]`, and the iterations they took."""

    u: Float[np.ndarray, "n k"]
    ku: Float[np.ndarray, "n k"]
    residual: Float[np.ndarray, "n k"]
    iterations: int

    def towards(self, other: DualPoint) -> DualPoint:
        """The point with the smallest residual on the line through both."""
        way = other.residual - self.residual
        size = float(np.vdot(way, way))
        t = -float(np.vdot(self.residual, way)) / size if size > 0 else 1.0
        return DualPoint(
            self.u + t * (other.u - self.u),
            self.ku + t * (other.ku - self.ku),
            self.residual + t * way,
            other.iterations,
        )

    @property
    def squared_residual(self) -> float:
        return float(np.vdot(self.residual, self.residual))

    def objective(self, r: Float[np.ndarray, "n k"], ridge: float) -> float:
        """½‖r − Ku‖² + ½λuᵀKu, the loss and the ridge term at Δ = Jᵀu."""
        return 0.5 * float(np.sum(np.square(r - self.ku))) + 0.5 * ridge * float(np.vdot(self.u, self.ku))

    def gap(self, r: Float[np.ndarray, "n k"], ridge: float) -> float:
        """The relative duality gap; for λ = 0 the relative residual."""
        if ridge == 0:
            return float(np.sqrt(self.squared_residual / max(float(np.vdot(r, r)), 1e-300)))
        return 0.5 * self.squared_residual / max(self.objective(r, ridge), 1e-300)


Watch = Callable[[DualPoint], bool]


def smoothed_conjugate_gradients(
    start: DualPoint,
    gram: Gram,
    precondition: Callable[[np.ndarray], np.ndarray],
    ridge: float,
    limit: int,
    watch: Watch,
) -> DualPoint:
    """Continues from an iterate until `watch` stops it, after `limit` iterations, or when rounding stalls it.

    Cost per iteration: a product with K and a preconditioning.
    """
    if watch(start):
        return start
    state = smooth = start
    z = precondition(state.residual)
    p, rz = z, float(np.vdot(state.residual, z))
    best, waiting = np.inf, 0
    for _ in range(limit):
        kp = gram(p)
        tp = kp + ridge * p
        curvature = float(np.vdot(p, tp))
        if rz <= 0 or curvature <= 0:
            return smooth
        alpha = rz / curvature
        state = DualPoint(
            state.u + alpha * p,
            state.ku + alpha * kp,
            state.residual - alpha * tp,
            state.iterations + 1,
        )
        smooth = smooth.towards(state)
        if watch(smooth):
            return smooth
        z = precondition(state.residual)
        before, rz = rz, float(np.vdot(state.residual, z))
        size = smooth.squared_residual
        best, waiting = (size, 0) if size < 0.99 * best else (best, waiting + 1)
        if waiting >= STALLED:
            return smooth
        p = z + rz / before * p
    return smooth
