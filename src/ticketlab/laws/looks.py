"""Looking at a run more than once: each look spends a part of the level, so that adding seeds until it holds does not help.

Whoever looks at a verdict, adds seeds and looks again has several chances to be wrong. A *planned* sequence of looks shares out
one level α by the spending function of Lan & DeMets 1983 in the shape of O'Brien & Fleming 1979, one-sided:

    α(t) = 2 − 2Φ(z_{α/2} / √t),    t = seeds / the most seeds of the sequence

The look at t has what α has grown by since the look before. The sum over all looks is at most α whatever they have to do with
each other (Bonferroni). Boundaries by recursive integration would be a little sharper, but need independent increments, which
test examples that all seeds share do not leave. With looks that double, 94 % of α are left for the last.

An *unplanned* look is at a run that was extended by hand. The first run of a plan is judged at α, as ever; look k = 2, 3, … at

    α · 6/(π²k²),    in all at most .39 α more.

Sources: Lan & DeMets 1983, Discrete sequential boundaries for clinical trials; O'Brien & Fleming 1979, A multiple testing
procedure for clinical trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from ticketlab.laws.rules import ALPHA, Levels, confidence

__all__ = ["MOST", "Look", "look_at", "schedule", "spent"]

MOST = 4  # a planned sequence ends at this multiple of the plan's seeds


@dataclass(frozen=True)
class Look:
    """One look at a run.

    Arguments:
        number: 1, 2, ….
        seeds: the number of seeds that the run then had.
        level: the one-sided level at which it is judged.
        most: the seeds at which its planned sequence ends; None for a look outside a sequence.
    """

    number: int
    seeds: int
    level: float
    most: int | None = None

    @property
    def levels(self) -> Levels:
        return Levels(self.level, self.level)

    def words(self) -> str:
        """The look and its level, in words."""
        level = confidence(1 - 2 * self.level)
        if self.most is not None:
            return f"Look {self.number}, at {self.seeds} of at most {self.most} seeds, is judged by {level} intervals"
        if self.number > 1:
            return f"Look {self.number} at this run, which was extended, is judged by {level} intervals instead of 95 % ones"
        return f"The first look is judged by {level} intervals"

    @property
    def extended(self) -> bool:
        """Whether its level differs from that of a run with a single look."""
        return self.number > 1 or self.most is not None


def schedule(first: int, most: int) -> tuple[int, ...]:
    """The seeds at the looks of a planned sequence: doubled each time, up to the most."""
    looks = [first]
    while 2 * looks[-1] < most:
        looks.append(2 * looks[-1])
    return (*looks, most) if most > first else (first,)


def spent(share: float, alpha: float = ALPHA) -> float:
    """α(t), the level spent at a fraction of all information."""
    return float(2 * ndtr(ndtri(alpha / 2) / math.sqrt(share)))


def look_at(seeds: int, before: Sequence[Look], most: int | None = None) -> Look:
    """The look at a run with this number of seeds.

    Arguments:
        seeds: the number of seeds of the run.
        before: the earlier looks at it. One at the same number of seeds is the same look again.
        most: the end of the planned sequence; None for a look outside a sequence.
    """
    for look in before:
        if look.seeds == seeds:
            return look
    number, last = len(before) + 1, max((look.seeds for look in before), default=0)
    if most is not None and last < seeds <= most and all(look.most == most for look in before):
        return Look(number, seeds, spent(seeds / most) - (spent(last / most) if last else 0.0), most)
    return Look(number, seeds, ALPHA if number == 1 else ALPHA * 6 / (math.pi * number) ** 2)
