"""One cell: one kind of ticket and one seed, drawn by the thousand and measured; as rows of tidy tables."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.rows import tables_of
from ticketlab.claims.start import Clock, built, check_one_answer, drawn_task
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.ticket_tail.claim import TicketTailPlan
from ticketlab.claims.ticket_tail.halves import in_halves
from ticketlab.claims.ticket_tail.kinds import Drum, draw
from ticketlab.claims.ticket_tail.measures import (
    LOG,
    SKILL,
    curve_rows,
    gains,
    prediction_rows,
    ratio_of,
    tail_row,
)
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.task import Task

__all__ = ["measure"]

LEAST = 200  # test examples
STREAM = 83  # of the seeds' keys


def measure(
    plan: TicketTailPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, kind, clock = cell.seeds[0], cell.settings["kind"], Clock()
    progress("drawing examples", 0.0)
    task = drawn_task(plan.task, seed)
    check_one_answer(task)
    if len(task.test) < LEAST:
        raise UserError(f"{len(task.test)} test examples", f"at least {LEAST}", "Give test=… in --task.")
    network = built(plan.network, task.input_shape, task.outputs)
    network.require_layers("tickets")
    network.require_each_alone("tickets")
    rng = np.random.default_rng((STREAM, seed))
    drum = _drum(plan, task, network.init(jax.random.key(seed)), seed, rng)
    true, permuted = draw(
        kind, network, drum, cell.settings["tickets"], lambda done: progress(f"drawing {kind}s", 0.85 * done)
    )
    clock.lap("draws")
    progress("tails", 0.85)
    about = {"kind": kind, "seed": seed}
    before, last = gains(true, plan.floor)
    rows: dict[str, list[dict[str, Any]]] = {
        "tails": [{**about, **tail_row(true, scale, plan.floor, rng)} for scale in (LOG, SKILL)],
        "curves": [{**about, **row} for row in curve_rows(true, permuted)],
        "gains": [{**about, "before": before, "last": last, "normal_ratio": ratio_of(tickets=len(true))}],
        "predictions": [{**about, **row} for row in prediction_rows(true, plan.floor, rng)],
    }
    clock.lap("tails")
    rows["timings"] = clock.rows(**about)
    return tables_of(rows, _MEANINGS)


def _drum(plan: TicketTailPlan, task: Task, params: Any, seed: int, rng: np.random.Generator) -> Drum:
    test, targets = in_halves(task.test, rng)
    train = task.train.targets
    train_targets = np.stack([train, train[rng.permutation(len(train))]])
    x, y, train_x, train_y = (jnp.asarray(of) for of in (test.x, targets, task.train.x, train_targets))
    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    return Drum(params, x, y, train_x, train_y, key, plan.density)


_MEANINGS = {
    "kind": "of ticket",
    "scale": "skill (share of the targets' variance that is explained), or −log(loss − floor)",
    "share": "of the tickets above the threshold",
    "shape": "ξ of the tail, without the noise of the test set",
    "raw_shape": "ξ as measured",
    "normal_shape": "ξ that a normal law has at this threshold, with equally many excesses",
    "apart": "between empirical Bayes, which counts, and maximum likelihood",
    "moments_shape": "ξ by probability-weighted moments",
    "reliability": "the share of the variance between tickets that is not noise of the test set",
    "distinct": "different values among the best fifth, as a share of them",
    "best": "the skill of the best of all tickets drawn, without noise",
    "best_10": "that of ten times more, by the fitted tail",
    "best_100": "that of a hundred times more, by the fitted tail",
    "count": "n, of the best of n",
    "naive": "skill of the best, on the half that chose it",
    "held_out": "skill of the best on the other half",
    "permuted": "the same for permuted targets",
    "before": "what the best of n gained in the decade before the last",
    "last": "what it gained in the last decade, ending at a 50th of the tickets",
    "fitted": "tickets of each fit",
    "fits": "to disjoint sets; what follows are their means",
    "gain": "of the best of a block over the best of the tickets that were fitted",
    "missed": "predicted minus seen, as a share of this gain",
    "covered": "share of blocks whose best lies in the 95 % interval",
    "crps": "continuous ranked probability score of the prediction",
    "crps_normal": "that of a normal law",
    "crps_exponential": "that of an exponential tail",
}
