"""Gradient descent in parameter space: every step size, with f₀ kept and centred away, as replicas of one program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ticketlab.errors import NumericalFailure
from ticketlab.studies.start import largest_curvature, relative_motion, score_of
from ticketlab.studies.tangent_arms.start import Arms, Candidate, Scored, Start
from ticketlab.studies.tangent_minimum import DESCENT, OFFSETS, TangentMinimumPlan
from ticketlab.training import (
    Replicas,
    Sgd,
    TrainingData,
    TrainingPlan,
    TrainingResult,
    ValidationScore,
    stack,
    train,
)
from ticketlab.training.result import Ending

__all__ = ["descend"]


def descend(
    at: Start, order: jax.Array, progress: Callable[[float], None]
) -> tuple[Arms, list[dict[str, Any]]]:
    """The arm, and its learning curves."""
    plan = at.plan
    candidates = [(offset, size) for offset in OFFSETS for size in plan.step_sizes]
    result = _train(at, candidates, order, progress)
    arms: Arms = {(offset, DESCENT): [] for offset in OFFSETS}
    for i, (offset, size) in enumerate(candidates):
        arms[offset, DESCENT].append(_scored(at, result, i, offset, size))
    _require_some(plan, arms)
    return arms, _curves(candidates, result)


def _train(
    at: Start, candidates: list[tuple[str, float]], order: jax.Array, progress: Callable[[float], None]
) -> TrainingResult:
    plan = at.plan
    batch = min(plan.batch, len(at.task.train))
    unit = 1.0 / largest_curvature(at.network, at.params, at.task.train, at.loss)
    return train(
        at.network,
        at.loss,
        TrainingData.of(at.task),
        TrainingPlan(
            steps=plan.epochs * (len(at.task.train) // batch),
            batch=batch,
            optimiser=Sgd(momentum=plan.momentum),
            stop=ValidationScore(),
            score=score_of(at.task),
        ),
        Replicas(
            params=stack([at.params] * len(candidates)),
            order_keys=order,
            step_sizes=np.array([unit * size for _, size in candidates], np.float32),
            centred=np.array([offset == "centred" for offset, _ in candidates]),
        ),
        progress=progress,
    )


def _scored(at: Start, result: TrainingResult, i: int, offset: str, size: float) -> Scored:
    """The best point of a run, by validation."""
    assert result.best is not None
    params = jax.tree.map(lambda leaf: np.asarray(leaf)[i], result.best.params)
    outputs = at.outputs(params, offset)
    # Its best point may well be finite, the start at worst, but a run that diverged is no choice.
    if result.endings[i] is Ending.DIVERGED or not all(np.isfinite(o).all() for o in outputs.values()):
        outputs = {}
    candidate = Candidate(
        size,
        "step size",
        outputs,
        relative_motion(params, at.params),
        stop_step=int(result.best.steps[i]),
        outcome=str(result.endings[i]),
    )
    return at.scored(candidate)


def _curves(candidates: list[tuple[str, float]], result: TrainingResult) -> list[dict[str, Any]]:
    return [
        {
            "offset": offset,
            "step_size": size,
            "step": int(step),
            "train_loss": float(result.curves.batch_loss[j, i]),
            "validation_score": float(result.curves.validation_score[j, i]),
            "validation_loss": float(result.curves.validation_loss[j, i]),
        }
        for i, (offset, size) in enumerate(candidates)
        for j, step in enumerate(result.curves.steps)
    ]


def _require_some(plan: TangentMinimumPlan, arms: Arms) -> None:
    """There is nothing to compare with when every step size diverged."""
    for offset in OFFSETS:
        if not any(s.candidate.outputs for s in arms[offset, DESCENT]):
            endings = sorted({Ending(s.candidate.outcome).value for s in arms[offset, DESCENT]})
            raise NumericalFailure(
                f"gradient descent with f₀ {offset} {', '.join(endings)} at every step size {list(plan.step_sizes)}: try "
                "smaller ones"
            )
