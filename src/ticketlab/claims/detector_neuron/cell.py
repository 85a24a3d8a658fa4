"""One cell: one seed, with its random network, the same network trained, and the controls; as rows of tidy tables."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ticketlab.claims.detector_neuron import formula
from ticketlab.claims.detector_neuron.claim import DetectorNeuronPlan
from ticketlab.claims.detector_neuron.power import next_to_planted, planted_detectors
from ticketlab.claims.galleries import MEANINGS, marking_units, unit_pictures
from ticketlab.claims.rows import rows_of, tables_of
from ticketlab.claims.start import (
    Clock,
    built,
    check_classes,
    drawn_task,
    example_rows,
    network_scores,
    trained,
    training_plan,
)
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.tickets.multigraph import all_edges, edges_of, summed
from ticketlab.training import Replicas, stack
from ticketlab.units import (
    FAMILIES,
    FieldFilters,
    LinearFilters,
    NetworkUnits,
    Responses,
    Scan,
    battery,
    brightness,
    ideal_filters,
    receptive_field,
    scan,
    scrambled,
    shape_detectors,
    spatial_maxima,
)

__all__ = ["best_row", "measure"]

BITS = 8  # pairs of edges for each parameter of the multigraph
LAYERS = 2  # of which shapes are asked; the last decides


def measure(
    plan: DetectorNeuronPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], Clock()
    progress("drawing split and network", 0.0)
    task = drawn_task(plan.task, seed)
    _check(task, plan.network)
    network = built(plan.network, task.input_shape, task.outputs)
    start, order = jax.random.split(jax.random.key(seed))
    params = network.init(start)
    progress("training", 0.05)
    how, replicas = training_plan(plan, task), Replicas(stack([params]), order_keys=order)
    after = jax.device_put(trained(network, SOFTMAX_CROSS_ENTROPY, task, how, replicas))
    clock.lap("training")
    networks = {formula.RANDOM: params, formula.TRAINED: after}
    labels = task.test.labels
    assert labels is not None  # a task with classes

    rows: dict[str, list[dict[str, Any]]] = {
        "classes": [],
        formula.BEST: [],
        "scans": [],
        "pictures": [],
    }
    scans: dict[str, Scan] = {}
    planted = planted_detectors(labels, len(task.classes), seed)
    for done, (source, units) in enumerate(_sources(task, network, networks, seed).items()):
        progress(f"scan: {source}", 0.3 + 0.07 * done)
        found = scans[source] = scan(units, labels, permutations=plan.permutations, seed=seed)
        rows["classes"] += [
            {"source": source, "seed": seed, **row} for row in _class_rows(found, planted, task)
        ]
        rows[formula.BEST].append({"source": source, "seed": seed, **best_row(found, task.classes)})
        rows["scans"].append({"source": source, "seed": seed, **_scan_row(found)})
    clock.lap("scans")
    progress("pictures", 0.65)
    for source, of in networks.items():
        marking = marking_units(scans[source], len(task.classes))
        shown = unit_pictures(task, network, of, scans[source], marking, jax.random.fold_in(order, 1))
        rows["pictures"] += [{"source": source, "seed": seed, **row} for row in shown]
    clock.lap("pictures")
    progress("simple stimuli", 0.7)
    rows |= _shapes(plan, network, networks, seed)
    clock.lap("simple stimuli")
    rows["examples"] = example_rows(task, seed, {"trained": network_scores(network, after, task, task.test)})
    rows["timings"] = clock.rows(seed=seed)
    return tables_of(rows, _MEANINGS)


def _check(task: Task, network: Architecture) -> None:
    check_classes(task)
    shape = task.input_shape
    if len(shape) != 3 or shape[0] != shape[1]:
        raise UserError(f"inputs of shape {shape} in {task.name}", "square images [size, size, channels]")
    layers = built(network, shape, task.outputs).layers
    if len(layers) < LAYERS or any(len(layer.output_shape) != 3 for layer in layers[:LAYERS]):
        raise UserError(
            f"{network.describe(shape, task.outputs)}, whose second layer has no channels",
            "a network that begins with two convolutions",
            "Use --network conv:depth=2.",
        )


def _sources(task: Task, network: Network, networks: dict[str, Params], seed: int) -> dict[str, Responses]:
    found: dict[str, Responses] = {
        source: NetworkUnits(network, params, task.test.x, task.train.x)
        for source, params in networks.items()
    }
    found[formula.FILTERS] = LinearFilters(task.test.x, found[formula.RANDOM].units, seed)
    found[formula.BRIGHTNESS] = brightness(task.test.x)
    drawn = jax.tree.map(np.asarray, networks[formula.RANDOM])
    nothing = summed(all_edges(edges_of(drawn, BITS)), drawn)
    found[formula.MULTIGRAPH] = NetworkUnits(network, nothing, task.test.x, task.train.x)
    return found


# --- classes ---


def _class_rows(found: Scan, planted: Scan, task: Task) -> list[dict[str, Any]]:
    rows, next_to = [], next_to_planted(found, planted)
    for label, name in enumerate(task.classes):
        best = found.best(label)
        rows.append(
            {
                "class": name,
                "auc": best.auc,
                "youden": best.youden,
                "reach": formula.reach(best.auc, best.youden),
                "unit": found.name(best.units[0]),
                "reliable_units": int(found.reliable[:, label].sum()),
                formula.PLANTED: float(next_to[label]),
            }
        )
    return rows


def best_row(found: Scan, classes: tuple[str, ...]) -> dict[str, Any]:
    """The best unit and class: both chosen by their reach on one half, and scored on the other, both ways, averaged."""
    of = found.halves
    near = formula.reaches(np.abs(of.auc - 0.5) + 0.5, of.fitted)
    chosen = [np.unravel_index(np.argmax(half), half.shape) for half in near]
    auc, youden = (
        np.array([scores[1 - half][at] for half, at in enumerate(chosen)])
        for scores in (of.directed_auc, of.youden)
    )
    unit, label = (int(at) for at in chosen[0])
    return {
        "class": classes[label],
        "auc": float(auc.mean()),
        "youden": float(youden.mean()),
        "reach": float(formula.reaches(auc, youden).mean()),
        "unit": found.name(unit),
    }


def _scan_row(found: Scan) -> dict[str, Any]:
    return {
        "units": len(found.auc),
        "largest_z": float(np.abs(found.z).max()),
        "critical_z": found.critical(0.05),
        "p_value": found.p_value,
    }


# --- shapes ---


def _shapes(
    plan: DetectorNeuronPlan, network: Network, networks: dict[str, Params], seed: int
) -> dict[str, list[dict[str, Any]]]:
    """Detectors among the channels of the first two layers, by their spatial maxima."""
    stimuli = battery(network.input_shape[0])
    twins = scrambled(stimuli.images, seed)
    shown = [
        np.repeat(images[..., None], network.input_shape[2], axis=3) for images in (stimuli.images, twins)
    ]
    fields = receptive_field(network, networks[formula.RANDOM])
    asked = network.layers[:LAYERS]
    count = 2 * sum(layer.units for layer in asked)  # a maximum and a mean of each channel
    of_network = {
        source: [NetworkUnits(network, params, images).read(0, count) for images in shown]
        for source, params in networks.items()
    }
    rows: dict[str, list[dict[str, Any]]] = {"shapes": [], "channels": []}
    start = 0
    for number, layer in enumerate(asked):
        window = fields[layer.name]
        filters = [
            FieldFilters(images, window, plan.filters, seed, plan.network.activation).read(0, plan.filters)
            for images in shown
        ]
        control = shape_detectors(filters[0], filters[1], stimuli)
        bank = ideal_filters(network.input_shape[0], window)
        bank = np.repeat(bank[:, :, None], network.input_shape[2], axis=2)
        made = [spatial_maxima(images, bank, plan.network.activation) for images in shown]
        ideal = shape_detectors(made[0], made[1], stimuli)
        for source, both in of_network.items():
            shown_to, twins_to = (of[start : start + layer.units] for of in both)
            channels = shape_detectors(shown_to, twins_to, stimuli)
            about = {"source": source, "seed": seed}
            excess = [channels.excess(family, control) for family in FAMILIES]
            rows["shapes"] += [
                {
                    **about,
                    "layer": layer.name,
                    "field": window,
                    "family": of.family,
                    "threshold": of.threshold,
                    "found": of.found,
                    "channels": of.units,
                    "share": of.share,
                    "ideal": ideal.possible(of.family, control, stimuli),
                }
                for of in excess
            ]
            if number == LAYERS - 1:
                detects = {family: channels.detects(family, control).astype(int) for family in FAMILIES}
                ids = seed * layer.units + np.arange(layer.units)
                rows["channels"] += [{**about, **row} for row in rows_of({"id": ids, **detects})]
        start += 2 * layer.units
    return rows


_MEANINGS = MEANINGS | {
    "source": "whose units they are",
    "class": "in the table best, the class that the first half chose",
    "auc": "held-out AUC of the best unit: chosen on one half of the test examples, scored on the other, both ways",
    "youden": "held-out J of that unit, true-positive rate minus false-positive rate",
    "reach": "the smaller of (AUC − ½)/0.45 and J/0.8; 1 for a reliable detector; in the table best, the mean of both halves",
    "unit": "the unit that the first half chose",
    "reliable_units": "units with a held-out AUC of at least 0.95 and a held-out J of at least 0.8 for the class",
    "planted": "the network's reach, as in the table best, next to a planted detector of the class with a reach of 1.056",
    "largest_z": "the largest rank-sum statistic of all units and classes",
    "critical_z": "what the largest statistic exceeds in 5 % of permutations of the labels",
    "p_value": "of the largest statistic, by permutation",
    "field": "height and width of the receptive field in pixels",
    "threshold": "the AUC that a detector exceeds: 0.9, or what 99 % of random linear filters do not exceed",
    "found": "channels that detect the family",
    "share": "found / channels",
    "ideal": "the share of the family's members that an ideal linear filter of the receptive field detects",
    "trained": "the score of the trained network",
}
