"""Subset sum: whether a few random numbers can be added up to a given one, for many targets at once.

A row is one problem: numbers x_1 … x_n, a target z, and the subset whose sum is closest to z. Meet in the middle finds it: all
sums A of one half, all sums C of the other, and for each c the a nearest to z − c. That takes O(n 2^(n/2)) instead of 2^n.

Rows are solved side by side. Sums double with every number; the sums A of each row are sorted; one search then serves all rows,
because each row is moved to an interval of its own. Everything is in float64, and the errors that come back are those of the
chosen subsets, added up anew.

Source: Horowitz & Sahni 1974, "Computing partitions with applications to the knapsack problem", section 2.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["closest", "doubled", "smallest"]

ENTRIES = 2**21  # sums held at once: 16 MB
LONGEST = 40  # numbers in a row: 2^20 sums in each half

Pool = Float[np.ndarray, "m n"]
Kept = Bool[np.ndarray, "m n"]


def doubled(x: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m sums"]:
    """The sums of all 2^n subsets of each row. Subset s keeps x_j if bit j of s is set."""
    sums = np.zeros((len(x), 2 ** x.shape[1]))
    for j in range(x.shape[1]):
        sums[:, 2**j : 2 ** (j + 1)] = sums[:, : 2**j] + x[:, j : j + 1]
    return sums


def closest(pool: Float[np.ndarray, "m n"], target: Float[np.ndarray, " m"]) -> Bool[np.ndarray, "m n"]:
    """The subset of each row whose sum is nearest to the row's target.

    Arguments:
        pool: the numbers x; n at most 40.
        target: z.

    Returns: what each subset keeps. A zero is never kept.

    Cost: O(m n 2^(n/2)) time; memory for 2^21 sums, or for those of one row.
    """
    return _in_blocks(pool, target, _closest)


def smallest(
    pool: Float[np.ndarray, "m n"],
    target: Float[np.ndarray, " m"],
    tolerance: Float[np.ndarray, " m"],
) -> Bool[np.ndarray, "m n"]:
    """The subset with the fewest numbers among those within the tolerance; of equally small ones, the nearest.

    A row without a subset within its tolerance gets its closest one.

    Cost: n/2 + 1 times that of `closest`, since sums are searched by the size of their subset.
    """
    return _in_blocks(pool, target, _smallest, tolerance)


def _in_blocks(pool: np.ndarray, target: np.ndarray, solve: object, *more: np.ndarray) -> np.ndarray:
    pool = np.ascontiguousarray(pool, np.float64)
    count, n = pool.shape
    if n > LONGEST:
        raise ValueError(f"{n} numbers in a row; meet in the middle takes at most {LONGEST}")
    rows = max(1, ENTRIES >> ((n + 1) // 2))
    kept = np.zeros((count, n), bool)
    for first in range(0, count, rows):
        some = slice(first, first + rows)
        kept[some] = solve(pool[some], target[some], *(m[some] for m in more))  # type: ignore[operator]
    return kept & (pool != 0)


def _closest(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    half = x.shape[1] // 2
    left, right = doubled(x[:, :half]), doubled(x[:, half:])
    ordered, wanted = np.sort(left, axis=1), np.sort(z[:, None] - right, axis=1)
    nearest, error = _nearest(ordered, wanted)
    best = error.argmin(axis=1)
    rows = np.arange(len(x))
    # The sums were sorted without their subsets; each is found again by its value.
    a = np.abs(left - nearest[rows, best][:, None]).argmin(axis=1)
    c = np.abs((z[:, None] - right) - wanted[rows, best][:, None]).argmin(axis=1)
    return np.concatenate([_bits(a, half), _bits(c, x.shape[1] - half)], axis=1)


def _smallest(x: np.ndarray, z: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    kept = _closest(x, z)
    half, n = x.shape[1] // 2, x.shape[1]
    size = kept.sum(axis=1)
    found = np.abs((x * kept).sum(axis=1) - z)
    open_ = (found <= tolerance) & (size > 0)
    rows = np.flatnonzero(open_)
    if not len(rows):
        return kept
    left, right = doubled(x[rows, :half]), doubled(x[rows, half:])
    sizes_left, sizes_right = (
        np.bitwise_count(np.arange(2**k, dtype=np.uint32)).astype(int) for k in (half, n - half)
    )
    best_size, best_error = size[rows], found[rows]
    for k in range(half + 1):
        own = np.flatnonzero(sizes_left == k)
        ordered = np.sort(left[:, own], axis=1)
        nearest, error = _nearest(ordered, z[rows, None] - right)
        total = np.where(error <= tolerance[rows, None], k + sizes_right, n + 1)
        # the fewest first, then the nearest
        c = np.lexsort((error, total), axis=1)[:, 0]
        at = np.arange(len(rows))
        better = (total[at, c] < best_size) | ((total[at, c] == best_size) & (error[at, c] < best_error))
        best_size = np.where(better, total[at, c], best_size)
        best_error = np.where(better, error[at, c], best_error)
        a = own[np.abs(left[:, own] - nearest[at, c][:, None]).argmin(axis=1)]
        bits = np.concatenate([_bits(a, half), _bits(c, n - half)], axis=1)
        kept[rows[better]] = bits[better]
    return kept


def _nearest(ordered: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each wanted value the nearest of its row's ordered ones, and how far it is."""
    rows, width = ordered.shape
    low = min(float(ordered.min()), float(wanted.min()))
    span = 2.0 * (max(float(ordered.max()), float(wanted.max())) - low) + 1e-300
    offset = (
        span * np.arange(rows)[:, None] - low
    )  # rows in intervals of their own, so that one search serves all
    place = np.searchsorted((ordered + offset).ravel(), (wanted + offset).ravel()).reshape(wanted.shape)
    place -= width * np.arange(rows)[:, None]
    above = np.take_along_axis(ordered, np.clip(place, 0, width - 1), axis=1)
    below = np.take_along_axis(ordered, np.clip(place - 1, 0, width - 1), axis=1)
    up, down = np.abs(above - wanted), np.abs(below - wanted)
    return np.where(up < down, above, below), np.minimum(up, down)


def _bits(subset: Int[np.ndarray, " m"], n: int) -> Bool[np.ndarray, "m n"]:
    return (subset[:, None] >> np.arange(n)) & 1 == 1
