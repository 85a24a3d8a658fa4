"""The search for a curve's exponent or rate: for many data sets at once, on grids that narrow around their best points.

The coefficients of a curve are not negative, and there are one or two of them, so their least squares have a closed form.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

__all__ = ["best_ends", "least", "least_squares", "neighbours"]

GRID = np.linspace(0.0, 1.0, 65)  # of a range that is searched
PARALLEL = 1e-14  # the square of the sine between columns below which they are


def least(
    of: Callable[[np.ndarray], np.ndarray],
    low: Float[np.ndarray, "m"],
    high: Float[np.ndarray, "m"],
    within: float = 1e-8,
) -> Float[np.ndarray, "m"]:
    """Where m functions are least between bounds.

    Arguments:
        of: from points to values `[m, q] -> [m, q]`.
        low, high: the bounds.
        within: the last distance of the grid's points, at most.
    """
    rows = np.arange(len(low))
    while True:
        points = low[:, None] + (high - low)[:, None] * GRID
        at = np.argmin(of(points), axis=1)
        if np.max(high - low) * GRID[1] <= within:
            return points[rows, at]
        low, high = points[rows, np.maximum(at - 1, 0)], points[rows, np.minimum(at + 1, len(GRID) - 1)]


def neighbours(axis: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of points of an axis `[q]`, by their places `[m]`."""
    return axis[np.maximum(at - 1, 0)], axis[np.minimum(at + 1, len(axis) - 1)]


def least_squares(
    columns: Float[np.ndarray, "*of n k"], target: Float[np.ndarray, "*#of n"]
) -> Float[np.ndarray, "*of"]:
    """The least sums of squares with one or two coefficients that are not negative."""
    first, *others = np.moveaxis(columns, -1, 0)
    if not others:
        left = target - np.maximum(_dot(first, target) / _dot(first, first), 0.0)[..., None] * first
    else:
        second = others[0]
        a_1, a_2 = _coefficients(
            _dot(first, target),
            _dot(second, target),
            _dot(first, first),
            _dot(second, second),
            _dot(first, second),
        )
        left = target - a_1[..., None] * first - a_2[..., None] * second
    return _dot(left, left)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...n,...n->...", a, b)


def _coefficients(
    t_1: np.ndarray, t_2: np.ndarray, s_1: np.ndarray, s_2: np.ndarray, cross: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of two columns, from their products with the target, with themselves and with each other.

    If one is negative without bounds, or the columns are parallel, one of the columns alone is best.
    """
    free = s_1 * s_2 - cross**2
    c_1, c_2 = t_1 * s_2 - cross * t_2, t_2 * s_1 - cross * t_1
    both = (c_1 > 0) & (c_2 > 0) & (free > PARALLEL * s_1 * s_2)
    a_1, a_2 = np.maximum(t_1, 0.0) / s_1, np.maximum(t_2, 0.0) / np.where(s_2 > 0, s_2, np.inf)
    first = a_1 * t_1 >= a_2 * t_2
    free = np.where(both, free, 1.0)
    return np.where(both, c_1 / free, a_1 * first), np.where(both, c_2 / free, a_2 * ~first)


def best_ends(
    sizes: Float[np.ndarray, "n"],
    bounds: Float[np.ndarray, "2"],
    weights: Float[np.ndarray, "m n"],
    target: Float[np.ndarray, "m n"],
    alpha: Float[np.ndarray, "m q"],
) -> tuple[Float[np.ndarray, "m q"], Float[np.ndarray, "m q"]]:
    """The best P* of E + A·min(P, P*)^(−α) for each α, exactly, and its misfit.

    Between two sizes, P* only sets the level K of all larger ones. Take the E and A that are best for the smaller sizes, and for
    K the mean of the larger ones. If K lies between the curve's values at both sizes, nothing is better. If not, the best P* is
    one of the two, because the problem is convex in E, A and K, with linear bounds.

    Arguments:
        sizes: P, ascending.
        bounds: of P*.
        weights, target: w, and w·L.
        alpha: α, positive.
    """
    low, high = bounds
    nodes = np.array([low, *sizes[(sizes > low) & (sizes < high)], high])
    falling = np.minimum(sizes, nodes[:, None]) ** -alpha[..., None, None]  # [m, q, nodes, n]
    columns = np.stack(
        [np.broadcast_to(weights[:, None, None], falling.shape), falling * weights[:, None, None]], -1
    )
    found = least_squares(columns, target[:, None, None])
    ends = np.broadcast_to(nodes, found.shape)

    before = np.arange(2, len(sizes))  # how many sizes are smaller than P*; one says nothing of α
    x = weights[:, None] * sizes ** -alpha[..., None]
    t, w = target[:, None], weights[:, None]
    t_1, t_2, s_1, s_2, cross = (
        np.cumsum(each, axis=-1)[..., before - 1] for each in (w * t, x * t, w * w, x * x, w * x)
    )
    floor, height = _coefficients(t_1, t_2, s_1, s_2, cross)
    of_rest = _dot(w, t)[..., None] - t_1
    level = of_rest / (_dot(w, w)[..., None] - s_1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a level below the floor
        end = ((level - floor) / height) ** (-1 / alpha[..., None])
    inside = (end > np.maximum(sizes[before - 1], low)) & (end < np.minimum(sizes[before], high))
    misfit = _dot(t, t)[..., None] - floor * t_1 - height * t_2 - level * of_rest
    found = np.concatenate([found, np.where(inside, misfit, np.inf)], axis=-1)
    ends = np.concatenate([ends, end], axis=-1)
    at = np.argmin(found, axis=-1)[..., None]
    return np.take_along_axis(ends, at, -1)[..., 0], np.take_along_axis(found, at, -1)[..., 0]
