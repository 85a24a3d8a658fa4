"""Covariances of test points, as every posterior takes them: of test with training points, and of test points themselves.

A matrix in the place of its diagonal, or the other way round, would be broadcast to numbers that mean nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError

__all__ = ["checked_cross", "checked_test"]


def checked_cross(cross: Any, examples: int) -> Float[np.ndarray, "m n"]:
    """K_* `[m, n]`; a UserError for another shape."""
    found = np.asarray(cross, np.float64)
    if found.ndim != 2 or found.shape[1] != examples:
        raise UserError(
            f"covariances of test with training points of shape {found.shape}",
            f"(m, {examples}): a row for each of m test points",
            "Take kernels(network, tests, x).",
        )
    return found


def checked_test(test: Any, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """K_** `[m, m]`, or its diagonal `[m]`; a UserError for another shape."""
    found = np.asarray(test, np.float64)
    if found.shape != shape:
        raise UserError(
            f"covariances of the test points of shape {found.shape}",
            f"{shape}, {'the matrix' if len(shape) == 2 else 'its diagonal'}",
            "Take kernels(network, tests)." if len(shape) == 2 else "Take kernels_diagonal(network, tests).",
        )
    return found
