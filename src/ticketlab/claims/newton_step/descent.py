"""Training: gradient descent to convergence, on all examples in every step, from θ₀ and from another start θ₀'.

A run that takes all its steps without converging is kept, and the claim is undecided; one that diverges ends the study.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ticketlab.claims.newton_step.arms import Candidate, Start, flat
from ticketlab.claims.newton_step.claim import NewtonStepPlan
from ticketlab.claims.newton_step.formula import OFFSETS, TRAINED, TWIN
from ticketlab.claims.rows import curve_rows
from ticketlab.claims.start import minus, score_of
from ticketlab.errors import NumericalFailure
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Task
from ticketlab.training import (
    Interpolation,
    Replicas,
    Sgd,
    TrainingData,
    TrainingPlan,
    TrainingResult,
    stack,
    train,
)
from ticketlab.training.result import Ending

__all__ = ["Trained", "descend", "trained_function"]

Trained = dict[str, list[tuple[Params, Params]]]
"""(θ₀, θ_T) by offset, from both starts."""
_Lanes = list[tuple[str, str, Params]]
"""(offset, arm, θ₀) of each replica."""


def descend(
    plan: NewtonStepPlan,
    task: Task,
    loss: ConvexLoss,
    network: Network,
    starts: tuple[Params, Params],
    order: jax.Array,
    unit: float,
    progress: Callable[[float], None],
) -> tuple[Trained, list[dict[str, Any]], list[dict[str, Any]]]:
    """(θ₀, θ_T) by offset, from both starts; the learning curves; and how training ended. Four replicas of one program."""
    lanes = [
        (offset, arm, start) for offset in OFFSETS for arm, start in zip((TRAINED, TWIN), starts, strict=True)
    ]
    targets = np.asarray(task.train.targets, np.float32)
    nothing = float(np.mean(loss.values(np.zeros_like(targets), targets)))
    result = train(
        network,
        loss,
        TrainingData(task.train.x, targets),
        TrainingPlan(
            steps=plan.steps,
            batch=None,
            optimiser=Sgd(momentum=plan.momentum),
            stop=Interpolation(loss=plan.converged * nothing),
            score=score_of(task),
            evaluate_every=max(1, plan.steps // 160),
            evaluate_training=True,
        ),
        Replicas(
            params=stack([start for _, _, start in lanes]),
            order_keys=order,
            step_sizes=np.full(len(lanes), plan.step_size * unit, np.float32),
            centred=np.array([offset == "centred" for offset, _, _ in lanes]),
        ),
        progress=progress,
    )
    _require_no_divergence(lanes, result)
    trained: Trained = {offset: [] for offset in OFFSETS}
    for i, (offset, _, start) in enumerate(lanes):
        trained[offset].append(
            (start, jax.tree.map(lambda leaf, i=i: jax.device_put(leaf[i]), result.params))
        )
    return trained, _curves(lanes, result), _ends(plan, lanes, result, nothing)


def _require_no_divergence(lanes: _Lanes, result: TrainingResult) -> None:
    """Where training ends is asked of training that has an end."""
    for i, (offset, arm, _) in enumerate(lanes):
        if result.endings[i] is Ending.DIVERGED:
            raise NumericalFailure(
                f"{arm} with f₀ {offset} diverged after {int(result.steps[i])} steps. Use a smaller step_size."
            )


def _ends(
    plan: NewtonStepPlan, lanes: _Lanes, result: TrainingResult, nothing: float
) -> list[dict[str, Any]]:
    """How each run ended; `nothing` is the loss of zero outputs."""
    known = result.curves.train_loss
    return [
        {
            "offset": offset,
            "arm": arm,
            "steps": int(result.steps[i]),
            "relative_loss": float(known[np.isfinite(known[:, i]), i][-1]) / nothing,
            "limit": plan.converged,
            "converged": result.endings[i] is Ending.INTERPOLATED,
        }
        for i, (offset, arm, _) in enumerate(lanes)
    ]


def _curves(lanes: _Lanes, result: TrainingResult) -> list[dict[str, Any]]:
    return [
        {"offset": offset, "arm": arm, **row}
        for i, (offset, arm, _) in enumerate(lanes)
        for row in curve_rows(result.curves, i, {"train_loss": "train_loss"})
        if np.isfinite(row["train_loss"])
    ]


def trained_function(at: Start, offset: str, start: Params, params: Params) -> Candidate:
    """The function that training ends with, less that of its own start where f₀ is centred away."""
    outputs = at.network_outputs(params)
    if offset == "centred":
        outputs = minus(outputs, at.network_outputs(start))
    moved = jax.tree.map(lambda a, b: np.asarray(a, np.float64) - np.asarray(b, np.float64), params, start)
    return Candidate(outputs, flat(moved))
