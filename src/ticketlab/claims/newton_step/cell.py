"""One cell: one loss and one seed, all arms in turn, with f₀ kept and centred away."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ticketlab.claims.newton_step.certificates import certificate_rows, require
from ticketlab.claims.newton_step.claim import NewtonStepPlan
from ticketlab.claims.newton_step.descent import Trained, descend, trained_function
from ticketlab.claims.newton_step.distances import Sides, choose
from ticketlab.claims.newton_step.flow import flow
from ticketlab.claims.newton_step.formula import OFFSETS, STOPPED, TRAINED
from ticketlab.claims.newton_step.start import Start
from ticketlab.claims.newton_step.steps import single_steps
from ticketlab.claims.newton_step.tables import (
    MEANINGS,
    UNITS,
    arm_rows,
    candidate_rows,
    example_rows,
    path_rows,
)
from ticketlab.claims.start import LOSSES, Clock, built, check_losses, drawn_task, largest_curvature
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.dual import dual_kernel
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tasks.task import Task

__all__ = ["compare", "measure"]

ROWS = 6000  # Nk above which an eigendecomposition of K takes minutes


def measure(
    plan: NewtonStepPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """One cell's tables."""
    return compare(plan, cell.settings["loss"], cell.seeds[0], progress, devices)


def compare(
    plan: NewtonStepPlan, loss_name: str, seed: int, progress: Progress, devices: Devices | None = None
) -> dict[str, Table]:
    """All arms for one loss and one seed, as tidy tables."""
    progress("drawing split and networks", 0.0)
    clock, loss = Clock(), LOSSES[loss_name]
    task = drawn_task(plan.task, seed)
    check_losses(plan.losses, task)
    _check_size(task)
    network = built(plan.network, task.input_shape, task.outputs)
    one, other, order = jax.random.split(jax.random.key(seed), 3)
    starts = network.init(one), network.init(other)
    unit = 1.0 / largest_curvature(network, starts[0], task.train, loss)

    progress("gradient descent", 0.02)
    trained, curves, ends = descend(
        plan, task, loss, network, starts, order, unit, lambda done: progress(TRAINED, 0.02 + 0.5 * done)
    )
    clock.lap("gradient descent, two starts")
    progress("tangent kernel", 0.52)
    kernel = dual_kernel(Jacobian(network, starts[0], task.train.x, dtype=np.float64, devices=devices))
    clock.lap("tangent kernel")
    at = Start(plan, task, loss, network, starts[0], kernel, unit)

    cell = {"loss": loss_name, "seed": seed}
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("arms", "candidates", "path", "certificates", "examples")
    }
    for i, offset in enumerate(OFFSETS):
        about = {**cell, "offset": offset}
        for name, found in _with_offset(at, offset, trained, 0.55 + 0.22 * i, clock, progress).items():
            rows[name] += [{**about, **row} for row in found]
    rows["curves"] = [{**cell, **row} for row in curves]
    rows["training"] = [{**cell, **row} for row in ends]
    tables = [Table.from_rows(n, r, units=UNITS, meanings=MEANINGS) for n, r in rows.items()]
    seconds = [{**cell, "part": part, "seconds": value} for part, value in clock.seconds.items()]
    tables.append(Table.from_rows("timings", seconds, units=UNITS, measured=True))
    return {table.name: table for table in tables}


def _with_offset(
    at: Start, offset: str, trained: Trained, share: float, clock: Clock, progress: Progress
) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table with f₀ kept, or centred away; `share` of the cell is done before."""
    progress(f"steps, f₀ {offset}", share)
    sides = Sides(at, offset, *(trained_function(at, offset, *pair) for pair in trained[offset]))
    steps, newton = single_steps(at, offset)
    clock.lap(f"steps, f₀ {offset}")
    progress(f"flow of the linearised model, f₀ {offset}", share + 0.08)
    path, defects = flow(at, offset)
    clock.lap(f"flow, f₀ {offset}")
    require(at.plan, offset, newton, defects)
    stopped = [c for _, c in path if np.isfinite(c.setting)]
    chosen = choose(sides, {**steps, (STOPPED, "tangent"): stopped})
    return {
        "arms": arm_rows(sides, chosen),
        "candidates": candidate_rows(sides, steps, chosen),
        "path": path_rows(sides, path),
        "certificates": certificate_rows(at.plan, newton, defects),
        "examples": example_rows(sides, chosen, path),
    }


def _check_size(task: Task) -> None:
    rows = len(task.train) * task.outputs
    if rows > ROWS:
        raise UserError(
            f"{len(task.train)} training examples with {task.outputs} outputs, {rows} rows",
            f"at most {ROWS}",
            f"Use fewer: --task …:train={ROWS // task.outputs}. The kernel is decomposed into all its eigenvectors.",
        )
