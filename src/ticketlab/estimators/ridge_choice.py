"""A ridge chosen by its score on examples left out: one at a time, from one factorisation; or by folds, for those who ask.

Leaving out one example at a time is part of the solver (`tangent.tuned_minimum`), which can do it for every ridge from the
matrix that is there anyway. With folds, each takes one tangent kernel and one ridge path, for any number of ridges; a grid search
over `ridge` cannot share these. Scores are pooled: every held-out example counts once (or by its weight), in any fold, so that
folds of one example are as good as others.
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
        scores: on the held-out part of each fold `[folds, ridges]`; one row for leaving out one example at a time, −∞ for
            ridges that were not tried.
        sizes: the number of examples that each fold held out `[folds]`, or their weight.
        best: the index of the choice: the best mean score; ties go to the largest ridge.
    """

    ridges: tuple[Ridge, ...]
    scores: Float[np.ndarray, "folds ridges"]
    sizes: Float[np.ndarray, "folds"]
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
    weights: Float[np.ndarray, "n"],
) -> RidgeChoice:
    """The ridge whose tangent minimum scores best on held-out examples.

    Arguments:
        path: the tangent minima on these rows, one per ridge.
        x: inputs of all rows.
        score: of outputs on these rows, a mean over examples; larger is better.
        folds: (rows to fit, rows held out).
        ridges: the candidates.
        weights: of the examples.

    Raises: UserError for a score that is not a number.
    Cost: one kernel and one path per fold.
    """
    scores, sizes, values = [], [], []
    for fitted, held_out in folds:
        solutions = path(fitted)
        outputs = predict_all(solutions, x[held_out])
        scores.append([score(each, held_out) for each in outputs])
        sizes.append(float(np.sum(weights[held_out])))
        values = [s.ridge for s in solutions]  # absolute, so that relative and absolute ridges compare
        if np.isnan(scores[-1]).any():
            raise UserError(
                f"a score that is not a number, in a fold with {counted(len(held_out), 'example')}",
                "a score that is defined in every fold",
                "Use fewer folds, or leave scoring out.",
            )
    if not scores:
        raise UserError(
            "no folds", "at least one", "Give cv a number, a splitter, or pairs (rows to fit, rows held out)."
        )
    found = RidgeChoice(ridges, np.array(scores, float), np.array(sizes, float), 0)
    means = found.mean_scores
    best = max(range(len(ridges)), key=lambda i: (means[i], values[i]))
    return RidgeChoice(ridges, found.scores, found.sizes, best)
