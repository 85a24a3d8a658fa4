"""Which threshold is high enough for the generalised Pareto law, and low enough to leave many excesses.

For each candidate the excesses are drawn again with replacement, the law is fitted to each draw, and its quantiles are compared
with those of the draw. The threshold with the least expected distance is chosen: too low a one misses the shape of the tail, too
high a one makes the fit noisy.

    d(u) = mean over draws of  (1/m) Σ_j |G⁻¹(p_j; ξ*, σ*) − Q*(p_j)|,   p_j = j/(m + 1)

Source: Murphy, Tawn & Varty 2023, Automated threshold selection and associated inference uncertainty for univariate extremes
(arXiv:2310.17999), section 4. They fit by maximum likelihood; here the draws are fitted by probability-weighted moments, which
need one pass over the sorted draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError

__all__ = ["QUANTILES", "Candidates", "candidates", "chosen"]

QUANTILES = (0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995)
FEWEST = 100  # excesses over a candidate
LEVELS = 500  # at which quantiles are compared, at most


@dataclass(frozen=True)
class Candidates:
    """Thresholds to choose from, in increasing order.

    Arguments:
        quantiles: the share of the values below each.
        thresholds: in the unit of the values.
    """

    quantiles: tuple[float, ...]
    thresholds: tuple[float, ...]


def candidates(
    values: Float[np.ndarray, "n"], quantiles: tuple[float, ...] = QUANTILES, fewest: int = FEWEST
) -> Candidates:
    """Those quantiles of the values that leave enough excesses.

    Raises: UserError if none does.
    """
    ordered = np.sort(np.asarray(values, float))
    kept = [q for q in sorted(quantiles) if len(ordered) - int(np.ceil(q * len(ordered))) >= fewest]
    if not kept:
        raise UserError(
            f"{len(ordered)} values",
            f"at least {fewest} of them above a quantile of {min(quantiles):g}",
            "Draw more tickets.",
        )
    return Candidates(tuple(kept), tuple(float(ordered[int(np.ceil(q * len(ordered))) - 1]) for q in kept))


def chosen(
    values: Float[np.ndarray, "n"], thresholds: tuple[float, ...], rng: np.random.Generator, resamples: int
) -> int:
    """The number of the lowest threshold that is no worse than the best one, up to the spread of its distances over draws.

    Arguments:
        values: from which excesses are taken.
        thresholds: in increasing order.
        resamples: draws for each threshold.
    """
    ordered = np.sort(np.asarray(values, float))
    found = [_distances(ordered, u, rng, resamples) for u in thresholds]
    means = np.array([d.mean() for d in found])
    best = int(np.argmin(means))
    return int(np.flatnonzero(means <= means[best] + np.std(found[best]))[0])


def _distances(ordered: np.ndarray, threshold: float, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """The distance of each draw."""
    excesses = ordered[np.searchsorted(ordered, threshold, "right") :] - threshold
    count = len(excesses)
    if count < 2 or excesses[-1] <= 0:
        return np.full(resamples, np.inf)
    drawn = excesses[np.sort(rng.integers(count, size=(resamples, count)), axis=1)]
    rest = 1 - (np.arange(1, count + 1) - 0.35) / count
    a0, a1 = drawn.mean(axis=1), drawn @ rest / count
    shape, scale = 2 - a0 / (a0 - 2 * a1), 2 * a0 * a1 / (a0 - 2 * a1)
    levels = min(LEVELS, count)
    p = np.arange(1, levels + 1) / (levels + 1)
    exponent = -np.log1p(-p)
    shape = np.where(np.abs(shape) < 1e-9, 1e-9, shape)[:, None]
    model = scale[:, None] * np.expm1(shape * exponent) / shape
    at = p * (count - 1)
    below = at.astype(int)
    above = np.minimum(below + 1, count - 1)
    sample = drawn[:, below] + (at - below) * (drawn[:, above] - drawn[:, below])
    return np.mean(np.abs(model - sample), axis=1)
