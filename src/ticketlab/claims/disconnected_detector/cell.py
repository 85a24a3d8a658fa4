"""One cell: one seed, its ticket and controls, their units in the masked and in the whole network, and the gradient there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import rankdata

from ticketlab.claims import start
from ticketlab.claims.disconnected_detector import formula
from ticketlab.claims.disconnected_detector.claim import DisconnectedDetectorPlan
from ticketlab.claims.galleries import MEANINGS, marking_units, unit_pictures
from ticketlab.claims.rows import tables_of
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.task import Split, Task
from ticketlab.tickets.contributions import first_order_contributions
from ticketlab.tickets.edge_popup import EdgePopup
from ticketlab.tickets.learned import require_frozen
from ticketlab.tickets.masks import Mask, prunable_layers
from ticketlab.tickets.random_masks import shuffled
from ticketlab.training import Cosine, TrainingData, stack, train
from ticketlab.units import NetworkUnits, Scan, scan

__all__ = ["measure", "unit_rows", "weight_rows"]

SEARCH = EdgePopup()
PERMUTATIONS = 19  # of the scan's null, which is not asked about here


@dataclass(frozen=True)
class Found:
    """A mask, its network, and the scores that were learned; none for a random mask."""

    mask: Mask
    params: Params
    scores: Params | None = None


def measure(
    plan: DisconnectedDetectorPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], start.Clock()
    progress("drawing split and network", 0.0)
    task = start.drawn_task(plan.task, seed)
    start.check_classes(task)
    network = start.built(plan.network, task.input_shape, task.outputs)
    init, *keys = jax.random.split(jax.random.key(seed), 4)
    keys = [*keys, *jax.random.split(jax.random.fold_in(init, 1))]  # the last two are of the second search
    drawn = network.init(init)
    progress("searching masks", 0.05)
    confused = start.permuted(task.train, np.random.Generator(np.random.PCG64(seed)))
    found = _masks(plan, task, confused, network, drawn, keys)
    clock.lap("search")
    progress("units", 0.7)
    labels = task.test.labels
    assert labels is not None  # a task with classes

    def scanned(params: Params) -> Scan:
        units = NetworkUnits(network, params, task.test.x, task.train.x)
        return scan(units, labels, permutations=PERMUTATIONS, seed=seed)

    whole, scans = scanned(drawn), {source: scanned(of.params) for source, of in found.items()}
    rows: dict[str, list[dict[str, Any]]] = {"units": [], "weights": []}
    for source, masked in scans.items():
        about = {"source": source, "seed": seed}
        rows["units"] += [{**about, **row} for row in unit_rows(masked, whole, task.classes)]
    clock.lap("units")
    if len(task.input_shape) == 3:
        progress("pictures", 0.85)
        seen = {
            formula.TICKET: (found[formula.TICKET].params, scans[formula.TICKET]),
            formula.WHOLE: (drawn, whole),
        }
        shown = _pictures(task, network, seen, jax.random.fold_in(init, 2))
        rows["pictures"] = [{"seed": seed, **row} for row in shown]
        clock.lap("pictures")
    progress("gradients", 0.9)
    gradient = _by_layer(
        network,
        first_order_contributions(network, start.loss_of(task), drawn, task.train.x, task.train.targets),
    )
    for source, of in found.items():
        about = {"source": source, "seed": seed}
        second = found[formula.SECOND].scores if source == formula.TICKET else None
        rows["weights"] += [{**about, **row} for row in weight_rows(gradient, of.mask, of.scores, second)]
    clock.lap("gradients")
    scored = {
        source: start.network_scores(network, of.params, task, task.test) for source, of in found.items()
    }
    rows["examples"] = start.example_rows(task, seed, scored)
    fitted = {formula.LABELS: start.network_scores(network, found[formula.LABELS].params, task, confused)}
    rows["learnt"] = start.example_rows(replace(task, test=confused), seed, fitted)
    rows["timings"] = clock.rows(seed=seed)
    return tables_of(rows, _MEANINGS)


def _masks(
    plan: DisconnectedDetectorPlan,
    task: Task,
    confused: Split,
    network: Network,
    drawn: Params,
    keys: list[jax.Array],
) -> dict[str, Found]:
    """The ticket, a mask from permuted labels and a second search in the same program, and a random mask of the ticket's counts.

    Arguments:
        confused: the training examples with permuted labels.
        keys: of the data order, the first scores and the random mask; and of the second search's order and scores.
    """
    order, score, chance, second_order, second_score = keys
    own = task.train.targets
    data = replace(TrainingData.of(task), y=np.stack([own, confused.targets, own]))
    scores, orders = (jnp.stack([a, a, b]) for a, b in ((score, second_score), (order, second_order)))
    replicas = SEARCH.replicas(network, stack([drawn] * 3), plan.density, scores, orders)
    schedule = Cosine(plan.steps)
    how = start.training_plan(
        plan, task, evaluate_every=plan.steps, score=start.score_of(task), schedule=schedule
    )
    result = train(network, start.loss_of(task), data, how, replicas)
    masks = SEARCH.masks(network, result.params, plan.density)
    found = {}
    for number, (name, mask) in enumerate(
        zip((formula.TICKET, formula.LABELS, formula.SECOND), masks, strict=True)
    ):
        scores = jax.tree.map(lambda a, n=number: np.asarray(a[n]), result.params)
        found[name] = Found(mask, SEARCH.ticket(drawn, mask), scores)
    by_chance = shuffled(masks[0], chance)
    found[formula.RANDOM] = Found(by_chance, SEARCH.ticket(drawn, by_chance))
    for of in found.values():
        require_frozen(drawn, of.params, of.mask)
    return found


def _pictures(
    task: Task, network: Network, seen: Mapping[str, tuple[Params, Scan]], key: jax.Array
) -> list[dict[str, Any]]:
    """What the units that mark classes best under the ticket's mask like, there and in the whole network."""
    _, own = seen[formula.TICKET]
    marking = marking_units(own, len(task.classes))
    return [
        {"source": source, **row}
        for source, (params, of) in seen.items()
        for row in unit_pictures(task, network, params, of, marking, key)
    ]


def _by_layer(network: Network, values: np.ndarray) -> dict[str, np.ndarray]:
    layers = prunable_layers(network)
    ends = np.cumsum([int(np.prod(layer.weight_shape)) for layer in layers])[:-1]
    return dict(zip((layer.name for layer in layers), np.split(values, ends), strict=True))


def unit_rows(masked: Scan, whole: Scan, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """For each class the best unit of the masked network, and the same unit in the whole one; both ways, averaged.

    In each network the direction that marks the class is chosen on the half that chose the unit.
    """
    rows = []
    for label, name in enumerate(classes):
        chosen = np.argmax(np.abs(masked.halves.auc[:, :, label] - 0.5), axis=1)
        own, same = (
            float(np.mean([of.halves.directed_auc[1 - half, chosen[half], label] for half in (0, 1)]))
            for of in (masked, whole)
        )
        average = float(np.mean(whole.halves.directed_auc[:, :, label]))
        best = float(whole.best(label).auc)
        rows.append(
            {
                "class": name,
                "unit": masked.name(int(chosen[0])),
                "auc": own,
                "whole": same,
                "average": average,
                "best": best,
            }
        )
    return rows


def weight_rows(
    gradient: dict[str, np.ndarray], mask: Mask, scores: Params | None, second: Params | None = None
) -> list[dict[str, Any]]:
    """How well −w ∂L/∂w tells kept from removed weights, layer by layer.

    Arguments:
        gradient: −w ∂L/∂w by layer.
        scores: learned ones, whose sizes choose the mask.
        second: scores of another search; the AUC of their sizes is the ceiling. NaN without.
    """
    rows = []
    for layer, kept in mask.items():
        inside, values = kept.ravel(), gradient[layer]
        ranks, count = rankdata(values), int(inside.sum())
        highest = np.argsort(-values, kind="stable")[:count]
        correlation = float("nan")
        if scores is not None:
            correlation = float(np.corrcoef(ranks, rankdata(np.abs(scores[layer]).ravel()))[0, 1])
        rows.append(
            {
                "layer": layer,
                "auc": _auc(ranks, inside),
                "common": float(np.mean(inside[highest])),
                "density": count / len(inside),
                "rank_correlation": correlation,
                "ceiling": float("nan")
                if second is None
                else _auc(rankdata(np.abs(second[layer]).ravel()), inside),
            }
        )
    return rows


def _auc(ranks: np.ndarray, inside: np.ndarray) -> float:
    """P(a kept weight's value > a removed one's) + ½ P(equal); ½ for a layer that is kept, or removed, as a whole."""
    count = int(inside.sum())
    removed = len(inside) - count
    if not count or not removed:
        return 0.5
    return float((ranks[inside].sum() - count * (count + 1) / 2) / (count * removed))


_MEANINGS = MEANINGS | {
    formula.LABELS: "the score under that mask: of examples on the test part, of those learnt on permuted training labels",
    "source": "which mask; of pictures also the whole network",
    "unit": "the unit that is best on the first half of the test examples, in the masked network",
    "auc": "of units: held-out, in the masked network; of weights: of −w·∂L/∂w for the kept ones",
    "whole": "of the same units in the whole network",
    "average": "of the average unit of the whole network",
    "best": "of the best unit of the whole network",
    "common": "the share of the mask's weights among equally many with the highest −w·∂L/∂w",
    "density": "the fraction of the layer's weights that the mask keeps, which is what chance gives",
    "rank_correlation": "of the sizes of the learned scores with −w·∂L/∂w",
    "ceiling": "the AUC of the sizes of a second search's scores for the ticket's weights",
}
