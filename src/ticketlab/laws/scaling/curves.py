"""How a loss may fall with size: power laws and their rivals, and the fit of each by variable projection.

Every curve is a sum of functions of size with coefficients that are not negative, once its exponent or rate is given:

    L(P) = E + A·P^(−α)

So for each α the best E and A are a small non-negative least-squares problem with an exact solution, and only α is searched: on
a grid, then by Brent's method. There are no starting values and no local minima to miss. Residuals are relative, (L̂ − L)/(L·s),
with s the relative standard error of the mean over seeds.

Source: Golub & Pereyra 1973, The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
separate.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize, minimize_scalar, nnls

__all__ = [
    "BROKEN",
    "CONSTANT",
    "CURVES",
    "ENDING",
    "ENDLESS",
    "EXPONENTIAL",
    "LOGARITHMIC",
    "POWER",
    "POWER_ALONE",
    "SATURATING",
    "STRETCHED",
    "Curve",
    "Fitted",
    "fit_curve",
]

ALPHAS = np.geomspace(0.02, 3.0, 41)
RATES = np.geomspace(0.05, 50.0, 41)  # relative to the geometric mean of the sizes
BREAKS = np.linspace(0.15, 0.85, 8)  # of the range of log P
LAST_END = (
    2 / 3
)  # of the last step of log P. With an end at its very end the form would contain the power law.


@dataclass(frozen=True)
class Curve:
    """A form that L(P) may have.

    Arguments:
        name: in words.
        formula: as it is printed.
        searched: the names of what is searched; the first is the exponent or rate.
        linear: the names of the coefficients, none negative.
        columns: from sizes and what is searched to the functions that the coefficients multiply `[n, len(linear)]`.
        grid: from sizes to the values tried for each that is searched.
        sizes: the fewest sizes with which it is tried.
    """

    name: str
    formula: str
    searched: tuple[str, ...]
    linear: tuple[str, ...]
    columns: Callable[[np.ndarray, tuple[float, ...]], np.ndarray]
    grid: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    sizes: int = 4

    @property
    def freedom(self) -> int:
        return len(self.searched) + len(self.linear)


@dataclass(frozen=True)
class Fitted:
    """A curve with its coefficients.

    Arguments:
        curve: its form.
        searched, linear: values, by name.
        misfit: Σ ((L̂ − L)/(L·s))².
        aicc: misfit + 2k + 2k(k + 1)/(n − k − 1), with k coefficients and n sizes; infinite for too few sizes.
    """

    curve: Curve
    searched: dict[str, float]
    linear: dict[str, float]
    misfit: float
    aicc: float

    def at(self, sizes: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """L̂(P)."""
        columns = self.curve.columns(np.asarray(sizes, float), tuple(self.searched.values()))
        return columns @ np.array(list(self.linear.values()))


def fit_curve(
    curve: Curve,
    sizes: Float[np.ndarray, "n"],
    losses: Float[np.ndarray, "n"],
    errors: Float[np.ndarray, "n"],
    held: tuple[float, ...] | None = None,
) -> Fitted:
    """Fits a curve to mean losses.

    Arguments:
        sizes: P, different ones.
        losses: L, positive.
        errors: s, relative standard errors.
        held: values of what is searched, if they are given.
    """
    sizes, losses = np.asarray(sizes, float), np.asarray(losses, float)
    weights = 1 / (losses * np.asarray(errors, float))

    target = losses * weights
    values = held if held is not None else _searched(curve, sizes, weights, target)
    coefficients, left = nnls(curve.columns(sizes, values) * weights[:, None], target)
    n, k = len(sizes), curve.freedom
    aicc = float(left**2) + 2 * k + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else float("inf")
    return Fitted(
        curve,
        dict(zip(curve.searched, values, strict=True)),
        dict(zip(curve.linear, coefficients.tolist(), strict=True)),
        float(left**2),
        aicc,
    )


@lru_cache(256)
def _gridded(curve: Curve, sizes: tuple[float, ...]) -> tuple[tuple[np.ndarray, ...], list, np.ndarray]:
    """The axes of the grid, its points, and their columns `[g, n, k]`: the same for all losses at these sizes."""
    at = np.array(sizes)
    axes = curve.grid(at)
    points = list(itertools.product(*axes))
    return axes, points, np.stack([curve.columns(at, point) for point in points])


def _searched(curve: Curve, sizes: np.ndarray, weights: np.ndarray, target: np.ndarray) -> tuple[float, ...]:
    if not curve.searched:
        return ()
    axes, points, columns = _gridded(curve, tuple(sizes.tolist()))

    def misfit(values: tuple[float, ...]) -> float:
        return float(nnls(curve.columns(sizes, values) * weights[:, None], target)[1]) ** 2

    roughly = _least_squares(columns * weights[:, None], target)
    near = np.flatnonzero(roughly <= 1.000001 * roughly.min() + 1e-9)
    best = points[near[int(np.argmin([misfit(points[i]) for i in near]))]]
    if len(axes) == 1:
        return (_between(lambda value: misfit((value,)), axes[0], best[0])[0],)
    if len(axes) == 2:
        return _one_by_one(misfit, axes, best)
    found = minimize(
        lambda z: misfit(tuple(np.exp(z))),
        np.log(best),
        method="Nelder-Mead",
        bounds=[(np.log(axis[0]), np.log(axis[-1])) for axis in axes],
        options={"xatol": 1e-7, "fatol": 1e-9},
    )
    refined = tuple(float(v) for v in np.exp(found.x))
    return refined if misfit(refined) <= misfit(best) else tuple(float(v) for v in best)


def _one_by_one(
    misfit: Callable[[tuple[float, ...]], float], axes: tuple[np.ndarray, ...], best: tuple[float, ...]
) -> tuple[float, ...]:
    """The least misfit around a point of the grid: for each second value the best first one, which lies in a narrow valley."""

    def inner(second: float) -> tuple[float, float]:
        return _between(lambda first: misfit((first, second)), axes[0], best[0], 1e-6)

    second, _ = _between(lambda value: inner(value)[1], axes[1], best[1], 1e-5)
    return inner(second)[0], second


def _between(
    of: Callable[[float], float], axis: np.ndarray, near: float, within: float = 1e-8
) -> tuple[float, float]:
    """Where a function is least between the neighbours of a point of the axis, and its value: Brent's method in the logarithm."""
    at = int(np.searchsorted(axis, near))
    ends = np.log(axis[max(at - 1, 0)]), np.log(axis[min(at + 1, len(axis) - 1)])
    found = minimize_scalar(
        lambda z: of(float(np.exp(z))), bounds=ends, method="bounded", options={"xatol": within}
    )
    return float(np.exp(found.x)), float(found.fun)


def _least_squares(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least squares of many problems with one or two coefficients that are not negative `[g, n, k] -> [g]`.

    With two, the minimum is that without bounds if both are positive, and else has one of them alone.
    """

    def left(fitted: np.ndarray) -> np.ndarray:
        return np.sum((target - fitted) ** 2, axis=1)

    squares, products = np.sum(columns**2, axis=1), np.einsum("gnk,n->gk", columns, target)
    alone = np.maximum(products / squares, 0.0)
    best = np.min([left(columns[..., i] * alone[:, i, None]) for i in range(columns.shape[-1])], axis=0)
    if columns.shape[-1] == 1:
        return best
    cross = np.sum(columns[..., 0] * columns[..., 1], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # columns that are parallel
        both = (products * squares[:, ::-1] - cross[:, None] * products[:, ::-1]) / (
            squares.prod(axis=1) - cross**2
        )[:, None]
    inside = np.all(both > 0, axis=1) & np.all(np.isfinite(both), axis=1)
    fitted = np.einsum("gnk,gk->gn", columns, np.where(inside[:, None], both, 0.0))
    return np.where(inside, left(fitted), best)


# --- the forms ---


def _middle(sizes: np.ndarray) -> float:
    return float(np.exp(np.mean(np.log(sizes))))


def _with_floor(function: Callable[[np.ndarray, tuple[float, ...]], np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda p, v: np.stack([np.ones_like(p), function(p, v)], axis=1)


def _breaks(sizes: np.ndarray) -> np.ndarray:
    low, high = np.log(sizes.min()), np.log(sizes.max())
    return np.exp(low + BREAKS * (high - low))


def _ends(sizes: np.ndarray) -> np.ndarray:
    """Sizes at which a curve may end, the last within the last step."""
    logs = np.log(np.sort(sizes))
    last = logs[-2] + LAST_END * (logs[-1] - logs[-2])
    return np.exp(np.linspace(logs[0] + BREAKS[0] * (logs[-1] - logs[0]), last, 2 * len(sizes)))


def _broken(p: np.ndarray, v: tuple[float, ...]) -> np.ndarray:
    first, second, at = v
    return np.where(p < at, (p / at) ** -first, (p / at) ** -second)[:, None]


# Each falling function is 1 at P = 1 (powers) or relative to the size that the rate names, so that A has the loss's unit.
POWER = Curve(
    "power law with a floor",
    "E + A·P^(−α)",
    ("α",),
    ("E", "A"),
    _with_floor(lambda p, v: p ** -v[0]),
    lambda p: (ALPHAS,),
)
POWER_ALONE = Curve(
    "power law without a floor",
    "A·P^(−α)",
    ("α",),
    ("A",),
    lambda p, v: p[:, None] ** -v[0],
    lambda p: (ALPHAS,),
)
EXPONENTIAL = Curve(
    "exponential",
    "E + A·exp(−cP)",
    ("c",),
    ("E", "A"),
    _with_floor(lambda p, v: np.exp(-v[0] * p)),
    lambda p: (RATES / _middle(p),),
)
STRETCHED = Curve(
    "stretched exponential",
    "E + A·exp(−c√P)",
    ("c",),
    ("E", "A"),
    _with_floor(lambda p, v: np.exp(-v[0] * np.sqrt(p))),
    lambda p: (RATES / np.sqrt(_middle(p)),),
)
LOGARITHMIC = Curve(
    "logarithmic",
    "a + b·log(P_max/P)",
    (),
    ("a", "b"),
    lambda p, v: np.stack([np.ones_like(p), np.log(p.max() / p)], axis=1),
    lambda p: (),
)
CONSTANT = Curve("constant", "E", (), ("E",), lambda p, v: np.ones((len(p), 1)), lambda p: ())
SATURATING = Curve(
    "power law that ends",
    "E + A·min(P, P*)^(−α)",
    ("α", "P*"),
    ("E", "A"),
    _with_floor(lambda p, v: np.minimum(p, v[1]) ** -v[0]),
    lambda p: (ALPHAS[::2], _ends(p)),
    sizes=5,
)
BROKEN = Curve(
    "broken power law",
    "A·(P/P*)^(−α₁ below P*, −α₂ above)",
    ("α₁", "α₂", "P*"),
    ("A",),
    _broken,
    lambda p: (ALPHAS[::5], ALPHAS[::5], _breaks(p)),
    sizes=9,
)
CURVES = (POWER, POWER_ALONE, EXPONENTIAL, STRETCHED, LOGARITHMIC, CONSTANT, SATURATING, BROKEN)
ENDLESS = (POWER, POWER_ALONE, LOGARITHMIC)
ENDING = (CONSTANT, EXPONENTIAL, STRETCHED, SATURATING)
