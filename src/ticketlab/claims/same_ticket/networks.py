"""The networks of one seed, all trained from one θ₀ by one program.

trained           θ₀, true labels
twin              the same, another order of the data
permuted labels   the same θ₀ and order, the training labels permuted, until the weights have moved as far
teacher's labels  the same θ₀ and order, the labels of a random teacher, until the weights have moved as far
alone             θ₀ under the ticket's mask; the other weights are 0 and stay 0
rest redrawn      the ticket's weights of θ₀, the others drawn anew
ticket redrawn    the other way round
chance mask redrawn   the same with a chance mask of the ticket, of equal size

The controls, on permuted and on a teacher's labels, are trained by themselves, because they are kept at more steps and may need
more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from ticketlab.claims.same_ticket.claim import SameTicketPlan
from ticketlab.claims.same_ticket.tables import ALONE, CHANCE_MASK, REST, TICKET, TRAINED, TWIN
from ticketlab.claims.same_ticket.teacher import control_tasks
from ticketlab.claims.start import batch_of, relative_motion
from ticketlab.networks.network import Network, Params
from ticketlab.symmetry import same_sizes
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.tickets.masks import Mask, full_mask, over_parameters, weights_of
from ticketlab.training import Replicas, TrainingData, TrainingPlan, TrainingResult, stack, train

__all__ = ["Paths", "nearest_motion", "redrawn_names", "trained_networks"]

Paths = dict[str, dict[int, Params]]
"""Parameters by network and step."""


def trained_networks(
    plan: SameTicketPlan, task: Task, network: Network, start: Params, mask: Mask, seed: int
) -> Paths:
    """All networks, at the steps of the plan.

    Arguments:
        start: θ₀, of one network.
        mask: the ticket.
    """
    order, another, *draws = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1), 2 + plan.redraws)
    drawn = [network.init(key) for key in draws]
    keep = over_parameters(mask, start)
    starts = dict.fromkeys((TRAINED, TWIN), start)
    starts[ALONE] = _mixed(keep, start, jax.tree.map(np.zeros_like, start))
    sizes = weights_of(network, start)
    for i, new in enumerate(drawn):
        by_chance = over_parameters(same_sizes(mask, sizes, seed * plan.redraws + i), start)
        starts[redrawn_names(plan, CHANCE_MASK)[i]] = _mixed(by_chance, new, start)
        starts[redrawn_names(plan, REST)[i]] = _mixed(keep, start, new)
        starts[redrawn_names(plan, TICKET)[i]] = _mixed(keep, new, start)
    full = over_parameters(full_mask(network), start)
    run = partial(train, network, SOFTMAX_CROSS_ENTROPY)
    until = partial(
        TrainingPlan,
        batch=batch_of(plan.batch, task),
        optimiser=plan.optimiser,
        evaluate_every=plan.steps,
    )
    result = run(
        TrainingData(task.train.x, task.train.targets),
        until(steps=plan.steps, checkpoints=plan.looks()[1:-1]),
        Replicas(
            stack([*starts.values()]),
            order_keys=jax.numpy.stack([another if name == TWIN else order for name in starts]),
            masks=stack([keep if name == ALONE else full for name in starts]),
        ),
    )
    paths = {name: _path(params, result, plan.steps, i) for i, (name, params) in enumerate(starts.items())}
    far = relative_motion(paths[TRAINED][plan.steps], start)
    alone = Replicas(stack([start]), order_keys=jax.numpy.stack([order]), masks=stack([full]))
    for name, other in control_tasks(task, network, seed).items():
        data = TrainingData(other.train.x, other.train.targets)
        paths[name] = _control(plan, start, far, partial(run, data, replicas=alone), until)
    return paths


def _control(
    plan: SameTicketPlan,
    start: Params,
    far: float,
    run: Callable[..., TrainingResult],
    until: Callable[..., TrainingPlan],
) -> dict[int, Params]:
    """A control at its looks, trained on until it has moved as far, if four times as many steps do.

    Arguments:
        far: ‖θ − θ₀‖/‖θ₀‖ of the trained network.
        run: trains by a plan, from a state.
        until: the plan that trains to a step.
    """
    looks, steps, state = plan.control_looks(), plan.steps, None
    path = {0: jax.tree.map(np.asarray, start)}
    while True:
        kept = tuple(step for step in looks if max(path) < step < steps)
        result = run(plan=until(steps=steps, checkpoints=kept), start=state)
        path |= _path(start, result, steps)
        if steps >= looks[-1] or relative_motion(path[steps], start) >= far:
            return path
        state, steps = result.state, 2 * steps


def _path(start: Params, result: TrainingResult, steps: int, network: int = 0) -> dict[int, Params]:
    """One of the networks of a training, at its looks."""
    at = {step: state.params for step, state in result.checkpoints.items()} | {steps: result.params}
    return {
        0: jax.tree.map(np.asarray, start),
        **{step: jax.tree.map(lambda a: np.asarray(a[network]), of) for step, of in at.items()},
    }


def nearest_motion(path: Mapping[int, Params], far: float) -> int:
    """The step, after the start, at which a network has most nearly moved this far.

    Arguments:
        far: ‖θ − θ₀‖/‖θ₀‖.
    """
    motions = {step: relative_motion(params, path[0]) for step, params in path.items() if step > 0}
    return min(motions, key=lambda step: abs(motions[step] - far))


def redrawn_names(plan: SameTicketPlan, what: str) -> list[str]:
    """The networks with one part of θ₀ drawn anew."""
    return [f"{what} redrawn {i + 1}" for i in range(plan.redraws)]


def _mixed(keep: Any, inside: Params, outside: Params) -> Params:
    """Weights under the mask from one network, those outside it from another; everything else from the first."""
    return jax.tree.map(lambda m, a, b: np.where(m, np.asarray(a), np.asarray(b)), keep, inside, outside)
