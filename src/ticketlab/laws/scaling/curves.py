"""How a loss may fall with size: power laws and their rivals, and the fit of each by variable projection.

Every curve is a sum of functions of size with coefficients that are not negative, once its exponent or rate is given:

    L(P) = E + A·P^(−α)

So for each α the best E and A are a small non-negative least-squares problem with an exact solution, and only α is searched: on
a grid, then on ever finer ones. There are no starting values and no local minima to miss. Residuals are relative,
(L̂ − L)/(L·s), with s the relative standard error of the mean over seeds.

Source: Golub & Pereyra 1973, The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
separate.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize, nnls

from ticketlab.laws.scaling.search import best_ends, least, least_squares, neighbours

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
    "fit_curves",
]

ALPHAS = np.geomspace(0.02, 3.0, 41)
RATES = np.geomspace(0.05, 50.0, 41)  # relative to the geometric mean of the sizes
BREAKS = np.linspace(0.15, 0.85, 8)  # of the range of log P
LAST_END = (
    2 / 3
)  # of the last step of log P. With an end at its very end the form would contain the power law.

Searched = tuple[float | np.ndarray, ...]
"""Values of what is searched: numbers, or arrays `[..., 1]` of one shape."""


@dataclass(frozen=True)
class Curve:
    """A form that L(P) may have.

    Arguments:
        name: in words.
        formula: as it is printed.
        searched: the names of what is searched; the first is the exponent or rate.
        linear: the names of the coefficients, none negative.
        columns: from sizes `[n]` and what is searched to the functions that the coefficients
            multiply `[..., n, len(linear)]`.
        grid: from sizes to the values tried for each that is searched.
        sizes: the fewest sizes with which it is tried.
        second: the best second value for each first, and its misfit, where there is a closed form (as `best_ends` has it).
        given: from the sizes of a fit to what `columns` needs of them besides, in the place of what is searched.
    """

    name: str
    formula: str
    searched: tuple[str, ...]
    linear: tuple[str, ...]
    columns: Callable[[np.ndarray, Searched], np.ndarray]
    grid: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    sizes: int = 4
    second: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None
    given: Callable[[np.ndarray], Searched] = lambda p: ()

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
        given: what the form takes from the sizes of the fit.
    """

    curve: Curve
    searched: dict[str, float]
    linear: dict[str, float]
    misfit: float
    aicc: float
    given: Searched = ()

    def at(self, sizes: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """L̂(P)."""
        columns = self.curve.columns(np.asarray(sizes, float), (*self.searched.values(), *self.given))
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
    return fit_curves(curve, sizes, np.asarray(losses, float)[None], errors, held)[0]


def fit_curves(
    curve: Curve,
    sizes: Float[np.ndarray, "n"],
    losses: Float[np.ndarray, "m n"],
    errors: Float[np.ndarray, "n"],
    held: tuple[float, ...] | None = None,
) -> tuple[Fitted, ...]:
    """`fit_curve` for m data sets at the same sizes, with the same relative errors."""
    order = np.argsort(sizes)
    sizes, losses, errors = (np.asarray(each, float)[..., order] for each in (sizes, losses, errors))
    weights, target = 1 / (losses * errors), np.broadcast_to(1 / errors, losses.shape)
    searched = (
        np.tile(held, (len(losses), 1)) if held is not None else _searched(curve, sizes, weights, target)
    )
    return tuple(
        _fitted(curve, sizes, w, t, tuple(values))
        for w, t, values in zip(weights, target, searched.tolist(), strict=True)
    )


def _fitted(
    curve: Curve, sizes: np.ndarray, weights: np.ndarray, target: np.ndarray, values: tuple[float, ...]
) -> Fitted:
    given = curve.given(sizes)
    coefficients, left = nnls(curve.columns(sizes, (*values, *given)) * weights[:, None], target)
    n, k = len(sizes), curve.freedom
    aicc = float(left**2) + 2 * k + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else float("inf")
    return Fitted(
        curve,
        dict(zip(curve.searched, values, strict=True)),
        dict(zip(curve.linear, coefficients.tolist(), strict=True)),
        float(left**2),
        aicc,
        given,
    )


def _searched(curve: Curve, sizes: np.ndarray, weights: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The values of what is searched, of m data sets `[m, s]`."""
    if not curve.searched:
        return np.zeros((len(target), 0))
    axes = curve.grid(sizes)
    if curve.second is not None:
        best = partial(curve.second, sizes, axes[1], weights, target)
        first = _narrowed(lambda z: best(np.exp(z))[1], axes[0], len(target))
        return np.stack([first, best(first[:, None])[0][:, 0]], axis=1)
    misfit = partial(_misfit, curve, sizes)
    if len(axes) == 1:
        return _narrowed(lambda z: misfit(weights, target, np.exp(z)), axes[0], len(target))[:, None]
    each = zip(weights[:, None], target[:, None], strict=True)
    return np.array([_by_simplex(partial(misfit, w, t), axes) for w, t in each])


def _misfit(
    curve: Curve, sizes: np.ndarray, weights: np.ndarray, target: np.ndarray, *values: np.ndarray
) -> np.ndarray:
    """Of m data sets, each with q values of all that is searched `[m, q] -> [m, q]`."""
    columns = np.asarray(curve.columns(sizes, tuple(each[..., None] for each in values)))
    return least_squares(columns * weights[:, None, :, None], target[:, None])


def _narrowed(of: Callable[[np.ndarray], np.ndarray], axis: np.ndarray, m: int) -> np.ndarray:
    """Where functions of a logarithm are least near the best point of an axis `[m]`."""
    logs = np.log(axis)
    at = np.argmin(of(np.tile(logs, (m, 1))), axis=1)
    return np.exp(least(of, *neighbours(logs, at)))


def _by_simplex(misfit: Callable[..., np.ndarray], axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Where the misfit of one data set is least, by the method of Nelder and Mead from the best point of the grid."""
    points = np.array(list(itertools.product(*axes)))
    tried = misfit(*points.T[:, None])[0]
    best = points[np.argmin(tried)]
    found = minimize(
        lambda z: misfit(*np.exp(z)[:, None, None]).item(),
        np.log(best),
        method="Nelder-Mead",
        bounds=[(np.log(axis[0]), np.log(axis[-1])) for axis in axes],
        options={"xatol": 1e-7, "fatol": 1e-9},
    )
    return np.exp(found.x) if found.fun <= tried.min() else best


# --- the forms ---


def _middle(sizes: np.ndarray) -> float:
    return float(np.exp(np.mean(np.log(sizes))))


def _with_floor(function: Callable[[np.ndarray, Searched], np.ndarray]) -> Callable[..., np.ndarray]:
    def columns(p: np.ndarray, v: Searched) -> np.ndarray:
        falling = function(p, v)
        return np.stack([np.ones_like(falling), falling], axis=-1)

    return columns


def _breaks(sizes: np.ndarray) -> np.ndarray:
    low, high = np.log(sizes.min()), np.log(sizes.max())
    return np.exp(low + BREAKS * (high - low))


def _ends(sizes: np.ndarray) -> np.ndarray:
    """The first and the last size at which a curve may end, the last within the last step."""
    first, last = np.log(sizes.min()), np.log(np.sort(sizes)[-2:])
    return np.exp([first + BREAKS[0] * (last[1] - first), last[0] + LAST_END * (last[1] - last[0])])


def _broken(p: np.ndarray, v: Searched) -> np.ndarray:
    first, second, at = v
    return np.where(p < at, (p / at) ** -first, (p / at) ** -second)[..., None]


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
    lambda p, v: (p ** -v[0])[..., None],
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
    lambda p, v: np.stack([np.ones_like(p), np.log(v[0] / p)], axis=1),
    lambda p: (),
    given=lambda p: (float(p.max()),),
)
CONSTANT = Curve("constant", "E", (), ("E",), lambda p, v: np.ones((len(p), 1)), lambda p: ())
SATURATING = Curve(
    "power law that ends",
    "E + A·min(P, P*)^(−α)",
    ("α", "P*"),
    ("E", "A"),
    _with_floor(lambda p, v: np.minimum(p, v[1]) ** -v[0]),
    lambda p: (ALPHAS, _ends(p)),
    sizes=5,
    second=best_ends,
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
