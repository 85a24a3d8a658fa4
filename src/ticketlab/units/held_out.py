"""Held-out scores of every unit for every class: what is chosen on one half of the examples is scored on the other.

A unit may say "class c" by a high response or by a low one, and the threshold is free. Both are choices, so both are made
on one half, by the largest |J| with Youden's J = true-positive rate − false-positive rate, and scored on the other half.
It is done both ways and averaged. Balanced accuracy is (1 + J)/2. The direction of the held-out AUC is that of the AUC on the
other half.

Sources: Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3; Gale et al. 2020, arXiv
2007.01062 (informedness as the measure of a detector unit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ticketlab.errors import UserError
from ticketlab.units.null import Labels
from ticketlab.units.ranks import Sorted

__all__ = ["HalfScores", "half_scores", "halves"]


@dataclass(frozen=True, eq=False)
class HalfScores:
    """Scores by half, unit and class.

    Arguments:
        auc: of each half by itself; below ½ the unit is low for the class.
        youden: J on each half, with the direction and the threshold that the other half chose.
        fitted: |J| on each half with those that it chose itself. It is too large, and serves to choose units by.
    """

    auc: Float[np.ndarray, "2 units classes"]
    youden: Float[np.ndarray, "2 units classes"]
    fitted: Float[np.ndarray, "2 units classes"]

    @property
    def directed_auc(self) -> Float[np.ndarray, "2 units classes"]:
        """AUC on each half, in the direction that the other half chose."""
        low = self.auc[::-1] < 0.5
        return np.where(low, 1 - self.auc, self.auc)


def halves(labels: Labels, seed: int) -> Bool[np.ndarray, "n"]:
    """Which examples are in the first half: a random half of each class, rounded up for every second class.

    Raises:
        UserError: for a class with a single example.
    """
    if labels.counts.min() < 2:
        raise UserError(
            f"class {int(np.argmin(labels.counts))} with one example", "at least two examples of every class"
        )
    first = np.zeros(len(labels.values), bool)
    rng = np.random.default_rng(seed)
    for number, count in enumerate(labels.counts):
        members = rng.permutation(np.flatnonzero(labels.values == number))
        first[members[: (count + number % 2) // 2]] = True
    return first


def half_scores(
    found: Sorted, labels: Int[np.ndarray, "n"], first: Bool[np.ndarray, "n"], classes: int
) -> HalfScores:
    """All scores of several units.

    Arguments:
        found: their sorted responses.
        labels: of the examples, 0 … classes − 1.
        first: the examples of the first half.

    Cost: O(n · classes) for each unit.
    """
    units = len(found.order)
    sorted_labels, in_first = labels[found.order], first[found.order]
    auc, youden, fitted = (np.empty((2, units, classes)) for _ in range(3))
    inside = np.stack([in_first, ~in_first])
    seen = np.cumsum(inside, axis=2, dtype=np.int32)  # examples of the half up to each place
    twice = [_twice_below(found, seen[half]) for half in (0, 1)]
    last = found.last
    for c in range(classes):
        rates, exact = [], []
        for half in (0, 1):
            member = (sorted_labels == c) & inside[half]
            hits = np.cumsum(member, axis=1, dtype=np.int32)
            ones = int(hits[0, -1])
            rest = int(seen[half, 0, -1]) - ones
            # Σ over the class's members; pairs within the class add up to ones².
            below = np.sum(np.where(member, twice[half], 0), axis=1, dtype=np.int64)
            auc[half, :, c] = (below - ones**2) / (2 * ones * rest)
            # Above a threshold: 1 − hits/ones of the class, 1 − (seen − hits)/rest of the rest.
            rates.append(seen[half] / np.float32(rest) - hits * np.float32(1 / ones + 1 / rest))
            exact.append((hits, ones, rest))
        for half in (0, 1):
            at = np.argmax(np.where(last, np.abs(rates[half]), -1), axis=1)[:, None]
            chosen, scored = (_rate(seen[of], *exact[of], at) for of in (half, 1 - half))
            youden[1 - half, :, c] = np.where(chosen < 0, -scored, scored)
            fitted[half, :, c] = np.abs(chosen)
    return HalfScores(auc, youden, fitted)


def _rate(
    seen: Int[np.ndarray, "units n"], hits: Int[np.ndarray, "units n"], ones: int, rest: int, at: np.ndarray
) -> Float[np.ndarray, "units"]:
    """The rate at chosen places, rounded once, so that a J of .8 is not a little less."""
    both, own = (np.take_along_axis(of, at, axis=1)[:, 0].astype(np.int64) for of in (seen, hits))
    return (both * ones - own * (ones + rest)) / (ones * rest)


def _twice_below(found: Sorted, seen: Int[np.ndarray, "units n"]) -> Int[np.ndarray, "units n"]:
    """For each place, the examples of a half below it plus those not above it, equal ones thus counted by half."""
    before = np.take_along_axis(seen, np.maximum(found.start - 1, 0), axis=1)
    return np.where(found.start > 0, before, 0) + np.take_along_axis(seen, found.end, axis=1)
