"""The generalised Pareto law, which the excesses over a high threshold follow in the limit, and four ways to fit it.

    P(Y > y) = (1 + ξy/σ)^(−1/ξ),   y ≥ 0

The shape ξ says how the tail ends. With ξ < 0 it ends at −σ/ξ, with ξ = 0 it is exponential, and with ξ > 0 it is a power law.
(Balkema & de Haan 1974 and Pickands 1975 show why this law is the limit.)

Each estimator has its own weakness. Maximum likelihood is best with many excesses, but has no maximum for ξ < −1, and its usual
theory fails for ξ < −½. Probability-weighted moments need ξ < ½. The moment estimator depends on where the scale has its zero.
Empirical Bayes has the least bias with few excesses. So a fit is believed only if two of them agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, minimize_scalar

from ticketlab.errors import UserError

__all__ = [
    "Pareto",
    "empirical_bayes",
    "maximum_likelihood",
    "moment",
    "profile_bounds",
    "weighted_moments",
]

SMALL = 1e-9  # |ξ| below which the law is computed as an exponential
FEWEST = 10  # excesses
GRID = np.concatenate([np.geomspace(1e-4, 0.97, 24), np.geomspace(1.03, 1e4, 24)])  # of 1 + θ·max(y), θ = ξ/σ
HEAVY = np.geomspace(1.5e4, 1e60, 325)  # the same, where the likelihood still rises: n^ξ for n excesses
SERIES = 1e-5  # |θ|·max(y) below which the derivative of the profile is taken from its series
LARGEST = 690.0  # a number's logarithm, up and down
LOWEST = -1.0  # below it the likelihood has no maximum

Shapes = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Pareto:
    """A generalised Pareto law of excesses.

    Arguments:
        shape: ξ.
        scale: σ, in the unit of the excesses.
    """

    shape: float
    scale: float

    @property
    def end(self) -> float:
        """The largest possible excess."""
        return -self.scale / self.shape if self.shape < 0 else float("inf")

    def survival(self, y: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """P(Y > y)."""
        z = np.maximum(np.asarray(y, float), 0) / self.scale
        if abs(self.shape) < SMALL:
            return np.exp(-z)
        with np.errstate(divide="ignore"):  # at the end and beyond it
            return np.exp(-np.log1p(np.maximum(self.shape * z, -1.0)) / self.shape)

    def quantile(self, p: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """The excess that is not exceeded with probability p."""
        exponent = -np.log1p(-np.asarray(p, float))
        if abs(self.shape) < SMALL:
            return self.scale * exponent
        return self.scale * np.expm1(self.shape * exponent) / self.shape

    def likelihood(self, y: Float[np.ndarray, "n"]) -> float:
        """The mean log density; −∞ if an excess lies beyond the end."""
        return _likelihood(np.asarray(y, float), self.shape, self.scale)


def maximum_likelihood(y: Float[np.ndarray, "n"]) -> Pareto:
    """Maximises the likelihood, which has one dimension once σ is eliminated.

    With θ = ξ/σ the best shape is ξ(θ) = mean log(1 + θy), and the mean log density is −log(ξ(θ)/θ) − ξ(θ) − 1.

    Arguments:
        y: positive excesses.

    Returns: the highest maximum with ξ > −1. Below −½ its usual errors do not hold.

    Source: Grimshaw 1993, Computing maximum likelihood estimates for the generalized Pareto distribution, equation 4.
    """
    y = _checked(y)
    top, grid = float(y.max()), GRID
    values = _profiles((grid - 1) / top, y, _shapes_of_grid)
    best = int(np.argmax(values))
    if best == len(grid) - 1:
        grid = np.append(grid, HEAVY)
        values = _profiles((grid - 1) / top, y, _shapes_of_grid)
        best = int(np.argmax(values))
    around = (grid[[max(best - 1, 0), best, min(best + 1, len(grid) - 1)]] - 1) / top
    theta = _flat_point(around, y)
    if theta is None or np.mean(np.log1p(theta * y)) <= LOWEST:
        theta = _highest(around, values[best], y)
    shape = float(np.mean(np.log1p(theta * y)))
    return Pareto(shape, shape / theta if abs(theta * top) > SMALL else float(y.mean()))


def _flat_point(around: np.ndarray, y: np.ndarray) -> float | None:
    """The θ at which the profile is flat, between the best point of a grid and its neighbour uphill; None if none is sure."""
    low, middle, high = around
    sides = (middle, high) if _slope(middle, y) > 0 else (low, middle)
    if _slope(sides[0], y) <= 0 or _slope(sides[1], y) >= 0:
        return None
    return float(brentq(_slope, *sides, args=(y,), xtol=1e-9 / float(y.max()), rtol=1e-9))


def _highest(around: np.ndarray, value: float, y: np.ndarray) -> float:
    """The same by values alone, where the likelihood has its maximum at an end of the grid or next to ξ = −1."""
    top = float(y.max())
    lowest = value - 1e6  # for ξ ≤ −1: the search subtracts values, so none may be infinite
    found = minimize_scalar(
        lambda z: -max(float(_profiles(np.array([np.expm1(z) / top]), y)[0]), lowest),
        bounds=tuple(np.log1p(around[[0, -1]] * top)),
        method="bounded",
        options={"xatol": 1e-7},
    )
    return float(np.expm1(found.x)) / top


def weighted_moments(y: Float[np.ndarray, "n"]) -> Pareto:
    """Probability-weighted moments, for ξ < ½.

        ξ = 2 − a₀/(a₀ − 2a₁),   σ = 2a₀a₁/(a₀ − 2a₁),   a_r = E[Y(1 − F(Y))^r]

    Source: Hosking & Wallis 1987, Parameter and quantile estimation for the generalized Pareto distribution, section 3.
    """
    ordered = np.sort(_checked(y))
    rest = 1 - (np.arange(1, len(ordered) + 1) - 0.35) / len(ordered)
    a0, a1 = float(np.mean(ordered)), float(np.mean(rest * ordered))
    return Pareto(2 - a0 / (a0 - 2 * a1), 2 * a0 * a1 / (a0 - 2 * a1))


def moment(y: Float[np.ndarray, "n"], threshold: float) -> float:
    """The shape by moments of logarithms, for values on a scale with a meaningful zero.

        ξ = M₁ + 1 − ½/(1 − M₁²/M₂),   M_r = mean (log(u + y) − log u)^r

    Arguments:
        y: excesses over u.
        threshold: u, positive.

    Raises: UserError for a threshold that is not positive.

    Source: Dekkers, Einmahl & de Haan 1989, A moment estimator for the index of an extreme-value distribution, equation 1.7.
    """
    y = _checked(y)
    if not threshold > 0:
        raise UserError(f"the threshold {threshold:g}", "a positive one, for moments of logarithms")
    logs = np.log1p(y / threshold)
    first, second = float(np.mean(logs)), float(np.mean(logs**2))
    return first + 1 - 0.5 / (1 - first**2 / second)


def empirical_bayes(y: Float[np.ndarray, "n"]) -> Pareto:
    """The posterior mean of θ = −ξ/σ under a prior that the excesses choose; little bias with few of them.

    Source: Zhang & Stephens 2009, A new and efficient estimation method for the generalized Pareto distribution, section 3.
    """
    ordered = np.sort(_checked(y))
    count = 30 + int(np.sqrt(len(ordered)))
    quarter = ordered[int(len(ordered) / 4 + 0.5) - 1]
    steps = 1 - np.sqrt(count / (np.arange(1, count + 1) - 0.5))
    thetas = 1 / ordered[-1] + steps / (3 * quarter)
    values = len(ordered) * _profiles(-thetas, ordered)
    weights = np.exp(values - values.max())
    theta = float(weights @ thetas / weights.sum())
    shape = float(np.mean(np.log1p(-theta * ordered)))
    return Pareto(shape, -shape / theta)


def profile_bounds(y: Float[np.ndarray, "n"], best: Pareto, drop: float) -> tuple[float, float]:
    """The shapes at which the likelihood, at its best scale, has fallen by a given amount.

        2n(ℓ(ξ̂, σ̂) − max_σ ℓ(ξ, σ)) = drop

    Arguments:
        best: the maximum of the likelihood.
        drop: 3.84 for an interval of 95 %.

    Returns: the lower and the upper one; the lower is not below −1.
    """
    y = _checked(y)
    top = best.likelihood(y)

    def fallen(shape: float) -> float:
        return 2 * len(y) * (top - _likelihood(y, shape, _best_scale(y, shape))) - drop

    step = (1 + max(best.shape, -0.5)) * np.sqrt(drop / len(y))
    return _crossing(fallen, best.shape, -step), _crossing(fallen, best.shape, step)


def _crossing(fallen, start: float, step: float) -> float:  # type: ignore[no-untyped-def]
    """Where `fallen` passes zero, on the side of the step."""
    inner, outer = start, start
    for _ in range(40):
        inner, outer = outer, outer + step
        if outer <= LOWEST:
            outer = LOWEST + 1e-6
            if fallen(outer) < 0:
                return LOWEST
            break
        if fallen(outer) > 0:
            break
    return float(brentq(fallen, inner, outer, xtol=1e-6))


def _best_scale(y: np.ndarray, shape: float) -> float:
    """The σ that maximises the likelihood with a given ξ > −1: (1 + ξ)·mean y/(σ + ξy) = 1."""
    mean, top = float(y.mean()), float(y.max())

    def excess(log_scale: float) -> float:
        return float(np.mean(y / (np.exp(log_scale) + low + shape * y))) * (1 + shape) - 1

    low = max(-shape * top, 0.0)  # σ is above it; the solver works with the logarithm of the distance
    ends = np.log(mean) - 30, np.log(mean) + 5
    return low + float(np.exp(brentq(excess, *ends, xtol=1e-10)))


def _likelihood(y: np.ndarray, shape: float, scale: float) -> float:
    if abs(shape) < SMALL:
        return -float(np.log(scale)) - float(y.mean()) / scale
    inside = shape * y / scale
    if inside.min() <= -1:
        return float("-inf")
    return -float(np.log(scale)) - (1 + 1 / shape) * float(np.mean(np.log1p(inside)))


def _shapes(thetas: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The best shape for each θ = ξ/σ: the mean of log(1 + θy)."""
    return np.log1p(thetas[:, None] * y).mean(axis=1)


def _shapes_of_grid(thetas: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same where no 1 + θ·max(y) is close to 1: one logarithm for as many factors as a product can hold."""
    size = max(int(LARGEST / np.abs(np.log1p(thetas * y.max())).max()), 1)
    factors = 1 + thetas[:, None] * np.append(y, np.zeros(-len(y) % size))
    return np.log(factors.reshape(len(thetas), -1, size).prod(axis=2)).sum(axis=1) / len(y)


def _profiles(thetas: np.ndarray, y: np.ndarray, shapes_of: Shapes = _shapes) -> np.ndarray:
    """The mean log density at the best shape for each θ = ξ/σ; −∞ for shapes of −1 and below."""
    shapes = shapes_of(thetas, y)
    straight = np.abs(thetas) * float(y.max()) < SMALL
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(straight, -np.log(y.mean()) - 1, -np.log(shapes / thetas) - shapes - 1)
    return np.where(straight | (shapes > LOWEST), found, -np.inf)


def _slope(theta: float, y: np.ndarray) -> float:
    """The derivative of `_profiles` by θ: 1/θ − ξ′/ξ − ξ′ with ξ′ = mean y/(1 + θy); a series where 1/θ cancels."""
    if abs(theta) * float(y.max()) < SERIES:
        first, second, third = (float(np.mean(y**power)) for power in (1, 2, 3))
        half = second / (2 * first)
        return half - first + theta * (second - 2 * third / (3 * first) + half**2)
    inside = theta * y
    slope = float(np.mean(y / (1 + inside)))
    return 1 / theta - slope / float(np.mean(np.log1p(inside))) - slope


def _checked(y: np.ndarray) -> np.ndarray:
    y = np.asarray(y, float)
    if y.ndim != 1 or len(y) < FEWEST or not np.all(np.isfinite(y)) or y.min() < 0 or y.max() <= 0:
        raise UserError(
            f"excesses of shape {y.shape}" + (f", from {y.min():g} to {y.max():g}" if y.size else ""),
            f"at least {FEWEST} finite ones that are not negative, in one dimension",
            "Use a lower threshold.",
        )
    return y
