"""What a run's curves say in numbers, for its page: fitted laws with their bands, and where two of them cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import stdtrit

from ticketlab.claims.scaling.formula import Curves, curves
from ticketlab.evidence.tables import Table
from ticketlab.laws import scaling

__all__ = ["Crossing", "Fit", "Pair", "band", "crossings", "fits"]

RESAMPLES = 200
BEYOND = 10.0  # times the largest size, up to which crossings are looked for
POINTS = 60
PLACES = 400  # sizes at which two laws are compared


@dataclass(frozen=True)
class Fit:
    """What is known of one architecture.

    Arguments:
        curves, means: as measured, and without what seeds add to all sizes.
        law: E + A·P^(−α) with its uncertainty.
        contest: forms without an end against those with one.
        miss: the forecast of the largest loss minus the measured one, relative, of each seed.
    """

    curves: Curves
    means: scaling.Means
    law: scaling.ScalingLaw
    contest: scaling.Contest
    miss: Float[np.ndarray, "s"]


def fits(runs: Table, kinds: Sequence[str]) -> dict[str, Fit]:
    """Of those architectures that have two seeds and five sizes."""
    found = {}
    for kind in kinds:
        rows = runs.where(kind=kind)
        most = max((len(of) for of in rows.by("seed").values()), default=0)
        if not most or most < len(np.unique(rows["place"])):
            continue
        of = curves(kind, {"runs": runs})
        if len(of.losses) < 2 or len(of.sizes) < 5:
            continue
        means = scaling.paired_means(of.sizes, of.losses)
        falls = scaling.forecast(of.sizes, of.losses, 1)
        law = scaling.scaling_law(means, np.random.default_rng(0))
        found[kind] = Fit(of, means, law, scaling.without_end(means), np.expm1(falls[:, 1] - falls[:, 0]))
    return found


def band(fit: Fit) -> tuple[Float[np.ndarray, "p"], Float[np.ndarray, "3 p"]]:
    """Sizes, and the law there with the 2.5 % and 97.5 % points of fits to seeds drawn again with all their sizes."""
    places = np.geomspace(fit.means.sizes[0], fit.means.sizes[-1], POINTS)
    rng, logs = np.random.default_rng(0), np.log(np.array(fit.means.runs))  # [n, S]
    away = (logs - logs.mean(axis=1, keepdims=True)) * np.sqrt(logs.shape[1] / (logs.shape[1] - 1))
    drawn = []
    for _ in range(RESAMPLES):
        some = rng.integers(logs.shape[1], size=logs.shape[1])
        losses = np.exp(logs.mean(axis=1) + away[:, some].mean(axis=1))
        drawn.append(scaling.fit_curve(scaling.POWER, fit.means.sizes, losses, fit.means.errors).at(places))
    return places, np.vstack([fit.law.fitted.at(places), np.quantile(drawn, [0.025, 0.975], axis=0)])


@dataclass(frozen=True)
class Crossing:
    """A size at which the laws of two architectures are equal.

    Arguments:
        size: where the fitted laws cross.
        interval: the sizes around it at which they are not told apart (95 %); an end that lies beyond the sizes looked at is 0 or
            infinite. None where seeds do not say.
    """

    size: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Pair:
    """Two architectures and where they cross.

    Arguments:
        apart: whether they are told apart at every size looked at.
    """

    one: str
    other: str
    crossings: tuple[Crossing, ...]
    apart: bool


def crossings(found: Mapping[str, Fit]) -> list[Pair]:
    """Pairs of architectures with the sizes at which their laws cross, up to ten times the largest size.

    With d(P) = log L̂₁(P) − log L̂₂(P), the size P is in the interval of a crossing if |d(P)| ≤ t·s(P). This inverts the test
    that the laws are equal at P (Fieller), so it can be open, and covers the true crossing as often as Student's interval covers
    d there. s(P) is the jackknife's standard error over the seeds that both have, which share data and test examples.
    """
    names = list(found)
    return [
        _pair(one, other, found[one], found[other]) for i, one in enumerate(names) for other in names[i + 1 :]
    ]


def _pair(one: str, other: str, first: Fit, second: Fit) -> Pair:
    low = max(first.means.sizes[0], second.means.sizes[0])
    high = BEYOND * min(first.means.sizes[-1], second.means.sizes[-1])
    sizes = np.geomspace(low, high, PLACES)
    gap = np.log(first.law.fitted.at(sizes) / second.law.fitted.at(sizes))
    error = _error(first.curves, second.curves, sizes)
    equal = np.zeros(len(sizes), bool) if error is None else np.abs(gap) <= error
    places = _roots(first, second, sizes, gap)
    each = tuple(Crossing(p, None if error is None else _around(sizes, equal, p)) for p in places)
    return Pair(one, other, each, error is not None and not equal.any() and not places)


def _error(one: Curves, other: Curves, sizes: np.ndarray) -> Float[np.ndarray, "p"] | None:
    """t·s(P): half of the 95 % interval of d(P); None for fewer than two seeds that both have."""
    shared = [seed for seed in one.seeds if seed in other.seeds]
    if len(shared) < 2:
        return None
    left_out = []
    for seed in shared:
        logs = [_law_without(of, [s for s in shared if s != seed], sizes) for of in (one, other)]
        left_out.append(logs[0] - logs[1])
    away = np.array(left_out) - np.mean(left_out, axis=0)
    count = len(shared)
    return float(stdtrit(count - 1, 0.975)) * np.sqrt((count - 1) / count * np.sum(away**2, axis=0))


def _law_without(of: Curves, seeds: list[int], sizes: np.ndarray) -> np.ndarray:
    """log L̂ of a law fitted to the geometric means of some seeds."""
    rows = [of.seeds.index(seed) for seed in seeds]
    mean = np.exp(np.log(of.losses[rows]).mean(axis=0))
    return np.log(scaling.fit_curve(scaling.POWER, of.sizes, mean, np.full(len(mean), 0.01)).at(sizes))


def _around(sizes: np.ndarray, equal: np.ndarray, place: float) -> tuple[float, float]:
    """The stretch of sizes at which the laws are not told apart, around a crossing; it has the crossing itself."""
    at = int(np.searchsorted(sizes, place))
    low, high = at - 1, at
    while low >= 0 and equal[low]:
        low -= 1
    while high < len(sizes) and equal[high]:
        high += 1
    return (0.0 if low < 0 else float(sizes[low]), np.inf if high == len(sizes) else float(sizes[high]))


def _roots(one: Fit, other: Fit, sizes: np.ndarray, gap: np.ndarray) -> list[float]:
    def apart(log_size: float) -> float:
        size = np.array([np.exp(log_size)])
        return float(np.log(one.law.fitted.at(size)[0] / other.law.fitted.at(size)[0]))

    logs = np.log(sizes)
    return [
        float(np.exp(brentq(apart, a, b)))
        for a, b, u, v in zip(logs[:-1], logs[1:], gap[:-1], gap[1:], strict=True)
        if u * v < 0
    ]
