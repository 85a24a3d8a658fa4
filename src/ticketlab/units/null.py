"""The null of the largest statistic among many units and classes: labels are permuted, and the maximum is taken anew (max-T).

With doubled, centred mid-ranks R and one-hot labels Y the rank sums are S = R·Y, and

    AUC = ½ + S / (2 n₁n₀),    z = S / √Var S,    Var S = n₁n₀(n + 1)/3 · (1 − Σ(t³ − t)/(n³ − n)).

Every permutation of the labels serves all units, so that correlations between units are kept. For each, the largest |z|
is noted. A z is significant if few of these maxima reach it: searching more units raises the maxima too. The p-value
(b + 1)/(B + 1) is exact for exchangeable labels.

All rank sums come from one matrix product with the permuted labels next to each other. A unit's sums over all classes add
up to zero, so the product leaves out the most frequent class. Every partial sum over m members of a class is at most
m(n − m) in absolute value. Below 2²⁴ float32 is exact, so ties between a maximum and a z are seen; above, float64 is used.

Sources: Westfall & Young 1993, Resampling-Based Multiple Testing, section 2.6 (max-T); Phipson & Smyth 2010,
doi:10.2202/1544-6115.1585 (the p-value).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ticketlab.errors import UserError

__all__ = ["Labels", "MaximumNull", "permuted_labels", "whole_numbers"]

TILE = 64 * 1024**2  # bytes of the label matrix
EXACT = 2**24


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of n examples.

    Arguments:
        values: `[n]` integers 0 … k−1, every class present.

    Raises:
        UserError: for other labels, a class without examples, or one class only.
    """

    values: Int[np.ndarray, "n"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", whole_numbers(self.values))
        counts = np.bincount(self.values)
        if len(counts) < 2 or not counts.all():
            raise UserError(
                f"{np.count_nonzero(counts)} of {len(counts)} classes with examples",
                "at least two classes, each with examples",
                "Number the classes without gaps.",
            )

    @property
    def counts(self) -> Int[np.ndarray, "classes"]:
        return np.bincount(self.values)

    @property
    def classes(self) -> int:
        return len(self.counts)

    @property
    def pairs(self) -> Float[np.ndarray, "classes"]:
        """n₁n₀ of each class against the rest."""
        counts = self.counts.astype(np.float64)
        return counts * (len(self.values) - counts)

    @property
    def precision(self) -> Any:
        """The narrowest in which all rank sums are exact, or float64."""
        n, counts = len(self.values), self.counts.astype(np.float64)
        most = np.max(np.where(2 * counts <= n, counts * (n - counts), n * n / 4))
        return np.float32 if most < EXACT else np.float64

    def one_hot(self) -> Float[np.ndarray, "n classes"]:
        return np.eye(self.classes)[self.values]


def whole_numbers(labels: Any) -> Int[np.ndarray, "n"]:
    """Labels as integers, which may be written as floats; a UserError for others."""
    values = np.asarray(labels)
    numbers = values.dtype.kind in "iuf" and values.ndim == 1
    if not numbers or np.any(values < 0) or not np.all(values == np.floor(values)):
        raise UserError(
            f"labels of type {values.dtype} and shape {values.shape}",
            "one whole number from 0 to k − 1 for each example",
            "np.unique(labels, return_inverse=True)[1] numbers them.",
        )
    return values.astype(int) if values.dtype.kind == "f" else values


def permuted_labels(labels: Labels, seed: int, number: int) -> Int[np.ndarray, "n"]:
    """Permutation `number` of the labels; each is a function of the seed and its number alone."""
    return np.random.default_rng([seed, number]).permutation(labels.values)


class MaximumNull:
    """Maxima of |z| over the units seen so far, for every permutation and class.

    Arguments:
        labels: the labels.
        permutations: B, ≥ 19, below which nothing is significant at 5 %.
        seed: of the permutations.
    """

    def __init__(self, labels: Labels, permutations: int, seed: int) -> None:
        if permutations < 19:
            raise UserError(f"{permutations} permutations", "at least 19, for a p-value of 5 %")
        self.labels, self.permutations, self.seed = labels, permutations, seed
        self.kept = np.delete(np.arange(labels.classes), np.argmax(labels.counts))
        self.left_out = np.array([np.argmax(labels.counts)])
        n = len(labels.values)
        self.of_class = np.sqrt(3 / (labels.pairs * (n + 1))).astype(labels.precision)
        self.largest = np.zeros((permutations, labels.classes), labels.precision)

    def scores(
        self, sums: Float[np.ndarray, "units classes"], of_unit: Float[np.ndarray, "units"]
    ) -> Float[np.ndarray, "units classes"]:
        """z, rounded as the maxima are, so that equal ones compare as equal.

        Arguments:
            sums: S.
            of_unit: 1/√(tie factor), 0 for a constant unit.
        """
        kind = self.labels.precision
        return (sums.astype(kind) * of_unit.astype(kind)[:, None]) * self.of_class

    def add(self, ranks: Float[np.ndarray, "units n"], of_unit: Float[np.ndarray, "units"]) -> None:
        """Takes in more units.

        Cost: 2·units·n·B·(classes − 1) operations, in the labels' precision.
        """
        kind = self.labels.precision
        ranks, scale = ranks.astype(kind, copy=False), of_unit.astype(kind)[:, None, None]
        n, kept = len(self.labels.values), len(self.kept)
        step = max(1, TILE // (n * kept * np.dtype(kind).itemsize))
        for first in range(0, self.permutations, step):
            numbers = range(first, min(first + step, self.permutations))
            sums = (ranks @ self._matrix(numbers)).reshape(len(ranks), len(numbers), kept)
            last = sums.sum(axis=2, dtype=np.float64, keepdims=True).astype(
                kind
            )  # of the class left out, negative
            for part, to in ((sums, self.kept), (last, self.left_out)):
                part *= scale
                found = np.maximum(part.max(axis=0), -part.min(axis=0))
                at = np.ix_(np.array(numbers), to)
                self.largest[at] = np.maximum(self.largest[at], found)

    def _matrix(self, numbers: range) -> Float[np.ndarray, "n columns"]:
        """One-hot columns of the permuted labels, without the most frequent class, permutation by permutation."""
        place = np.full(self.labels.classes, -1)
        place[self.kept] = np.arange(len(self.kept))
        n, kept = len(self.labels.values), len(self.kept)
        matrix = np.zeros((n, len(numbers), kept), self.labels.precision)
        for column, number in enumerate(numbers):
            where = place[permuted_labels(self.labels, self.seed, number)]
            rows = np.flatnonzero(where >= 0)
            matrix[rows, column, where[rows]] = 1
        return matrix.reshape(n, -1)

    def maxima(self) -> Float[np.ndarray, "permutations classes"]:
        """max |z| over units, by permutation and class."""
        return self.largest * self.of_class
