"""A ridge chosen by cross-validation: each fold takes one tangent kernel and one ridge path, for any number of ridges.

All ridges of a path share the fold's kernel and its decomposition or preconditioner, so a path costs little more than one
ridge. A grid search over `ridge` cannot share these, so the estimators do the search themselves. Scores are pooled: every
held-out example counts once, in any fold, so that folds of one example are as good as others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ticketlab.errors import UserError, counted
from ticketlab.tangent import Solution, predict_all
from ticketlab.tangent.minimise import Ridge

__all__ = ["RidgeChoice", "choose_ridge"]

Rows = Int[np.ndarray, "m"]


@dataclass(frozen=True, eq=False)
class RidgeChoice:
    """The basis of the choice.

    Arguments:
        ridges: the candidates, in the given order.
        scores: on the held-out part of each fold `[folds, ridges]`.
        sizes: the number of examples that each fold held out `[folds]`.
        best: the index of the choice: the best mean score; ties go to the largest ridge.
    """

    ridges: tuple[Ridge, ...]
    scores: Float[np.ndarray, "folds ridges"]
    sizes: Int[np.ndarray, "folds"]
    best: int

    @property
    def ridge(self) -> Ridge:
        return self.ridges[self.best]

    @property
    def mean_scores(self) -> Float[np.ndarray, "ridges"]:
        """Over all held-out examples."""
        return np.average(self.scores, axis=0, weights=self.sizes)


def choose_ridge(
    path: Callable[[Rows], list[Solution]],
    x: Float[np.ndarray, "n ..."],
    score: Callable[[Float[np.ndarray, "m k"], Rows], float],
    folds: Iterable[tuple[np.ndarray, np.ndarray]],
    ridges: tuple[Ridge, ...],
) -> RidgeChoice:
    """The ridge whose tangent minimum scores best on held-out examples.

    Arguments:
        path: the tangent minima on these rows, one per ridge.
        x: inputs of all rows.
        score: of outputs on these rows, a mean over examples; larger is better.
        folds: (rows to fit, rows held out).
        ridges: the candidates.

    Raises: UserError for a score that is not a number.
    Cost: one kernel and one path per fold.
    """
    scores, sizes, values = [], [], []
    for fitted, held_out in folds:
        solutions = path(fitted)
        outputs = predict_all(solutions, x[held_out])
        scores.append([score(each, held_out) for each in outputs])
        sizes.append(len(held_out))
        values = [s.ridge for s in solutions]  # absolute, so that relative and absolute ridges compare
        if np.isnan(scores[-1]).any():
            raise UserError(
                f"a score that is not a number, in a fold with {counted(len(held_out), 'example')}",
                "a score that is defined in every fold",
                "Use fewer folds, or leave scoring out.",
            )
    found = RidgeChoice(ridges, np.array(scores, float), np.array(sizes), 0)
    means = found.mean_scores
    best = max(range(len(ridges)), key=lambda i: (means[i], values[i]))
    return RidgeChoice(ridges, found.scores, found.sizes, best)
