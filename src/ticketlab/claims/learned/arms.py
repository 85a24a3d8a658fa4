"""What the studies of learned masks compute: the arms of a setting, trained and measured.

draw split  →  θ₀, scores, orders, permuted labels  →  arms of one program side by side, a piece at a time, noting where they are
→  the ticket without its scores, measured; the proof that it is made of what was drawn  →  a random mask of equal counts

Rows called "scores" are those of the test examples, "timings" one a piece of training. Every table of examples holds the arms
that a verdict needs, one column each; what learns from permuted labels has a table of its own, and so has the multigraph.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from ticketlab.claims.learned.halfway import HALFWAY, NOTED
from ticketlab.claims.learned.setting import SPLIT_SEED, Arm, Bench, Setting
from ticketlab.claims.notes import OF_MASKS, PIECES, Notes, example_table
from ticketlab.claims.rows import curve_rows, timings
from ticketlab.claims.start import drawn_task
from ticketlab.claims.study import Draft, Progress
from ticketlab.errors import NumericalFailure
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Params, parameter_count
from ticketlab.tickets.biprop import Binarised, Biprop
from ticketlab.tickets.learned import ScoredMask, require_frozen
from ticketlab.tickets.learned_edges import LearnedEdges
from ticketlab.tickets.magnitude import TICKET
from ticketlab.tickets.masks import density as density_of
from ticketlab.tickets.masks import kept as kept_of
from ticketlab.tickets.masks import layer_densities, prunable_layers
from ticketlab.tickets.multigraph import summed
from ticketlab.tickets.random_masks import random_mask
from ticketlab.tickets.supermask import Supermask
from ticketlab.tickets.ticket import Ticket, described
from ticketlab.training import Ended, LearningCurves, train

__all__ = ["run_setting"]

PERMUTED, MULTIGRAPH = "permuted", "multigraph"
LOOKED_AT = {name: name for name in ("batch_loss", "validation_score")}
DRAWS = 10  # masks over which a supermask's score is also averaged


def run_setting(setting: Setting, draft: Draft, progress: Progress) -> dict[str, Table]:
    """All tables of one setting, from where the draft says."""
    run = _Run(Bench(setting, drawn_task(setting.plan.task, SPLIT_SEED)), Notes.of(draft))
    arrays = run.notes.arrays
    groups = setting.groups()
    shares = np.cumsum([0] + [len(group) for group in groups]) / len(setting.arms)
    began: list[float] = []
    for number in range(0 if arrays is None else int(arrays["group"]), len(groups)):

        def told(done: float, number: int = number) -> None:
            """Of what is left for this process, from which the time left is estimated."""
            at = shares[number] + done * (shares[number + 1] - shares[number])
            began[:] = began or [at]
            names = _named(groups[number])
            progress(f"{setting.name}: {names}", float((at - began[0]) / max(1 - began[0], 1e-9)))

        trained = run.train(groups[number], number, arrays, told)
        arrays = None
        for i, arm in enumerate(groups[number]):
            for s, r in enumerate(run.bench.rows(i)):
                run.measure(arm, s, jax.tree.map(lambda a, r=r: jax.device_put(a[r]), trained))
    return run.tables()


def _named(group: Sequence[Arm]) -> str:
    return ", ".join(dict.fromkeys(arm.name for arm in group))


@dataclass(frozen=True)
class _Run:
    """What is measured, and where it is noted."""

    bench: Bench
    notes: Notes

    def train(
        self,
        group: Sequence[Arm],
        number: int,
        arrays: Mapping[str, np.ndarray] | None,
        told: Callable[[float], None],
    ) -> Params:
        """What a group has trained, to the last step: scores, or weights; noting where it is after every piece."""
        bench = self.bench
        plan, replicas = bench.plan(group[0]), bench.replicas(group)
        go_on = partial(train, bench.network, bench.loss, bench.data(group[0].permuted, len(group)))
        every, half = plan.evaluate_every or 1, plan.steps // 2
        piece = every * max(1, round(plan.steps / every / PIECES))
        state, step = None, 0
        if arrays is not None and "state 0000" in arrays:
            like = go_on(replace(plan, steps=0), replicas).state
            leaves = [arrays[name] for name in sorted(arrays) if name.startswith("state ")]
            state = jax.tree.unflatten(jax.tree.structure(like), leaves)
            step = int(np.max(state.steps))
        while step < plan.steps:
            ends = (plan.steps, (step // piece + 1) * piece, *((half,) if step < half else ()))
            until, began = min(ends), time.perf_counter()

            def said(fraction: float, step: int = step, until: int = until) -> None:
                told((step + fraction * (until - step)) / plan.steps)

            result = go_on(replace(plan, steps=until), replicas, start=state, progress=said)
            if not bool(np.all(np.asarray(result.state.ended) == Ended.NO)):
                raise NumericalFailure(
                    f"Training diverged ({bench.setting.name}, {group[0].name}) before step {until}: use a smaller step size "
                    f"than {plan.optimiser.step_size:g}."
                )
            self.notes.timed(began, len(replicas) * (until - step), arms=_named(group))
            self.add_curves(group, result.curves)
            if until == half:
                self.note_halfway(group, result.state.params, half / plan.steps)
            state, step = result.state, until
            where = {f"state {i:04d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
            self.notes.write({"group": np.array(number), **where})
        assert state is not None
        return state.params

    def add_curves(self, group: Sequence[Arm], curves: LearningCurves) -> None:
        for i, arm in enumerate(group):
            for seed, replica in zip(self.bench.setting.seeds, self.bench.rows(i), strict=True):
                if arm.compared:
                    about = {**self.bench.about(arm), "seed": seed}
                    self.notes.add(
                        "curves", *({**about, **row} for row in curve_rows(curves, replica, LOOKED_AT))
                    )

    def note_halfway(self, group: Sequence[Arm], params: Params, at: float) -> None:
        """Training scores half-way: by how they change after it, a search or a training is judged to have converged or not.

        Arguments:
            at: the fraction of the steps: ½, or a little less if their number is odd.
        """
        for i, arm in enumerate(group):
            for s, row in enumerate(self.bench.rows(i) if arm.compared else ()):
                one = jax.tree.map(lambda a, row=row: jax.device_put(a[row]), params)
                network, _ = self.made(arm, s, one)
                score = float(self.bench.scores(network, self.bench.learnt(arm, s)).mean())
                about = {"arm": arm.name, "seed": self.bench.setting.seeds[s]}
                self.notes.add("halfway", {**about, HALFWAY: score, NOTED: at})

    def made(self, arm: Arm, s: int, trained: Params) -> tuple[Params, Any]:
        """One network of an arm, from what was trained: what it computes with, and its mask over frozen weights or None.

        Arguments:
            s: the place of its seed in the setting.
        """
        bench = self.bench
        if arm.search is None:
            binary = Binarised.of(bench.network)
            return (binary(trained, None, bench.chance[s]) if arm.binary else trained), None
        if isinstance(arm.search, LearnedEdges):
            return summed(arm.search.edges(bench.network, trained), bench.params(arm, s)), None
        one = jax.tree.map(lambda a: np.asarray(a)[None], trained)
        (mask,) = arm.search.masks(bench.network, one, arm.density)
        return arm.search.ticket(bench.params(arm, s), mask), mask

    def measure(self, arm: Arm, s: int, trained: Params) -> None:
        """One network's rows, and those of a random mask with the ticket's counts; the ticket itself is left behind."""
        bench, seed, (params, mask) = self.bench, self.bench.setting.seeds[s], self.made(arm, s, trained)
        if not isinstance(arm.search, ScoredMask):
            return self.note(arm, s, params, None)
        drawn = bench.params(arm, s)
        compared = require_frozen(drawn, params, mask, signs=isinstance(arm.search, Biprop))
        self.notes.add(
            "checks", {**bench.about(arm), "seed": seed, "compared": compared, "kept": kept_of(mask)}
        )
        if arm.name == TICKET:
            about = described(bench.network, mask, seed)
            ticket = Ticket(jax.tree.map(np.asarray, params), mask, about=about)
            self.notes.draft.leave(f"seed-{seed}", ticket)
        self.note(arm, s, params, mask, self.sampled(arm.search, trained, drawn, s))
        if not arm.permuted:
            shapes = {name: kept.shape for name, kept in mask.items()}
            counts = {name: int(kept.sum()) for name, kept in mask.items()}
            chance = random_mask(shapes, counts, bench.chance[s])
            random = replace(arm, name="random" if arm.name == TICKET else f"random {arm.name}")
            self.note(random, s, arm.search.ticket(drawn, chance), chance)
        return None

    def sampled(self, search: ScoredMask, scores: Params, drawn: Params, s: int) -> float:
        """A supermask's mean score over masks that are drawn; NaN for masks that are not drawn."""
        if not isinstance(search, Supermask):
            return float("nan")
        bench, keys = self.bench, jax.random.split(self.bench.chance[s], DRAWS)
        each = [bench.scores(search.sample(drawn, scores, key), bench.task.test) for key in keys]
        return float(np.mean(each))

    def note(self, arm: Arm, s: int, params: Params, mask: Any, sampled: float = float("nan")) -> None:
        """A network's rows: of the arm, of its layers, and its scores where they are compared."""
        bench, seed = self.bench, self.bench.setting.seeds[s]
        test = bench.scores(params, bench.task.test)
        halfway = self.notes.rows.get("halfway", [])
        half = [r for r in halfway if (r["arm"], r["seed"]) == (arm.name, seed)]
        weights = sum(int(np.prod(layer.weight_shape)) for layer in prunable_layers(bench.network))
        row = {
            "permuted": arm.permuted,
            "density": 1.0 if mask is None else density_of(mask),
            "kept": weights if mask is None else kept_of(mask),
            "weights": weights,
            "parameters": parameter_count(params),
            "test_score": float(test.mean()),
            "sampled_test_score": sampled,
            "train_score": float(bench.scores(params, bench.learnt(arm, s)).mean()),
            **{name: half[0][name] if half else float("nan") for name in (HALFWAY, NOTED)},
            "validation_score": float(bench.scores(params, bench.task.validation).mean()),
        }
        about = {**bench.about(arm), "seed": seed}
        self.notes.add("arms", {**about, **row})
        if arm.compared:
            self.notes.add("scores", {"arm": arm.name, "seed": seed, "scores": test.tolist()})
        if mask is not None and arm.compared:
            layers = layer_densities(mask).items()
            self.notes.add("layers", *({**about, "layer": name, "density": d} for name, d in layers))

    def tables(self) -> dict[str, Table]:
        """All tables, by name; test examples have their score with each arm, and with guessing."""
        rows, setting, task = self.notes.rows, self.bench.setting, self.bench.task
        scores: dict[str, list[Any]] = {}
        for row in rows["scores"]:
            scores.setdefault(row["arm"], []).append(row["scores"])
        edges = {arm.name for arm in setting.arms if isinstance(arm.search, LearnedEdges)}
        examples: dict[str, dict[str, Any]] = {"examples": {}, PERMUTED: {}, MULTIGRAPH: {}}
        for arm, of in scores.items():
            apart = MULTIGRAPH if arm in edges else PERMUTED if arm.startswith(PERMUTED) else "examples"
            examples[apart][arm] = of
        about = {"setting": setting.name, "size": setting.size}
        more = [
            example_table(name, setting.seeds, task, {"guess": None, **of}, _MEANINGS, **about)
            for name, of in examples.items()
            if of
        ]
        times = timings(rows, "arms", _MEANINGS, setting=setting.name)
        return self.notes.tables(("arms", "layers", "curves", "checks"), _MEANINGS, *more, times)


_MEANINGS: Mapping[str, str] = {
    **OF_MASKS,
    "setting": "which networks",
    "arm": "ticket, or one of its controls; those of other densities and distributions are called variants",
    "size": "the factor on the network's widths",
    "distribution": "of the weights at the start",
    "asked": "the density that was asked for; of a supermask, that it starts with",
    "permuted": "whether it learnt from permuted labels",
    "weights": "all weights of the network",
    "parameters": "these, and biases and normalisations",
    "test_score": "accuracy, or R² for regression, on the true labels",
    "sampled_test_score": "the mean over ten masks that are drawn, for a supermask",
    "train_score": "on the labels that it learnt from",
    HALFWAY: "the same half-way",
    NOTED: "the fraction of the steps after which that was: a half, or less by half a step",
    "validation_score": "on the true labels; nothing was chosen by it",
    "batch_loss": "mean over the batches since the row before",
    "compared": "entries of the ticket's parameters, all of which are what was drawn, times one number a layer, or zero",
    "guess": "always answering with the most frequent class",
}
