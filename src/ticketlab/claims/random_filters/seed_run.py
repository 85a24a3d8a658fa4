"""What one seed of `random-filters` has measured so far, and how its networks are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from ticketlab.claims.fair_search import labels_of, tuned_probe
from ticketlab.claims.random_filters import formula
from ticketlab.claims.random_filters.claim import RandomFiltersPlan
from ticketlab.claims.tuned_training import Course, Tuned
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.units import Logistic, Parts

__all__ = ["SeedRun", "course", "movable"]


@dataclass(eq=False)
class SeedRun:
    """What one seed has measured so far: rows by table, and scores of test examples by column."""

    plan: RandomFiltersPlan
    task: Task
    seed: int
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    scored: dict[str, np.ndarray] = field(default_factory=dict)

    def note(self, table: str, **row: Any) -> None:
        self.rows.setdefault(table, []).append({"seed": self.seed, **row})

    def read_out(self, arm: str | None, features: Parts, tuned: Tuned | None = None, **design: Any) -> None:
        """Features, read out; their row, and their scores if a question is about them."""
        labels, plan = labels_of(self.task), self.plan
        found, candidates = tuned_probe(features, labels, plan.penalties, plan.extensions)
        inside = found.inside and (tuned is None or tuned.inside)
        if design:
            self.note(
                "designs",
                **design,
                features=features.train.shape[1],
                test_score=found.test,
                validation_score=found.validation,
                ridge=found.penalty,
                step_size=float("nan") if tuned is None else tuned.size,
            )
        if arm is not None:
            self.scored[arm] = np.asarray(found.correct, float)
            self.choice(arm, inside, tuned, candidates)
        if arm is not None and arm in formula.LOGISTIC:
            other, candidates = tuned_probe(features, labels, plan.penalties, plan.extensions, Logistic)
            self.scored[formula.logistic(arm)] = np.asarray(other.correct, float)
            inside = other.inside and other.converged and (tuned is None or tuned.inside)
            self.choice(formula.logistic(arm), inside, tuned, candidates)
            about = {"arm": arm, "penalty": other.penalty, "converged": other.converged}
            self.note("logistic", **about, test_score=other.test, ridge_score=found.test)

    def choice(self, arm: str, inside: bool, tuned: Tuned | None, candidates: int) -> None:
        settled, epochs = (True, 0) if tuned is None else (tuned.settled, tuned.epochs)
        self.note("choices", arm=arm, inside=inside, settled=settled, epochs=epochs, candidates=candidates)


def course(
    plan: RandomFiltersPlan, task: Task, network: Network, params: Params, order: jax.Array, moves: Any = None
) -> Course:
    """Training as the plan says.

    Arguments:
        order: the key of the data order.
        moves: as `movable` makes it; None: all parameters move.
    """
    return Course(
        network,
        SOFTMAX_CROSS_ENTROPY,
        task,
        params,
        order,
        plan.optimiser,
        plan.batch,
        plan.epochs,
        plan.doublings,
        plan.extensions,
        moves,
    )


def movable(params: Params, still: Sequence[str]) -> Any:
    """Zeros for the parameters of some layers, ones for the others."""
    return {
        name: jax.tree.map(lambda leaf, free=name not in still: np.full(leaf.shape, free, np.float32), of)
        for name, of in params.items()
    }
