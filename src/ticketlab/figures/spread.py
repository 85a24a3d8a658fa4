"""How far repeated measurements lie apart: their mean, and where the mean would lie if everything were drawn again.

The interval is Student's, over repetitions that are independent (seeds that redraw network, split and order). It describes
the figures; verdicts come from the claim's own rule.

A score lies between 0 and 100 %, a distance above 0. Student's interval of the mean knows nothing of that: 99 ± 2 % would reach
beyond what can be. So it is made on a scale without ends, by the delta method, and brought back: for a quantity between a and b
on that of the logit log((x − a)/(b − x)), for one above a on that of log(x − a).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from ticketlab.evidence.tables import Table

__all__ = ["Spread", "error", "positive", "score", "seeds", "spread"]


@dataclass(frozen=True)
class Spread:
    """`mean` and `interval` (95 %, None from fewer than two values) of `values`, those that are numbers."""

    values: tuple[float, ...]
    mean: float
    interval: tuple[float, float] | None

    @property
    def ends(self) -> tuple[float, ...]:
        """All that a chart has to hold."""
        return (*self.values, *(self.interval or ()))


def spread(values: Float[np.ndarray, " n"], low: float = -math.inf, high: float = math.inf) -> Spread:
    """Mean and 95 % interval of independent repetitions of a quantity between `low` and `high`; missing values are left out."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    n = len(known)
    if n == 0:
        return Spread((), math.nan, None)
    mean = float(known.mean())
    if n == 1:
        return Spread((mean,), mean, None)
    half = float(stdtrit(n - 1, 0.975) * known.std(ddof=1) / np.sqrt(n))
    return Spread(tuple(known.tolist()), mean, _interval(mean, half, low, high))


def _interval(mean: float, half: float, low: float, high: float) -> tuple[float, float]:
    """mean ± half, made on a scale on which neither bound can be reached."""
    if half == 0 or not low < mean < high:
        return mean, mean
    below, above = mean - low, high - mean  # infinite where there is no bound
    if math.isinf(below) and math.isinf(above):
        return mean - half, mean + half
    slope = (0 if math.isinf(below) else 1 / below) + (0 if math.isinf(above) else 1 / above)
    factor = math.exp(min(half * slope, 700))

    def at(f: float) -> float:
        if math.isinf(above):
            return low + below * f
        if math.isinf(below):
            return high - above / f
        return low + (high - low) * below * f / (below * f + above)

    return at(1 / factor), at(factor)


def score(table: Table, column: str = "test_score") -> Spread:
    """A column of shares of at most 1, in per cent; shares of a variance can be negative, and then have no lower bound."""
    shares = 100 * np.asarray(table[column], float)
    return spread(shares, -math.inf if np.any(shares < 0) else 0.0, 100.0)


def positive(table: Table, column: str, factor: float = 1.0) -> Spread:
    """A column of numbers that are never negative (distances, steps, losses)."""
    return spread(factor * np.asarray(table[column], float), 0.0)


def seeds(table: Table) -> str:
    """ "5 seeds"."""
    count = len(set(table["seed"].tolist()))
    return f"{count} seed{'s' * (count != 1)}"


def error(table: Table, column: str = "test_score") -> Spread:
    """100 (1 − score): per cent of the examples, or of the variance, of which more than all can be left unexplained."""
    wrong = 100.0 * (1.0 - np.asarray(table[column], float))
    return spread(wrong, 0.0, math.inf if np.any(wrong > 100) else 100.0)
