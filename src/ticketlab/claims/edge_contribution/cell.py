"""One cell: one seed, its random network and the same network trained; contributions against gradients, as rows of tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from scipy.stats import rankdata

from ticketlab.claims import start
from ticketlab.claims.edge_contribution import formula
from ticketlab.claims.edge_contribution.claim import EdgeContributionPlan
from ticketlab.claims.rows import rows_of, tables_of
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Task
from ticketlab.tickets.contributions import (
    Contributions,
    first_order_contributions,
    rule_error,
    sampled_contributions,
    shapley_densities,
)
from ticketlab.training import Replicas, stack

__all__ = ["agreement", "measure"]

SURE = 2.0  # standard errors by which a value differs from zero
DRAWS = 20  # of random signs


def measure(
    plan: EdgeContributionPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], start.Clock()
    progress("drawing split and network", 0.0)
    task = start.drawn_task(plan.task, seed)
    start.check_one_answer(task)
    network, loss = start.built(plan.network, task.input_shape, task.outputs), start.loss_of(task)
    init, order, masks = jax.random.split(jax.random.key(seed), 3)
    drawn = network.init(init)
    progress("training", 0.02)
    how = start.training_plan(plan, task, score=start.score_of(task))
    after = jax.device_put(
        start.trained(network, loss, task, how, Replicas(stack([drawn]), order_keys=order))
    )
    clock.lap("training")
    rows: dict[str, list[dict[str, Any]]] = {"measures": [], "weights": []}
    for number, (source, params) in enumerate({formula.RANDOM: drawn, formula.TRAINED: after}.items()):
        key = jax.random.fold_in(masks, number)

        def told(fraction: float, number: int = number, source: str = source) -> None:
            progress(f"masks of the {source}", 0.1 + 0.45 * (number + fraction))

        found, shown = _compared(plan, task, network, loss, params, key, told)
        about = {"source": source, "seed": seed}
        rows["measures"] += [{**about, **row} for row in found]
        rows["weights"] += [{**about, **row} for row in shown]
        clock.lap(f"masks of the {source}")
    rows["examples"] = start.example_rows(
        task, seed, {"trained": start.network_scores(network, after, task, task.test)}
    )
    rows["timings"] = clock.rows(seed=seed)
    return tables_of(rows, _MEANINGS)


def _compared(
    plan: EdgeContributionPlan,
    task: Task,
    network: Network,
    loss: ConvexLoss,
    params: Params,
    key: jax.Array,
    told: Callable[[float], None],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A row for each measure of contribution; and a row for each of some weights, for the figure."""
    x, y = task.train.x[: plan.examples], task.train.targets[: plan.examples]
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(x))
    own, other = (first_order_contributions(network, loss, params, x, targets) for targets in (y, y[order]))
    densities, shares = shapley_densities(plan.densities)
    sampled: list[Contributions] = []
    for number, (density, k) in enumerate(
        zip(densities.tolist(), jax.random.split(key, len(densities)), strict=True)
    ):
        told(number / len(densities))
        sampled.append(sampled_contributions(network, loss, params, x, y, density, plan.masks, k))
    halves = {
        formula.measure_name(of.density): (of.halves, of.standard_errors, of.density, of.loss)
        for of in sampled
    }
    pairs = list(zip(shares, sampled, strict=True))
    shapley = np.sum([share * of.halves for share, of in pairs], axis=0)
    errors = np.sqrt(np.sum([(share * of.standard_errors) ** 2 for share, of in pairs], axis=0))
    halves[formula.SHAPLEY] = (shapley, errors, float("nan"), float("nan"))
    missed = rule_error(np.stack([of.halves for of in sampled]))
    changed = float(np.mean(np.any((y != y[order]).reshape(len(y), -1), axis=1)))
    rows = [
        {
            "measure": name,
            "density": density,
            "loss": mean,
            **agreement(own, other, values, error),
            "alike": _correlation(own, other),
            "changed": changed,
            "rule_error": missed if name == formula.SHAPLEY else float("nan"),
        }
        for name, (values, error, density, mean) in halves.items()
    ]
    middle = halves[formula.BANZHAF][0].mean(axis=0)
    some = np.linspace(0, len(own) - 1, min(plan.shown, len(own))).astype(int)
    return rows, rows_of(
        {
            "weight": some,
            "saliency": own[some],
            "banzhaf": middle[some],
            "error": halves[formula.BANZHAF][1][some],
        }
    )


def agreement(own: np.ndarray, other: np.ndarray, halves: np.ndarray, errors: np.ndarray) -> dict[str, float]:
    """Gradients against contributions that are known from two halves of the masks.

    Arguments:
        own, other: −w ∂L/∂w with the labels, and with permuted ones `[weights]`.
        halves: contributions `[2, weights]`.
        errors: standard errors of their mean `[weights]`.
    """
    values = halves.mean(axis=0)
    sure = np.abs(values) > SURE * errors
    reliability, rank_reliability = _correlation(*halves), _correlation(*map(rankdata, halves))
    ranks = [rankdata(half) for half in halves]
    seen, seen_other = (_mean_correlation(g, halves) for g in (own, other))
    seen_rank = _mean_correlation(rankdata(own), ranks)
    rng = np.random.Generator(np.random.PCG64(1))
    signed = [own * rng.choice([-1.0, 1.0], len(own)) for _ in range(DRAWS)]
    by_chance = float(np.mean([abs(_mean_correlation(g, halves)) for g in signed]))
    return {
        "reliability": reliability,
        "correlation": seen,
        "corrected": _corrected(seen, reliability),
        "permuted": _corrected(seen_other, reliability),
        "random_signs": _corrected(by_chance, reliability),
        "rank_reliability": rank_reliability,
        "rank_correlation": seen_rank,
        "rank_corrected": _corrected(seen_rank, rank_reliability),
        "signs": float(np.mean(np.sign(own[sure]) == np.sign(values[sure]))) if sure.any() else float("nan"),
        "known": float(np.mean(sure)),
    }


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's; 0 where one of them does not vary."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _mean_correlation(gradient: np.ndarray, halves: Any) -> float:
    return float(np.mean([_correlation(gradient, half) for half in halves]))


def _corrected(seen: float, reliability: float) -> float:
    """r/√reliability; missing where two halves do not agree at all."""
    return seen / float(np.sqrt(reliability)) if reliability > 0 else float("nan")


_MEANINGS = {
    "source": "whose weights they are",
    "measure": "of contribution: the probability with which a mask keeps each weight, or the mean over all of them (Shapley)",
    "loss": "the mean training loss of the masked networks",
    "reliability": "the correlation of contributions from two halves of the masks",
    "correlation": "of −w·∂L/∂w at the full network with contributions from half of the masks",
    "corrected": "the same divided by √reliability",
    "permuted": "the corrected correlation of the gradient for permuted labels",
    "alike": "the correlation of the gradients for true and for permuted labels",
    "changed": "the share of labels that the permutation changed",
    "random_signs": "the mean size of the corrected correlation if every gradient gets a random sign",
    "rank_reliability": "of ranks, and so for the two columns after it",
    "signs": "of weights whose contribution differs from zero by two standard errors, the share with a gradient of its sign",
    "rule_error": "of the Shapley value's rule over densities, estimated, in standard deviations of Shapley values over weights",
    "known": "the share of these weights",
    "saliency": "−w·∂L/∂w at the full network",
    "banzhaf": "the fall of the loss by the weight's presence, over masks that keep half of the weights",
    "error": "its standard error",
    "trained": "the score of the trained network",
}
