"""One cell: one seed, with two independent networks and all that is compared with the first of them; as rows of tidy tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from ticketlab import symmetry
from ticketlab.claims.linear_mode.barriers import barrier_parts
from ticketlab.claims.many_optima import formula
from ticketlab.claims.many_optima.claim import ManyOptimaPlan
from ticketlab.claims.many_optima.networks import networks_of
from ticketlab.claims.rows import tables_of
from ticketlab.claims.start import (
    Clock,
    built,
    check_classes,
    drawn_task,
    evaluated,
    example_rows,
    network_scores,
    permuted_labels,
)
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.tickets.barriers import Lines, barrier, lines
from ticketlab.training import stack

__all__ = ["measure"]

ENDS = {  # of each arm, the two networks
    formula.INDEPENDENT: ("one", "other"),
    **{arm: ("one", arm) for arm in (formula.TWIN, formula.COPY, formula.UNTRAINED, formula.PERMUTED)},
    formula.OWN: ("one", "ticket"),
    formula.TICKETS: ("ticket", "other ticket"),
}
LINES = (formula.INDEPENDENT, formula.TWIN, formula.COPY, formula.OWN, formula.TICKETS)
CELLS = {("raw", None): "barrier", ("raw", "repair"): "barrier_repair", ("matched", None): "barrier_matched",
         ("matched", "repair"): "barrier_both"}  # fmt: skip
ACTIVATIONS = 1000  # training inputs by which units are matched


def measure(
    plan: ManyOptimaPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], Clock()
    progress("drawing split and networks", 0.0)
    task = drawn_task(plan.task, seed)
    check_classes(task)
    network = built(plan.network, task.input_shape, task.outputs)
    network.require_layers("its symmetries")
    progress("training", 0.05)
    networks = networks_of(plan, task, network, seed)
    clock.lap("training")
    progress("matching", 0.6)
    pairs = _pairs(plan, task, network, networks, seed)
    clock.lap("canonical form and matching")
    progress("lines", 0.7)
    found = {how: _lines(plan, task, network, pairs, how) for how in ("raw", "matched")}
    clock.lap("lines")
    outputs = {name: evaluated(network, params, task, task.test) for name, params in networks.items()}
    rows = {
        "networks": [{"seed": seed, **row} for row in _network_rows(network, networks, task, seed)],
        "pairs": [
            {"seed": seed, "arm": arm, **_pair_row(arm, pair, outputs, found)} for arm, pair in pairs.items()
        ],
        "lines": [{"seed": seed, **row} for row in _line_rows(found)],
        "examples": example_rows(task, seed, _examples(task, outputs, found)),
        "timings": clock.rows(seed=seed),
    }
    return tables_of(rows, _MEANINGS)


# --- pairs ---


@dataclass(frozen=True)
class _Pair:
    """Two networks: as they are, in canonical form, and matched. All are those of a network of each example alone."""

    raw: tuple[Params, Params]
    balanced: tuple[Params, Params]
    matched: tuple[Params, Params]
    cka: float
    moved: int


def _pairs(
    plan: ManyOptimaPlan, task: Task, network: Network, networks: dict[str, Params], seed: int
) -> dict[str, _Pair]:
    x = np.asarray(task.train.x)
    alone = symmetry.neutral(network)
    raw = {name: symmetry.folded(network, params, x)[1] for name, params in networks.items()}
    forms = {
        name: symmetry.canonical(network, params, form=symmetry.Balanced(common=True), reference=x).params
        for name, params in networks.items()
    }
    features = {name: _features(alone, params, task) for name, params in raw.items()}
    found = {}
    for arm, (a, b) in ENDS.items():
        start = symmetry.by_activations(alone, forms[a], forms[b], x[:ACTIVATIONS])
        matching = symmetry.match_weights(
            alone, forms[a], forms[b], restarts=plan.restarts, seed=seed, starts={"activations": start}
        )
        moved = symmetry.permuted(alone, forms[b], matching)
        cka = float(np.mean([symmetry.linear_cka(features[a][n], features[b][n]) for n in features[a]]))
        found[arm] = _Pair((raw[a], raw[b]), (forms[a], forms[b]), (forms[a], moved), cka, matching.moved)
    return found


@partial(jax.jit, static_argnums=0)
def _compiled_features(network: Network, params: Params, x: jax.Array) -> Any:
    assert network.features is not None
    return network.features(params, x)


def _features(network: Network, params: Params, task: Task) -> dict[str, np.ndarray]:
    """Of each hidden layer, on the test examples."""
    found = _compiled_features(network, params, jax.numpy.asarray(task.test.x))
    return {name: np.asarray(a).reshape(len(a), -1) for name, a in found.items()}


def _pair_row(
    arm: str, pair: _Pair, outputs: dict[str, np.ndarray], found: dict[str, dict[str, dict[str, Lines]]]
) -> dict[str, Any]:
    a, b = (outputs[name] for name in ENDS[arm])
    row = {
        "raw": symmetry.parameter_distance(*pair.raw),
        "balanced": symmetry.parameter_distance(*pair.balanced),
        "matched": symmetry.parameter_distance(*pair.matched),
        "moved": pair.moved,
        "disagreement": symmetry.disagreement(a, b),
        "explained": symmetry.explained(a, b),
        "cka": pair.cka,
    }
    for (how, repair), column in CELLS.items():
        at = found[how][repair or "plain"].get(arm)
        row[column] = float(barrier(at.error)[0]) if at is not None else float("nan")
    return row


# --- lines ---


def _lines(
    plan: ManyOptimaPlan, task: Task, network: Network, pairs: dict[str, _Pair], how: str
) -> dict[str, dict[str, Lines]]:
    """`{"plain" or "repair": {arm: its line}}`."""
    ends = [getattr(pairs[arm], how) for arm in LINES]
    one, other = (stack([pair[i] for pair in ends]) for i in (0, 1))
    found = {}
    for repair, between in (("plain", None), ("repair", symmetry.repaired_between)):
        at = lines(
            *(symmetry.neutral(network), SOFTMAX_CROSS_ENTROPY, one, other, task.test.x, task.test.targets),
            reference=np.asarray(task.train.x),
            points=plan.points,
            between=between,
        )
        found[repair] = {
            arm: Lines(at.alphas, at.loss[i : i + 1], at.wrong[i : i + 1]) for i, arm in enumerate(LINES)
        }
    return found


def _line_rows(found: dict[str, dict[str, dict[str, Lines]]]) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "way": column, "alpha": float(alpha), "error": float(error), "loss": float(loss)}
        for (how, repair), column in CELLS.items()
        for arm, at in found[how][repair or "plain"].items()
        for alpha, error, loss in zip(at.alphas, at.error[0], at.loss[0], strict=True)
    ]


# --- functions ---


def _network_rows(
    network: Network, networks: dict[str, Params], task: Task, seed: int
) -> list[dict[str, Any]]:
    """Scores on test data, and on training data with the labels that a network learnt from.

    The two independent networks count for the claim.
    """
    learnt = {formula.PERMUTED: ("permuted", permuted_labels(task, seed).train)}
    rows = []
    for name, params in networks.items():
        labels, learnt_from = learnt.get(name, ("true", task.train))
        train, test = (
            float(np.mean(network_scores(network, params, task, split))) for split in (learnt_from, task.test)
        )
        rows.append(
            {
                "network": name,
                "train_score": train,
                "test_score": test,
                "labels": labels,
                "fitted": train >= formula.FITTED,
                "counts": name in ("one", "other"),
            }
        )
    return rows


def _examples(
    task: Task, outputs: dict[str, np.ndarray], found: dict[str, dict[str, dict[str, Lines]]]
) -> dict[str, np.ndarray]:
    labels = {name: np.argmax(f, axis=1) for name, f in outputs.items()}
    right = {name: task.scores(outputs[name], task.test) for name in ("one", "other")}
    columns = {
        "trained": (right["one"] + right["other"]) / 2,
        "wrong": 1 - (right["one"] + right["other"]) / 2,
    }
    for arm in (formula.INDEPENDENT, formula.COPY):
        a, b = ENDS[arm]
        columns[f"differs_{arm}"] = (labels[a] != labels[b]).astype(float)
    for arm in (formula.INDEPENDENT, formula.TICKETS):
        top, split, ends = barrier_parts(found["matched"]["repair"][arm].wrong)
        columns[f"barrier_{arm}"] = (top - ends)[0].astype(float)
        columns[f"barrier_split_{arm}"] = (split - ends)[0].astype(float)
    return columns


_MEANINGS = {
    "arm": "what the first network is compared with",
    "raw": "distance as they are: ‖A − B‖/√(‖A‖‖B‖)",
    "balanced": "distance in canonical form",
    "matched": "distance in canonical form, with units in the best order",
    "moved": "units that change place",
    "disagreement": "the share of test examples to which they give different classes",
    "explained": "the share of the variance of one's centred outputs that a multiple of the other's explains",
    "cka": "linear CKA of features on test examples, mean over hidden layers",
    "barrier": "error barrier as they are",
    "barrier_repair": "error barrier as they are, with REPAIR",
    "barrier_matched": "error barrier in canonical form, with units in the best order",
    "barrier_both": "the same with REPAIR",
    "way": "which of the four",
    "train_score": "score on training data, with the labels that the network learnt from",
    "labels": "which labels these are",
    "fitted": f"whether the training score is at least {formula.FITTED}",
    "counts": "whether the questions are about it",
    "trained": "mean score of the two independent networks",
    "wrong": "1 minus that",
}
