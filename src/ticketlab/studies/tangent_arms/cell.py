"""One cell: one loss and one seed, cheap arms first, so that their scores are on the screen while the others are computed."""

from __future__ import annotations

import jax

from ticketlab.studies.evidence import Table
from ticketlab.studies.start import LOSSES, Clock, built, check_losses, drawn_task
from ticketlab.studies.study import Progress
from ticketlab.studies.tangent_arms.descent import descend
from ticketlab.studies.tangent_arms.minima import linear_model, moved_network, read_out, tangent_space
from ticketlab.studies.tangent_arms.start import Arms, Start, best
from ticketlab.studies.tangent_arms.tables import tables
from ticketlab.studies.tangent_minimum import DESCENT, LINEAR, MOVED, READ_OUT, TANGENT, TangentMinimumPlan
from ticketlab.tangent.devices import Devices

__all__ = ["compare"]


def compare(
    plan: TangentMinimumPlan, loss_name: str, seed: int, progress: Progress, devices: Devices | None = None
) -> dict[str, Table]:
    """All arms for one loss and one seed, as tidy tables."""
    progress("drawing split and network", 0.0)
    loss = LOSSES[loss_name]
    task = drawn_task(plan.task, seed)
    check_losses(plan.losses, task)
    network = built(plan.network, task.input_shape, task.outputs)
    draw, order = jax.random.split(jax.random.key(seed))
    at = Start(plan, task, loss, network, network.init(draw), devices)
    clock = Clock()

    arms = linear_model(at)
    clock.lap(LINEAR)
    progress(f"linear model {_test_score(arms, LINEAR):.3f}; read-out layer", 0.02)
    arms |= read_out(at)
    clock.lap(READ_OUT)
    said = f"read-out layer {_test_score(arms, READ_OUT):.3f}"
    progress(f"{said}; tangent space", 0.06)
    arms |= tangent_space(at, lambda what, fraction: progress(f"{said}; {what}", 0.06 + 0.54 * fraction))
    clock.lap(TANGENT)
    arms |= moved_network(at, arms)
    clock.lap(MOVED)
    said = f"tangent minimum {_test_score(arms, TANGENT):.3f}"
    progress(f"{said}; gradient descent", 0.6)
    descended, curves = descend(
        at, order, lambda fraction: progress(f"{said}; gradient descent", 0.6 + 0.4 * fraction)
    )
    arms |= descended
    clock.lap(DESCENT)
    return tables(at, {"loss": loss_name, "seed": seed}, arms, curves, clock.seconds)


def _test_score(arms: Arms, arm: str) -> float:
    return best(arms["kept", arm]).score["test"] if ("kept", arm) in arms else float("nan")
