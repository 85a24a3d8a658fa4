"""The networks of one seed, all trained from one θ₀ by one program.

trained           θ₀, true labels
twin              the same, another order of the data
permuted labels   the same θ₀ and order, the training labels permuted
alone             θ₀ under the ticket's mask; the other weights are 0 and stay 0
rest redrawn      the ticket's weights of θ₀, the others drawn anew
ticket redrawn    the other way round
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ticketlab.claims.same_ticket.claim import SameTicketPlan
from ticketlab.claims.same_ticket.formula import ALONE, PERMUTED, REST, TICKET, TRAINED, TWIN
from ticketlab.claims.start import permuted_labels, training_plan
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.tickets.masks import Mask, full_mask, over_parameters
from ticketlab.training import Replicas, TrainingData, stack, train

__all__ = ["Paths", "redrawn_names", "trained_networks"]

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
    order, other, *draws = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1), 2 + plan.redraws)
    drawn = [network.init(key) for key in draws]
    keep = over_parameters(mask, start)
    starts = dict.fromkeys((TRAINED, TWIN, PERMUTED), start)
    starts[ALONE] = _mixed(keep, start, jax.tree.map(np.zeros_like, start))
    for i, new in enumerate(drawn):
        starts[redrawn_names(plan, REST)[i]] = _mixed(keep, start, new)
        starts[redrawn_names(plan, TICKET)[i]] = _mixed(keep, new, start)
    full = over_parameters(full_mask(network), start)
    labels = dict.fromkeys(starts, task.train.targets)
    labels[PERMUTED] = permuted_labels(task, seed).train.targets
    result = train(
        network,
        SOFTMAX_CROSS_ENTROPY,
        TrainingData(task.train.x, np.stack([*labels.values()])),
        training_plan(plan, task, evaluate_every=plan.steps, checkpoints=plan.looks()[1:-1]),
        Replicas(
            stack([*starts.values()]),
            order_keys=jax.numpy.stack([other if name == TWIN else order for name in starts]),
            masks=stack([keep if name == ALONE else full for name in starts]),
        ),
    )
    at = {
        **{step: state.params for step, state in result.checkpoints.items()},
        plan.steps: result.params,
    }
    return {
        name: {
            0: jax.tree.map(np.asarray, params),
            **{step: jax.tree.map(lambda a, i=i: np.asarray(a[i]), of) for step, of in at.items()},
        }
        for i, (name, params) in enumerate(starts.items())
    }


def redrawn_names(plan: SameTicketPlan, what: str) -> list[str]:
    """The networks with one part of θ₀ drawn anew."""
    return [f"{what} redrawn {i + 1}" for i in range(plan.redraws)]


def _mixed(keep: Any, inside: Params, outside: Params) -> Params:
    """Weights under the mask from one network, those outside it from another; everything else from the first."""
    return jax.tree.map(lambda m, a, b: np.where(m, np.asarray(a), np.asarray(b)), keep, inside, outside)
