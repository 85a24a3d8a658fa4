"""The best of n tickets: what the sample says, what the fitted tail predicts for larger n, and whether predictions come true.

Within the sample the expected best of n is exact: each value is the largest of a random subset with a known probability. Beyond
it the tail predicts. With ζ = P(X > u), the best of n lies below x with probability (1 − ζ·P(Y > x − u))^n, so

    mean ≈ u + (σ/ξ)(Γ(1 − ξ)(nζ)^ξ − 1),   median = u + (σ/ξ)(ζ^ξ (1 − 2^(−1/n))^(−ξ) − 1)

The interval of a prediction holds both the luck of the best one and what is not known about the tail: it is drawn from the fits
to samples that were drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import gamma, gammaln, ndtri

from ticketlab.errors import UserError
from ticketlab.laws.tails.fit import Tail
from ticketlab.laws.tails.pareto import SMALL, Pareto

__all__ = ["Check", "Prediction", "best_in_sample", "check_predictions", "expected_best", "predict_best"]

EULER = 0.5772156649015329
LUCK = 20  # values of the best one for each fit to a sample drawn again
ENOUGH = 20  # blocks on which predictions are checked


@dataclass(frozen=True)
class Prediction:
    """The best of n.

    Arguments:
        count: n.
        mean, median: of the best.
        interval: in which the best of n lies with the asked probability.
    """

    count: int
    mean: float
    median: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Check:
    """Predictions of the best of n, compared with blocks of n values that were not used to fit.

    Arguments:
        count: n.
        blocks: their number.
        covered: the share of blocks whose best lies in the interval.
        predicted, seen: the mean best, predicted and over blocks.
        crps: the continuous ranked probability score by rival, in the unit of the values; smaller is better.
    """

    count: int
    blocks: int
    covered: float
    predicted: float
    seen: float
    crps: dict[str, float]


def best_in_sample(
    quality: Float[np.ndarray, "n"], counts: Sequence[int], scored: Float[np.ndarray, "n"] | None = None
) -> Float[np.ndarray, "c"]:
    """The expected score of the best of n, over all subsets of n of the N values.

        B(n) = Σ_i s_(i) C(i − 1, n − 1)/C(N, n),   i by increasing quality

    Arguments:
        quality: by which the best is chosen.
        counts: n, each at most N.
        scored: s, on data that had no part in the choice; the quality itself by default. The difference between the two is
            the winner's curse.

    Raises: UserError for more than N.
    """
    quality = np.asarray(quality, float)
    size = len(quality)
    if min(counts) < 1 or max(counts) > size:
        raise UserError(f"the best of {max(counts)} from {size} values", f"numbers from 1 to {size}")
    order = np.argsort(quality, kind="stable")
    ordered = (quality if scored is None else np.asarray(scored, float))[order]
    rank = np.arange(1, size + 1)
    found = []
    for n in counts:
        with np.errstate(invalid="ignore"):
            log = _log_choose(rank - 1, n - 1) - _log_choose(np.array([size]), n)
        found.append(float(ordered @ np.exp(np.where(rank >= n, log, -np.inf))))
    return np.array(found)


def expected_best(tail: Tail, count: int) -> float:
    """E[best of n] for n·ζ of some excesses and more."""
    law, expected = tail.law, count * tail.share
    if law.shape >= 1:
        return float("inf")
    if abs(law.shape) < SMALL:
        return tail.threshold + float(law.scale * (np.log(expected) + EULER))
    return tail.threshold + float(law.scale / law.shape * (gamma(1 - law.shape) * expected**law.shape - 1))


def predict_best(tail: Tail, count: int, rng: np.random.Generator, level: float = 0.95) -> Prediction:
    """Predicts the best of n.

    Arguments:
        count: n; the tail is used above its threshold only, so n·P(X > u) should be 3 or more.
        level: of the interval.

    Raises: UserError if fewer than three of n are expected above the threshold.
    """
    if count * tail.share < 3:
        raise UserError(
            f"the best of {count}, of which {count * tail.share:.1f} are expected above the threshold",
            "at least 3",
            f"Ask for the best of {int(np.ceil(3 / tail.share))} or more, or use best_in_sample.",
        )
    drawn = _bests(tail, count, rng)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    median = float(_quantiles(tail.threshold, tail.share, tail.law, count, np.array([0.5]))[0])
    return Prediction(count, expected_best(tail, count), median, (float(low), float(high)))


def check_predictions(
    tail: Tail,
    fitted: Float[np.ndarray, "n"],
    rest: Float[np.ndarray, "m"],
    counts: Sequence[int],
    rng: np.random.Generator,
    level: float = 0.95,
) -> list[Check]:
    """Compares predictions with values that the fit has not seen, in blocks of n.

    Arguments:
        tail: fitted to `fitted`.
        fitted: the values of the fit; its rivals, a normal law and an exponential tail, are fitted to them too.
        rest: the others, in random order.
        counts: n. Those with fewer than 20 blocks are left out.
    """
    found = []
    for n in counts:
        blocks = len(rest) // n
        if blocks < ENOUGH or n * tail.share < 3:
            continue
        best = np.asarray(rest, float)[: blocks * n].reshape(blocks, n).max(axis=1)
        prediction = predict_best(tail, n, rng, level)
        low, high = prediction.interval
        u = rng.random(2000) ** (1 / n)
        normal = np.mean(fitted) + np.std(fitted, ddof=1) * ndtri(u)
        straight = Pareto(0.0, float(np.mean(fitted[fitted > tail.threshold] - tail.threshold)))
        rivals = {
            "generalised Pareto": _bests(tail, n, rng),
            "normal": normal,
            "exponential": _quantiles(tail.threshold, tail.share, straight, n, rng.random(2000)),
        }
        found.append(
            Check(
                n,
                blocks,
                float(np.mean((low <= best) & (best <= high))),
                prediction.mean,
                float(best.mean()),
                {name: _crps(drawn, best) for name, drawn in rivals.items()},
            )
        )
    return found


def _bests(tail: Tail, count: int, rng: np.random.Generator) -> np.ndarray:
    """Values of the best of n, for each fit to a sample drawn again."""
    fits = [(u, share, Pareto(shape, scale)) for u, share, shape, scale in tail.draws.tolist()]
    known = fits or [(tail.threshold, tail.share, tail.law)]
    return np.concatenate([_quantiles(u, share, law, count, rng.random(LUCK)) for u, share, law in known])


def _quantiles(threshold: float, share: float, law: Pareto, count: int, p: np.ndarray) -> np.ndarray:
    """Quantiles of the best of n, (1 − ζ·P(Y > y))^n = p; the threshold itself where a quantile lies below it."""
    survival = np.minimum(-np.expm1(np.log(p) / count) / share, 1.0)
    return threshold + law.quantile(1 - survival)


def _crps(drawn: np.ndarray, seen: np.ndarray) -> float:
    """The mean of E|X − y| − ½E|X − X'| over y, of a law given by draws (Gneiting & Raftery 2007, equation 21)."""
    ordered = np.sort(drawn)
    size = len(ordered)
    between = 2 / size**2 * float(ordered @ (2 * np.arange(1, size + 1) - size - 1))
    return float(np.mean(np.abs(drawn[None] - seen[:, None]))) - between / 2


def _log_choose(n: np.ndarray, k: int) -> np.ndarray:
    """log C(n, k), elementwise; undefined for n < k."""
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1)
