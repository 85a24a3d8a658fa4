"""One cell: one seed, with every design of the front end, learned filters, and frozen layers; as rows of tidy tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.fair_search import inputs_of
from ticketlab.claims.galleries import MEANINGS
from ticketlab.claims.random_filters import formula
from ticketlab.claims.random_filters.claim import RandomFiltersPlan
from ticketlab.claims.random_filters.filter_pictures import filter_pictures
from ticketlab.claims.random_filters.seed_run import SeedRun, course, movable
from ticketlab.claims.random_filters.transfer import transfer
from ticketlab.claims.random_filters.upper_part import upper_part
from ticketlab.claims.rows import tables_of
from ticketlab.claims.start import (
    Clock,
    built,
    check_classes,
    drawn_task,
    example_rows,
    network_scores,
)
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.tuned_training import Tuned, tuned_training
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params, pure_network
from ticketlab.tangent.devices import Devices
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


def measure(
    plan: RandomFiltersPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], Clock()
    progress("drawing split and filters", 0.0)
    task = drawn_task(plan.task, seed)
    network = built(plan.network, task.input_shape, task.outputs)
    _check(plan, task, network)
    run = SeedRun(plan, task, seed)
    draw, order = jax.random.split(jax.random.key(seed))
    rng = np.random.default_rng(seed)
    maps = task.input_shape[-1]
    drawn = (
        random_filters(plan.width, maps, plan.filters, rng),
        random_filters(plan.width, plan.filters, plan.second, rng),
    )
    gabor = (gabor_filters(plan.width, maps, plan.filters), drawn[1])

    progress("designs", 0.02)
    run.read_out(formula.PIXELS, Parts(*(x.reshape(len(x), -1) for x in inputs_of(task))))
    _untrained(run, {"random": drawn, "gabor": gabor})
    clock.lap("random and Gabor filters")
    progress("learned filters", 0.2)
    learnt = _learned(run, drawn, draw, order, lambda done: progress("learned filters", 0.2 + 0.4 * done))
    clock.lap("learned filters")
    progress("frozen layers", 0.6)
    _frozen(run, network, network.init(draw), order, lambda done: progress("frozen layers", 0.6 + 0.2 * done))
    clock.lap("frozen layers")
    if plan.copied:
        progress("copied layers", 0.8)
        transfer(run, network, draw, order)
        clock.lap("copied layers")
    progress("pictures", 0.97)
    banks = {"random filters": drawn[0], "Gabor filters": gabor[0], "learned filters": learnt}
    run.rows["pictures"] = [{"seed": seed, **row} for row in filter_pictures(banks, task.test.x, order)]
    clock.lap("pictures")
    run.rows["examples"] = example_rows(task, seed, run.scored)
    run.rows["timings"] = clock.rows(seed=seed)
    return tables_of(run.rows, _MEANINGS)


def _check(plan: RandomFiltersPlan, task: Task, network: Network) -> None:
    check_classes(task)
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
    for name, counts in (("frozen", plan.frozen), ("copied", plan.copied)):
        if any(count >= layers for count in counts):
            raise UserError(f"{name} {counts} of {layers} layers", "fewer, so that the last one is trained")
    if plan.copied and len(task.classes) < 4:
        raise UserError(f"{len(task.classes)} classes", "at least 4, two in each half", "Or use no --copied.")


# --- filters that nobody trained ---


def _untrained(run: SeedRun, banks: Mapping[str, Filters]) -> None:
    for rectify, normalise, pool in product(RECTIFY, (False, True), POOL):
        front = FrontEnd(rectify, normalise, pool, run.plan.neighbourhood, run.plan.window)
        for (kind, filters), stages in product(banks.items(), (1, 2)):
            if kind == "random" or pool == "average":
                _note_design(run, front, filters[:stages], kind)


def _note_design(
    run: SeedRun, front: FrontEnd, filters: Filters, kind: str, tuned: Tuned | None = None
) -> None:
    inputs = inputs_of(run.task)
    whole = np.asarray(front.features(filters, np.concatenate([*inputs])))
    features = Parts(*np.split(whole, np.cumsum([len(x) for x in inputs])[:-1]))
    of = (kind, len(filters), front.rectify, front.normalise)
    design = {
        "filters": kind,
        "stages": len(filters),
        "rectify": front.rectify,
        "normalise": front.normalise,
        "pool": front.pool,
    }
    run.read_out(ARMS.get(of) if front.pool == "average" else None, features, tuned, **design)


# --- learned filters ---


def _learned(run: SeedRun, drawn: Filters, draw: jax.Array, order: jax.Array, told: Any) -> np.ndarray:
    """Filters of one stage with and without each block, and of two with all blocks, trained with a linear read-out.

    Returns those of one stage with both blocks.
    """
    learnt = drawn[0]
    for number, (stages, rectify, normalise) in enumerate(LEARNT):
        front = FrontEnd(rectify, normalise, "average", run.plan.neighbourhood, run.plan.window)
        shapes = tuple(k.shape for k in drawn[:stages])
        network = _with_read_out(front, shapes, run.task.input_shape, run.task.outputs)
        start = {**network.init(draw), **{f"filters{i}": k for i, k in enumerate(drawn[:stages])}}
        tuned = tuned_training(course(run.plan, run.task, network, start, order), run.plan.step_sizes)
        filters = tuple(np.asarray(tuned.params[f"filters{i}"]) for i in range(stages))
        _note_design(run, front, filters, "learned", tuned)
        if (stages, rectify, normalise) == (1, "absolute", True):
            learnt = filters[0]
        told((number + 1) / len(LEARNT))
    return learnt


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


# --- frozen layers ---


def _frozen(run: SeedRun, network: Network, params: Params, order: jax.Array, told: Any) -> None:
    """The first n layers as they were drawn, the rest trained."""
    names = [layer.name for layer in network.layers]
    counts = (0, *sorted(run.plan.frozen))
    for number, count in enumerate(counts):
        upper, start, task = upper_part(network, params, run.task, names[:count])
        moves = movable(start, names[:count]) if set(start) & set(names[:count]) else None
        tuned = tuned_training(course(run.plan, task, upper, start, order, moves), run.plan.step_sizes)
        arm = formula.frozen(count)
        run.scored[arm] = network_scores(upper, tuned.params, task, task.test)
        run.choice(arm, tuned.inside, tuned, len(tuned.candidates))
        validation = network_scores(upper, tuned.params, task, task.validation)
        run.note(
            "freezing",
            frozen=count,
            trained_layers=len(names) - count,
            test_score=float(run.scored[arm].mean()),
            validation_score=float(validation.mean()),
            step_size=tuned.size,
        )
        told((number + 1) / len(counts))


_MEANINGS = MEANINGS | {
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
    "penalty": "the chosen one, of logistic regression",
    "converged": "whether every minimisation ended by its own criterion",
    "ridge_score": "of the ridge read-out of the same features",
    "layers": "first layers that are copied, or drawn",
    "source": "what the first layers are",
    "filters_of": "whose filters they are",
}
