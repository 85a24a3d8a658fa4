"""Training: gradient descent to convergence, on all examples in every step, from θ₀ and from another start θ₀'.

A run that takes all its steps without converging is kept, and the claim is undecided; one that diverges ends the study.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from ticketlab import training
from ticketlab.claims.newton_step.arms import Candidate, Start, flat
from ticketlab.claims.newton_step.formula import OFFSETS, TRAINED, TWIN
from ticketlab.claims.rows import Rows, curve_rows
from ticketlab.claims.start import minus, score_of
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.network import Params
from ticketlab.training.result import Ending

__all__ = ["Trained", "descend", "motion", "trained_function"]

Trained = dict[str, list[tuple[Params, Params]]]
"""(θ₀, θ_T) by offset, from both starts."""


def descend(
    at: Start, other: Params, order: jax.Array, progress: Callable[[float], None]
) -> tuple[Trained, Rows]:
    """(θ₀, θ_T) by offset, from both starts; the learning curves, and how training ended. Four replicas of one program.

    Arguments:
        other: the second start.
        order: the key of the data order.
    """
    starts = ((TRAINED, at.params), (TWIN, other))
    lanes = [(offset, arm, start) for offset in OFFSETS for arm, start in starts]
    plan, targets = at.plan, np.asarray(at.task.train.targets, np.float32)
    nothing = float(np.mean(at.loss.values(np.zeros_like(targets), targets)))
    result = training.train(
        at.network,
        at.loss,
        training.TrainingData(at.task.train.x, targets),
        training.TrainingPlan(
            steps=plan.steps,
            batch=None,
            optimiser=training.Sgd(momentum=plan.momentum),
            stop=training.Interpolation(loss=plan.converged * nothing),
            score=score_of(at.task),
            evaluate_every=max(1, plan.steps // 160),
            evaluate_training=True,
        ),
        training.Replicas(
            params=training.stack([start for _, _, start in lanes]),
            order_keys=order,
            step_sizes=np.full(len(lanes), plan.step_size * at.unit, np.float32),
            centred=np.array([offset == "centred" for offset, _, _ in lanes]),
        ),
        progress=progress,
    )
    trained: Trained = {offset: [] for offset in OFFSETS}
    rows: Rows = {"curves": [], "training": []}
    for i, (offset, arm, start) in enumerate(lanes):
        if result.endings[i] is Ending.DIVERGED:  # where training ends is asked of training that has an end
            raise NumericalFailure(
                f"{arm} with f₀ {offset} diverged after {int(result.steps[i])} steps. Use a smaller step_size."
            )
        trained[offset].append(
            (start, jax.tree.map(lambda leaf, i=i: jax.device_put(leaf[i]), result.params))
        )
        about, curve = (
            {"offset": offset, "arm": arm},
            curve_rows(result.curves, i, {"train_loss": "train_loss"}),
        )
        known = [row for row in curve if np.isfinite(row["train_loss"])]
        rows["curves"] += [{**about, **row} for row in known]
        ending = {
            "steps": int(result.steps[i]),
            "relative_loss": known[-1]["train_loss"] / nothing,
            "limit": plan.converged,
            "converged": result.endings[i] is Ending.INTERPOLATED,
        }
        rows["training"].append({**about, **ending})
    return trained, rows


def trained_function(at: Start, offset: str, start: Params, params: Params) -> Candidate:
    """The function that training ends with, less that of its own start where f₀ is centred away."""
    moved = motion(offset, start, params)
    outputs = at.network_outputs(params)
    if offset == "centred":
        outputs = minus(outputs, at.network_outputs(start))
    return Candidate(outputs, moved)


def motion(offset: str, start: Params, params: Params) -> np.ndarray:
    """θ_T − θ₀, flat.

    Raises:
        UserError: where they are the same; there is no change then of which a step could leave a share.
    """
    moved = flat(
        jax.tree.map(lambda a, b: np.asarray(a, np.float64) - np.asarray(b, np.float64), params, start)
    )
    if not moved.any():
        raise UserError(
            f"training with f₀ {offset} that ends where it starts",
            "a start at which the training loss is above the one that --converged asks for",
            "Use a smaller --converged, or another start.",
        )
    return moved
