"""A scaling law with its uncertainty: L(P) = E + A·P^(−α), from losses of several seeds at several sizes.

The seeds of a size give its mean loss, and all seeds together the relative spread s of one run, with as many degrees of freedom
as there are seeds more than sizes. The interval of α is that of the profile: E and A are fitted anew for each α, and α stays in
while the misfit has risen by less than the square of Student's factor. E and α are nearly collinear, so the interval is rarely
symmetric. Seeds drawn again give a second spread, and a fit without the two largest sizes is asked to predict them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, minimize_scalar
from scipy.special import stdtrit
from scipy.stats import f

from ticketlab.errors import UserError
from ticketlab.laws.scaling.curves import ALPHAS, CURVES, ENDING, POWER, Curve, Fitted, fit_curve, fit_curves

__all__ = ["Means", "ScalingLaw", "common_exponent", "compared", "means_of", "scaling_law"]

CALLED = 6.0  # ΔAICc from which one form is preferred
RESAMPLES = 200
LEFT_OUT = 2  # of the largest sizes
LEAST_SPREAD = 1e-9  # relative; below it the search, exact to 1e-8 of α, is what differs


@dataclass(frozen=True)
class Means:
    """Mean losses by size.

    Arguments:
        sizes: in increasing order.
        losses: their means over seeds.
        errors: relative standard errors of the means.
        freedom: degrees of freedom of the spread.
        runs: the losses of each size.
    """

    sizes: Float[np.ndarray, "n"]
    losses: Float[np.ndarray, "n"]
    errors: Float[np.ndarray, "n"]
    freedom: int
    runs: tuple[Float[np.ndarray, "s"], ...]

    def some(self, chosen: np.ndarray) -> Means:
        """Those of some sizes, with the spread of all."""
        runs = tuple(run for run, there in zip(self.runs, chosen, strict=True) if there)
        return Means(self.sizes[chosen], self.losses[chosen], self.errors[chosen], self.freedom, runs)


@dataclass(frozen=True)
class ScalingLaw:
    """L(P) = E + A·P^(−α).

    Arguments:
        fitted: the curve.
        interval: of α, by profile; its ends are those of the search, .02 and 3, where the data do not say more.
        spread: the standard deviation of α over seeds drawn again.
        fits: whether the misfit is what the seeds' spread allows (F test at 1 %).
        forms: all forms that were tried, the best first.
        left_out: the largest relative error of a prediction of the two largest sizes from the others; NaN for too few sizes.
        last_gain: by how much the loss falls from half the largest size to the largest, in the loss's unit, with its interval.
    """

    fitted: Fitted
    interval: tuple[float, float]
    spread: float
    fits: bool
    forms: tuple[Fitted, ...]
    left_out: float
    last_gain: tuple[float, float, float]

    @property
    def exponent(self) -> float:
        return self.fitted.searched["α"]

    @property
    def floor(self) -> float:
        return self.fitted.linear["E"]

    @property
    def preferred(self) -> Fitted | None:
        """The form that beats all others by 6 in AICc; None if none does."""
        best, second = self.forms[0], self.forms[1]
        return best if second.aicc - best.aicc > CALLED else None

    @property
    def keeps_improving(self) -> bool:
        """Whether the law fits, beats every form with an end by 6 in AICc, and gains in its last doubling."""
        ends = [form.aicc for form in self.forms if form.curve in ENDING]
        return self.fits and self.last_gain[1] > 0 and self.fitted.aicc + CALLED < min(ends)


def means_of(size: Float[np.ndarray, "r"], loss: Float[np.ndarray, "r"]) -> Means:
    """Means over the runs of each size.

    Arguments:
        size: of each run.
        loss: of each run, positive.

    Raises: UserError for fewer than four sizes, or without two runs of any size: then nothing is known about the spread.
    """
    size, loss = np.asarray(size, float), np.asarray(loss, float)
    if size.shape != loss.shape or not (np.all(size > 0) and np.all(loss > 0) and np.all(np.isfinite(loss))):
        raise UserError("sizes or losses that are not positive", "a positive size and loss for each run")
    sizes = np.unique(size)
    if len(sizes) < 4:
        raise UserError(f"{len(sizes)} sizes", "at least 4")
    runs = tuple(loss[size == p] for p in sizes)
    freedom = len(loss) - len(sizes)
    if freedom < 1:
        raise UserError("one run of each size", "two runs of some size at least", "Use more seeds.")
    squares = sum(float(np.sum((np.log(run) - np.log(run).mean()) ** 2)) for run in runs)
    spread = max(np.sqrt(squares / freedom), LEAST_SPREAD)
    counts = np.array([len(run) for run in runs])
    return Means(sizes, np.array([run.mean() for run in runs]), spread / np.sqrt(counts), freedom, runs)


def scaling_law(means: Means, rng: np.random.Generator, level: float = 0.95) -> ScalingLaw:
    """Fits the law with its uncertainty, and its rivals.

    Arguments:
        means: at least four sizes.
        rng: for the seeds drawn again.
        level: coverage of the intervals.
    """
    fitted = _fit(POWER, means)
    factor = float(stdtrit(means.freedom, (1 + level) / 2)) ** 2
    interval = _profile(POWER, means, fitted, factor)
    counts = np.array([len(run) for run in means.runs])
    lost = np.sqrt(np.mean(counts) / max(np.mean(counts) - 1, 0.5))  # drawn again, s seeds vary as s − 1 do
    spread, gained = np.std(_drawn_again(means, rng), axis=0) * lost
    gain, half = _last_gain(fitted, means), float(np.sqrt(factor) * gained)
    return ScalingLaw(
        fitted,
        interval,
        float(spread),
        _fits(fitted, means),
        compared(means),
        _left_out(means),
        (gain, gain - half, gain + half),
    )


def compared(means: Means, curves: Sequence[Curve] = CURVES) -> tuple[Fitted, ...]:
    """All forms that have enough sizes, by AICc."""
    tried = [_fit(curve, means) for curve in curves if len(means.sizes) >= curve.sizes]
    return tuple(sorted(tried, key=lambda form: form.aicc))


def common_exponent(laws: Sequence[Means]) -> tuple[float, float]:
    """One α for several data sets, each with its own E and A, and whether the data contradict it.

        F = (misfit(one α) − misfit(an α each))/(m − 1),   with m − 1 and Σν degrees of freedom

    Arguments:
        laws: m data sets, at least two.

    Returns:
        α, and the probability of such a rise of the misfit, or of a larger one, if the exponents are equal. A small one says that
        they differ. A large one does not say that they are equal: compare the intervals of the exponents.

    Raises: UserError for a single data set.
    """
    if len(laws) < 2:
        raise UserError(f"{len(laws)} data sets", "at least 2")

    def misfit(log_alpha: float) -> float:
        held = (float(np.exp(log_alpha)),)
        return sum(fit_curve(POWER, m.sizes, m.losses, m.errors, held).misfit for m in laws)

    grid = np.log(ALPHAS)
    at = int(np.argmin([misfit(a) for a in grid]))
    around = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    found = minimize_scalar(misfit, bounds=around, method="bounded", options={"xatol": 1e-8})
    rise = max(float(found.fun) - sum(_fit(POWER, m).misfit for m in laws), 0.0)
    freedom = sum(m.freedom for m in laws)
    return float(np.exp(found.x)), float(f.sf(rise / (len(laws) - 1), len(laws) - 1, freedom))


def _fit(curve: Curve, means: Means) -> Fitted:
    return fit_curve(curve, means.sizes, means.losses, means.errors)


def _profile(curve: Curve, means: Means, fitted: Fitted, factor: float) -> tuple[float, float]:
    """The exponents whose misfit is above the least by `factor`."""

    def above(log_alpha: float) -> float:
        held = (float(np.exp(log_alpha)),)
        return fit_curve(curve, means.sizes, means.losses, means.errors, held).misfit - fitted.misfit - factor

    best = np.log(next(iter(fitted.searched.values())))
    ends = []
    for limit in (np.log(ALPHAS[0]), np.log(ALPHAS[-1])):
        outside = above(limit) > 0
        ends.append(float(np.exp(brentq(above, best, limit, xtol=1e-8) if outside else limit)))
    return ends[0], ends[1]


def _drawn_again(means: Means, rng: np.random.Generator) -> np.ndarray:
    """(α, last gain) of fits to seeds drawn again within their sizes `[b, 2]`."""
    drawn = [
        [run[rng.integers(len(run), size=len(run))].mean() for run in means.runs] for _ in range(RESAMPLES)
    ]
    laws = fit_curves(POWER, means.sizes, np.array(drawn), means.errors)
    return np.array([(law.searched["α"], _last_gain(law, means)) for law in laws])


def _last_gain(law: Fitted, means: Means) -> float:
    half, whole = law.at(np.array([means.sizes[-1] / 2, means.sizes[-1]]))
    return float(half - whole)


def _fits(fitted: Fitted, means: Means) -> bool:
    left = len(means.sizes) - fitted.curve.freedom
    return left < 1 or fitted.misfit / left < float(f.ppf(0.99, left, means.freedom))


def _left_out(means: Means) -> float:
    kept = np.arange(len(means.sizes)) < len(means.sizes) - LEFT_OUT
    if kept.sum() < 4:
        return float("nan")
    predicted = _fit(POWER, means.some(kept)).at(means.sizes[~kept])
    return float(np.max(np.abs(predicted / means.losses[~kept] - 1)))
