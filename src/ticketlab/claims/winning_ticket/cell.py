"""What the study `winning-ticket` computes: all levels of a search with its controls, from dense to sparse.

draw split  →  θ₀, orders, controls' keys  →  level: train all arms, a piece at a time, noting where they are  →  measure
→  prove that pruned weights took no part  →  prune, rewind, next level  →  tables

Rows called "scores" are those of the test examples, "timings" one a piece of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims import start
from ticketlab.claims.levels import level_counts, nearest_level, weights_left
from ticketlab.claims.notes import OF_MASKS, PIECES, Notes, effective, example_table, left, refuse_diverged
from ticketlab.claims.rows import curve_rows, timings
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.winning_ticket.claim import DynamicName, WinningTicketPlan
from ticketlab.claims.winning_ticket.formula import DENSE, GUESS, TICKET
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.task import Task
from ticketlab.tickets.controls import controls, equal_size
from ticketlab.tickets.dynamic import Dynamic, Gradual, Regrowth, trained_sparse
from ticketlab.tickets.magnitude import Companions, Level, Search, first_level, next_level, stacked, trained
from ticketlab.tickets.masks import density, full_mask, kept, layer_densities, mask_of
from ticketlab.tickets.pruned import require_pruned
from ticketlab.tickets.random_masks import erdos_renyi_counts
from ticketlab.tickets.ticket import level_tickets
from ticketlab.tickets.written import read_level, written_level
from ticketlab.training import TrainingData, stack
from ticketlab.training.result import Best, TrainingState

__all__ = ["measure"]

DYNAMIC: dict[DynamicName, Dynamic] = {
    "rigl": Regrowth(grow="gradient"),
    "set": Regrowth(grow="random"),
    "gradual": Gradual(),
}
LOOKED_AT = {name: name for name in ("validation_loss", "validation_score")}
PER = 1000  # steps of training for which the intervals between updates above are meant; others in proportion
SPLIT_SEED = 1
STREAM = 1  # of every seed's key: those of stream 0, and the split of seed 0, were used up in choosing the default plan


def measure(
    plan: WinningTicketPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """All levels with all controls, as tidy tables; from where the draft says."""
    task, seeds = _task(plan), cell.seeds
    search, others = _search(plan, task, seeds)
    counts = level_counts(plan.pruning, search.network, plan.levels)
    decisive = nearest_level(counts, search.network, plan.density)
    if "equal-size" in plan.compared:
        for count in counts:  # what has no such control is refused before anything is trained
            equal_size(plan.network, search.network, weights_left(count))
    notes = Notes.of(draft)
    level = first_level(search) if notes.arrays is None else read_level(search, notes.arrays, others)
    began = _done(plan, level.number, level.step)

    def told(what: str, done: float) -> None:
        """Of what is left for this process, from which the time left is estimated."""
        progress(what, (done - began) / max(1.0 - began, 1e-9))

    run = _Run(plan, task, search, seeds, decisive, notes, told)
    while True:
        level = run.to_the_end(level)
        run.measure(level)
        if level.number == decisive:
            for seed, ticket in zip(seeds, level_tickets(search, level), strict=True):
                draft.leave(f"seed-{seed}", ticket)
        if level.number == plan.levels:
            run.measure_dynamic(weights_left(counts[decisive - 1]))
            return run.tables()
        level = next_level(search, level, others)


def _task(plan: WinningTicketPlan) -> Task:
    task = start.drawn_task(plan.task, SPLIT_SEED)
    return start.permuted_labels(task, SPLIT_SEED) if plan.permuted_labels else task


def _search(plan: WinningTicketPlan, task: Task, seeds: Sequence[int]) -> tuple[Search, Companions]:
    network = start.built(plan.network, task.input_shape, task.outputs)
    keys = start.seed_keys(seeds, STREAM, 3)
    search = Search(
        network=network,
        loss=start.loss_of(task),
        data=TrainingData.of(task),
        plan=start.training_plan(plan, task, evaluate_every=plan.evaluate_every, score=start.score_of(task)),
        params=stack([network.init(key) for key in keys[:, 0]]),
        order_keys=keys[:, 1],
        pruning=plan.pruning,
        rewind_step=plan.rewind_step,
        one_shot=plan.one_shot,
    )
    return search, controls(plan.compared, search, plan.network, keys[:, 2])


@dataclass(frozen=True)
class _Run:
    """One cell: what is searched and trained, the rows that it leaves, and where it is noted.

    Arguments:
        decisive: the level at which the question is decided.
    """

    plan: WinningTicketPlan
    task: Task
    search: Search
    seeds: tuple[int, ...]
    decisive: int
    notes: Notes
    told: Progress

    def to_the_end(self, level: Level) -> Level:
        """The level to the end of its training."""
        plan, number, every = self.plan, level.number, self.plan.evaluate_every
        what = f"level {number} of {plan.levels}, {100 * density(level.masks[0]):.3g} % of the weights"
        return self.notes.in_pieces(
            level,
            plan,
            every * max(1, round(plan.steps / every / PIECES)),
            lambda at, until, progress: trained(self.search, at, until, progress),
            written_level,
            lambda step: self.told(what, _done(plan, number, step)),
            f"at level {number}",
            level=number,
        )

    def measure(self, level: Level) -> None:
        """One trained level's rows."""
        self.check(level.number, [arm.name for arm in level.arms], level.state, level.all_masks())
        for i, arm in enumerate(level.arms):
            at = level.rows(i)
            best, params = (
                jax.tree.map(lambda a, at=at: a[at], tree) for tree in (level.state.best, level.state.params)
            )
            about = {"level": level.number, "arm": arm.name}
            self.measure_arm(about, best, params, arm.masks)
            if level.number in (0, self.decisive):
                for seed, replica in zip(self.seeds, range(at.start, at.stop), strict=True):
                    for row in curve_rows(level.curves, replica, LOOKED_AT):
                        self.notes.add("curves", {**about, "seed": seed, **row})

    def measure_dynamic(self, weights: int) -> None:
        """Networks with masks that change, to the count of weights that decides, with the Erdős–Rényi profile in the end."""
        plan, search, number = self.plan, self.search, self.decisive
        shapes = {name: a.shape for name, a in full_mask(search.network).items()}
        counts = erdos_renyi_counts(shapes, weights)
        keys = jnp.stack([jax.random.fold_in(key, number) for key in search.order_keys])
        levels = _done(plan, plan.levels, plan.steps)
        for i, name in enumerate(plan.dynamic):
            usual = DYNAMIC[name]
            found = trained_sparse(
                replace(usual, every=max(1, usual.every * plan.steps // PER)),
                search.network,
                search.loss,
                search.data,
                search.plan,
                search.params,
                search.order_keys,
                counts,
                keys,
                lambda share, i=i, name=name: self.told(  # type: ignore[misc]
                    f"masks that change: {name}", levels + (i + share) * plan.steps / _all_steps(plan)
                ),
            )
            refuse_diverged(found.state, f"with {name}", plan.steps, plan.optimiser)
            masks = stacked(found.masks, search.params)
            self.check(number, [name], found.state, masks)
            self.measure_arm({"level": number, "arm": name}, found.state.best, found.state.params, masks)

    def check(self, number: int, arms: Sequence[str], state: TrainingState, masks: Any) -> None:
        """Proves that pruned weights took no part in a training, and notes it, seed by seed."""
        for s, seed in enumerate(self.seeds):
            own, kept_by = jax.tree.map(lambda a, s=s: np.asarray(a)[s :: len(self.seeds)], (state, masks))
            proof = require_pruned(self.search.plan.optimiser, own, kept_by)
            about = {"seed": seed, "level": number, "arms": ", ".join(arms), "pruned": proof.pruned}
            self.notes.add("checks", {**about, **left(proof)})

    def measure_arm(self, about: dict[str, Any], best: Best | None, params: Params, masks: Any) -> None:
        """One arm's rows: of its networks, one a seed, and of their layers; and its scores, where they are compared."""
        assert best is not None
        network, decisive = self.search.network, about["level"] == self.decisive
        compared = decisive or about["arm"] == DENSE
        early, final = (
            start.example_scores(network, p, self.task, self.task.test) for p in (best.params, params)
        )
        fitted = (
            start.example_scores(network, params, self.task, self.task.train).mean(1)
            if compared
            else np.full(len(self.seeds), np.nan)
        )
        for s, seed in enumerate(self.seeds):
            own = jax.tree.map(lambda a, s=s: a[s], masks)
            mask = mask_of(network, own)
            row = {
                "seed": seed,
                "decisive": decisive,
                "density": density(mask),
                "effective_density": effective(network, mask),
                "kept": kept(mask),
                "parameters": sum(int(np.count_nonzero(leaf)) for leaf in jax.tree.leaves(own)),
                "early_stop_step": int(best.steps[s]),
                "test_score": float(early[s].mean()),
                "validation_score": float(best.score[s]),
                "validation_loss": float(best.loss[s]),
                "final_test_score": float(final[s].mean()),
                "final_train_score": float(fitted[s]),
            }
            self.notes.add("levels", {**about, **row})
            if about["arm"] != DENSE:
                for name, d in layer_densities(mask).items():
                    self.notes.add("layers", {**about, "seed": seed, "layer": name, "density": d})
        if compared:
            self.notes.add("scores", {"arm": about["arm"], "early": early.tolist()})

    def tables(self) -> dict[str, Table]:
        """All tables, by name, seed by seed; of examples at the early stop, dense and at the decisive level."""
        rows = self.notes.rows
        scores = {entry["arm"]: entry["early"] for entry in rows["scores"]}
        first = {arm: scores.get(arm) for arm in (DENSE, TICKET, GUESS) if arm in (*scores, GUESS)}
        examples = example_table("examples", self.seeds, self.task, first | scores, _MEANINGS)
        names, times = ("levels", "layers", "curves", "checks"), timings(rows, "level", _MEANINGS)
        return self.notes.tables(names, _MEANINGS, examples, times)


def _done(plan: WinningTicketPlan, number: int, step: float) -> float:
    """The fraction of all network-steps that are done at a step of a level; level 0 has one arm, the others all."""
    arms = 1 + len(plan.compared)
    before = (1 + (number - 1) * arms) * plan.steps if number else 0
    return (before + (arms if number else 1) * step) / _all_steps(plan)


def _all_steps(plan: WinningTicketPlan) -> int:
    """Of one seed: of the dense network, of all arms at every level, and of masks that change."""
    return (1 + plan.levels * (1 + len(plan.compared)) + len(plan.dynamic)) * plan.steps


_MEANINGS: Mapping[str, str] = {
    **OF_MASKS,
    "level": "rounds of pruning so far; 0 is dense",
    "arm": "dense, ticket, one of its controls, or a network with a mask that changes",
    "parameters": "these, and all biases that the network has",
    "early_stop_step": "the step with the lowest validation loss",
    "test_score": "there: accuracy, or R² for regression",
    "validation_score": "there",
    "validation_loss": "there; in the table of curves at the step of the row",
    "final_test_score": "at the last step",
    "final_train_score": "there, on training examples; of the dense network, and at the level that decides",
    "arms": "which were trained together",
    "pruned": "pruned parameters of all networks of the seed",
    "guess": "always answering with the most frequent class",
}
