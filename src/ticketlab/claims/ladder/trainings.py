"""The last two rungs: a mask learnt over the frozen random weights, and the network with its weights trained.

Both are tuned on validation data, and their step sizes are extended while the choice lies at an edge. Training minimises the
square loss, as the tangent-space minimum does, by minibatches with momentum, and goes on in doublings until it is at its end. A
twin with another data order goes the same way, at the same step size. The search for a mask (edge-popup) minimises cross-entropy,
because a mask can hardly change the size of the outputs, for which the square loss asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from scipy.special import gammaln

from ticketlab import training
from ticketlab.claims.fair_search import Candidate, Scored, best, edges, scored, settled, wider
from ticketlab.claims.ladder.rung import Rung, Start, of_candidates
from ticketlab.claims.start import (
    batch_of,
    largest_curvature,
    network_outputs,
    network_scores,
    relative_motion,
)
from ticketlab.errors import NumericalFailure
from ticketlab.networks.network import Params, parameter_count
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.tickets.edge_popup import EdgePopup
from ticketlab.training.result import Ending

__all__ = ["Mask", "Trained", "best_mask", "trained_network"]

EVALUATIONS = 30  # of the first run
Told = Callable[[float], None]


# --- training ---


@dataclass(frozen=True, eq=False)
class Trained:
    """The trained network.

    Arguments:
        rung: its scores.
        settled: whether it was trained to the end.
        epochs: how long.
        step, twin: Δθ of training, and of training with another data order.
    """

    rung: Rung
    settled: bool
    epochs: int
    step: Params
    twin: Params


@dataclass(eq=False)
class _Run:
    """Replicas with their step sizes, trained equally long; the validation curves from the start."""

    sizes: list[float]
    result: training.TrainingResult
    losses: np.ndarray
    scores: np.ndarray

    def settled(self, i: int) -> bool:
        return settled(self.losses[:, i], self.scores[:, i])

    def params(self, i: int) -> Params:
        """The best point by validation."""
        assert self.result.best is not None
        return jax.tree.map(lambda leaf: np.asarray(leaf)[i], self.result.best.params)


def trained_network(at: Start, order: jax.Array, twin: jax.Array, progress: Told) -> Trained:
    """The network, trained with the step size that validation chooses, to the end; and its twin.

    Arguments:
        order, twin: keys of the two data orders.
    """
    unit = 1.0 / largest_curvature(at.network, at.params, at.task.train, SQUARE)
    plan, epochs = at.plan, at.plan.epochs
    runs = [_longer(at, order, [*plan.step_sizes], unit, epochs)]
    extensions = 0
    while True:
        candidates, chosen, i = _chosen(at, runs)
        towards = edges(candidates)
        if not chosen.settled(i) and epochs < plan.epochs * 2**plan.doublings:
            epochs *= 2
            runs = [_longer(at, order, run.sizes, unit, epochs, run) for run in runs]
        elif towards and extensions < plan.extensions:
            extensions += 1
            tried = [size for run in runs for size in run.sizes]
            runs.append(_longer(at, order, wider(tried, towards, len(towards)), unit, epochs))
        else:
            break
        progress(min(0.9, (epochs / plan.epochs + extensions) / 2**plan.doublings))
    other = _longer(at, twin, [chosen.sizes[i]], unit, epochs)
    steps = [_minus(run.params(j), at.params) for run, j in ((chosen, i), (other, 0))]
    rung = of_candidates(at.task, candidates, parameter_count(at.params), "step size")
    return Trained(rung, chosen.settled(i), epochs, *steps)


def _chosen(at: Start, runs: Sequence[_Run]) -> tuple[list[Scored], _Run, int]:
    """All candidates, and the run and place of the chosen one."""
    places = [(run, i) for run in runs for i in range(len(run.sizes))]
    candidates = [_candidate(at, run, i) for run, i in places]
    chosen = best(candidates)
    if not chosen.candidate.outputs:
        raise NumericalFailure("Training diverged at every step size. Use smaller ones (--step-sizes).")
    return candidates, *places[candidates.index(chosen)]


def _candidate(at: Start, run: _Run, i: int) -> Scored:
    params = run.params(i)
    outputs = network_outputs(at.network, params, at.task)
    diverged = run.result.endings[i] is Ending.DIVERGED
    fine = not diverged and all(np.isfinite(of).all() for of in outputs.values())
    motion = relative_motion(params, at.params)
    return scored(at.task, SQUARE, Candidate(run.sizes[i], "step size", outputs if fine else {}, motion))


def _longer(
    at: Start, order: jax.Array, sizes: list[float], unit: float, epochs: int, before: _Run | None = None
) -> _Run:
    """Trained for this number of epochs in all, from where they were."""
    plan, count = at.plan, len(sizes)
    batch = batch_of(plan.batch, at.task)
    steps = len(at.task.train) // batch
    result = training.train(
        at.network,
        SQUARE,
        training.TrainingData.of(at.task),
        training.TrainingPlan(
            steps=epochs * steps,
            batch=batch,
            evaluate_every=max(1, plan.epochs // EVALUATIONS) * steps,
            optimiser=training.Sgd(momentum=plan.momentum),
            stop=training.ValidationScore(),
        ),
        training.Replicas(
            params=training.stack([at.params] * count),
            order_keys=order,
            step_sizes=np.array([unit * size for size in sizes], np.float32),
        ),
        start=None if before is None else before.result.state,
    )
    losses, right = result.curves.validation_loss, result.curves.validation_score
    if before is not None:
        losses, right = np.concatenate([before.losses, losses]), np.concatenate([before.scores, right])
    return _Run(sizes, result, losses, right)


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
