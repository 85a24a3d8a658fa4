"""Training of dense and masked networks, all of one kind at once, and the proof that what was removed took no part."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ticketlab.claims.masking_is_training.setting import Setting
from ticketlab.claims.masking_is_training.work import Work
from ticketlab.claims.rows import Rows
from ticketlab.errors import NumericalFailure
from ticketlab.networks.network import Params
from ticketlab.tasks.task import Task
from ticketlab.tickets.actions import Acted
from ticketlab.tickets.masks import Mask, over_parameters
from ticketlab.tickets.pruned import require_pruned
from ticketlab.training import Replicas, Resources, Sum, TrainingData, train
from ticketlab.training.result import Ended, TrainingResult

__all__ = ["TrainedArm", "trained"]

TOGETHER = 64  # networks in one call of training: what a kill loses, and what memory has to hold
LANES = 8  # at least, of one program that trains as many networks or more: the default network takes .16 ms a step, alone .26


@dataclass(frozen=True)
class TrainedArm:
    final: Params
    best: Params
    stop: int


def trained(
    setting: Setting, task: Task, arms: Sequence[tuple[Mask, Acted]], rows: Rows, work: Work, what: str
) -> list[TrainedArm]:
    """All networks trained from where they start, on one order of the data, and proved."""
    results: list[TrainedArm] = []
    order = jax.random.fold_in(setting.key, 1)
    for first in range(0, len(arms), TOGETHER):
        some = arms[first : first + TOGETHER]
        masks, starts, frozen = (
            jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
            for trees in (
                [over_parameters(m, setting.initial) for m, _ in some],
                [a.start for _, a in some],
                [a.frozen for _, a in some],
            )
        )
        replicas = Replicas(starts, order, masks=masks, effective=Sum(), frozen=frozen)
        began, count = time.perf_counter(), len(some)

        def told(share: float, count: int = count) -> None:
            work.during(what, share * count)

        result = train(
            setting.network,
            setting.loss,
            TrainingData.of(task),
            setting.training,
            replicas,
            resources=Resources(least_lanes=LANES if len(arms) >= LANES else 1),
            progress=told,
        )
        work.done(what, count)
        results += _checked(setting, result, masks, rows, what, time.perf_counter() - began)
    return results


def _checked(
    setting: Setting, result: TrainingResult, masks: Any, rows: Rows, what: str, seconds: float
) -> list[TrainedArm]:
    if (np.asarray(result.state.ended) == Ended.DIVERGED).any():
        raise NumericalFailure(
            f"Training diverged ({what}): use a smaller step size than {setting.plan.optimiser.step_size:g}."
        )
    proof = require_pruned(setting.plan.optimiser, result.state, masks)
    networks, best = len(result.steps), result.best
    assert best is not None
    rows.setdefault("checks", []).append(
        {
            "seed": setting.seed,
            "training": what,
            "networks": networks,
            "removed": proof.pruned,
            "parameters_left": proof.parameters,
            "best": proof.best,
            "moments": proof.moments,
        }
    )
    rows.setdefault("timings", []).append(
        {
            "seed": setting.seed,
            "training": what,
            "network_steps": int(result.steps.sum()),
            "seconds": seconds,
            "rate": float(result.steps.sum() / seconds),
        }
    )

    def one(tree: Any, r: int) -> Any:
        return jax.tree.map(lambda a: np.asarray(a)[r], tree)

    return [
        TrainedArm(one(result.params, r), one(best.params, r), int(best.steps[r])) for r in range(networks)
    ]
