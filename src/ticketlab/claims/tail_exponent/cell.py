"""One cell: one pair of task and network, for one seed: its random units, and its networks by width; as rows of tidy tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.rows import tables_of
from ticketlab.claims.start import Clock, built, check_one_answer, drawn_task, each_part
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.tail_exponent.claim import Kind, TailExponentPlan
from ticketlab.claims.tail_exponent.exponents import best_units, measured_exponent, tail_law
from ticketlab.claims.tail_exponent.formula import BEST, SELECTED, TRAINED
from ticketlab.claims.tail_exponent.networks import learnt, random_features
from ticketlab.claims.ticket_tail.halves import in_halves
from ticketlab.claims.ticket_tail.kinds import Drum, draw
from ticketlab.claims.ticket_tail.measures import curve_rows
from ticketlab.claims.ticket_tail.quality import Qualities, scaled
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.tails import reliability
from ticketlab.networks.architectures import MLP
from ticketlab.networks.initialisation import Family, Initialisation
from ticketlab.networks.network import Network
from ticketlab.networks.stages import Activation
from ticketlab.tangent.devices import Devices
from ticketlab.tasks.task import Task

__all__ = ["measure"]

LEAST = 200  # test examples
DECADES = 1.5  # of parameters
STREAM = 89  # of the seeds' keys
ACTIVATIONS: dict[Kind, Activation] = {
    "ReLU": Activation.RELU,
    "tanh": Activation.TANH,
    "erf": Activation.ERF,
}


def measure(
    plan: TailExponentPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    seed, place, kind, clock = cell.seeds[0], cell.settings["place"], cell.settings["network"], Clock()
    progress("drawing examples", 0.0)
    task = _real(drawn_task(plan.tasks[place], seed))
    networks = [_network(kind, width, task) for width in plan.widths]
    parameters = np.array([_count(network) for network in networks])
    _check(task, parameters)
    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    progress("drawing units", 0.05)
    true, permuted = _units(plan, task, networks[-1], key, np.random.default_rng((STREAM, seed)))
    best = best_units(true, plan.floor, plan.widths)
    clock.lap("units")
    progress("random features", 0.2)
    selected = random_features(task, networks[-1], plan.widths, jax.random.fold_in(key, 1))
    clock.lap("random features")
    progress("training", 0.3)
    trained = learnt(plan, task, networks, jax.random.fold_in(key, 2))
    clock.lap("training")
    losses = {
        BEST: plan.floor + np.exp(-best),
        SELECTED: np.array([_typical(of, plan.floor) for of in selected]),
        TRAINED: np.array([network.loss for network in trained]),
    }
    about = {"task": task.name, "place": place, "network": kind, "seed": seed}
    halves = [network.half for network in (trained[0], trained[-1])]
    exponents = {
        "predicted": measured_exponent(losses[BEST], parameters, plan.floor),
        "selected": measured_exponent(losses[SELECTED], parameters, plan.floor),
        "trained": measured_exponent(losses[TRAINED], parameters, plan.floor),
        "half": measured_exponent(np.array(halves), parameters[[0, -1]], plan.floor),
        "inside": all(network.inside for network in trained),
        **_of_tail(plan, true, permuted),
    }
    rows: dict[str, list[dict[str, Any]]] = {
        "exponents": [{**about, **exponents}],
        "losses": [
            {**about, "kind": name, "width": width, "parameters": int(count), "loss": float(loss)}
            for name, of in losses.items()
            for width, count, loss in zip(plan.widths, parameters, of, strict=True)
        ],
        "step_sizes": [
            {**about, "width": width, "step_size": of.step_size, "inside": of.inside}
            for width, of in zip(plan.widths, trained, strict=True)
        ],
        "timings": clock.rows(task=task.name, network=kind, seed=seed),
    }
    return tables_of(rows, _MEANINGS)


def _real(task: Task) -> Task:
    """The task as a regression on its targets, so that the score of training is the share of their variance."""
    check_one_answer(task)
    return replace(each_part(task, lambda part: replace(part, labels=None)), kind="regression")


def _network(kind: Kind, width: int, task: Task) -> Network:
    """He's variances, by which the law of a unit does not depend on the width."""
    architecture = MLP(
        widths=(width,), activation=ACTIVATIONS[kind], initialisation=Initialisation(Family.HE)
    )
    return built(architecture, task.input_shape, task.outputs)


def _count(network: Network) -> int:
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def _check(task: Task, parameters: np.ndarray) -> None:
    if len(task.test) < LEAST:
        raise UserError(f"{len(task.test)} test examples", f"at least {LEAST}", "Give test=… in --tasks.")
    if (decades := np.log10(parameters[-1] / parameters[0])) < DECADES:
        raise UserError(
            f"widths with {parameters[0]} to {parameters[-1]} parameters, {decades:.2f} decades, on {task.name}",
            f"at least {DECADES:g} decades",
            "Widen the range of --widths.",
        )


def _typical(losses: Sequence[float], floor: float) -> float:
    """The mean on the scale on which exponents are measured."""
    return floor + float(np.exp(-np.mean(scaled(1 - np.array(losses), floor))))


def _units(
    plan: TailExponentPlan, task: Task, network: Network, key: jax.Array, rng: np.random.Generator
) -> tuple[Qualities, Qualities]:
    """Random units, scored on the test examples, with true and permuted targets."""
    test, both = in_halves(task.test, rng)
    x, targets = jnp.asarray(test.x), jnp.asarray(both)
    drum = Drum(network.init(key), x, targets, x[:1], targets[:, :1], jax.random.fold_in(key, 0))
    return draw("unit", network, drum, plan.tickets)


def _of_tail(plan: TailExponentPlan, true: Qualities, permuted: Qualities) -> dict[str, float]:
    """Shape and scale of the tail, and what the gates ask of the units."""
    law, best = tail_law(true, plan.floor), curve_rows(true, permuted, (plan.widths[-1],))[0]
    return {
        "shape": law.shape,
        "scale": law.scale,
        "reliability": reliability(*scaled(true.halves, plan.floor)).ratio,
        "held_out": best["held_out"],
        "permuted": best["permuted"],
    }


_MEANINGS = {
    "place": "of the task in the plan",
    "network": "the activation of its hidden layer",
    "predicted": "α̂ from the expected best of w units, without the noise of the test set",
    "selected": "α of random features with a ridge read-out",
    "trained": "α of trained networks",
    "half": "α of networks trained for half the steps",
    "inside": "whether the step size of every width lies inside its grid",
    "shape": "ξ of the best twentieth of the units, without the noise of the test set",
    "scale": "σ of these, the gain of the best for each e-fold of units if ξ is 0",
    "reliability": "the share of the variance between units that is not noise of the test set",
    "held_out": "skill of the best of as many units as the largest width, on the half of the examples that did not choose it",
    "permuted": "the same for permuted targets",
    "kind": "what has this loss: the best of w units, random features, or a trained network",
    "loss": "the share of the targets' variance that is left, on test data",
}
