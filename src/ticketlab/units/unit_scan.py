"""The scan: every unit of every layer against every class, with the chance of the best one under a null.

Two questions, kept apart. *Is there anything?* The largest |z| over all units and classes is compared with its null under
permuted labels. *Is it a detector?* With thousands of examples an AUC of 0.55 is significant, and useless. A reliable
detector has a held-out AUC of at least 0.95 and a held-out J of at least 0.8. Then there are the controls: equally many
random linear filters and total brightness, which alone separates some digits (`ticketlab.units.reading`).

Memory is bounded whatever the number of examples: responses are read in blocks of units, and ranked in smaller ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from ticketlab.errors import UserError
from ticketlab.units.held_out import HalfScores, half_scores, halves
from ticketlab.units.null import Labels, MaximumNull
from ticketlab.units.ranks import centred_ranks, sort
from ticketlab.units.reading import MEMORY, Group, Responses

__all__ = ["RELIABLE_AUC", "RELIABLE_YOUDEN", "Best", "Scan", "scan"]

RELIABLE_AUC, RELIABLE_YOUDEN = 0.95, 0.8
TILE = 64 * 1024**2  # bytes of the ranks of one matrix product
SORTED = 4 * 1024**2  # bytes of the responses that are sorted together: working arrays are ten times that


@dataclass(frozen=True)
class Best:
    """The best unit for one class: chosen on each half of the examples, scored on the other, and averaged.

    Arguments:
        label: the class.
        units: the unit chosen on the first half, and on the second.
        auc: held-out, in the direction that was chosen.
        youden: held-out J.
    """

    label: int
    units: tuple[int, int]
    auc: float
    youden: float

    @property
    def reliable(self) -> bool:
        return self.auc >= RELIABLE_AUC and self.youden >= RELIABLE_YOUDEN


@dataclass(frozen=True, eq=False)
class Scan:
    """Scores of all units for all classes.

    Arguments:
        groups: of the units, in order.
        auc: P(response to the class > response to the rest) + ½ P(equal); below ½, low responses mark the class.
        z: (AUC − ½) over its standard deviation under permuted labels, corrected for ties; 0 for constant units.
        halves: scores on two halves.
        selectivity: (μ − μ_rest)/(μ + μ_rest) of mean responses; NaN where a mean is negative or both are 0. Others report
            it; it is high for units that detect nothing (Gale et al. 2020), so no verdict uses it.
        maxima: the largest |z| over all units, by permutation and class.
    """

    groups: tuple[Group, ...]
    auc: Float[np.ndarray, "units classes"] = field(repr=False)
    z: Float[np.ndarray, "units classes"] = field(repr=False)
    halves: HalfScores = field(repr=False)
    selectivity: Float[np.ndarray, "units classes"] = field(repr=False)
    maxima: Float[np.ndarray, "permutations classes"] = field(repr=False)

    @property
    def p_values(self) -> Float[np.ndarray, "units classes"]:
        """(b + 1)/(B + 1) with b the permutations whose largest |z| over all units and classes is at least that of the
        unit. It bounds the chance of one false detection among all of them."""
        null = np.sort(self.maxima.max(axis=1))
        reached = len(null) - np.searchsorted(null, np.abs(self.z), side="left")
        return (reached + 1) / (len(null) + 1)

    @property
    def p_value(self) -> float:
        """Of the largest |z| among all units and classes."""
        return float(self.p_values.min())

    def critical(self, level: float = 0.05) -> float:
        """The |z| that the largest of all units exceeds in a share `level` of permutations."""
        return float(np.quantile(self.maxima.max(axis=1), 1 - level, method="higher"))

    @property
    def held_out_auc(self) -> Float[np.ndarray, "units classes"]:
        """Mean of both halves, each in the direction that the other chose."""
        return self.halves.directed_auc.mean(axis=0)

    @property
    def youden(self) -> Float[np.ndarray, "units classes"]:
        """Held-out J, the mean of both halves."""
        return self.halves.youden.mean(axis=0)

    @property
    def balanced_accuracy(self) -> Float[np.ndarray, "units classes"]:
        """Held-out (1 + J)/2."""
        return (1 + self.youden) / 2

    @property
    def reliable(self) -> Bool[np.ndarray, "units classes"]:
        """Which units are reliable detectors of which class."""
        return (self.held_out_auc >= RELIABLE_AUC) & (self.youden >= RELIABLE_YOUDEN)

    def best(self, label: int) -> Best:
        """The best unit for a class, chosen by |AUC − ½|; scores are free of the choice among units."""
        chosen = np.argmax(np.abs(self.halves.auc[:, :, label] - 0.5), axis=1)
        scored = [
            (of[1, chosen[0], label], of[0, chosen[1], label])
            for of in (self.halves.directed_auc, self.halves.youden)
        ]
        return Best(label, (int(chosen[0]), int(chosen[1])), *(float(np.mean(pair)) for pair in scored))

    def name(self, unit: int) -> str:
        """ "conv-2, spatial mean, unit 7", counted from 0 in its layer."""
        group, number = self.place(unit)
        return f"{group.title}, unit {number}"

    def place(self, unit: int) -> tuple[Group, int]:
        """The unit's group, and its number in it."""
        for group in self.groups:
            if unit < group.units:
                return group, unit
            unit -= group.units
        raise UserError(f"unit {unit} more than there are", "one of the units of the scan")


def scan(
    responses: Responses,
    labels: Int[np.ndarray, "n"],
    *,
    permutations: int = 999,
    seed: int,
    memory: int = MEMORY,
) -> Scan:
    """Every unit against every class.

    Arguments:
        responses: of a network's units, of random filters, or of anything else.
        labels: `[n]` integers 0 … k−1, at least two examples of each.
        permutations: B of the null; p-values are at least 1/(B + 1).
        seed: of the permutations and of the halves. Scans with equal seeds and labels share them.
        memory: bytes of responses that are held at once; about 0.4 GiB of working arrays come on top.

    Raises: UserError for labels without examples, or responses that are not numbers.

    Cost: one reading of the responses for each block of `memory`; sorting, O(n log n) a unit; thresholds, O(nk) a unit;
    permutations, 2·units·n·B·(k − 1) operations, in float32 while rank sums are exact there.

    Equivalent routine: for one unit and class, `sklearn.metrics.roc_auc_score` and `scipy.stats.mannwhitneyu`.
    """
    if len(labels) != responses.examples:
        raise UserError(
            f"{len(labels)} labels for {responses.examples} examples", "one label for each example"
        )
    of = Labels(np.asarray(labels))
    first, null, one_hot = halves(of, seed), MaximumNull(of, permutations, seed), of.one_hot()
    tile = max(1, TILE // (np.dtype(of.precision).itemsize * responses.examples))
    parts: list[_Part] = []
    for _, block in responses.blocks(memory):
        for start in range(0, len(block), tile):
            parts.append(_tile(block[start : start + tile], of, first, one_hot, null))
    auc, z, half_auc, half_youden, half_fitted, selectivity = (
        np.concatenate(arrays, axis=1 if arrays[0].ndim == 3 else 0) for arrays in zip(*parts, strict=True)
    )
    found = HalfScores(half_auc, half_youden, half_fitted)
    return Scan(responses.groups, auc, z, found, selectivity, null.maxima())


_Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _tile(
    values: Float[np.ndarray, "units n"],
    labels: Labels,
    first: Bool[np.ndarray, "n"],
    one_hot: Float[np.ndarray, "n classes"],
    null: MaximumNull,
) -> _Part:
    """AUC, z, the three scores of both halves and selectivity; adds the units to the null."""
    units, n = values.shape
    ranks = np.empty((units, n), np.float32)
    ties = np.empty(units)
    auc, youden, fitted = (np.empty((2, units, labels.classes)) for _ in range(3))
    rows = max(1, SORTED // (4 * n))
    for start in range(0, units, rows):
        some = slice(start, min(start + rows, units))
        found = sort(values[some])
        ranks[some], ties[some] = centred_ranks(found), found.tie_factor
        scores = half_scores(found, labels.values, first, labels.classes)
        auc[:, some], youden[:, some], fitted[:, some] = scores.auc, scores.youden, scores.fitted
    of_unit = np.divide(1, np.sqrt(ties), out=np.zeros(units), where=ties > 0)
    sums = _product(ranks, one_hot)
    null.add(ranks, of_unit)
    return (
        0.5 + sums / (2 * labels.pairs),
        null.scores(sums, of_unit),
        auc,
        youden,
        fitted,
        _selectivity(values, one_hot),
    )


def _product(values: np.ndarray, one_hot: np.ndarray) -> np.ndarray:
    """values · one_hot in float64, a few rows at a time, so that no copy of all is made."""
    return np.concatenate(
        [values[i : i + 64].astype(np.float64) @ one_hot for i in range(0, len(values), 64)]
    )


def _selectivity(values: np.ndarray, one_hot: np.ndarray) -> np.ndarray:
    counts = one_hot.sum(axis=0)
    sums = _product(values, one_hot)
    mean, rest = sums / counts, (sums.sum(axis=1, keepdims=True) - sums) / (len(one_hot) - counts)
    valid = (mean >= 0) & (rest >= 0) & (mean + rest > 0)
    return np.divide(mean - rest, mean + rest, out=np.full(mean.shape, np.nan), where=valid)
