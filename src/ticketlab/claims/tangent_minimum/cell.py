"""One cell: one loss and one seed, cheap arms first, so that their scores are on the screen while the others are computed."""

from __future__ import annotations

import jax

from ticketlab.claims.start import LOSSES, Clock, built, check_losses, drawn_task
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.tangent_minimum.claim import TangentMinimumPlan
from ticketlab.claims.tangent_minimum.descent import Descent
from ticketlab.claims.tangent_minimum.formula import DESCENT, LIMIT, LINEAR, MOVED, OFFSETS, READ_OUT, TANGENT
from ticketlab.claims.tangent_minimum.minima import (
    linear_model,
    more_minima,
    moved_network,
    read_out,
    tangent_space,
)
from ticketlab.claims.tangent_minimum.search import edges, wider
from ticketlab.claims.tangent_minimum.start import Arms, Start, best
from ticketlab.claims.tangent_minimum.tables import tables
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices

__all__ = ["compare", "measure"]


def measure(
    plan: TangentMinimumPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """One cell's tables."""
    return compare(plan, cell.settings["loss"], cell.seeds[0], progress, devices)


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
    arms |= tangent_space(at, lambda what, fraction: progress(f"{said}; {what}", 0.06 + 0.44 * fraction))
    clock.lap(TANGENT)
    said = f"tangent minimum {_test_score(arms, TANGENT):.3f}"

    def descending(fraction: float) -> None:
        progress(f"{said}; gradient descent", 0.5 + 0.3 * fraction)

    progress(f"{said}; gradient descent", 0.5)
    descent = Descent.of(at, order).with_sizes(plan.step_sizes, descending).to_the_end(descending)
    clock.lap(DESCENT)
    arms, descent = _wide_enough(at, arms, descent, lambda what, _: progress(f"{said}; {what}", 0.8))
    clock.lap("wider grids")
    arms |= moved_network(at, arms)
    clock.lap(MOVED)
    return tables(at, {"loss": loss_name, "seed": seed}, arms, descent, clock.seconds)


def _wide_enough(at: Start, arms: Arms, descent: Descent, progress: Progress) -> tuple[Arms, Descent]:
    """Both grids extended until every choice lies inside, or no extensions are left; and all arms of the two sides."""

    def descending(fraction: float) -> None:
        progress("gradient descent, wider grid", fraction)

    arms = arms | descent.arms()
    for _ in range(at.plan.extensions):
        tangent, other = (set().union(*(edges(arms[o, a]) for o in OFFSETS)) for a in (TANGENT, DESCENT))
        count = max(len(tangent), len(other))
        if not count:
            break
        ridges = wider([s.candidate.setting for s in arms[OFFSETS[0], TANGENT]], tangent, count)
        found = more_minima(at, ridges, progress)
        arms = arms | {key: [*arms[key], *of] for key, of in found.items()}
        sizes = wider(descent.tried(), other, count)
        descent = descent.with_sizes(sizes, descending).to_the_end(descending)
        arms = arms | descent.arms()
    descent.require_some()
    if not at.loss.quadratic:
        smallest = {o: min(arms[o, TANGENT], key=lambda s: s.candidate.setting) for o in OFFSETS}
        arms = arms | {(o, LIMIT): [s] for o, s in smallest.items()}
    return arms, descent


def _test_score(arms: Arms, arm: str) -> float:
    return best(arms["kept", arm]).score["test"] if ("kept", arm) in arms else float("nan")
