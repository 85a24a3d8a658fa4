"""One cell: one loss and one seed, all arms in turn, with f₀ kept and centred away; as rows of tidy tables.

Every Newton step must be stationary, and the flow obey its own equation, both within the plan's tolerance. Both are judged by
differentiating the network itself, without the matrix that was decomposed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from ticketlab.claims.newton_step import formula
from ticketlab.claims.newton_step.arms import (
    Candidate,
    Candidates,
    Sides,
    Start,
    choose,
    flow,
    inside,
    newton_steps,
)
from ticketlab.claims.newton_step.claim import NewtonStepPlan
from ticketlab.claims.newton_step.descent import Trained, descend, trained_function
from ticketlab.claims.newton_step.gradient import gradient_steps
from ticketlab.claims.rows import Rows, rows_of, tables_of
from ticketlab.claims.start import LOSSES, Clock, built, check_losses, drawn_task, guessed
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.gauss_newton import GaussNewtonStep
from ticketlab.tasks.task import Task

__all__ = ["measure"]

ROWS = 6000  # Nk above which an eigendecomposition of K takes minutes


def measure(
    plan: NewtonStepPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """All arms for one loss and one seed, as tidy tables."""
    progress("drawing split and networks", 0.0)
    clock, loss, seed = Clock(), cell.settings["loss"], cell.seeds[0]
    task = drawn_task(plan.task, seed)
    check_losses(plan.losses, task)
    _check_size(task)
    network = built(plan.network, task.input_shape, task.outputs)
    one, other, order = jax.random.split(jax.random.key(seed), 3)
    at = Start(plan, task, LOSSES[loss], network, network.init(one), devices)
    progress("gradient descent", 0.02)
    trained, ended = descend(
        at, network.drawn(other), order, lambda done: progress(formula.TRAINED, 0.02 + 0.5 * done)
    )
    clock.lap("gradient descent, two starts")
    progress("tangent kernel", 0.52)
    _ = at.kernel
    clock.lap("tangent kernel")

    about = {"loss": loss, "seed": seed}
    names = ("arms", "candidates", "path", "certificates", "examples")
    rows: Rows = {name: [] for name in names}
    for i, offset in enumerate(formula.OFFSETS):
        for name, found in _with_offset(at, offset, trained, 0.55 + 0.22 * i, clock, progress).items():
            rows[name] += [{**about, "offset": offset, **row} for row in found]
    rows |= {name: [{**about, **row} for row in found] for name, found in ended.items()}
    rows["timings"] = clock.rows(**about)
    return tables_of(rows, _MEANINGS)


def _with_offset(
    at: Start, offset: str, trained: Trained, share: float, clock: Clock, progress: Progress
) -> Rows:
    """The rows of every table with f₀ kept, or centred away; `share` of the cell is done before."""
    progress(f"steps, f₀ {offset}", share)
    sides = Sides(at, offset, *(trained_function(at, offset, *pair) for pair in trained[offset]))
    damped, newton = newton_steps(at, offset)
    steps = {**gradient_steps(sides), **damped}
    clock.lap(f"steps, f₀ {offset}")
    progress(f"flow of the linearised model, f₀ {offset}", share + 0.08)
    path, defects = flow(at, offset)
    clock.lap(f"flow, f₀ {offset}")
    certified = _certificate_rows(at.plan, offset, newton, defects)
    stopped = [c for _, c in path if np.isfinite(c.setting)]
    chosen = choose(sides, {**steps, (formula.STOPPED, "tangent"): stopped})
    return {
        "arms": _arm_rows(sides, chosen),
        "candidates": _candidate_rows(sides, steps, chosen),
        "path": _path_rows(sides, path),
        "certificates": certified,
        "examples": _example_rows(sides, chosen, path),
    }


def _check_size(task: Task) -> None:
    rows = len(task.train) * task.outputs
    if rows > ROWS:
        raise UserError(
            f"{len(task.train)} training examples with {task.outputs} outputs, {rows} rows",
            f"at most {ROWS}",
            f"Use fewer: --task …:train={ROWS // task.outputs}. The kernel is decomposed into all its eigenvectors.",
        )


# --- rows ---


def _arm_rows(sides: Sides, chosen: dict[tuple[str, str], Candidate]) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "form": form, **sides.measured(c), "setting": c.setting, "setting_name": c.setting_name}
        for (arm, form), c in _all(sides, chosen).items()
    ]


def _all(sides: Sides, chosen: dict[tuple[str, str], Candidate]) -> dict[tuple[str, str], Candidate]:
    size = 0 if sides.trained.delta is None else sides.trained.delta.size
    start = Candidate(sides.at.outputs(sides.offset), np.zeros(size))
    return {
        (formula.TRAINED, "network"): sides.trained,
        **chosen,
        (formula.TWIN, "network"): replace(sides.twin, delta=None),
        (formula.START, "network"): start,
    }


def _candidate_rows(
    sides: Sides, steps: Candidates, chosen: dict[tuple[str, str], Candidate]
) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm,
            "form": form,
            "candidate": c.setting,
            "validation_unexplained": sides.unexplained(c.outputs, "validation"),
            "unexplained": sides.unexplained(c.outputs),
            "test_score": float(np.mean(sides.at.task.scores(c.outputs["test"], sides.at.task.test))),
            "inside": inside(c, candidates),
            "chosen": c is chosen[arm, form],
        }
        for (arm, form), candidates in steps.items()
        for c in candidates
    ]


def _path_rows(sides: Sides, path: list[tuple[float, Candidate]]) -> list[dict[str, Any]]:
    return [
        {
            "time": time,
            **sides.measured(c),
            "validation_unexplained": sides.unexplained(c.outputs, "validation"),
        }
        for time, c in path
    ]


def _example_rows(
    sides: Sides, chosen: dict[tuple[str, str], Candidate], path: list[tuple[float, Candidate]]
) -> list[dict[str, Any]]:
    """What the verdicts are drawn from: scores, and gaps to the trained network."""
    task = sides.at.task
    nearest = min((c for _, c in path), key=lambda c: sides.unexplained(c.outputs))
    same = {
        "id": task.test.ids,
        "guess": guessed(task),
        "trained_score": task.scores(sides.trained.outputs["test"], task.test),
        "change": sides.change("test"),
        "second_gap": sides.gaps(sides.twin.outputs, "test"),
        "stopped_gap": sides.gaps(chosen[formula.STOPPED, "tangent"].outputs, "test"),
        "nearest_gap": sides.gaps(nearest.outputs, "test"),
    }
    rows = []
    for form in [form for offset, form in formula.VARIANTS if offset == sides.offset]:
        newton, gradient = (chosen[arm, form].outputs for arm in (formula.NEWTON, formula.GRADIENT))
        columns = {
            **same,
            "newton_score": task.scores(newton["test"], task.test),
            "newton_gap": sides.gaps(newton, "test"),
            "gradient_gap": sides.gaps(gradient, "test"),
        }
        rows += [{"form": form, **row} for row in rows_of(columns)]
    return rows


# --- certificates ---


def _certificate_rows(
    plan: NewtonStepPlan, offset: str, newton: list[GaussNewtonStep], defects: dict[float, float]
) -> list[dict[str, Any]]:
    """What certifies steps and flow; a verdict on Newton steps needs Newton steps."""
    found = [
        (formula.DAMPED if ridge else formula.NEWTON, ridge, "stationarity", step.stationarity)
        for ridge, step in zip((0.0, *plan.ridges), newton, strict=True)
    ]
    found += [("flow", time, "defect", defect) for time, defect in defects.items()]
    missed = {
        "stationarity": "The Newton step with f₀ {} and relative ridge {:g} is not stationary: relative gradient of its model",
        "defect": "The flow with f₀ {} misses its own equation, at relative time {:g}, by",
    }
    for _, setting, measure, value in found:
        if not value <= plan.tolerance:
            raise NumericalFailure(
                f"{missed[measure].format(offset, setting)} {value:.1e}, tolerance {plan.tolerance:g}. Use a larger tolerance, "
                "or fewer training examples."
            )
    certified = {"tolerance": plan.tolerance, "met": True, "precision": "float64"}
    return [
        {"what": what, "setting": setting, "measure": measure, "value": value, **certified}
        for what, setting, measure, value in found
    ]


_MEANINGS = {
    "offset": "whether f(x, θ₀) is kept or centred away",
    "form": "the function of the step: to first order (tangent), or the network at θ₀ + Δθ",
    "unexplained": "Σ‖F − f_T‖² / Σ‖f_T − f₀‖² over test examples, f_T the trained network",
    "validation_unexplained": "the same over validation examples, by which candidates are chosen",
    "rms": "root mean square of F − f_T over test examples and outputs",
    "divergence": "mean Kullback–Leibler divergence of softmax(F) from softmax(f_T)",
    "inside": "whether smaller and larger candidates were tried, or it is the best of all, or 0",
    "agreement": "fraction of test examples on which the prediction is that of the trained network",
    "test_score": "accuracy, or R² for regression",
    "cosine": "cos(Δθ, θ_T − θ₀)",
    "relative_length": "‖Δθ‖ / ‖θ_T − θ₀‖",
    "relative_distance": "‖Δθ − (θ_T − θ₀)‖ / ‖θ_T − θ₀‖",
    "setting": "step size relative to the inverse largest curvature, ridge relative to mean diag(K), or time relative to the "
    "inverse largest curvature",
    "time": "relative to the inverse of the largest curvature κ_max/N of the kernel",
    "newton_gap": "‖F − f_T‖² of the Newton step, relative to the mean of ‖f_T − f₀‖²",
    "gradient_gap": "the same of the best gradient step",
    "second_gap": "the same of a second training from another random start",
    "stopped_gap": "the same of the flow, stopped at the finite time that is nearest to training on validation examples",
    "nearest_gap": "the same of the flow at the time, ∞ included, that is nearest on these test examples",
    "change": "‖f_T − f₀‖², relative to its mean",
    "guess": "the score of always giving the most frequent class, or the mean",
    "relative_loss": "training loss at the end, relative to that of outputs that are zero",
    "limit": "the relative loss at which training has converged",
    "value": "stationarity: relative gradient of the step's model; defect: how far the flow is from its own equation",
}
