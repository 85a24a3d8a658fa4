"""Does a curve end? Means of runs that share their seeds, forms with an end against forms without one, and a forecast.

Runs of one seed share data, test examples and order at every size, so part of what differs between seeds is common to all sizes
and says nothing about the curve. `paired_means` takes it out: with ℓ = log L, seed i and size j,

    e_ij = ℓ_ij − ℓ̄_i − ℓ̄_j + ℓ̄,    s² = Σ e² / ((S − 1)(n − 1)).

`without_end` compares the best form that goes on falling (power laws, logarithmic) with the best that ends within sight or just
beyond (constant, exponentials, a power law that ends before the last third of the last step), by the likelihood with s as a
variance known to ν degrees of freedom

    AICc = N log(1 + misfit/ν) + 2kN/(N − k − 1),   N runs, k coefficients and s.

`forecast` asks how much of the fall that the smaller sizes promise arrives at the largest one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError
from ticketlab.laws.scaling.curves import ENDING, ENDLESS, POWER, Curve, fit_curve, fit_curves
from ticketlab.laws.scaling.law import Means

__all__ = ["Contest", "forecast", "paired_means", "without_end"]

LEAST_SPREAD = 1e-4  # relative; below it rounding and the forms themselves are what differs


@dataclass(frozen=True)
class Contest:
    """Forms without an end against forms with one.

    Arguments:
        lead: by how much the best form without an end is better, in AICc; negative if one with an end is.
        endless, ending: the best form of each kind.
    """

    lead: float
    endless: Curve
    ending: Curve


def paired_means(sizes: Float[np.ndarray, "n"], losses: Float[np.ndarray, "s n"]) -> Means:
    """Means over seeds that are shared by all sizes, without what a seed adds to all of them.

    Arguments:
        sizes: in increasing order, at least four.
        losses: positive, a row a seed.

    Raises: UserError for one seed, fewer than four sizes, or another order.
    """
    _check_order(sizes)
    losses = np.asarray(losses, float)
    if len(losses) < 2 or len(sizes) < 4 or losses.shape[1] != len(sizes):
        raise UserError(
            f"{len(losses)} seeds of {losses.shape[1]} losses at {len(sizes)} sizes",
            "at least 2 seeds and 4 sizes, with a loss for each of them",
        )
    logs = np.log(losses)
    common = logs - (logs.mean(axis=1, keepdims=True) - logs.mean())
    freedom = (len(losses) - 1) * (len(sizes) - 1)
    spread = max(float(np.sqrt(np.sum((common - common.mean(axis=0)) ** 2) / freedom)), LEAST_SPREAD)
    runs = tuple(np.exp(column) for column in common.T)
    errors = np.full(len(sizes), spread / np.sqrt(len(losses)))
    return Means(np.asarray(sizes, float), np.exp(common.mean(axis=0)), errors, freedom, runs)


def without_end(means: Means) -> Contest:
    """The best form without an end against the best that has one."""
    endless, ending = (
        min((_aicc(curve, means), curve.name, curve) for curve in _tried(of, means))
        for of in (ENDLESS, ENDING)
    )
    return Contest(ending[0] - endless[0], endless[2], ending[2])


def forecast(
    sizes: Float[np.ndarray, "n"], losses: Float[np.ndarray, "s n"], left_out: int
) -> Float[np.ndarray, "s 2"]:
    """The fall of log L from the largest fitted size to the largest one, promised and measured: a pseudo-value for each seed.

    E + A·P^(−α) is fitted to geometric means over seeds, without the largest sizes. Both falls begin at the fitted value. The fit
    is not linear and has E ≥ 0, so fits to single seeds would be biased alike, and their mean too. Seed i of S therefore has the
    jackknife's pseudo-value Sθ̂ − (S − 1)θ̂₋ᵢ, whose mean has less bias and Student's interval.

    Arguments:
        sizes, losses: as for `paired_means`.
        left_out: sizes that are not fitted; at least four others have to be left.

    Raises: UserError for fewer sizes, or another order.

    Source: Tukey 1958, Bias and confidence in not-quite large samples (abstract), Ann. Math. Statist. 29.
    """
    _check_order(sizes)
    fitted, logs = len(sizes) - left_out, np.log(np.asarray(losses, float))
    if left_out < 1 or fitted < 4:
        raise UserError(f"{left_out} of {len(sizes)} sizes left out", "at least one, and four others")
    ends, seeds = np.array([sizes[fitted - 1], sizes[-1]], float), len(logs)

    means = np.array(
        [logs.mean(axis=0), *(np.delete(logs, i, axis=0).mean(axis=0) for i in range(seeds) if seeds > 1)]
    )
    laws = fit_curves(POWER, sizes[:fitted], np.exp(means[:, :fitted]), np.full(fitted, 0.01))
    starts, promised = np.log([law.at(ends) for law in laws]).T
    whole, *others = np.stack([starts - promised, starts - means[:, -1]], axis=1)
    return np.array([seeds * whole - (seeds - 1) * other for other in others]) if others else whole[None]


def _check_order(sizes: Float[np.ndarray, "n"]) -> None:
    if not np.all(np.diff(sizes) > 0):
        raise UserError(
            f"sizes {np.asarray(sizes).tolist()}",
            "sizes in increasing order",
            "Sort them, and the losses with them.",
        )


def _tried(curves: tuple[Curve, ...], means: Means) -> list[Curve]:
    return [curve for curve in curves if len(means.sizes) >= curve.sizes and len(means.sizes) > curve.freedom]


def _aicc(curve: Curve, means: Means) -> float:
    runs = sum(len(run) for run in means.runs)
    misfit, k = fit_curve(curve, means.sizes, means.losses, means.errors).misfit, curve.freedom + 1
    return float(runs * np.log1p(misfit / means.freedom) + 2 * k * runs / (runs - k - 1))
