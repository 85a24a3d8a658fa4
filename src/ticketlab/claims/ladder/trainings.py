"""The last two rungs: a mask learnt over the frozen random weights, and the network with its weights trained.

Both are tuned on validation data, and their step sizes are extended while the choice lies at an edge. Training minimises the
square loss, as the tangent-space minimum does, by minibatches with momentum, and goes on in doublings until it is at its end.
Like the minimum it is run with f(x, θ₀) kept and with f(x, θ₀) centred away, and validation chooses. With f(x, θ₀) kept, a twin
with another data order goes the same way, at the same step size. The search for a mask (edge-popup) minimises cross-entropy,
because a mask can hardly change the size of the outputs, for which the square loss asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from scipy.special import gammaln

from ticketlab import training
from ticketlab.claims.fair_search import Candidate, Scored, best, edges, scored, wider
from ticketlab.claims.ladder.rung import OFFSETS, Rung, Start, best_rung, of_candidates
from ticketlab.claims.start import batch_of, largest_curvature, network_outputs, network_scores
from ticketlab.claims.tuned_training import Course, again, tuned_training
from ticketlab.networks.network import Params, parameter_count
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.tickets.edge_popup import EdgePopup

__all__ = ["Mask", "Trained", "best_mask", "trained_network"]

Told = Callable[[float], None]


# --- training ---


@dataclass(frozen=True, eq=False)
class Trained:
    """The trained network.

    Arguments:
        rung: its scores; inside if both step sizes are.
        settled: whether both were trained to the end.
        epochs: how long the chosen one was.
        step, twin: Δθ of training with f(x, θ₀) kept, and of the same with another data order.
    """

    rung: Rung
    settled: bool
    epochs: int
    step: Params
    twin: Params


def trained_network(at: Start, order: jax.Array, twin: jax.Array, progress: Told) -> Trained:
    """The network, trained to the end, with the step size and the offset that validation chooses; and its twin.

    Arguments:
        order, twin: keys of the two data orders.
    """
    plan, unit = at.plan, 1.0 / largest_curvature(at.network, at.params, at.task.train, SQUARE)
    kept = Course(
        at.network,
        SQUARE,
        at.task,
        at.params,
        order,
        training.Sgd(momentum=plan.momentum),
        plan.batch,
        plan.epochs,
        plan.doublings,
        plan.extensions,
    )
    courses = (kept, replace(kept, centred=True))
    found = [
        tuned_training(course, plan.step_sizes, unit, partial(_of_two, progress, i))
        for i, course in enumerate(courses)
    ]
    count = parameter_count(at.params)
    rungs = [
        replace(of_candidates(at.task, of.candidates, count, "step size"), offset=offset)
        for of, offset in zip(found, OFFSETS, strict=True)
    ]
    rung = best_rung(rungs)
    return Trained(
        replace(rung, inside=all(r.inside for r in rungs)),
        settled=all(of.settled for of in found),
        epochs=found[rungs.index(rung)].epochs,
        step=_minus(found[0].params, at.params),
        twin=_minus(again(kept, found[0], twin), at.params),
    )


def _of_two(progress: Told, which: int, done: float) -> None:
    progress((which + done) / 2)


def _minus(params: Params, start: Params) -> Params:
    return jax.tree.map(lambda a, b: np.asarray(a, np.float64) - np.asarray(b, np.float64), params, start)


# --- the untrained mask ---


@dataclass(frozen=True, eq=False)
class Mask:
    """The best untrained mask: its rung, its density, and its training scores at the end and half-way."""

    rung: Rung
    density: float
    train_score: float
    halfway: float


def best_mask(at: Start, score_key: jax.Array, order: jax.Array, progress: Told) -> Mask:
    """The mask that validation chooses among densities and step sizes, learnt over θ₀ as it was drawn."""
    plan = at.plan
    found: dict[float, list[tuple[Scored, Mask]]] = {density: [] for density in plan.densities}
    sizes, tried = list(plan.search_sizes), list[float]()
    for number in range(1 + plan.extensions):
        lanes = [(density, size) for density in plan.densities for size in sizes]
        for (density, _), pair in zip(lanes, _searched(at, lanes, score_key, order), strict=True):
            found[density].append(pair)
        tried += sizes
        best_of = max(found.values(), key=lambda of: best([s for s, _ in of]).rank())
        towards = edges([s for s, _ in best_of])
        if not towards:
            break
        sizes = wider(tried, towards, len(towards))
        progress((number + 1) / (1 + plan.extensions))
    chosen = best([s for s, _ in best_of])
    mask = next(mask for s, mask in best_of if s is chosen)
    ends = len(plan.densities) > 2 and mask.density in (min(plan.densities), max(plan.densities))
    count = len(tried) * len(plan.densities)
    return replace(mask, rung=replace(mask.rung, inside=not (towards or ends), candidates=count))


def _searched(
    at: Start, lanes: Sequence[tuple[float, float]], score_key: jax.Array, order: jax.Array
) -> list[tuple[Scored, Mask]]:
    plan, search = at.plan, EdgePopup()
    densities = [density for density, _ in lanes]
    keys = jax.numpy.stack([score_key] * len(lanes))
    replicas = search.replicas(at.network, training.stack([at.params] * len(lanes)), densities, keys, order)
    replicas = replace(replicas, step_sizes=np.array([size for _, size in lanes], np.float32))
    state: Any = None
    halfway: list[float] = []
    for steps in (plan.search_steps // 2, plan.search_steps):
        result = training.train(
            at.network,
            SOFTMAX_CROSS_ENTROPY,
            training.TrainingData.of(at.task),
            training.TrainingPlan(
                steps=steps,
                batch=batch_of(plan.batch, at.task),
                optimiser=training.Adam(),
                schedule=training.Cosine(plan.search_steps),
                evaluate_every=plan.search_steps,
            ),
            replicas,
            start=state,
        )
        state = result.state
        masks = search.masks(at.network, result.params, densities)
        tickets = [search.ticket(at.params, mask) for mask in masks]
        scores = [float(network_scores(at.network, p, at.task, at.task.train).mean()) for p in tickets]
        halfway = halfway or scores
    found = []
    for lane, mask, params, score, half in zip(lanes, masks, tickets, scores, halfway, strict=True):
        outputs = network_outputs(at.network, params, at.task)
        of = scored(at.task, SOFTMAX_CROSS_ENTROPY, Candidate(lane[1], "step size", outputs, 0.0))
        rung = of_candidates(at.task, [of], 0, "step size")
        found.append((of, Mask(replace(rung, bits=_bits(mask)), lane[0], score, half)))
    return found


def _bits(mask: dict[str, np.ndarray]) -> float:
    """Σ log₂ C(n, kept) over layers."""
    found = 0.0
    for kept in mask.values():
        n, m = kept.size, int(kept.sum())
        found += float(gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)) / math.log(2)
    return found
