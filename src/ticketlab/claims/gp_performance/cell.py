"""One cell: training and its pictures for one width, training size and seed; or the guess-and-check search; as rows of tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ticketlab import functions
from ticketlab.claims import start
from ticketlab.claims.fair_search import Scored, best
from ticketlab.claims.gp_performance.claim import CHUNK, GpPerformancePlan
from ticketlab.claims.gp_performance.formula import COLUMNS, DESCENT, DRAW, SHUFFLED, TANGENT
from ticketlab.claims.gp_performance.kernel_arms import arbitrary, infinite_width
from ticketlab.claims.gp_performance.search import WORTH_IT
from ticketlab.claims.gp_performance.shares import RBF_NOISE
from ticketlab.claims.rows import rows_of, tables_of
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.tangent_minimum import minima
from ticketlab.claims.tangent_minimum.candidates import Arms, Start
from ticketlab.claims.tangent_minimum.cell import choice_row, wide_enough
from ticketlab.claims.tangent_minimum.descent import Descent
from ticketlab.claims.tangent_minimum.formula import OFFSETS
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices
from ticketlab.tasks import SQUARE
from ticketlab.tasks.task import Split, Task
from ticketlab.training import Sgd, TrainingPlan

__all__ = ["measure"]

STREAM = 83  # of the seeds' keys
KEPT, CENTRED = OFFSETS


def measure(
    plan: GpPerformancePlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed = cell.seeds[0]
    if "sizes" in cell.settings:
        return _search(plan, seed, progress)
    return _compare(plan, cell.settings, seed, progress, devices)


def _classes(plan: GpPerformancePlan, seed: int) -> Task:
    task = start.drawn_task(plan.task, seed)
    start.check_classes(task)
    return task


# --- training and its pictures ---


def _compare(
    plan: GpPerformancePlan, about: Any, seed: int, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    task, size = _classes(plan, seed), int(about["size"])
    if len(task.train) < size:
        raise UserError(
            f"{size} training examples of {len(task.train)}",
            "at most those of the task",
            "Ask for more: train=… in --task.",
        )
    if about["labels"] == SHUFFLED:
        task = start.permuted_labels(task, seed)
    task = replace(task, train=start.taken(task.train, slice(size)))
    network = start.built(plan.network.widened(about["width"]), task.input_shape, task.outputs)
    draw, order, noise = jax.random.split(jax.random.fold_in(jax.random.key(seed), STREAM), 3)
    at = Start(plan.tuning(), task, SQUARE, network, network.init(draw), devices)
    clock = start.Clock()

    arms = minima.tangent_space(at, lambda what, done: progress(what, 0.3 * done))
    clock.lap(TANGENT)

    def descending(done: float) -> None:
        progress("gradient descent", 0.3 + 0.4 * done)

    descent = Descent.of(at, order).with_sizes(plan.step_sizes, descending).to_the_end(descending)
    arms, descent = wide_enough(at, arms, descent, lambda what, _: progress(what, 0.8))
    clock.lap(DESCENT)
    progress("infinite width", 0.9)
    budget = len(arms[CENTRED, TANGENT])
    arms |= infinite_width(at, budget, noise)
    clock.lap("infinite width")
    arms |= arbitrary(at, budget)
    clock.lap("arbitrary kernels")
    return _tables(at, {**about, "seed": seed}, arms, descent, clock)


# --- rows of training and its pictures ---


def _tables(
    at: Start, about: dict[str, Any], arms: Arms, descent: Descent, clock: start.Clock
) -> dict[str, Table]:
    chosen = {key: best(found) for key, found in arms.items()}
    shown = {key: s for key, s in chosen.items() if key[1] in COLUMNS}
    tuned = [*(key for key in shown if key[1] != DRAW), (CENTRED, RBF_NOISE)]
    rows = {
        "examples": [{**about, **row} for row in _example_rows(at, shown)],
        "arms": [{**about, **_arm_row(key, s)} for key, s in shown.items()],
        "tuning": [{**about, **row} for key in tuned for row in _tuning_rows(key, arms[key], chosen[key])],
        "choices": [{**about, **choice_row(arms, descent, *key)} for key in tuned],
        "certificates": [
            {
                **about,
                "offset": offset,
                "ridge": s.candidate.setting,
                "met": s.candidate.solution.certificate.met,
            }
            for offset in OFFSETS
            for s in arms[offset, TANGENT]
            if s.candidate.solution is not None
        ],
        "timings": clock.rows("arm", **about),
    }
    return tables_of(rows, _MEANINGS)


def _example_rows(at: Start, chosen: dict[tuple[str, str], Scored]) -> list[dict[str, Any]]:
    columns = {column: (KEPT if arm == DRAW else CENTRED, arm) for arm, column in COLUMNS.items()} | {
        "kept_descent_score": (KEPT, DESCENT),
        "kept_tangent_score": (KEPT, TANGENT),
    }
    scores = {
        name: at.task.scores(chosen[key].candidate.outputs["test"], at.task.test)
        for name, key in columns.items()
    }
    return rows_of({"id": at.task.test.ids, "guess": start.guessed(at.task), **scores})


def _arm_row(key: tuple[str, str], s: Scored) -> dict[str, Any]:
    found = {f"{part}_score": s.score[part] for part in ("test", "validation", "train")}
    return {
        "offset": key[0],
        "arm": key[1],
        **found,
        "setting": s.candidate.setting,
        "setting_name": s.candidate.setting_name,
    }


def _tuning_rows(key: tuple[str, str], found: list[Scored], chosen: Scored) -> list[dict[str, Any]]:
    return [
        {
            "offset": key[0],
            "arm": key[1],
            "candidate": s.candidate.setting,
            "validation_score": s.score["validation"],
            "validation_loss": s.loss["validation"],
            "test_score": s.score["test"],
            "chosen": s is chosen,
        }
        for s in found
    ]


# --- the search ---


@dataclass(frozen=True)
class _Pair:
    """Examples of two classes, the second one labelled True."""

    x: np.ndarray
    labels: np.ndarray
    held_out: Split
    answers: np.ndarray


def _pair(task: Task, classes: tuple[int, ...], size: int) -> _Pair:
    """The first training examples of each class, equally many, and all test examples of both."""
    assert task.train.labels is not None
    assert task.test.labels is not None
    places = [np.flatnonzero(task.train.labels == c)[: size // 2] for c in classes]
    if any(len(of) < size // 2 for of in places):
        raise UserError(
            f"{[len(of) for of in places]} examples of classes {classes}",
            f"{size // 2} of each for the search",
        )
    order = np.concatenate(places)
    tested = np.flatnonzero(np.isin(task.test.labels, classes))
    return _Pair(
        task.train.x[order],
        task.train.labels[order] == classes[1],
        start.taken(task.test, tested),
        task.test.labels[tested] == classes[1],
    )


def _search(plan: GpPerformancePlan, seed: int, progress: Progress) -> dict[str, Table]:
    task = _classes(plan, seed)
    network = start.built(plan.network.widened(plan.search_width), task.input_shape, 1)
    key = jax.random.fold_in(jax.random.key(seed), STREAM + 1)
    rows: dict[str, list[dict[str, Any]]] = {"search_examples": [], "searches": [], "timings": []}
    for number, size in enumerate(plan.search_sizes):
        of, clock = _pair(task, plan.pair, size), start.Clock()
        expected = functions.expected_acceptances(network, of.x, of.labels, plan.networks)
        progress(
            f"{size} examples: {expected:.3g} of {plan.networks} random networks should fit",
            number / len(plan.search_sizes),
        )
        one, other, unit = jax.random.split(jax.random.fold_in(key, size), 3)
        curvature = start.largest_curvature(
            network,
            network.init(unit),
            Split(of.x, functions.binary_targets(SQUARE, of.labels), np.arange(size)),
            SQUARE,
        )
        training = TrainingPlan(plan.steps, None, Sgd(plan.step_share * 2 / curvature), evaluate_every=4)
        trained = functions.collect(
            functions.TrainingRuns(network, SQUARE, of.x, of.labels, of.held_out.x, training, plan.runs),
            one,
            1,
        )
        clock.lap(DESCENT)
        found = None
        if expected >= WORTH_IT:
            sampler = functions.RandomNetworks(network, of.x, of.labels, of.held_out.x, CHUNK)
            found = functions.collect(sampler, other, plan.networks // CHUNK)
        clock.lap("random networks that fit")
        guess = (~of.answers).astype(float)
        score = {"trained_score": _right(trained, of, guess), "search_score": _right(found, of, guess)}
        columns = {"id": of.held_out.ids, "guess": guess, **score}
        rows["search_examples"] += [{"size": size, "seed": seed, **row} for row in rows_of(columns)]
        rows["searches"].append(
            {
                "size": size,
                "seed": seed,
                "tried_for": plan.networks,
                "expected": expected,
                "accepted": 0 if found is None else found.counts.draws,
                "fitted": trained.counts.draws / trained.tried,
            }
        )
        about = {"labels": "pair", "width": plan.search_width, "size": size, "seed": seed}
        rows["timings"] += clock.rows("arm", **about)
    return tables_of(rows, _MEANINGS)


def _right(found: Any, of: _Pair, guess: np.ndarray) -> np.ndarray:
    """The share of functions that are right on each example; that of guessing where there are none."""
    if found is None or not found.counts.draws:
        return guess
    ones = functions.marginals(found.counts)
    return np.where(of.answers, ones, 1 - ones)


_MEANINGS = {
    "labels": "true or shuffled; pair: those of the search",
    "width": "of the trained network, as a multiple of the plan's",
    "size": "training examples",
    "offset": "whether f(x, θ₀) is kept or centred away; means of infinite width and arbitrary kernels have none",
    "guess": "the score of always giving the most frequent class",
    "inside": "whether the choice lies between two candidates, or the grid has reached its limit",
    "settled": "whether descent's highest validation score lies inside the run, and its lowest loss too or one that hardly falls",
    "epochs": "of the chosen candidate of gradient descent",
    "setting": "the chosen ridge or noise relative to the kernel's mean diagonal, the RBF kernel's width relative to the median "
    "distance, or the relative step size",
    "rbf_score": "of an RBF kernel of the inputs, which knows nothing of the network",
    "linear_score": "of a linear kernel of the inputs, likewise",
    "tried_for": "random networks that are drawn if enough are expected to fit",
    "expected": "of these, those expected to fit, from the evidence of infinite width",
    "accepted": "those that did",
    "fitted": "the share of training runs that fit",
    "trained_score": "the share of training runs that are right",
    "search_score": "the share of random networks that fit which are right; that of guessing where none was found",
}
