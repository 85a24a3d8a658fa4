"""One cell: one training set, the functions of trained networks and of tangent-space solutions; as rows of tidy tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab import functions
from ticketlab.claims.random_pick.cell import BinaryExamples, binary_examples, majority_error, step_size
from ticketlab.claims.rows import rows_of, tables_of
from ticketlab.claims.start import Clock, built, drawn_task
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.tangent_sampling.claim import CHUNK, TangentSamplingPlan
from ticketlab.claims.tangent_sampling.formula import ENSEMBLES, FITTED, HALVES, NULL, STARTS
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks import SQUARE
from ticketlab.training import Interpolation, Sgd, TrainingPlan
from ticketlab.training.result import Ended

__all__ = ["measure"]

LEAST = 8  # held-out examples
STREAM = 97  # of the seeds' keys


def measure(
    plan: TangentSamplingPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], Clock()
    progress("drawing examples", 0.0)
    task = drawn_task(plan.task, seed)
    if len(task.test) < LEAST:
        raise UserError(
            f"{len(task.test)} held-out examples",
            f"at least {LEAST}, because laws over the labels of a few look alike",
            "Give test=… in --task.",
        )
    of = binary_examples(task, plan.binary)
    network = built(plan.network, task.input_shape, 1)
    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    keys = dict(
        zip(("training", "starts", "nulls", "draws", "pairs", "unit"), jax.random.split(key, 6), strict=True)
    )
    rng = np.random.default_rng((STREAM, seed))

    runs = _runs(plan, network, of, keys["unit"])
    progress("training", 0.05)
    everywhere, ended = _trained(runs, keys["training"], plan.runs)
    trained = _side(everywhere, of)
    clock.lap("trained networks")
    progress("tangent solutions over random starts", 0.45)
    solutions = functions.TangentSolutions(network, of.on.x, of.labels, of.off.x, ridge=plan.ridge)
    linear = _solved(solutions, jax.random.split(keys["starts"], plan.draws), None, of)
    clock.lap("tangent solutions over random starts")
    progress("tangent solutions along null spaces", 0.6)
    moves = [
        jax.random.split(k, plan.draws // plan.nulls) for k in jax.random.split(keys["draws"], plan.nulls)
    ]
    starts = jax.random.split(keys["nulls"], plan.nulls)
    nulls = [_solved(solutions, start[None], own, of) for start, own in zip(starts, moves, strict=True)]
    clock.lap("tangent solutions along null spaces")
    progress("variance of trained networks", 0.7)
    variance = _variances(plan, runs, solutions, keys["pairs"])
    clock.lap("split of variance")

    of_training = {
        "fitted": ended,
        "fits": trained.fits,
        "matched_low": functions.matched_lower_bound(trained.law, of.target),
    }
    laws = _laws(plan, trained, linear, nulls, of, rng)
    labels: dict[str, np.ndarray] = {
        "example": np.arange(trained.law.examples),
        "target": np.unpackbits(of.target, count=trained.law.examples),
        "trained": functions.marginals(trained.law),
        "starts": functions.marginals(linear.law),
        "null": functions.marginals(nulls[0].law),
    }
    rows = {
        "laws": [{"seed": seed, **row, **of_training} for row in laws],
        "variance": [{"seed": seed, **row} for row in variance],
        "labels": [{"seed": seed, **row} for row in rows_of(labels)],
        "timings": clock.rows(seed=seed),
    }
    return tables_of(rows, _MEANINGS)


# --- training ---


def _runs(
    plan: TangentSamplingPlan, network: Network, of: BinaryExamples, key: jax.Array
) -> functions.TrainingRuns:
    optimiser = Sgd(step_size(plan, network, SQUARE, of, key))
    training = TrainingPlan(plan.steps, min(plan.batch, len(of.on)), optimiser, evaluate_every=16)
    return functions.TrainingRuns(
        network, SQUARE, of.on.x, of.labels, of.off.x, training, CHUNK, stop=Interpolation(plan.loss)
    )


def _trained(runs: functions.TrainingRuns, key: jax.Array, count: int) -> tuple[np.ndarray, float]:
    """Outputs of all runs that ended, on the training examples and then on the held-out ones, and their share."""
    found = []
    for numbers in np.split(np.arange(count), range(CHUNK, count, CHUNK)):
        params, _, ended = runs.trained(key, numbers)
        found.append(_outputs(runs, params)[ended == Ended.INTERPOLATED])
    outputs = np.concatenate(found)
    return outputs, len(outputs) / count


def _outputs(runs: functions.TrainingRuns, params: Params) -> np.ndarray:
    """On the training examples, then on the held-out ones."""
    x = np.concatenate([runs.x, runs.held_out])
    return np.asarray(_applied(runs.network, params, jnp.asarray(x, jnp.float32)))


@partial(jax.jit, static_argnums=0)
def _applied(network: Network, params: Params, x: jax.Array) -> jax.Array:
    return jax.lax.map(lambda p: network.apply(p, x)[:, 0], params, batch_size=256)


# --- functions ---


@dataclass(frozen=True)
class _Side:
    """Networks of one law.

    Arguments:
        outputs: on held-out examples `[networks, m]`.
        law: how often each function was drawn.
        fits: the share of networks that give 99 % of the training labels.
    """

    outputs: np.ndarray
    law: functions.Counts
    fits: float


def _side(everywhere: np.ndarray, of: BinaryExamples) -> _Side:
    """From outputs on the training examples and then on the held-out ones."""
    right = (everywhere[:, : len(of.labels)] > 0) == of.labels
    outputs = everywhere[:, len(of.labels) :]
    return _Side(outputs, _counts(outputs), float(np.mean(right.mean(axis=1) >= FITTED)))


def _solved(
    solutions: functions.TangentSolutions, starts: jax.Array, moves: jax.Array | None, of: BinaryExamples
) -> _Side:
    outputs = functions.tangent_outputs(solutions, starts, moves, training=True)
    return _side(outputs.reshape(-1, outputs.shape[-1]), of)


def _laws(
    plan: TangentSamplingPlan,
    trained: _Side,
    linear: _Side,
    nulls: Sequence[_Side],
    of: BinaryExamples,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Each comparison of trained networks with another law."""
    compared = [_law_row(trained.law, null.law, of, rng) for null in nulls]
    null = {name: float(np.mean([row[name] for row in compared])) for name in compared[0]}
    first, second = (_counts(_ensembles(side.outputs, plan.members)) for side in (trained, linear))
    one, other = trained.law.halves()
    found = {
        STARTS: (_law_row(trained.law, linear.law, of, rng), linear.fits),
        NULL: (null, min(side.fits for side in nulls)),
        HALVES: (_law_row(one, other, of, rng), trained.fits),
        ENSEMBLES: (_law_row(first, second, of, rng), linear.fits),
    }
    return [
        {"comparison": name, **row, "other_fits": other_fits} for name, (row, other_fits) in found.items()
    ]


def _counts(outputs: np.ndarray) -> functions.Counts:
    """How often each function was drawn, in independent streams."""
    tally = functions.Tally(outputs.shape[1])
    tally.add(functions.packed(outputs > 0), np.arange(len(outputs)) % functions.STREAMS)
    return tally.counts()


def _ensembles(outputs: np.ndarray, members: int) -> np.ndarray:
    """Mean outputs of groups of networks."""
    groups = len(outputs) // members
    mean: np.ndarray = outputs[: groups * members].reshape(groups, members, -1).mean(axis=1)
    return mean


def _law_row(
    one: functions.Counts, other: functions.Counts, of: BinaryExamples, rng: np.random.Generator
) -> dict[str, float]:
    """The comparison of two laws."""
    apart = functions.corrected_total_variation(one, other, rng)
    labels = functions.same_labels(one, other)
    return {
        "tv_low": functions.lower_bound(one, other).estimate,
        "tv_high": functions.plug_in(one, other),
        "tv_corrected": apart.estimate,
        "top": float(one.total.max() / one.draws),
        "other_top": float(other.total.max() / other.draws),
        "unseen": functions.unseen_mass(one).mass,
        "other_unseen": functions.unseen_mass(other).mass,
        "label_rms": labels.rms,
        "energy": functions.energy_distance(one, other, rng),
        "error": functions.mean_errors(one, of.target),
        "other_error": functions.mean_errors(other, of.target),
        "chance": majority_error(of),
    }


# --- variance ---


def _variances(
    plan: TangentSamplingPlan,
    runs: functions.TrainingRuns,
    solutions: functions.TangentSolutions,
    key: jax.Array,
) -> list[dict[str, Any]]:
    """Of labels, by start and data order in training, and by start and null space in tangent solutions."""
    n = plan.levels
    starts, orders, moves = (jax.random.split(k, n) for k in jax.random.split(key, 3))
    first, second = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    params, _, _ = runs.trained_from(jax.vmap(runs.network.init)(starts[first]), orders[second])
    trained = _outputs(runs, params)[:, len(runs.x) :].reshape(n, n, -1)
    linear = functions.tangent_outputs(solutions, starts, moves)
    found = []
    for law, outputs in (("training", trained), ("tangent", linear)):
        split = functions.variance_split(outputs > 0)
        rows, columns, rest = split.shares()
        found.append({"law": law, "rows": rows, "columns": columns, "rest": rest, "total": split.total})
    return found


_MEANINGS = {
    "comparison": "with what trained networks are compared; ensembles are compared with each other",
    "tv_low": "total variation: a value whose mean is at most the truth",
    "tv_high": "total variation: the plug-in value, whose mean is at least the truth",
    "tv_corrected": "total variation between streams of both, minus that between streams of one",
    "unseen": "the probability of functions of the first law that were not drawn",
    "other_unseen": "the same for the second law",
    "top": "the probability of the most frequent function of the first law",
    "other_top": "the same for the second law",
    "label_rms": "root mean square of the differences in P(label = 1)",
    "energy": "energy distance, with the root of the Hamming distance",
    "error": "mean share of held-out examples on which functions of the first law err",
    "other_error": "the same for the second law",
    "chance": "the error of always giving the more frequent training label",
    "fitted": "the share of training runs that reached the training loss",
    "fits": "the share of trained networks that give 99 % of the training labels",
    "other_fits": "the same for the networks of the second law",
    "matched_low": "total variation between trained networks and their error-matched law, from below",
    "law": "trained networks, or tangent solutions",
    "rows": "the share of the variance of labels that the start θ₀ has alone",
    "columns": "that of the order of the data, or of the null space",
    "rest": "that of both together",
    "total": "the variance of labels, mean over held-out examples",
    "trained": "P(label = 1) of trained networks",
    "starts": "P(label = 1) of tangent solutions over random starts",
    "null": "P(label = 1) along the null space of the first start",
}
