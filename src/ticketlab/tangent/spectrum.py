"""The ends of the tangent kernel's spectrum, from products with it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ticketlab.tangent.lanczos import lanczos

__all__ = ["condition_number", "extreme_eigenvalues"]


def condition_number(ends: tuple[float, float], ridge: float) -> float:
    """(κ_max + λ)/(κ_min + λ), from the smallest and the largest eigenvalue; from below if these are from inside."""
    low, high = (end + ridge for end in ends)
    return high / low if low > 0 else float("inf")


def extreme_eigenvalues(
    gram: Callable[[Any], Any], shape: tuple[int, int], steps: int = 40
) -> tuple[float, float]:
    """Estimates of the smallest (from above) and largest (from below) eigenvalue of K, by the Lanczos process.

    Arguments:
        gram: u `[1, n, k]` ↦ K u.
        shape: (n, k).
        steps: products with K; about ten give the largest eigenvalue to 1 % or better.

    Cost: `steps` products, and `steps`² · n·k multiply–adds to keep the basis orthogonal.
    """
    start = (
        np.cos(1.618033988749895 * np.arange(shape[0] * shape[1])) + 0.1
    )  # any vector with weight on all eigenvectors
    ritz = lanczos(gram, start.reshape(shape), steps, vectors=False)
    return float(max(ritz.values[0], 0.0)), float(ritz.values[-1])
