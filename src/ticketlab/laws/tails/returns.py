"""Does more of the same keep paying? The verdict on the returns to drawing more tickets, with the normal law as the yardstick.

Qualities are on a scale on which steady returns are a straight line: X = −log(L − E), with the loss L and its floor E. With an
exponential tail (ξ = 0) ten times more tickets then always divide L − E by the same number. A shape below 0 alone says little: a
normal law, fitted above any threshold, has one. So a tail is *short* only if it is clearly shorter than the normal law's at the
same threshold.

The gain ratio compares the last two decades of the sample,

    r = (B(N/10) − B(N/100)) / (B(N/100) − B(N/1000)),   B(n) = E[best of n],

which is 10^ξ for a generalised Pareto law. It needs no fit. A verdict needs both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float, Int

from ticketlab.errors import UserError
from ticketlab.laws.tails.best_of import best_in_sample
from ticketlab.laws.tails.fit import Tail, normal_shape

__all__ = ["Gain", "Returns", "gain_ratio", "judge"]

ROOM = 0.05  # of ξ
FALLING, LEVEL = 0.75, 0.9  # gain ratios below and above which returns fall, or stay level
DECADES = 3
RESAMPLES = 200


class Returns(StrEnum):
    """What more tickets buy."""

    SHORT = "short"
    STEADY = "steady"
    NORMAL = "like a normal law"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Gain:
    """The gain ratio of the last two decades.

    Arguments:
        ratio: r.
        interval: its 95 % interval, from samples drawn again.
    """

    ratio: float
    interval: tuple[float, float]


def gain_ratio(
    values: Float[np.ndarray, "n"], rng: np.random.Generator, groups: Int[np.ndarray, "n"] | None = None
) -> Gain:
    """r, with its interval.

    Arguments:
        values: larger is better.
        rng: for the samples drawn again.
        groups: of values that are not independent.

    Raises: UserError for fewer than 1 000 values.
    """
    values = np.asarray(values, float)
    if len(values) < 10**DECADES:
        raise UserError(f"{len(values)} values", f"at least {10**DECADES}", "Draw more tickets.")
    drawn = [_ratio(_again(values, groups, rng)) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Gain(_ratio(values), (float(low), float(high)))


def judge(tail: Tail, gain: Gain) -> Returns:
    """The verdict.

    - Short: the interval of ξ lies below the normal law's ξ at this threshold by more than .05, and r < .75.
    - Steady: it lies above −.05, and r > .9.
    - Like a normal law: it contains the normal law's ξ, and reaches neither of the other two regions.
    - Undecided otherwise, and wherever the fit is in doubt.
    """
    if tail.doubt is not None:
        return Returns.UNDECIDED
    low, high = tail.interval
    normal = normal_shape(tail.share, tail.excesses)
    if high < normal - ROOM and gain.ratio < FALLING:
        return Returns.SHORT
    if low > -ROOM and gain.ratio > LEVEL:
        return Returns.STEADY
    if low <= normal <= high and low >= normal - ROOM and high <= -ROOM:
        return Returns.NORMAL
    return Returns.UNDECIDED


def _ratio(values: np.ndarray) -> float:
    counts = [max(len(values) // 10**d, 1) for d in (1, 2, 3)]
    last, middle, first = best_in_sample(values, counts)
    return float((last - middle) / (middle - first))


def _again(values: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    if groups is None:
        return values[rng.integers(len(values), size=len(values))]
    names = np.unique(groups)
    members = {g: np.flatnonzero(groups == g) for g in names}
    return values[np.concatenate([members[g] for g in rng.choice(names, size=len(names))])]
