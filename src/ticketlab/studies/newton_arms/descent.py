"""Training: gradient descent to convergence, on all examples in every step, from θ₀ and from another start θ₀'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.errors import NumericalFailure
from ticketlab.networks.network import Network, Params
from ticketlab.studies.newton_arms.start import Candidate, Start, flat
from ticketlab.studies.newton_step import OFFSETS, TRAINED, TWIN, NewtonStepPlan
from ticketlab.studies.start import minus, score_of
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
) -> tuple[Trained, list[dict[str, Any]]]:
    """(θ₀, θ_T) by offset, from both starts; and the learning curves. Four replicas of one program."""
    lanes = [
        (offset, arm, start) for offset in OFFSETS for arm, start in zip((TRAINED, TWIN), starts, strict=True)
    ]
    targets = np.asarray(task.train.targets, np.float32)
    nothing = float(jnp.mean(loss.value(jnp.zeros_like(targets), jnp.asarray(targets))))
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
    _require_convergence(plan, lanes, result, nothing)
    trained: Trained = {offset: [] for offset in OFFSETS}
    for i, (offset, _, start) in enumerate(lanes):
        trained[offset].append((start, jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[i]), result.params)))
    return trained, _curves(lanes, result)


def _require_convergence(plan: NewtonStepPlan, lanes: _Lanes, result: TrainingResult, nothing: float) -> None:
    """Where training ends is asked of training that has ended; `nothing` is the loss of zero outputs."""
    for i, (offset, _, _) in enumerate(lanes):
        if result.endings[i] is not Ending.INTERPOLATED:
            known = result.curves.train_loss[:, i]
            reached = float(known[np.isfinite(known)][-1]) / nothing
            raise NumericalFailure(
                f"gradient descent with f₀ {offset} has not converged: after {int(result.steps[i])} steps its training loss is "
                f"{reached:.2g} of that of zero outputs, above {plan.converged:g} ({result.endings[i]}). "
                + ("Use a smaller step_size." if result.endings[i] is Ending.DIVERGED else "Use more steps.")
            )


def _curves(lanes: _Lanes, result: TrainingResult) -> list[dict[str, Any]]:
    return [
        {"offset": offset, "arm": arm, "step": int(step), "train_loss": float(result.curves.train_loss[j, i])}
        for i, (offset, arm, _) in enumerate(lanes)
        for j, step in enumerate(result.curves.steps)
        if np.isfinite(result.curves.train_loss[j, i])
    ]


def trained_function(at: Start, offset: str, start: Params, params: Params) -> Candidate:
    """The function that training ends with, less that of its own start where f₀ is centred away."""
    outputs = at.network_outputs(params)
    if offset == "centred":
        outputs = minus(outputs, at.network_outputs(start))
    moved = jax.tree.map(lambda a, b: np.asarray(a, np.float64) - np.asarray(b, np.float64), params, start)
    return Candidate(outputs, flat(moved))
