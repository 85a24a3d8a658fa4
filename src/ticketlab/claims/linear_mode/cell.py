"""What a cell of the study `linear-mode` computes: a search that rewinds to step k, and copies trained from there.

draw split  →  θ₀, orders, masks' keys  →  levels: train, prune, rewind to k  →  the last level's copies, in orders of their own
→  prove that pruned weights took no part  →  error and loss along the lines between copies  →  tables

Rows called "scores" are those of an arm, by seed and test example; "timings" one a piece of training, or an arm's lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims import start
from ticketlab.claims.levels import level_counts
from ticketlab.claims.linear_mode.claim import LinearModePlan
from ticketlab.claims.linear_mode.lines import line_rows
from ticketlab.claims.notes import OF_MASKS, PIECES, Notes, effective, example_table
from ticketlab.claims.rows import timings
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
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
from ticketlab.tickets.written import read_level, written_level
from ticketlab.training import TrainingData, stack

__all__ = ["TRAINING_EXAMPLES", "measure"]

LINES = "lines between copies"
TRAINING_EXAMPLES = 2000  # at most, whose errors along lines stand beside those of all test examples
SPLIT_SEED = 1
STREAM = 2  # of every seed's key: choosing the default plan used others, and another split


def measure(
    plan: LinearModePlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """Barriers and scores of all arms at one rewind step, as tidy tables; from where the draft says."""
    task = start.drawn_task(plan.task, SPLIT_SEED)
    start.check_classes(task)
    run = _Run.of(plan, cell.settings["rewind_step"], task, Notes.of(draft), progress, cell.seeds)
    level_counts(plan.pruning, run.search.network, plan.levels)  # refuses levels without weights
    level, copies = run.begun()
    while copies is None:
        level = run.to_the_end(level)
        level = next_level(run.search, level, run.beside)
        copies = first_copies(run.search, level, run.copy_keys) if level.number == plan.levels else None
    run.measure(run.copies_to_the_end(copies))
    return run.tables()


@dataclass(frozen=True)
class _Run:
    """One cell: what is searched and trained, and where it is noted."""

    plan: LinearModePlan
    k: int
    task: Task
    search: Search
    beside: Companions
    copy_keys: jax.Array
    notes: Notes
    told: Callable[[str, float], None]
    seeds: tuple[int, ...]

    @staticmethod
    def of(
        plan: LinearModePlan, k: int, task: Task, notes: Notes, progress: Progress, seeds: tuple[int, ...]
    ) -> _Run:
        network = start.built(plan.network, task.input_shape, task.outputs)
        keys = start.seed_keys(seeds, STREAM, 4)
        search = Search(
            network=network,
            loss=SOFTMAX_CROSS_ENTROPY,
            data=TrainingData(task.train.x, task.train.targets),  # nothing is stopped or chosen by validation
            plan=start.training_plan(plan, task, evaluate_every=max(1, round(plan.steps / PIECES))),
            params=stack([network.init(key) for key in keys[:, 0]]),
            order_keys=keys[:, 1],
            pruning=plan.pruning,
            rewind_step=k,
        )
        others = beside_the_dense(search, controls(plan.controls, search, plan.network, keys[:, 2]))
        copy_keys = jnp.stack([jax.random.split(key, plan.copies) for key in keys[:, 3]])
        return _Run(
            plan, k, task, search, lambda n, masks: others(n, masks) if n == plan.levels else (), copy_keys, notes,
            progress, seeds,
        )  # fmt: skip

    def begun(self) -> tuple[Level, Copies | None]:
        """From the start, or from where the draft says."""
        arrays = self.notes.arrays
        if arrays is None:
            return first_level(self.search), None
        level = read_level(self.search, arrays, self.beside)
        if level.number < self.plan.levels:
            return level, None
        return level, read_copies(first_copies(self.search, level, self.copy_keys), arrays)

    def to_the_end(self, level: Level) -> Level:
        """A level of the search to the end of its training."""
        what = f"round {level.number} of {self.plan.levels - 1}" if level.number else "dense"
        before = level.number * self.plan.steps * len(self.seeds)
        return self._pieces(level, trained, written_level, what, before, len(self.seeds))

    def copies_to_the_end(self, copies: Copies) -> Copies:
        """All copies to the end of their training."""
        count = len(np.asarray(copies.state.steps))
        before = self.plan.levels * self.plan.steps * len(self.seeds) - self.k * count
        return self._pieces(copies, trained_copies, _written, f"{count} copies", before, count)

    def _pieces(
        self, at: Any, go_on: Any, written: Callable[[Any], Any], what: str, before: int, networks: int
    ) -> Any:
        """Trained to the end; `before`: network-steps done at step 0 of it."""
        return self.notes.in_pieces(
            at,
            self.plan,
            self.search.plan.evaluate_every or 1,
            lambda at, until, progress: go_on(self.search, at, until, progress),
            written,
            lambda step: self.tell(what, before + networks * step),
            f"(k = {self.k}: {what})",
            what=what,
        )

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

    def measure(self, copies: Copies) -> None:
        """All rows of the copies; those of an arm are noted before the next is measured."""
        notes, plan, task, search = self.notes, self.plan, self.task, self.search
        notes.rows["checks"] = [self.check(copies, s) for s in range(len(self.seeds))]
        known = {row["arm"] for row in notes.rows.get("networks", ())}
        parts = {"test": task.test, "train": start.taken(task.train, slice(TRAINING_EXAMPLES))}
        for i, arm in enumerate(copies.level.arms):
            self.tell(LINES, self.trainings, i)
            if arm.name in known:
                continue
            began, (one, other) = time.perf_counter(), copies.pairs_of(i)
            along = (search.network, search.loss, one, other)
            found = {
                name: lines(*along, part.x, part.targets, reference=task.train.x, points=plan.points)
                for name, part in parts.items()
            }
            made = line_rows(plan, self.seeds, found, one, other)
            made["networks"] = [self.network_row(arm.masks, s) for s in range(len(self.seeds))]
            for name, rows in made.items():
                notes.add(name, *({"rewind_step": self.k, "arm": arm.name, **row} for row in rows))
            notes.timed(began, 0, what="lines")
            notes.write(_written(copies))
        self.tell(LINES, self.trainings, _arms(plan))

    def check(self, copies: Copies, s: int) -> dict[str, Any]:
        """Proves that pruned weights took no part in the training of one seed's copies."""

        def own(array: Any) -> np.ndarray:
            a = np.asarray(array)  # [arms · seeds · copies, …]
            by_seed = a.reshape(-1, len(self.seeds), copies.count, *a.shape[1:])[:, s]
            return by_seed.reshape(-1, *a.shape[1:])

        state, masks = jax.tree.map(own, (copies.state, copies.all_masks()))
        proof = require_pruned(self.search.plan.optimiser, state, masks)
        about = {"rewind_step": self.k, "seed": self.seeds[s], "pruned": proof.pruned}
        return {**about, "parameters_left": proof.parameters, "moments": proof.moments}

    def network_row(self, masks: Any, s: int) -> dict[str, Any]:
        network = self.search.network
        mask = mask_of(network, jax.tree.map(lambda a: a[s], masks))
        of = {"density": density(mask), "effective_density": effective(network, mask), "kept": kept(mask)}
        return {"seed": self.seeds[s], **of}

    def tables(self) -> dict[str, Table]:
        """All tables, by name, seed by seed."""
        rows, names = self.notes.rows, ("barriers", "copies", "lines", "networks", "checks")
        scores = {
            f"{entry['arm']}_{measure}": entry[measure]
            for entry in rows["scores"]
            for measure in ("score", "barrier", "barrier_split")
        }
        own = {column: _MEANINGS[f"example_{column.split('_', 1)[1]}"] for column in scores}
        meanings = {**own, **_MEANINGS}
        about = {"rewind_step": self.k}
        examples = example_table(
            "examples", self.seeds, self.task, {**scores, "guess": None}, meanings, **about
        )
        return self.notes.tables(names, _MEANINGS, examples, timings(rows, "what", _MEANINGS, **about))


def _arms(plan: LinearModePlan) -> int:
    """The ticket, the dense network, and the other masks."""
    return 2 + len(plan.controls)


def _written(copies: Copies) -> dict[str, np.ndarray]:
    return {**written_level(copies.level), **written_copies(copies)}


_MEANINGS: Mapping[str, str] = {
    **OF_MASKS,
    "rewind_step": "k, the step from which copies are trained, and to which tickets are rewound",
    "arm": "dense, ticket, or another mask of as many weights",
    "seed": "of parameters, data orders and masks",
    "id": "the test example's number in the data set",
    "pair": "the copies at the two ends of the line",
    "copy": "of the network, with a data order of its own",
    "alpha": "place on the line from one copy (0) to the other (1); in the table of barriers where the test error is highest",
    "test_error": "in the table of barriers the highest on the line less the mean of its ends; else the mean over lines",
    "train_error": "likewise, of training examples",
    "test_loss": "likewise, cross-entropy",
    "train_loss": "likewise, of training examples",
    "test_score": "accuracy at the last step",
    "train_score": "likewise, of training examples",
    "distance": "between the two copies, relative to the mean of their norms",
    "pruned": "pruned parameters of all copies of the seed",
    "example_score": "1 where the copies are right, their mean",
    "guess": "1 where the most frequent class is right",
    "example_barrier_split": "the same, at the α that is the highest on the other half of the test examples",
    "example_barrier": "wrong where the mean of the seed's lines is highest, less wrong at the ends; means over lines",
    "what": "what was done",
}
