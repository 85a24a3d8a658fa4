"""One cell: one seed, with its masks of the multigraph and the measures of a random network, as rows of tidy tables."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.fair_search import inputs_of, labels_of
from ticketlab.claims.multigraph import formula
from ticketlab.claims.multigraph.claim import MultigraphPlan
from ticketlab.claims.rows import Rows, tables_of
from ticketlab.claims.start import (
    Clock,
    built,
    check_classes,
    drawn_task,
    example_rows,
    guessed,
    network_scores,
    permuted_labels,
    trained,
    training_plan,
)
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.tickets import EdgePopup, LearnedEdges, require_frozen
from ticketlab.tickets.motion import bits as bits_of
from ticketlab.tickets.multigraph import Edges, all_edges, edges_of, summed
from ticketlab.training import Replicas, stack
from ticketlab.units import NetworkUnits, Parts, probe, scan

__all__ = ["measure"]

MEASURED = 1  # the stream of the random mask that is measured


def measure(
    plan: MultigraphPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], Clock()
    progress("training", 0.0)
    task = drawn_task(plan.task, seed)
    network = _checked(plan, task)
    confused = permuted_labels(task, seed)
    start, order, scores = jax.random.split(jax.random.key(seed), 3)
    drawn = network.init(start)
    final = {
        name: _trained(plan, network, of, Replicas(stack([drawn]), order_keys=order), steps)
        for name, of, steps in (
            (formula.TARGET, task, plan.steps),
            (formula.PERMUTED, confused, plan.fitting_steps),
        )
    }
    clock.lap("training")
    progress("masks that write", 0.3)
    rows = _written(plan, network, task, confused, final, seed)
    clock.lap("masks that write")
    progress("learned masks", 0.5)
    masked = _random_mask(edges_of(drawn, plan.bits), drawn, np.random.default_rng([seed, MEASURED]))
    searches = _searches(
        plan, network, task, confused, {formula.NET: drawn, formula.RANDOM: masked}, order, scores
    )
    rows["searches"] = [{"seed": seed, **row} for row in searches]
    clock.lap("learned masks")
    progress("measures", 0.8)
    rows["measures"] = [
        {"seed": seed, **row}
        for row in _measures(plan, network, task, confused, drawn, masked, searches, seed)
    ]
    clock.lap("measures")
    rows["timings"] = clock.rows(seed=seed)
    return tables_of(rows, _MEANINGS)


def _checked(plan: MultigraphPlan, task: Task) -> Network:
    check_classes(task)
    network = built(plan.network, task.input_shape, task.outputs)
    if network.features is None or network.statistics is not None or len(network.layers) < 2:
        raise UserError(
            f"{network.name}",
            "a described network with a hidden layer and without normalisation over the batch",
        )
    return network


def _trained(
    plan: MultigraphPlan, network: Network, task: Task, replicas: Replicas, steps: int
) -> dict[str, Any]:
    """What is trained of one replica: parameters or scores."""
    return trained(network, SOFTMAX_CROSS_ENTROPY, task, training_plan(plan, task, steps=steps), replicas)


# --- masks that write ---


def _written(
    plan: MultigraphPlan, network: Network, task: Task, confused: Task, final: dict[str, Params], seed: int
) -> Rows:
    rows: Rows = {"bits": []}
    parts = {formula.TARGET: (task, task.test), formula.PERMUTED: (confused, confused.train)}
    for name, (of, part) in parts.items():
        own = network_scores(network, final[name], of, part)
        for bits in sorted((*plan.widths, plan.bits)):
            edges = edges_of(final[name], bits)
            score = network_scores(network, summed(edges, final[name]), of, part)
            rows["bits"].append(
                {
                    "target": name,
                    "seed": seed,
                    "bits": bits,
                    "score": float(np.mean(score)),
                    "target_score": float(np.mean(own)),
                    "kept": _kept(edges),
                    "mask_bits": _mask_bits(edges),
                }
            )
            if bits == plan.bits:
                scored = {formula.TARGET: own, formula.WRITTEN: score}
                if name == formula.TARGET:
                    scored |= _without(plan, network, task, edges, final[name], seed)
                table = "examples" if name == formula.TARGET else "learnt"
                rows[table] = example_rows(replace(of, test=part), seed, scored)
    return rows


def _without(
    plan: MultigraphPlan, network: Network, task: Task, edges: Params, like: Params, seed: int
) -> dict[str, np.ndarray]:
    """Test scores with all edges, and their means under random masks."""
    rng = np.random.default_rng(seed)

    def scored(params: Params) -> np.ndarray:
        return network_scores(network, params, task, task.test)

    return {
        formula.EMPTY: scored(summed(all_edges(edges), like)),
        formula.RANDOM: np.mean([scored(_random_mask(edges, like, rng)) for _ in range(plan.draws)], axis=0),
    }


def _random_mask(edges: Params, like: Params, rng: np.random.Generator) -> Params:
    """The parameters of a random mask of the edges, which keeps each with probability one half."""
    chosen = jax.tree.map(
        lambda of: Edges(rng.random(of.kept.shape) < 0.5, of.scale), edges, is_leaf=_is_edges
    )
    return summed(chosen, like)


def _is_edges(node: object) -> bool:
    return isinstance(node, Edges)


def _arrays(edges: Params) -> list[np.ndarray]:
    return [of.kept for of in jax.tree.leaves(edges, is_leaf=_is_edges)]


def _kept(edges: Params) -> float:
    return sum(int(k.sum()) for k in _arrays(edges)) / sum(k.size for k in _arrays(edges))


def _mask_bits(edges: Params) -> float:
    """log₂ of how many masks keep as many edges in each array, for each parameter."""
    arrays = {str(i): kept for i, kept in enumerate(_arrays(edges))}
    return bits_of(arrays) / sum(math.prod(kept.shape[2:]) for kept in arrays.values())


# --- learned masks ---


def _searches(
    plan: MultigraphPlan,
    network: Network,
    task: Task,
    confused: Task,
    weights: dict[str, Params],
    order: jax.Array,
    key: jax.Array,
) -> list[dict[str, Any]]:
    """Masks learned over random weights and over the edges, for true and for permuted labels; over a random mask for true ones.

    Arguments:
        weights: of the random network and of the random mask.
    """
    every = {formula.TRUE: task, formula.PERMUTED: confused}
    asked = [(over, labels) for labels in every for over in (formula.NET, formula.EDGES)]
    found = []
    for over, labels in [*asked, (formula.RANDOM, formula.TRUE)]:
        own = every[labels]
        if over == formula.EDGES:
            params = _learned_edges(plan, network, own, weights[formula.NET], order, key)
        else:
            params = _learned_mask(plan, network, own, weights[over], order, key)
        scores = {
            part: float(np.mean(network_scores(network, params, own, of)))
            for part, of in (("train_score", own.train), ("test_score", own.test))
        }
        found.append({"over": over, "labels": labels, **scores})
    return found


def _learned_mask(
    plan: MultigraphPlan, network: Network, task: Task, drawn: Params, order: jax.Array, key: jax.Array
) -> Params:
    """The weights under the mask that edge-popup learns over them."""
    popup = EdgePopup()
    over = popup.replicas(network, stack([drawn]), plan.density, key[None], order)
    scores = _trained(plan, network, task, over, plan.search_steps)
    mask = popup.masks(network, stack([scores]), plan.density)[0]
    ticket = popup.ticket(drawn, mask)
    require_frozen(drawn, ticket, mask)
    return ticket


def _learned_edges(
    plan: MultigraphPlan, network: Network, task: Task, like: Params, order: jax.Array, key: jax.Array
) -> Params:
    """The parameters under the mask that is learned over the multigraph."""
    learned = LearnedEdges(plan.bits)
    scores = _trained(plan, network, task, learned.replicas(network, key[None], order), plan.search_steps)
    return summed(learned.edges(network, scores), like)


# --- measures ---


def _measures(
    plan: MultigraphPlan,
    network: Network,
    task: Task,
    confused: Task,
    drawn: Params,
    masked: Params,
    searches: list[dict[str, Any]],
    seed: int,
) -> list[dict[str, Any]]:
    """Each measure of the random network, of the same with permuted labels, of the multigraph, and of a random mask of it."""
    nothing = summed(all_edges(edges_of(drawn, plan.bits)), drawn)
    objects = {
        formula.NET: (drawn, task),
        formula.PERMUTED: (drawn, confused),
        formula.EDGES: (nothing, task),
        formula.RANDOM: (masked, task),
    }
    learned = {
        formula.NET: _test(searches, formula.NET, formula.TRUE),
        formula.PERMUTED: _test(searches, formula.NET, formula.PERMUTED),
        formula.EDGES: _test(searches, formula.EDGES, formula.TRUE),
        formula.RANDOM: _test(searches, formula.RANDOM, formula.TRUE),
    }
    found = []
    for of, (params, own) in objects.items():
        guess = float(np.mean(guessed(own)))
        values = {
            "accuracy as drawn": (float(np.mean(network_scores(network, params, own, own.test))), guess),
            "best unit": (_best_unit(plan, network, params, own, seed), 0.5),
            "linear read-out": (_read_out(network, params, own, guess), guess),
            "learned mask": (learned[of], guess),
        }
        found += [
            {
                "measure": name,
                "of": of,
                "score": score,
                "chance": chance,
                "above": (score - chance) / (1 - chance),
            }
            for name, (score, chance) in values.items()
        ]
    return found


def _test(searches: list[dict[str, Any]], over: str, labels: str) -> float:
    return next(r["test_score"] for r in searches if r["over"] == over and r["labels"] == labels)


def _best_unit(plan: MultigraphPlan, network: Network, params: Params, task: Task, seed: int) -> float:
    """The held-out AUC of the best unit for a class, on average over classes."""
    assert task.test.labels is not None
    units = NetworkUnits(network, params, task.test.x, task.train.x)
    found = scan(units, task.test.labels, permutations=plan.permutations, seed=seed)
    return float(np.mean([found.best(label).auc for label in range(len(task.classes))]))


def _read_out(network: Network, params: Params, task: Task, guess: float) -> float:
    """The test accuracy of a tuned linear read-out of the last hidden layer; that of guessing, if no feature varies."""
    assert network.features is not None
    last = network.layers[-2].name
    features = [
        np.asarray(network.features(params, jnp.asarray(x))[last]).reshape(len(x), -1)
        for x in inputs_of(task)
    ]
    if not np.ptp(features[0], axis=0).any():
        return guess
    return probe(Parts(*features), labels_of(task)).test


_MEANINGS = {
    "target": "what the mask writes; scores are those of test examples, or of permuted training labels",
    "bits": "b, pairs of edges for each parameter",
    "score": "of the masked multigraph, or of the measure",
    "target_score": "of the network that is written",
    "kept": "the share of the edges that the mask keeps",
    "mask_bits": "log₂ of the number of masks with equally many edges in each array, for each parameter",
    "over": "what was masked",
    "of": "what was measured",
    "chance": "what chance gives",
    "above": "(score − chance) / (1 − chance)",
}
