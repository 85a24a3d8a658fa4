"""What a run's curves say in numbers, for its page: fitted laws with their bands, and where two of them cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from ticketlab.claims.scaling.formula import Curves, curves
from ticketlab.evidence.tables import Table
from ticketlab.laws.scaling import (
    POWER,
    Contest,
    Means,
    ScalingLaw,
    fit_curve,
    forecast,
    paired_means,
    scaling_law,
    without_end,
)

__all__ = ["Fit", "band", "crossings", "fits"]

RESAMPLES = 200
BEYOND = 10.0  # times the largest size, up to which crossings are looked for
POINTS = 60


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
    means: Means
    law: ScalingLaw
    contest: Contest
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
        means = paired_means(of.sizes, of.losses)
        falls = forecast(of.sizes, of.losses, 1)
        law = scaling_law(means, np.random.default_rng(0))
        found[kind] = Fit(of, means, law, without_end(means), np.expm1(falls[:, 1] - falls[:, 0]))
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
        drawn.append(fit_curve(POWER, fit.means.sizes, losses, fit.means.errors).at(places))
    return places, np.vstack([fit.law.fitted.at(places), np.quantile(drawn, [0.025, 0.975], axis=0)])


def crossings(found: Mapping[str, Fit]) -> list[tuple[str, str, list[float]]]:
    """Pairs of architectures with the sizes at which their laws cross, up to ten times the largest size."""
    pairs = []
    names = list(found)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            first, second = found[one], found[other]
            low = max(first.means.sizes[0], second.means.sizes[0])
            high = BEYOND * min(first.means.sizes[-1], second.means.sizes[-1])
            pairs.append((one, other, _roots(first, second, low, high)))
    return pairs


def _roots(one: Fit, other: Fit, low: float, high: float) -> list[float]:
    def apart(log_size: float) -> float:
        size = np.array([np.exp(log_size)])
        return float(one.law.fitted.at(size)[0] - other.law.fitted.at(size)[0])

    grid = np.linspace(np.log(low), np.log(high), 400)
    values = [apart(z) for z in grid]
    return [
        float(np.exp(brentq(apart, a, b)))
        for a, b, u, v in zip(grid[:-1], grid[1:], values[:-1], values[1:], strict=True)
        if u * v < 0
    ]
