"""Which units detect a simple shape: edges, corners, circles.

A unit detects a family if it responds more to one of its members (an edge of one orientation, say) than to everything
that is not of the family: all other families, and the phase-scrambled twins of all stimuli. The measure is the AUC. The
member is chosen at half of the positions and scored at the others, both ways, averaged.

With a hundred members to choose from, some random filter always looks good. So a unit counts as a detector if its AUC is
above 0.9 *and* above the 99 % point of random linear filters of its receptive field, through the same activation
function and pooling. In the first layer of a random network the two have the same law: no excess is the right answer there.

Can anything pass? Stimuli have one root mean square over the whole frame, so small ones have higher peaks, and a unit is read by
its maximum. In a large frame not even a filter that is made for edges tells them from blobs. `ideal_filters` go through the same
test, and the share of members that they detect says whether a family can be asked about.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import binomtest

from ticketlab.errors import UserError
from ticketlab.units.ranks import Sorted, sort
from ticketlab.units.stimuli import FAMILIES, IDEAL, Stimuli

__all__ = ["Detectors", "Excess", "shape_detectors"]

DETECTS, NULL_SHARE = 0.9, 0.01
ROWS = 64  # units that are sorted together


@dataclass(frozen=True)
class Excess:
    """How many units of a layer are detectors of a family.

    Arguments:
        family: of stimuli.
        threshold: the AUC to exceed: 0.9, or the 99 % point of the random linear filters if that is larger.
        found, units: detectors, and all units.
        interval: of the share of detectors, 95 %, exact binomial.
    """

    family: str
    threshold: float
    found: int
    units: int
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        return self.found / self.units

    @property
    def beyond_null(self) -> bool:
        """Whether the interval lies above the 1 % that random linear filters have."""
        return self.interval[0] > NULL_SHARE


@dataclass(frozen=True, eq=False)
class Detectors:
    """AUC of units for families.

    Arguments:
        auc: held-out, of the member chosen at other positions.
        member: the member of each family that is best at all positions together.
    """

    auc: Float[np.ndarray, "units families"] = field(repr=False)
    member: Int[np.ndarray, "units families"] = field(repr=False)

    def threshold(self, family: str) -> float:
        """The AUC for a family that another unit of this law exceeds with a probability of at most 1 %, and at least 0.9.

        Of n units it is the k-th smallest, k = ⌈0.99 (n + 1)⌉, and the largest one with fewer than 99.
        """
        ordered = np.sort(self.auc[:, FAMILIES.index(family)])
        at = min(int(np.ceil((1 - NULL_SHARE) * (len(ordered) + 1) - 1e-9)), len(ordered))
        return max(float(ordered[at - 1]), DETECTS)

    def detects(self, family: str, control: Detectors) -> Bool[np.ndarray, "units"]:
        """Which units are detectors of a family: above what the random linear filters set as threshold."""
        return self.auc[:, FAMILIES.index(family)] > control.threshold(family)

    def possible(self, family: str, control: Detectors, stimuli: Stimuli) -> float:
        """The share of a family's members that an ideal filter detects, if these units are the filters of `ideal_filters`.

        A share of 0 says that the family cannot be asked about: not even what is made to detect it passes. That is so where
        the window is small in the frame, or where the threshold is 1.
        """
        of_family = np.unique(stimuli.member[stimuli.family == FAMILIES.index(family)])
        detects = self.detects(family, control).reshape(-1, IDEAL)
        return float(np.mean(detects[of_family].any(axis=1)))

    def excess(self, family: str, control: Detectors) -> Excess:
        """The share of detectors of a family."""
        detects = self.detects(family, control)
        found, units = int(detects.sum()), len(detects)
        low, high = binomtest(found, units).proportion_ci(0.95)
        return Excess(family, control.threshold(family), found, units, (float(low), float(high)))


def shape_detectors(
    responses: Float[np.ndarray, "units n"], twins: Float[np.ndarray, "units m"], stimuli: Stimuli
) -> Detectors:
    """The AUC of every unit for every family.

    Arguments:
        responses: to `stimuli.images`.
        twins: to their phase-scrambled twins.
        stimuli: from `battery`.

    Cost: O(n log n + n · families) for each unit, and a product with the members.
    """
    n = len(stimuli)
    if responses.shape[1] != n or twins.shape[1] != n:
        raise UserError(
            f"responses to {responses.shape[1]} stimuli and {twins.shape[1]} twins",
            f"{n} responses of both kinds",
        )
    both = np.concatenate([responses, twins], axis=1)
    place = np.tile(stimuli.place, 2)
    # Positions alternate like the fields of a chessboard, phases one by one.
    sides = [place % 2 == 0, place % 2 == 1]
    by_side = [
        np.concatenate([_by_member(both[i : i + ROWS], side, stimuli) for i in range(0, len(both), ROWS)])
        for side in sides
    ]
    families = np.array([stimuli.family[stimuli.member == m][0] for m in range(len(stimuli.titles))])
    auc = np.empty((len(both), len(FAMILIES)))
    member = np.empty(auc.shape, np.int64)
    at = np.arange(len(both))
    for f in range(len(FAMILIES)):
        of = np.flatnonzero(families == f)
        one, other = (side[:, of] for side in by_side)
        auc[:, f] = (other[at, np.argmax(one, axis=1)] + one[at, np.argmax(other, axis=1)]) / 2
        member[:, f] = of[np.argmax(one + other, axis=1)]
    return Detectors(auc, member)


def _by_member(
    values: Float[np.ndarray, "units n"], side: Bool[np.ndarray, "n"], stimuli: Stimuli
) -> Float[np.ndarray, "units members"]:
    """AUC of each member against everything outside its family, at the positions of one side."""
    half = len(stimuli)
    rows = np.flatnonzero(side)
    shown = rows[rows < half]  # stimuli; the rest are twins
    found = sort(values[:, rows])
    start, end = (_by_example(places, found) for places in (found.start, found.end))
    family = np.where(rows < half, stimuli.family[rows % half], -1)
    members = np.zeros((len(shown), len(stimuli.titles)))
    members[np.arange(len(shown)), stimuli.member[shown]] = 1
    auc = np.empty((len(values), len(stimuli.titles)))
    sorted_family = family[found.order]
    below = np.zeros((len(values), len(rows) + 1), np.int32)  # of all that is outside the family
    for f in range(len(FAMILIES)):
        np.cumsum(sorted_family != f, axis=1, out=below[:, 1:])
        own = np.flatnonzero(family == f)
        twice = np.take_along_axis(below, start[:, own], axis=1) + np.take_along_axis(
            below, end[:, own] + 1, axis=1
        )
        of = np.unique(stimuli.member[rows[own]])
        counts = members[own][:, of].sum(axis=0)
        auc[:, of] = twice @ members[own][:, of] / (2 * counts * int(below[0, -1]))
    return auc


def _by_example(places: Int[np.ndarray, "units n"], found: Sorted) -> Int[np.ndarray, "units n"]:
    """What belongs to the places of sorted responses, by example."""
    by_example = np.empty_like(places)
    np.put_along_axis(by_example, found.order, places, axis=1)
    return by_example
