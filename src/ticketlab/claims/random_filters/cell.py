"""One cell: one seed, with every design of the front end, learned filters, and frozen layers; as rows of tidy tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.fair_search import labels_of, tuned_probe
from ticketlab.claims.random_filters import formula
from ticketlab.claims.random_filters.claim import RandomFiltersPlan
from ticketlab.claims.rows import rows_of, tables_of
from ticketlab.claims.start import Clock, built, check_one_answer, drawn_task, guessed, network_scores
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.tuned_training import Course, Tuned, tuned_training
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params, pure_network
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.units import FrontEnd, Parts, gabor_filters, random_filters
from ticketlab.units.front_end import Pooled, Rectification

__all__ = ["measure"]

RECTIFY: tuple[Rectification, ...] = ("none", "absolute", "relu")
POOL: tuple[Pooled, ...] = ("average", "maximum", "none")
LEARNT: tuple[tuple[int, Rectification, bool], ...] = (
    (1, "none", False),
    (1, "none", True),
    (1, "absolute", False),
    (1, "absolute", True),
    (2, "absolute", True),
)
"""Designs with learned filters: stages, rectification, normalisation."""
Filters = tuple[np.ndarray, ...]
"""Of each stage."""

ARMS = {  # the designs that questions are about: filters, stages, rectification, normalisation, all with average pooling
    ("random", 1, "absolute", True): formula.RANDOM,
    ("learned", 1, "absolute", True): formula.LEARNED,
    ("gabor", 1, "absolute", True): formula.GABOR,
    ("random", 1, "none", False): formula.PLAIN,
    ("learned", 1, "none", False): formula.LEARNED_PLAIN,
    ("random", 1, "absolute", False): formula.RECTIFIED,
    ("random", 1, "none", True): formula.NORMALISED,
    ("random", 2, "absolute", True): formula.TWO,
    ("learned", 2, "absolute", True): formula.LEARNED_TWO,
}


@dataclass(eq=False)
class _Run:
    """What one seed has measured so far: rows by table, and scores of test examples by column."""

    plan: RandomFiltersPlan
    task: Task
    seed: int
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    scored: dict[str, np.ndarray] = field(default_factory=dict)

    def note(self, table: str, **row: Any) -> None:
        self.rows.setdefault(table, []).append({"seed": self.seed, **row})

    def read_out(self, arm: str | None, features: Parts, tuned: Tuned | None = None, **design: Any) -> None:
        """Features, read out; their row, and their scores if a question is about them."""
        found, candidates = tuned_probe(
            features, labels_of(self.task), self.plan.penalties, self.plan.extensions
        )
        inside = found.inside and (tuned is None or tuned.inside)
        if design:
            self.note(
                "designs",
                **design,
                features=features.train.shape[1],
                test_score=found.test,
                validation_score=found.validation,
                ridge=found.penalty,
                step_size=float("nan") if tuned is None else tuned.size,
            )
        if arm is not None:
            self.scored[arm] = np.asarray(found.correct, float)
            self.choice(arm, inside, tuned, candidates)

    def choice(self, arm: str, inside: bool, tuned: Tuned | None, candidates: int) -> None:
        settled, epochs = (True, 0) if tuned is None else (tuned.settled, tuned.epochs)
        self.note("choices", arm=arm, inside=inside, settled=settled, epochs=epochs, candidates=candidates)


def measure(
    plan: RandomFiltersPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], Clock()
    progress("drawing split and filters", 0.0)
    task = drawn_task(plan.task, seed)
    network = built(plan.network, task.input_shape, task.outputs)
    _check(plan, task, network)
    run = _Run(plan, task, seed)
    draw, order = jax.random.split(jax.random.key(seed))
    rng = np.random.default_rng(seed)
    maps = task.input_shape[-1]
    drawn = (
        random_filters(plan.width, maps, plan.filters, rng),
        random_filters(plan.width, plan.filters, plan.second, rng),
    )
    gabor = (gabor_filters(plan.width, maps, plan.filters), drawn[1])

    progress("designs", 0.02)
    run.read_out(formula.PIXELS, Parts(*(x.reshape(len(x), -1) for x in _inputs(task))))
    _untrained(run, {"random": drawn, "gabor": gabor})
    clock.lap("random and Gabor filters")
    progress("learned filters", 0.3)
    _learned(run, drawn, draw, order, lambda done: progress("learned filters", 0.3 + 0.4 * done))
    clock.lap("learned filters")
    progress("frozen layers", 0.7)
    _frozen(run, network, network.init(draw), order, lambda done: progress("frozen layers", 0.7 + 0.3 * done))
    clock.lap("frozen layers")
    examples = {"id": task.test.ids, "guess": guessed(task), **run.scored}
    run.rows["examples"] = [{"seed": seed, **row} for row in rows_of(examples)]
    for part, seconds in clock.seconds.items():
        run.note("timings", part=part, seconds=seconds)
    return tables_of(run.rows, _MEANINGS)


def _check(plan: RandomFiltersPlan, task: Task, network: Network) -> None:
    if task.kind != "classification":
        raise UserError(f"{task.name}, a regression task", "a task with classes", "Choose another --task.")
    check_one_answer(task)
    if len(task.input_shape) != 3:
        raise UserError(
            f"inputs of shape {task.input_shape} in {task.name}", "images [height, width, channels]"
        )
    if min(task.input_shape[:2]) < plan.window**2:
        raise UserError(
            f"images of {task.input_shape[0]} × {task.input_shape[1]} pixels",
            f"at least {plan.window**2} along each axis, to be pooled twice",
        )
    layers = len(network.require_layers("freezing them"))
    if any(count >= layers for count in plan.frozen):
        raise UserError(f"frozen {plan.frozen} of {layers} layers", "fewer, so that the last one is trained")


def _inputs(task: Task) -> Parts:
    return Parts(task.train.x, task.validation.x, task.test.x)


# --- filters that nobody trained ---


def _untrained(run: _Run, banks: Mapping[str, Filters]) -> None:
    for rectify, normalise, pool in product(RECTIFY, (False, True), POOL):
        front = FrontEnd(rectify, normalise, pool, run.plan.neighbourhood, run.plan.window)
        for (kind, filters), stages in product(banks.items(), (1, 2)):
            if kind == "random" or pool == "average":
                _note_design(run, front, filters[:stages], kind)


def _note_design(run: _Run, front: FrontEnd, filters: Filters, kind: str, tuned: Tuned | None = None) -> None:
    features = Parts(*(np.asarray(_features(front)(filters, x)) for x in _inputs(run.task)))
    of = (kind, len(filters), front.rectify, front.normalise)
    design = {
        "filters": kind,
        "stages": len(filters),
        "rectify": front.rectify,
        "normalise": front.normalise,
        "pool": front.pool,
    }
    run.read_out(ARMS.get(of) if front.pool == "average" else None, features, tuned, **design)


@lru_cache(maxsize=128)
def _features(front: FrontEnd) -> Any:
    return jax.jit(front.features)


# --- learned filters ---


def _learned(run: _Run, drawn: Filters, draw: jax.Array, order: jax.Array, told: Any) -> None:
    """Filters of one stage with and without each block, and of two with all blocks, trained with a linear read-out."""
    for number, (stages, rectify, normalise) in enumerate(LEARNT):
        front = FrontEnd(rectify, normalise, "average", run.plan.neighbourhood, run.plan.window)
        shapes = tuple(k.shape for k in drawn[:stages])
        network = _with_read_out(front, shapes, run.task.input_shape, run.task.outputs)
        start = {**network.init(draw), **{f"filters{i}": k for i, k in enumerate(drawn[:stages])}}
        tuned = tuned_training(_course(run, network, start, order), run.plan.step_sizes)
        filters = tuple(np.asarray(tuned.params[f"filters{i}"]) for i in range(stages))
        _note_design(run, front, filters, "learned", tuned)
        told((number + 1) / len(LEARNT))


@lru_cache(maxsize=32)
def _with_read_out(
    front: FrontEnd, shapes: tuple[tuple[int, ...], ...], input_shape: tuple[int, ...], outputs: int
) -> Network:
    """A front end with a linear read-out, which starts at zero; the filters in its parameters are called filters0, …"""
    one = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    image = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    count = jax.eval_shape(front.features, one, image).shape[1]

    def init(key: jax.Array) -> Params:
        filters = {f"filters{i}": jnp.zeros(shape) for i, shape in enumerate(shapes)}
        return {**filters, "weight": jnp.zeros((count, outputs)), "bias": jnp.zeros(outputs)}

    def apply(params: Params, x: jax.Array) -> jax.Array:
        features = front.features([params[f"filters{i}"] for i in range(len(shapes))], x)
        return features @ params["weight"] + params["bias"]

    return pure_network(init, apply, input_shape=input_shape, outputs=outputs, name="a front end")


def _course(run: _Run, network: Network, params: Params, order: jax.Array, movable: Any = None) -> Course:
    plan = run.plan
    return Course(
        network,
        SOFTMAX_CROSS_ENTROPY,
        run.task,
        params,
        order,
        plan.optimiser,
        plan.batch,
        plan.epochs,
        plan.doublings,
        plan.extensions,
        movable,
    )


# --- frozen layers ---


def _frozen(run: _Run, network: Network, params: Params, order: jax.Array, told: Any) -> None:
    """The first n layers as they were drawn, the rest trained."""
    names = [layer.name for layer in network.layers]
    counts = (0, *sorted(run.plan.frozen))
    for number, count in enumerate(counts):
        movable = {
            name: jax.tree.map(
                lambda leaf, free=name not in names[:count]: np.full(leaf.shape, free, np.float32), of
            )
            for name, of in params.items()
        }
        tuned = tuned_training(_course(run, network, params, order, movable), run.plan.step_sizes)
        arm = formula.frozen(count)
        run.scored[arm] = network_scores(network, tuned.params, run.task, run.task.test)
        run.choice(arm, tuned.inside, tuned, len(tuned.candidates))
        validation = network_scores(network, tuned.params, run.task, run.task.validation)
        run.note(
            "freezing",
            frozen=count,
            trained_layers=len(names) - count,
            test_score=float(run.scored[arm].mean()),
            validation_score=float(validation.mean()),
            step_size=tuned.size,
        )
        told((number + 1) / len(counts))


_MEANINGS = {
    "filters": "random, Gabor (the second stage random), or learned",
    "stages": "one or two",
    "rectify": "after the convolution",
    "normalise": "whether local contrast is normalised",
    "pool": "of windows that do not overlap",
    "features": "that are read out",
    "test_score": "accuracy",
    "ridge": "the chosen one, for standardised features",
    "step_size": "the chosen one, of training",
    "arm": "a design that a question is about",
    "inside": "whether ridge and step size lie inside their grids",
    "settled": "whether training came to its end",
    "epochs": "of training",
    "frozen": "first layers that stay as they were drawn",
    "guess": "the score of always giving the most frequent class",
}
