"""How a weight is written with the products at hand: by one of them, by a subset, by taking what fits, by digits.

A search gets rows of products, a target for each, and a tolerance. It returns what each row keeps. All are exact about what they
keep, and differ in how many products they need for an error of ε:

    pick-one            about 1/ε          the product that is nearest                          (Malach et al. 2020)
    taking what fits    log(1/ε), × 10     from the largest down, each product that still fits
    golden bins         log(1/ε), × 30     the same, with one product in each bin (γ^(k+1), γ^k]  (Orseau et al. 2020)
    subset sum          log2(1/ε), × 1…3   the nearest of all 2^n sums                          (Pensia et al. 2020)

The factors are rough, for uniform or hyperbolic weights at ε = 0.01; `benchmarks/constructions.py` measures them.

Taking what fits has a certificate. For products x_(1) ≥ x_(2) ≥ … > 0 with x_(k) ≤ 2ε + Σ_{j>k} x_(j) for all k, every target
in [0, Σ x] is reached within ε. Bins of the golden ratio give this condition: γ^k = Σ_{j ≥ k+2} γ^j with γ = (√5 − 1)/2.

Sources: Malach, Yehudai, Shalev-Shwartz, Shamir 2020, arXiv 2002.00585; Pensia, Rajput, Nagle, Vishwakarma, Papailiopoulos 2020,
arXiv 2006.07990; Orseau, Hutter, Rivasplata 2020, arXiv 2006.12156.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from ticketlab.errors import UserError
from ticketlab.tickets.constructions.subset_sum import LONGEST, closest, smallest

__all__ = ["GOLDEN", "FittingSum", "GoldenBins", "PickOne", "Search", "SubsetSum", "reaches_all"]

GOLDEN = (math.sqrt(5) - 1) / 2


class Search(ABC):
    """How rows of products are searched.

    Arguments:
        adds: whether a sum may go on in other products where it ended; else a repair starts anew.
    """

    adds: ClassVar[bool] = True

    @abstractmethod
    def __call__(
        self,
        pool: Float[np.ndarray, "m n"],
        target: Float[np.ndarray, " m"],
        tolerance: Float[np.ndarray, " m"],
    ) -> Bool[np.ndarray, "m n"]:
        """What each row keeps.

        Arguments:
            pool: products; zeros are places without one, and never kept.
            target: what the kept products should add up to.
            tolerance: the error that is wanted.
        """


@dataclass(frozen=True)
class SubsetSum(Search):
    """The closest subset of the first products of each row, of more of them where the error exceeds the tolerance.

    Arguments:
        start: products at first.
        step: more of them in every further round.
        most: at most; a row with more uses its `most` largest ones in the last round.
        fewest: the smallest subset within the tolerance instead of the closest.
    """

    start: int = 12
    step: int = 4
    most: int = 28
    fewest: bool = False

    def __post_init__(self) -> None:
        if not (1 <= self.start <= self.most <= LONGEST and self.step >= 1):
            raise UserError(
                f"a subset sum of {self.start}, {self.start + self.step}, … {self.most} products",
                f"at least one, growing, at most {LONGEST}",
            )

    def __call__(self, pool: np.ndarray, target: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
        kept, rows, size = np.zeros(pool.shape, bool), np.arange(len(pool)), self.start
        while len(rows):
            size = min(size, self.most)
            which = _first(pool[rows], size, largest=size == self.most)
            part = np.take_along_axis(pool[rows], which, axis=1)
            if self.fewest:
                found = smallest(part, target[rows], tolerance[rows])
            else:
                found = closest(part, target[rows])
            own = np.zeros((len(rows), pool.shape[1]), bool)
            np.put_along_axis(own, which, found, axis=1)
            kept[rows] = own
            if size >= min(pool.shape[1], self.most):
                break
            error = np.abs((part * found).sum(axis=1) - target[rows])
            rows = rows[error > tolerance[rows]]
            size += self.step
        return kept


@dataclass(frozen=True)
class PickOne(Search):
    """The one product that is nearest, or none if zero is nearer."""

    adds: ClassVar[bool] = False

    def __call__(self, pool: np.ndarray, target: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
        best = np.abs(pool - target[:, None]).argmin(axis=1)
        kept = np.zeros(pool.shape, bool)
        nearest = pool[np.arange(len(pool)), best]
        kept[np.arange(len(pool)), best] = np.abs(nearest - target) < np.abs(target)
        return kept & (pool != 0)


@dataclass(frozen=True)
class FittingSum(Search):
    """From the largest product with the sign of the target down: each one that brings the sum no further than ε past it.

    Cost: O(n log n) a row.
    """

    def __call__(self, pool: np.ndarray, target: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
        size = pool * np.sign(target)[:, None]
        return _fitted(np.where(size > 0, size, 0.0), np.abs(target), tolerance)


@dataclass(frozen=True)
class GoldenBins(Search):
    """Digits of the golden ratio: the first product in each bin (top γ^(k+1), top γ^k], then taking what fits.

    Arguments:
        top: the upper end of the first bin.
        bins: the number of bins, down to where what is left is below the tolerance.
    """

    top: float = 1.0
    bins: int = 11

    def __call__(self, pool: np.ndarray, target: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
        size = pool * np.sign(target)[:, None]
        with np.errstate(divide="ignore"):
            digit = np.floor(np.log(np.where(size > 0, size, np.nan) / self.top) / math.log(GOLDEN))
        chosen = np.zeros(pool.shape, bool)
        rows = np.arange(len(pool))
        for k in range(self.bins):
            here = digit == k
            first = here.argmax(axis=1)
            chosen[rows, first] |= here[rows, first]
        return _fitted(np.where(chosen, size, 0.0), np.abs(target), tolerance)


def reaches_all(products: Float[np.ndarray, " n"], tolerance: float) -> bool:
    """Whether taking what fits reaches every target in [0, Σx + ε] within ε: x_(k) ≤ 2ε + Σ_{j>k} x_(j) for all k.

    Arguments:
        products: positive ones.
        tolerance: ε.
    """
    ordered = np.sort(products)[::-1]
    rest = ordered[::-1].cumsum()[::-1] - ordered
    return bool(np.all(ordered <= 2 * tolerance + rest))


def _fitted(size: np.ndarray, target: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    order = np.argsort(-size, axis=1, kind="stable")
    ordered = np.take_along_axis(size, order, axis=1)
    left, taken = target + tolerance, np.zeros(size.shape, bool)  # what may still be added, ε past the target
    for k in range(size.shape[1]):
        fits = (ordered[:, k] <= left) & (ordered[:, k] > 0) & (left > 2 * tolerance)
        taken[:, k] = fits
        left = left - np.where(fits, ordered[:, k], 0.0)
    kept = np.zeros(size.shape, bool)
    np.put_along_axis(kept, order, taken, axis=1)
    return kept


def _first(pool: np.ndarray, size: int, *, largest: bool) -> np.ndarray:
    """The places of the first products of each row, or of its largest ones, in order."""
    if size >= pool.shape[1]:
        return np.broadcast_to(np.arange(pool.shape[1]), pool.shape)
    if not largest:
        return np.broadcast_to(np.arange(size), (len(pool), size))
    return np.sort(np.argpartition(-np.abs(pool), size - 1, axis=1)[:, :size], axis=1)
