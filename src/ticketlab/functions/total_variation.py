"""How far apart two laws over functions are: TV = ½ Σ_f |p_f − q_f|, the largest difference in the probability of any set.

The plug-in value of two samples is too large, by about Σ√(p/πN) for equal laws: chance alone keeps them apart. So there are three
answers, none of which claims too much:

    lower bound    one half of the draws chooses the set G on which A is more frequent than B, and the other half measures
                   A(G) − B(G). No set gives more than TV on average. The bound has exact binomial intervals.
    corrected      the mean distance between streams of A and streams of B, minus that between streams of one sampler. It is 0
                   for equal laws whatever the number of draws. For different laws it tends to TV from below.
    upper bound    the plug-in value, whose mean is at least TV, plus √(½ ln(1/α)(1/N_A + 1/N_B)).

Source of the tail bound: McDiarmid 1989, "On the method of bounded differences". It needs independent draws; for chains a number
of effective draws can be given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy.special import betaincinv, stdtrit

from ticketlab.errors import UserError
from ticketlab.functions.counting import Counts, aligned

__all__ = ["Bound", "Corrected", "corrected_total_variation", "lower_bound", "plug_in", "upper_bound"]


@dataclass(frozen=True)
class Bound:
    """An estimate whose mean is on one side of TV, and a bound on that side.

    Arguments:
        estimate: its mean is at most TV (lower) or at least TV (upper).
        bound: wrong with probability at most α.
    """

    estimate: float
    bound: float


@dataclass(frozen=True)
class Corrected:
    """TV without what chance adds for equal laws.

    Arguments:
        estimate: between samplers minus within samplers.
        standard_error: of the mean over pairs of streams.
        within: the mean distance between streams of one sampler.
        freedom: of Student's interval.
    """

    estimate: float
    standard_error: float
    within: float
    freedom: int

    def interval(self, coverage: float = 0.95) -> tuple[float, float]:
        """Student's interval."""
        half = -float(stdtrit(self.freedom, (1 - coverage) / 2)) * self.standard_error
        return self.estimate - half, self.estimate + half


def plug_in(one: Counts, other: Counts) -> float:
    """TV between the two tables of relative frequencies."""
    a, b = aligned(_drawn(one), _drawn(other))
    return _distance(a.sum(axis=1), b.sum(axis=1))


def lower_bound(one: Counts, other: Counts, *, level: float = 0.025) -> Bound:
    """A bound from below, by a set that one half of the draws chooses and the other half measures.

    Arguments:
        level: α, shared by the two binomial intervals of Clopper and Pearson.
    """
    a, b = aligned(_drawn(one), _drawn(other))
    choose, measure = slice(0, None, 2), slice(1, None, 2)
    chooses_a, chooses_b = a[:, choose].sum(axis=1), b[:, choose].sum(axis=1)
    more = chooses_a / max(chooses_a.sum(), 1) > chooses_b / max(chooses_b.sum(), 1)
    inside = [int(table[more][:, measure].sum()) for table in (a, b)]
    draws = [int(table[:, measure].sum()) for table in (a, b)]
    if not all(draws):
        raise UserError(f"{draws} draws to measure with", "at least one of each sampler, in an odd stream")
    low = float(betaincinv(inside[0], draws[0] - inside[0] + 1, level / 2)) if inside[0] else 0.0
    rest = draws[1] - inside[1]
    high = float(betaincinv(inside[1] + 1, rest, 1 - level / 2)) if rest else 1.0
    return Bound(inside[0] / draws[0] - inside[1] / draws[1], low - high)


def upper_bound(
    one: Counts, other: Counts, *, level: float = 0.025, draws: tuple[float, float] | None = None
) -> Bound:
    """A bound from above, from the plug-in value.

    Arguments:
        level: α.
        draws: effective numbers; None: those of the tables.
    """
    estimate = plug_in(one, other)
    n = draws or (float(one.draws), float(other.draws))
    return Bound(estimate, min(estimate + math.sqrt(0.5 * math.log(1 / level) * (1 / n[0] + 1 / n[1])), 1.0))


def corrected_total_variation(one: Counts, other: Counts, rng: np.random.Generator) -> Corrected:
    """TV between streams of two samplers, minus that between streams of one, all with equally many draws.

    Arguments:
        rng: which draws of the larger streams are left out.

    Raises:
        UserError: if a sampler has fewer than two streams with draws.

    Streams 2j and 2j + 1 of both samplers give one independent value for each j, so Student's interval holds for any laws.
    """
    a, b = (table[:, table.sum(axis=0) > 0] for table in aligned(_drawn(one), _drawn(other)))
    if min(a.shape[1], b.shape[1]) < 2:
        raise UserError(f"{a.shape[1]} and {b.shape[1]} streams with draws", "at least two of each sampler")
    fewest = int(min(a.sum(axis=0).min(), b.sum(axis=0).min()))
    a, b = (_thinned(table, fewest, rng) for table in (a, b))
    pairs = [slice(i, i + 2) for i in range(0, min(a.shape[1], b.shape[1]) - 1, 2)]
    within = np.array([[_distance(*table[:, two].T) for table in (a, b)] for two in pairs])
    across = np.array([np.mean([_distance(x, y) for x in a[:, two].T for y in b[:, two].T]) for two in pairs])
    values = across - within.mean(axis=1)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Corrected(float(values.mean()), error, float(within.mean()), max(len(values) - 1, 1))


def _drawn(counts: Counts) -> Counts:
    if not counts.draws:
        raise UserError("a sampler without draws", "at least one")
    return counts


def _thinned(table: Int[np.ndarray, "n s"], draws: int, rng: np.random.Generator) -> Int[np.ndarray, "n s"]:
    """Equally many draws of each stream, without replacement."""
    return np.stack([rng.multivariate_hypergeometric(c, draws, method="marginals") for c in table.T], axis=1)


def _distance(a: Int[np.ndarray, "n"], b: Int[np.ndarray, "n"]) -> float:
    return 0.5 * float(np.abs(a / a.sum() - b / b.sum()).sum())
