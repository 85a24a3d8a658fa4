"""One cell: one seed, with every rung of its network and every control, as rows of tidy tables."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from ticketlab.claims.ladder import formula
from ticketlab.claims.ladder.claim import LadderPlan
from ticketlab.claims.ladder.kernels import gaussian_rung, kernel_rungs
from ticketlab.claims.ladder.read_outs import (
    control,
    layer_features,
    logistic_read_out,
    one_for_each_class,
    one_unit,
    read_out,
    unit_responses,
)
from ticketlab.claims.ladder.rung import Rung, Start, best_rung
from ticketlab.claims.ladder.tangents import cosine, permuted_units, tangent_minimum
from ticketlab.claims.ladder.trainings import Mask, Trained, best_mask, trained_network
from ticketlab.claims.rows import rows_of, tables_of
from ticketlab.claims.start import Clock, built, check_classes, drawn_task, guessed
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.task import Task
from ticketlab.tickets.masks import prunable_layers
from ticketlab.units import Parts

__all__ = ["measure"]

PERMUTATIONS = 20
Rungs = dict[str, Rung]


def measure(
    plan: LadderPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, clock = cell.seeds[0], Clock()
    progress("drawing split and network", 0.0)
    task = drawn_task(plan.task, seed)
    network = built(plan.network, task.input_shape, task.outputs)
    _check(task, network)
    draw, order, twin, score = jax.random.split(jax.random.key(seed), 4)
    at = Start(plan, task, network, network.init(draw), seed, devices)

    progress("units and read-outs", 0.02)
    rungs, controls = _of_features(at)
    clock.lap("units and read-outs")
    rungs |= _of_tangents(at, lambda what, done: progress(f"tangent space: {what}", 0.05 + 0.45 * done))
    clock.lap("tangent spaces")
    infinite = kernel_rungs(at)
    rungs |= infinite
    if infinite:
        gaussian = gaussian_rung(at)
        controls |= dict.fromkeys(infinite, gaussian)
    clock.lap("kernels of infinite width")
    progress("search for a mask", 0.5)
    mask = best_mask(at, score, order, lambda done: progress("search for a mask", 0.5 + 0.15 * done))
    clock.lap("mask")
    progress("training", 0.65)
    trained = trained_network(at, order, twin, lambda done: progress("training", 0.65 + 0.25 * done))
    clock.lap("training")
    rungs |= {formula.MASK: mask.rung, formula.TRAINED: trained.rung}
    progress("controls", 0.9)
    controls |= _controls(at, rungs, controls)
    clock.lap("controls")
    return tables_of(_rows(at, rungs, controls, mask, trained, clock), _MEANINGS)


def _check(task: Task, network: Network) -> None:
    check_classes(task)
    if len(network.require_layers("its ladder")) < 2:
        raise UserError(f"{network.name}, which has no hidden layer", "a network with at least one")
    network.require_each_alone("its tangent space")


def _of_features(at: Start) -> tuple[Rungs, Rungs]:
    """Rungs that read out features, and the controls of those that choose among units."""
    units, layers = unit_responses(at), layer_features(at)
    count = units.train.shape[1]
    fits = {formula.UNIT: one_unit, formula.UNITS: one_for_each_class}
    rungs = {name: fit(units, at) for name, fit in fits.items()}
    controls = {name: control(at, count, fit) for name, fit in fits.items()}
    together = Parts(*(np.concatenate(of, axis=1) for of in zip(*layers.values(), strict=True)))
    for fit, one, every in (
        (read_out, formula.PROBE, formula.PROBES),
        (logistic_read_out, formula.LOGISTIC, formula.LOGISTICS),
    ):
        each = [_named(fit(of, at), name, len(layers)) for name, of in layers.items()]
        rungs |= {one: best_rung(each), every: fit(together, at)}
    for rung in (formula.LOGISTIC, formula.LOGISTICS):
        controls[rung] = control(at, _features(at, rungs[rung].parameters), logistic_read_out)
    return rungs, controls


def _features(at: Start, parameters: int) -> int:
    """P/k − 1: with a bias, so many features have P parameters."""
    return max(1, round(parameters / at.task.outputs) - 1)


def _of_tangents(at: Start, progress: Progress) -> Rungs:
    """The tangent space of each layer (named "layer: …"), of the best one, of all but the last, and of all."""
    names = [layer.name for layer in at.network.layers]
    asked = {
        **{f"{formula.LAYER}: {name}": [name] for name in names},
        formula.HIDDEN: names[:-1],
        formula.TANGENT: names,
    }
    found: Rungs = {}
    for number, (key, of) in enumerate(asked.items()):
        progress(", ".join(of), number / len(asked))
        found[key] = tangent_minimum(at, of, lambda what, done: None)
    each = [_named(found[f"{formula.LAYER}: {name}"], name, len(names)) for name in names]
    return found | {formula.LAYER: best_rung(each)}


def _named(rung: Rung, layer: str, layers: int) -> Rung:
    """A layer's rung, with the bits of choosing it."""
    return replace(rung, layer=layer, bits=math.log2(layers))


def _controls(at: Start, rungs: Rungs, known: Rungs) -> Rungs:
    """The ridge read-out of P/k − 1 random projections, for every rung that has no control yet; a mask counts its weights."""
    weights = sum(int(np.prod(layer.weight_shape)) for layer in prunable_layers(at.network))
    found: Rungs = {}
    made: dict[int, Rung] = {}
    for key, rung in rungs.items():
        if key not in known:
            count = _features(at, rung.parameters or weights)
            found[key] = made[count] if count in made else control(at, count)
            made[count] = found[key]
    return found


# --- rows ---


def _rows(
    at: Start, rungs: Rungs, controls: Rungs, mask: Mask, trained: Trained, clock: Clock
) -> dict[str, list[dict[str, Any]]]:
    def of_seed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"seed": at.seed, **row} for row in rows]

    scored = {"id": at.task.test.ids, "guess": guessed(at.task)}
    for key, rung in rungs.items():
        scored |= {key: rung.correct, formula.control_of(key): controls[key].correct}
    found = {
        "examples": rows_of(scored),
        "rungs": [_rung_row(key, rung, controls[key], trained) for key, rung in rungs.items()],
        "certificates": [_certificate_row(key, rung) for key, rung in rungs.items() if rung.certificate],
        "search": [
            {
                "setting": "the mask",
                "density": mask.density,
                "step_size": mask.rung.setting,
                "train_score": mask.train_score,
                "halfway_train_score": mask.halfway,
            }
        ],
        "alignment": _alignment_rows(at, rungs[formula.TANGENT].step, trained),
        "timings": clock.rows(),
    }
    return {name: of_seed(rows) for name, rows in found.items()}


def _rung_row(key: str, rung: Rung, control: Rung, trained: Trained) -> dict[str, Any]:
    return {
        "rung": key,
        "layer": rung.layer,
        "test_score": rung.test,
        "validation_score": rung.validation,
        "control_score": control.test,
        "parameters": rung.parameters,
        "control_parameters": control.parameters,
        "bits": rung.bits,
        "setting": rung.setting,
        "setting_name": rung.setting_name,
        "offset": rung.offset,
        "candidates": rung.candidates,
        "inside": rung.inside and control.inside,
        "settled": trained.settled if key == formula.TRAINED else True,
        "epochs": trained.epochs if key == formula.TRAINED else 0,
    }


CERTIFIED = ("relative_residual", "duality_gap", "condition", "iterations", "precision", "tolerance", "met")


def _certificate_row(key: str, rung: Rung) -> dict[str, Any]:
    measured = {name: getattr(rung.certificate, name) for name in CERTIFIED}
    return {"rung": key, "ridge": rung.setting, **measured}


def _alignment_rows(at: Start, step: Params, trained: Trained) -> list[dict[str, Any]]:
    """Cosines layer by layer: tangent and training, two trainings, and units permuted."""
    rng = np.random.default_rng(at.seed)
    rows = []
    for layer in at.network.layers:
        one, own, twin = (of[layer.name] for of in (step, trained.step, trained.twin))
        floor = [cosine(one, permuted_units(own, rng)) for _ in range(PERMUTATIONS)]
        rows.append(
            {
                "layer": layer.name,
                "cosine": cosine(one, own),
                "two_trainings": cosine(own, twin),
                "permuted": float(np.mean(floor)),
            }
        )
    return rows


_MEANINGS = {
    "rung": "of the ladder; 'layer: …' is the tangent space of that layer",
    "layer": "which layer validation chose",
    "test_score": "accuracy",
    "control_score": "accuracy of the same fit on random projections of the input",
    "parameters": "real numbers that were fitted; 0 for masks, and for kernels, which have no end of them",
    "control_parameters": "those of the control",
    "bits": "log₂ of the number of subsets (units, layers, masks) among which the data chose",
    "setting": "the chosen ridge, or step size",
    "offset": "whether f(x, θ₀) was kept or centred away",
    "inside": "whether settings of rung and control lie inside their grids",
    "settled": "whether training came to its end",
    "epochs": "of training",
    "met": "whether the minimum met its tolerance",
    "duality_gap": "(primal − dual)/primal",
    "train_score": "accuracy of the chosen mask on training data",
    "halfway_train_score": "the same after half of the steps",
    "cosine": "of the Δθ of the tangent-space minimum and the Δθ of training",
    "two_trainings": "of two trainings from one θ₀ with different data orders",
    "permuted": "the first, with the layer's units in another order, mean of 20",
}
