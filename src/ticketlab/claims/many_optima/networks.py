"""The networks of one seed: two independent ones, and all that belongs to the first of them, trained in two programs.

One program trains the dense networks, all with the same examples in a step. The copy follows the first network to the fork and
then takes its own order of the data. Another program trains the tickets, whose masks are the largest weights of the trained
networks, from the starts of these.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np

from ticketlab.claims.many_optima import formula
from ticketlab.claims.many_optima.claim import ManyOptimaPlan
from ticketlab.claims.start import batch_of, permuted_labels
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.tickets.masks import full_mask, over_parameters, weights_of
from ticketlab.tickets.ranking import highest
from ticketlab.training import Replicas, TrainingData, TrainingPlan, stack, train

__all__ = ["networks_of"]


def networks_of(plan: ManyOptimaPlan, task: Task, network: Network, seed: int) -> dict[str, Params]:
    """All networks of the seed, trained; "one" is the first of the independent ones and "other" the second."""
    starts = jax.random.split(jax.random.fold_in(jax.random.key(seed), 0), 2)
    orders = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1), 4)
    one, other = (network.init(key) for key in starts)
    names = ("one", "other", formula.TWIN, formula.COPY, formula.PERMUTED)
    false = permuted_labels(task, seed).train.targets
    data = TrainingData(task.train.x, np.stack([task.train.targets] * 4 + [false]))
    params = stack([one, other, one, one, other])
    until = partial(TrainingPlan, batch=batch_of(plan.batch, task), optimiser=plan.optimiser)
    run = partial(train, network, SOFTMAX_CROSS_ENTROPY, data)
    begun = run(
        until(steps=plan.shared_steps, evaluate_every=plan.shared_steps),
        Replicas(params, order_keys=orders[jax.numpy.array([0, 1, 2, 0, 1])]),
    )
    done = run(
        until(steps=plan.steps, evaluate_every=plan.steps),
        Replicas(params, order_keys=orders[jax.numpy.array([0, 1, 2, 3, 1])]),
        start=begun.state,
    )
    found = {name: jax.tree.map(lambda a, i=i: np.asarray(a[i]), done.params) for i, name in enumerate(names)}
    found[formula.UNTRAINED] = jax.tree.map(np.asarray, other)
    masks = [_largest(network, found[name], plan.density) for name in ("one", "other")]
    tickets = train(
        network,
        SOFTMAX_CROSS_ENTROPY,
        TrainingData(task.train.x, task.train.targets),
        until(steps=plan.steps, evaluate_every=plan.steps),
        Replicas(stack([one, other]), order_keys=orders[:2], masks=stack(masks)),
    )
    for i, name in enumerate((formula.TICKET, formula.OTHER_TICKET)):
        found[name] = jax.tree.map(lambda a, i=i: np.asarray(a[i]), tickets.params)
    return found


def _largest(network: Network, params: Params, density: float) -> Any:
    """The largest weights of each layer."""
    weights = weights_of(network, params)
    counts = {name: max(1, round(density * w.size)) for name, w in weights.items()}
    mask = highest({name: np.abs(w) for name, w in weights.items()}, counts, full_mask(network))
    return over_parameters(mask, params)
