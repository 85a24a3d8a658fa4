"""Mid-ranks of every unit's responses, exact and in integers.

A detector's AUC is a rank sum. With doubled, centred mid-ranks

    r_i = #{j : a_j < a_i} − #{j : a_j > a_i}  =  2·rank_i − (n + 1)

everything is an integer. Half of the responses of rectified units are zero, so ties are the rule. They leave the mean of
a rank sum as it is, and shrink its variance by the factor 1 − Σ(t³ − t)/(n³ − n) over groups of t equal responses.

Responses are sorted as 64-bit keys, their order-preserving bits before their number. On processors with vector sorts this
is several times as fast as an indirect sort.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ticketlab.errors import UserError

__all__ = ["Sorted", "centred_ranks", "sort"]

MOST = 2**24  # examples, so that doubled ranks are exact in float32


@dataclass(frozen=True, eq=False)
class Sorted:
    """Responses of several units, each in ascending order.

    Arguments:
        order: the example in every place.
        start, end: the first and the last place of the run of equal responses that a place belongs to.
    """

    order: Int[np.ndarray, "units n"]
    start: Int[np.ndarray, "units n"]
    end: Int[np.ndarray, "units n"]

    @property
    def last(self) -> Bool[np.ndarray, "units n"]:
        """Whether a place ends a run; thresholds lie there."""
        return self.end == np.arange(self.order.shape[1])

    @property
    def tie_factor(self) -> Float[np.ndarray, "units"]:
        """1 − Σ(t³ − t)/(n³ − n) = 1 − Σ_i (t_i² − 1)/(n³ − n), 0 for a constant unit."""
        n = self.order.shape[1]
        equal = (self.end - self.start + 1).astype(np.float64)
        return 1 - (np.sum(equal * equal, axis=1) - n) / (n**3 - n)


def sort(responses: Float[np.ndarray, "units n"]) -> Sorted:
    """The responses of each unit in ascending order; equal ones in the order of the examples.

    Raises:
        UserError: for fewer than 2 examples, more than 2²⁴, or responses that are not numbers.
    Cost: O(n log n) for each unit.
    """
    units, n = responses.shape
    if not 2 <= n <= MOST:
        raise UserError(f"responses to {n} examples", f"2 to {MOST}")
    values = np.asarray(responses, np.float32) + np.float32(0)  # −0 becomes 0
    if np.isnan(values).any():
        raise UserError("responses that are not numbers", "a number for each unit and example")
    bits = values.view(np.uint32)
    rising = bits ^ np.where(bits >> 31, np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    keys = (rising.astype(np.uint64) << np.uint64(32)) | np.arange(n, dtype=np.uint64)
    keys.sort(axis=1)
    order = keys.astype(np.uint32).astype(np.int32)
    high = (keys >> np.uint64(32)).astype(np.uint32)
    place = np.arange(n, dtype=np.int32)
    new = high[:, 1:] != high[:, :-1]
    start, end = np.zeros((units, n), np.int32), np.full((units, n), n - 1, np.int32)
    start[:, 1:] = np.where(new, place[1:], 0)
    end[:, :-1] = np.where(new, place[:-1], n - 1)
    np.maximum.accumulate(start, axis=1, out=start)
    end = np.minimum.accumulate(end[:, ::-1], axis=1)[:, ::-1]
    return Sorted(order, start, end)


def centred_ranks(found: Sorted) -> Float[np.ndarray, "units n"]:
    """r `[units, n]`, float32, by example; integers, with the sum 0 for each unit."""
    ranks = np.empty(found.order.shape, np.float32)
    doubled = found.start + found.end - (found.order.shape[1] - 1)
    np.put_along_axis(ranks, found.order, doubled.astype(np.float32), axis=1)
    return ranks
