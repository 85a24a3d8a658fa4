"""The least loss for a given computation: the lower envelope, over sizes, of trainings of several lengths.

Every size is trained to several lengths, each with its own decay of the step size, because the loss on the way of a longer
training is that of a step size which has not fallen yet. Between lengths log L is interpolated in log C (monotone cubic). At each
budget C the sizes whose lengths reach it are compared by their mean log loss on validation data. If the best of them has a
neighbour on both sides, a parabola in log P through the three gives the optimum, and the same three weights give each seed's test
loss there. If it has not, a smaller or a larger network may be better, and the budget is not used.

    log L*(C) = Σ_j w_j(C) log L_j(C),    j the best size and its neighbours,    log P*(C) the parabola's minimum

Three neighbours are a factor of a few apart, so the parabola serves as interpolation. Fitted to all sizes it is biased
[Hoffmann et al. 2022, approach 2; 2603.22339].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import PchipInterpolator

from ticketlab.errors import UserError

__all__ = ["Frontier", "frontier"]

POINTS = 97  # budgets
DECADE = 10.0


@dataclass(frozen=True)
class Frontier:
    """The lower envelope.

    Arguments:
        budgets: C.
        sizes: the best size for each, P*; of a budget that is not used, the best one that was trained.
        losses: L*(C) of each seed.
        inside: whether a smaller and a larger size were worse.
    """

    budgets: Float[np.ndarray, "b"]
    sizes: Float[np.ndarray, "b"]
    losses: Float[np.ndarray, "s b"]
    inside: Bool[np.ndarray, "b"]

    @property
    def ends(self) -> tuple[int, int] | None:
        """The largest budget that is used, and the smallest within a decade below it; None if fewer than two are."""
        used = np.flatnonzero(self.inside)
        if len(used) < 2:
            return None
        used = used[self.budgets[used] >= self.budgets[used[-1]] / DECADE * (1 - 1e-9)]
        return int(used[0]), int(used[-1])

    @property
    def range(self) -> float:
        """How many times more computation the last budget of these takes than the first; 1 if there are none."""
        return 1.0 if self.ends is None else float(self.budgets[self.ends[1]] / self.budgets[self.ends[0]])

    @property
    def exponents(self) -> Float[np.ndarray, "s"]:
        """−Δ log L* / Δ log C between these budgets, of each seed; NaN if there are none."""
        if self.ends is None or self.range == 1:
            return np.full(len(self.losses), np.nan)
        low, high = self.ends
        return np.log(self.losses[:, low] / self.losses[:, high]) / np.log(self.range)


def frontier(
    sizes: Float[np.ndarray, "n"],
    budgets: Float[np.ndarray, "n l"],
    validation: Float[np.ndarray, "s n l"],
    test: Float[np.ndarray, "s n l"],
) -> Frontier:
    """The lower envelope of trainings of every size to every length.

    Arguments:
        sizes: P, increasing; at least three.
        budgets: C of each size and length, increasing with length; sizes may have different lengths, and NaN where they have
            fewer.
        validation: losses that choose the size.
        test: losses that are returned.

    Raises: UserError for fewer than three sizes or two lengths, or budgets that do not increase.
    """
    sizes, budgets = np.asarray(sizes, float), np.asarray(budgets, float)
    fewest = int(np.isfinite(budgets).sum(axis=1).min()) if len(sizes) else 0
    if len(sizes) < 3 or fewest < 2:
        raise UserError(f"{len(sizes)} sizes and {fewest} lengths", "at least 3 sizes and 2 lengths")
    if not all(np.all(np.diff(of[np.isfinite(of)]) > 0) for of in budgets):
        raise UserError("computations that do not increase", "more for every longer training")
    at = np.geomspace(np.nanmin(budgets), np.nanmax(budgets), POINTS)
    chosen = _interpolated(budgets, validation, at).mean(axis=0)  # [n, b], NaN where no length reaches
    measured = _interpolated(budgets, test, at)  # [s, n, b]
    best = np.nanargmin(np.where(np.isnan(chosen), np.inf, chosen), axis=0)
    found, losses, inside = sizes[best].copy(), np.empty((len(test), len(at))), np.zeros(len(at), bool)
    for b, j in enumerate(best):
        three = slice(j - 1, j + 2)
        inside[b] = 0 < j < len(sizes) - 1 and not np.isnan(chosen[three, b]).any()
        if inside[b]:
            found[b], weights = _optimum(np.log(sizes[three]), chosen[three, b])
            losses[:, b] = np.exp(measured[:, three, b] @ weights)
        else:
            losses[:, b] = np.exp(measured[:, j, b])
    return Frontier(at, found, losses, inside)


def _interpolated(budgets: np.ndarray, losses: np.ndarray, at: np.ndarray) -> Float[np.ndarray, "s n b"]:
    """log L at budgets, NaN outside those of a size."""
    logs, z = np.log(np.asarray(losses, float)), np.log(at)
    each = []
    for own, found in zip(budgets, np.moveaxis(logs, 1, 0), strict=True):
        there = np.isfinite(own)
        each.append(PchipInterpolator(np.log(own[there]), found[:, there], axis=1, extrapolate=False)(z))
    return np.stack(each, axis=1)


def _optimum(x: Float[np.ndarray, "3"], y: Float[np.ndarray, "3"]) -> tuple[float, Float[np.ndarray, "3"]]:
    """The size at the minimum of the parabola through three points, of which the middle one is lowest, and the weights there."""
    slopes = np.diff(y) / np.diff(x)
    bend = (slopes[1] - slopes[0]) / (x[2] - x[0])
    middle = x[1] if bend <= 0 else (x[0] + x[1]) / 2 - slopes[0] / (2 * bend)
    apart = middle - x
    weights = np.array(
        [
            apart[1] * apart[2] / ((x[0] - x[1]) * (x[0] - x[2])),
            apart[0] * apart[2] / ((x[1] - x[0]) * (x[1] - x[2])),
            apart[0] * apart[1] / ((x[2] - x[0]) * (x[2] - x[1])),
        ]
    )
    return float(np.exp(middle)), weights
