"""What a cell of the study `linear-mode` computes: a search that rewinds to step k, and copies trained from there.

draw split  →  θ₀, orders, masks' keys  →  levels: train, prune, rewind to k  →  the last level's copies, in orders of their own
→  prove that pruned weights took no part  →  error and loss along the lines between copies  →  tables
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.levels import level_counts
from ticketlab.claims.linear_mode.claim import LinearModePlan
from ticketlab.claims.linear_mode.lines import line_rows
from ticketlab.claims.linear_mode.tables import mode_tables
from ticketlab.claims.rows import Rows, read_rows, written_rows
from ticketlab.claims.start import batch_of, built, check_one_answer, drawn_task, seed_keys
from ticketlab.claims.study import Cell, Draft, Progress, seed_numbers
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Split, Task
from ticketlab.tickets.barriers import lines
from ticketlab.tickets.controls import controls
from ticketlab.tickets.instability import (
    Copies,
    beside_the_dense,
    copy_pairs,
    first_copies,
    read_copies,
    trained_copies,
    written_copies,
)
from ticketlab.tickets.magnitude import Companions, Level, Search, first_level, next_level, trained
from ticketlab.tickets.masks import density, kept, mask_of
from ticketlab.tickets.pruned import require_pruned
from ticketlab.tickets.reach import effective_density
from ticketlab.tickets.written import read_level, written_level
from ticketlab.training import TrainingData, TrainingPlan, stack
from ticketlab.training.result import Ended

__all__ = ["TRAINING_EXAMPLES", "analysed", "measure"]

LINES = "lines between copies"
PIECES = 10  # of a round's training; between them the draft is written
TRAINING_EXAMPLES = 2000  # at most, whose errors along lines stand beside those of all test examples
SPLIT_SEED = 1
STREAM = 2  # of every seed's key: choosing the default plan used others, and another split


def measure(
    plan: LinearModePlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """One cell's tables."""
    return analysed(plan, cell.settings["rewind_step"], draft, progress, cell.seeds)


def analysed(
    plan: LinearModePlan, k: int, draft: Draft, progress: Progress, seeds: Sequence[int] = ()
) -> dict[str, Table]:
    """Barriers and scores of all arms at one rewind step, as tidy tables; from where the draft says.

    Arguments:
        seeds: whose; by default all of the plan.
    """
    task = drawn_task(plan.task, SPLIT_SEED)
    if task.kind != "classification":
        raise UserError(f"{task.name}, a regression task", "a task with classes, whose errors can be counted")
    check_one_answer(task)
    run = _Run.of(plan, k, task, draft, progress, tuple(seeds or seed_numbers(plan)))
    level_counts(plan.pruning, run.search.network, plan.levels)  # refuses levels without weights
    level, copies = run.begun()
    while copies is None:
        level = run.to_the_end(level)
        level = next_level(run.search, level, run.beside)
        copies = first_copies(run.search, level, run.copy_keys) if level.number == plan.levels else None
    copies = run.copies_to_the_end(copies)
    return mode_tables(_measured(run, copies), task, run.seeds)


@dataclass(frozen=True)
class _Run:
    """One cell: what is searched and trained, and where it is noted."""

    plan: LinearModePlan
    k: int
    task: Task
    search: Search
    beside: Companions
    copy_keys: jax.Array
    rows: Rows
    draft: Draft
    told: Callable[[str, float], None]
    seeds: tuple[int, ...]

    @staticmethod
    def of(
        plan: LinearModePlan, k: int, task: Task, draft: Draft, progress: Progress, seeds: tuple[int, ...]
    ) -> _Run:
        network = built(plan.network, task.input_shape, task.outputs)
        keys = seed_keys(seeds, STREAM, 4)
        search = Search(
            network=network,
            loss=SOFTMAX_CROSS_ENTROPY,
            data=TrainingData(task.train.x, task.train.targets),  # nothing is stopped or chosen by validation
            plan=TrainingPlan(
                steps=plan.steps,
                batch=batch_of(plan.batch, task),
                optimiser=plan.optimiser,
                schedule=plan.schedule,
                evaluate_every=max(1, round(plan.steps / PIECES)),
            ),
            params=stack([network.init(key) for key in keys[:, 0]]),
            order_keys=keys[:, 1],
            pruning=plan.pruning,
            rewind_step=k,
        )
        others = beside_the_dense(search, controls(plan.controls, search, plan.network, keys[:, 2]))
        copy_keys = jnp.stack([jax.random.split(key, plan.copies) for key in keys[:, 3]])
        return _Run(
            plan, k, task, search, lambda n, masks: others(n, masks) if n == plan.levels else (), copy_keys, {},
            draft, progress, seeds,
        )  # fmt: skip

    def begun(self) -> tuple[Level, Copies | None]:
        """From the start, or from where the draft says."""
        arrays = self.draft.read()
        if arrays is None:
            return first_level(self.search), None
        self.rows.update(read_rows(arrays["rows"]))
        level = read_level(self.search, arrays, self.beside)
        if level.number < self.plan.levels:
            return level, None
        return level, read_copies(first_copies(self.search, level, self.copy_keys), arrays)

    def to_the_end(self, level: Level) -> Level:
        """A level of the search to the end of its training."""
        of = self.plan.levels - 1
        what = "dense" if level.number == 0 else f"round {level.number} of {of}"
        return self._pieces(
            level,
            what,
            lambda at, until, progress: trained(self.search, at, until, progress),
            written_level,
            level.number * self.plan.steps * len(self.seeds),
            len(self.seeds),
        )

    def copies_to_the_end(self, copies: Copies) -> Copies:
        """All copies to the end of their training."""
        count = len(np.asarray(copies.state.steps))
        start = self.plan.levels * self.plan.steps * len(self.seeds) - self.k * count
        return self._pieces(
            copies,
            f"{count} copies",
            lambda at, until, progress: trained_copies(self.search, at, until, progress),
            _written,
            start,
            count,
        )

    def _pieces(
        self,
        at: Any,
        what: str,
        go_on: Callable[[Any, int, Callable[[float], None]], Any],
        written: Callable[[Any], dict[str, np.ndarray]],
        before: int,
        networks: int,
    ) -> Any:
        """Trained to the end a piece at a time, noting where it stands; `before`: network-steps done at step 0 of it."""
        piece = self.search.plan.evaluate_every or 1
        while at.step < self.plan.steps and _running(at):
            first, began = at.step, time.perf_counter()
            until = min((first // piece + 1) * piece, self.plan.steps)

            def progress(fraction: float, first: int = first, until: int = until) -> None:
                self.tell(what, before + networks * (first + fraction * (until - first)))

            at = go_on(at, until, progress)
            self.rows.setdefault("timings", []).append(
                {"what": what, "network_steps": networks * (at.step - first), "seconds": time.perf_counter() - began}
            )  # fmt: skip
            self.note(written(at))
        if not _running(at):
            raise NumericalFailure(
                f"Training diverged (k = {self.k}: {what}), after {int(np.min(at.state.steps))} of {self.plan.steps} steps: "
                f"use a smaller step size than {self.plan.optimiser.step_size:g}."
            )
        return at

    def tell(self, what: str, steps: float, arms: int = 0) -> None:
        """What is done, of network-steps and of the lines of so many arms."""
        self.told(
            f"k = {self.k}: {what}", self._cost(steps, arms) / self._cost(self.trainings, _arms(self.plan))
        )

    def _cost(self, steps: float, arms: int) -> float:
        """In forward passes of one example, of which a network-step costs three for each in its batch."""
        plan, examples = self.plan, len(self.task.train)
        pairs = len(self.seeds) * len(copy_pairs(plan.copies))
        measured = len(self.task.test) + min(TRAINING_EXAMPLES, examples)
        return 3 * min(plan.batch, examples) * steps + pairs * plan.points * measured * arms

    @property
    def trainings(self) -> int:
        """Network-steps of the whole cell."""
        plan = self.plan
        copies = _arms(plan) * len(self.seeds) * plan.copies
        return plan.levels * plan.steps * len(self.seeds) + copies * (plan.steps - self.k)

    def note(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.draft.write({**arrays, "rows": written_rows(self.rows)})


def _running(at: Level | Copies) -> bool:
    """Whether no network has diverged: a level is ranked as a whole, and a line has two ends."""
    return bool(np.all(np.asarray(at.state.ended) == Ended.NO))


def _arms(plan: LinearModePlan) -> int:
    """The ticket, the dense network, and the other masks."""
    return 2 + len(plan.controls)


def _written(copies: Copies) -> dict[str, np.ndarray]:
    return {**written_level(copies.level), **written_copies(copies)}


def _measured(run: _Run, copies: Copies) -> Rows:
    """All rows of the cell; those of an arm are noted before the next is measured."""
    rows, plan, task = run.rows, run.plan, run.task
    rows["checks"] = [_check(run, copies, s) for s in range(len(run.seeds))]
    train, known = _first(task.train, TRAINING_EXAMPLES), {row["arm"] for row in rows.get("networks", ())}
    for i, arm in enumerate(copies.level.arms):
        run.tell(LINES, run.trainings, i)
        if arm.name in known:
            continue
        began, (one, other) = time.perf_counter(), copies.pairs_of(i)
        found = {
            part: lines(
                run.search.network, run.search.loss, one, other, data.x, data.targets,
                reference=task.train.x, points=plan.points,
            )
            for part, data in (("test", task.test), ("train", train))
        }  # fmt: skip
        about = {"rewind_step": run.k, "arm": arm.name}
        for name, made in line_rows(plan, run.seeds, found, one, other).items():
            rows.setdefault(name, []).extend({**about, **row} for row in made)
        rows.setdefault("networks", []).extend({**about, **row} for row in _network_rows(run, arm.masks))
        rows["timings"].append({"what": "lines", "network_steps": 0, "seconds": time.perf_counter() - began})
        run.note(_written(copies))
    run.tell(LINES, run.trainings, _arms(plan))
    return rows


def _check(run: _Run, copies: Copies, s: int) -> dict[str, Any]:
    """Proves that pruned weights took no part in the training of one seed's copies."""

    def own(array: Any) -> np.ndarray:
        a = np.asarray(array)  # [arms · seeds · copies, …]
        by_seed = a.reshape(-1, len(run.seeds), copies.count, *a.shape[1:])[:, s]
        return by_seed.reshape(-1, *a.shape[1:])

    state, masks = jax.tree.map(own, (copies.state, copies.all_masks()))
    proof = require_pruned(run.search.plan.optimiser, state, masks)
    return {
        "rewind_step": run.k,
        "seed": run.seeds[s],
        "pruned": proof.pruned,
        "parameters_left": proof.parameters,
        "moments": proof.moments,
    }


def _first(part: Split, count: int) -> Split:
    return replace(
        part,
        x=part.x[:count],
        targets=part.targets[:count],
        ids=part.ids[:count],
        labels=None if part.labels is None else part.labels[:count],
    )


def _network_rows(run: _Run, masks: Any) -> list[dict[str, Any]]:
    rows = []
    for s, seed in enumerate(run.seeds):
        mask = mask_of(run.search.network, jax.tree.map(lambda a, s=s: a[s], masks))
        try:
            effective = effective_density(run.search.network, mask)
        except UserError:  # a network that has none
            effective = float("nan")
        rows.append(
            {
                "seed": seed,
                "density": density(mask),
                "effective_density": effective,
                "kept": kept(mask),
            }
        )
    return rows
