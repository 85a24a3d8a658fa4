"""What is measured of the tickets of one seed: the tail, the best of n, and whether few tickets foretell what many bring.

Every estimate is made with all test examples and with each half of them. The variance of the noise falls with the number of
examples, so to first order twice the one less the mean of the others is the estimate without noise,

    ξ = 2 ξ(all) − ½ (ξ(first half) + ξ(second half))

This is simulation–extrapolation [Cook & Stefanski 1994] in which fewer examples take the place of added noise, so that the noise
has the right law at every quality. It is good to first order, hence the gate on reliability.

The law is fitted by empirical Bayes, whose bias is the smallest: with 800 excesses it was below 0.002 for ξ from −0.4 to 0, where
that of maximum likelihood was −0.005 to −0.010. Seeds average errors, so that a bias would stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from scipy.special import ndtri

from ticketlab.claims.ticket_tail.quality import Qualities, scaled
from ticketlab.laws.tails import (
    best_in_sample,
    check_predictions,
    empirical_bayes,
    fit_tail,
    maximum_likelihood,
    predict_best,
    reliability,
    weighted_moments,
)
from ticketlab.laws.tails.best_of import Check, expected_best
from ticketlab.laws.tails.fit import Tail
from ticketlab.laws.tails.threshold import candidates, chosen

__all__ = ["LOG", "SKILL", "curve_rows", "gains", "prediction_rows", "ratio_of", "tail_row", "top"]

SKILL, LOG = "skill", "log loss"  # the two scales: 1 − L, and −log(L − E)
RESAMPLES = 30  # for the choice of a threshold
MORE = (10, 100)  # times as many tickets as were drawn
LEAST, PART = 600, 66  # tickets of a fit that predicts: at least, and as a part of all
FITS, BLOCKS = 10, 20  # such fits at most, and sets of the other tickets on which they are checked
SPARE = 50  # the last decade of the gains ends where the sample has this many times more tickets


def tail_row(of: Qualities, scale: str, floor: float, rng: np.random.Generator) -> dict[str, Any]:
    """The tail of tickets on a scale.

    Arguments:
        floor: E, of the logarithmic scale.
    """
    whole, halves = _on(scale, of, floor)
    best_values = np.sort(whole)[-len(whole) // 5 :]
    distinct = len(np.unique(best_values)) / len(best_values)
    if distinct < 1:
        whole, halves = _untied(whole, rng), np.stack([_untied(half, rng) for half in halves])
    found = candidates(whole)
    threshold = found.thresholds[chosen(whole, found.thresholds, rng, RESAMPLES)]
    share = float(np.mean(whole > threshold))
    raw = _tail(whole, share)
    excesses = whole[whole > raw.threshold] - raw.threshold
    others = [_tail(half, share) for half in halves]
    best = {"best": 2 * float(whole.max()) - float(halves.max(axis=1).mean())}
    best |= {
        f"best_{more}": _clear(raw, others, partial(expected_best, count=more * len(whole))) for more in MORE
    }
    if scale == LOG:
        best = {name: 1 - floor - float(np.exp(-value)) for name, value in best.items()}
    return {
        "scale": scale,
        "tickets": len(whole),
        "share": share,
        "excesses": raw.excesses,
        "shape": _clear(raw, others, lambda t: t.law.shape),
        "raw_shape": raw.law.shape,
        "normal_shape": _normal(round(share, 4), raw.excesses),
        "apart": abs(maximum_likelihood(excesses).shape - raw.law.shape),
        "moments_shape": weighted_moments(excesses).shape,
        "reliability": reliability(*halves).ratio,
        "distinct": distinct,
        **best,
    }


def _on(scale: str, of: Qualities, floor: float) -> tuple[np.ndarray, np.ndarray]:
    return (scaled(of.whole, floor), scaled(of.halves, floor)) if scale == LOG else (of.whole, of.halves)


def _untied(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ties broken at random, so that there is a fit to show; the gate on ties keeps it from deciding."""
    steps = np.diff(np.unique(values))
    if len(steps) == len(values) - 1:
        return values
    step = max(float(steps.min(initial=np.inf)) if len(steps) else 0.0, 1e-9 * float(np.ptp(values)))
    return values + rng.random(len(values)) * (step or 1e-6)


@lru_cache(4096)
def _normal(share: float, excesses: int) -> float:
    """ξ that the estimator finds in a normal law above a threshold: fitted to the quantiles (i − ½)/k of the excesses."""
    p = (np.arange(excesses) + 0.5) / excesses
    return empirical_bayes(ndtri(1 - share * (1 - p)) - ndtri(1 - share)).shape


def _tail(values: np.ndarray, share: float) -> Tail:
    """The law above the value that this share exceeds, by empirical Bayes; its uncertainty comes from seeds."""
    threshold = float(np.quantile(values, 1 - share))
    excesses = values[values > threshold] - threshold
    law = empirical_bayes(excesses)
    return Tail(threshold, share, len(excesses), law, {}, (law.shape, law.shape), 1.0, draws=np.empty((0, 4)))


def _clear(raw: Tail, halves: Sequence[Tail], estimate: Callable[[Tail], float]) -> float:
    """An estimate without the noise of the test set."""
    return 2 * estimate(raw) - float(np.mean([estimate(half) for half in halves]))


# --- the best of n ---


def curve_rows(of: Qualities, permuted: Qualities, counts: Sequence[int] = ()) -> list[dict[str, Any]]:
    """The skill of the best of n: chosen and scored on the same half, on the other one, and for permuted targets.

    Arguments:
        counts: n; by default two a decade, up to a tenth of the tickets.
    """
    usual = [n for d in range(7) for n in (10**d, 3 * 10**d) if n <= len(of) // 10]
    counts = counts or sorted({*usual, top(len(of))})
    naive = np.mean([best_in_sample(half, counts) for half in of.halves], axis=0)
    held, chance = (
        np.mean([best_in_sample(h, counts, s) for h, s in zip(q.halves, q.held_out, strict=True)], axis=0)
        for q in (of, permuted)
    )
    columns = {
        "count": list(counts),
        "naive": naive.tolist(),
        "held_out": held.tolist(),
        "permuted": chance.tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def top(tickets: int) -> int:
    """The n of the last gain, and of the comparison with permuted targets: with 50 sets of n tickets a mean is not too noisy."""
    return max(tickets // SPARE, 100)


def gains(of: Qualities, floor: float) -> tuple[float, float]:
    """What the best of n gains in the last two decades before `top`, on the scale −log(L − E), without noise."""
    counts = [top(len(of)) // 100, top(len(of)) // 10, top(len(of))]
    whole, halves = _on(LOG, of, floor)
    others = [best_in_sample(half, counts) for half in halves]
    first, middle, last = 2 * best_in_sample(whole, counts) - np.mean(others, axis=0)
    return float(middle - first), float(last - middle)


@lru_cache(4096)
def ratio_of(quantile: Callable[[np.ndarray], np.ndarray] = ndtri, tickets: int = 20_000) -> float:
    """The ratio of these gains, the last decade's over the one before, for a law with this quantile function.

    E[best of n] = ∫₀¹ Q(p^(1/n)) dp, by the midpoint rule in a variable that resolves both ends.
    """
    t = np.linspace(-9, 9, 20_001)
    p = 1 / (1 + np.exp(-t))
    weights = p * (1 - p) * (t[1] - t[0])
    best = [
        float(weights @ quantile(p ** (1 / n)))
        for n in (top(tickets) // 100, top(tickets) // 10, top(tickets))
    ]
    return (best[2] - best[1]) / (best[1] - best[0])


# --- do few tickets foretell what many bring? ---


def prediction_rows(of: Qualities, floor: float, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The tails of a few tickets, against the best of blocks of the others, on the scale −log(L − E).

    A block has more tickets than were fitted, nearly three times as many from 40 000 on. The best of fewer is in the sample
    already, so it would foretell nothing, and has no row. One fit to so few is noisy. So up to ten are made, to disjoint
    sets, and all numbers are their means. What is missed is counted in what is foretold, the gain from the tickets that were
    fitted to those of a block: whoever predicts no gain misses by −1. The last row is the best of all the others, a single value.
    """
    values = _untied(scaled(of.whole, floor), rng)
    first = max(LEAST, len(values) // PART)
    fits = min(FITS, len(values) // (2 * first))
    samples, rest = values[: fits * first].reshape(fits, first), values[fits * first :]
    block, seen = len(rest) // BLOCKS, float(rest.max())
    found, last = [], []
    for sample in samples:
        tail = fit_tail(sample, rng)
        if block > first:
            (check,) = check_predictions(tail, sample, rest, [block], rng)
            found.append(_checked(check, rest, first))
        best = predict_best(tail, len(rest), rng)
        last.append({"predicted": best.mean, "covered": float(best.interval[0] <= seen <= best.interval[1])})
    unknown = dict.fromkeys(("gain", "missed", "crps", "crps_normal", "crps_exponential"), float("nan"))
    of_all = {"count": len(rest), "blocks": 1, "seen": seen, **_mean(last), **unknown}
    return [{"fitted": first, "fits": fits, **row} for row in ([_mean(found)] if found else []) + [of_all]]


def _checked(check: Check, rest: np.ndarray, fitted: int) -> dict[str, Any]:
    gain = check.seen - float(best_in_sample(rest, [fitted])[0])
    return {
        "count": check.count,
        "blocks": check.blocks,
        "predicted": check.predicted,
        "seen": check.seen,
        "gain": gain,
        "missed": (check.predicted - check.seen) / gain,
        "covered": check.covered,
        "crps": check.crps["generalised Pareto"],
        "crps_normal": check.crps["normal"],
        "crps_exponential": check.crps["exponential"],
    }


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of each number over the rows; whole numbers are the same in all."""
    one = rows[0]
    return {k: v if isinstance(v, int) else float(np.mean([row[k] for row in rows])) for k, v in one.items()}
