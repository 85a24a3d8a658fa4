"""The masks that are fixed at θ₀, before and without the training that they are followed through.

Three are searched for over the frozen weights, on the training data and in an order of their own; SNIP looks at one gradient,
SynFlow at no data at all. A sixth comes from a twin: its largest weights after training, from the same θ₀ in another order.
"""

from __future__ import annotations

import jax
import numpy as np

from ticketlab.claims.same_ticket.claim import SameTicketPlan
from ticketlab.claims.start import training_plan
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.tickets.biprop import Biprop
from ticketlab.tickets.criterion import Criterion, Seen, chosen
from ticketlab.tickets.edge_popup import EdgePopup
from ticketlab.tickets.learned import ScoredMask, counts_at
from ticketlab.tickets.masks import Mask, full_mask, weights_of
from ticketlab.tickets.ranking import highest
from ticketlab.tickets.saliency import Snip, SynFlow
from ticketlab.tickets.supermask import Supermask
from ticketlab.training import Cosine, TrainingData, stack, train

__all__ = ["fixed_mask", "largest_weights"]

SEARCHES: dict[str, ScoredMask] = {
    "edge-popup": EdgePopup(),
    "biprop": Biprop(),
    "supermask": Supermask(),
}
CRITERIA: dict[str, Criterion] = {"snip": Snip(), "synflow": SynFlow()}


def fixed_mask(
    name: str, plan: SameTicketPlan, task: Task, network: Network, start: Params, seed: int
) -> dict[str, np.ndarray]:
    """The mask of a method at θ₀.

    Raises:
        UserError: for SynFlow and a network that is not homogeneous in its weights.
    """
    if name in CRITERIA:
        seen = Seen(network, start, loss=SOFTMAX_CROSS_ENTROPY, x=task.train.x, y=task.train.targets)
        return chosen(CRITERIA[name], seen, counts_at(network, plan.density))
    search = SEARCHES[name]
    score, order = jax.random.split(jax.random.fold_in(jax.random.key(seed), 3), (2, 1))
    found = train(
        network,
        SOFTMAX_CROSS_ENTROPY,
        TrainingData(task.train.x, task.train.targets),
        training_plan(
            plan,
            task,
            steps=plan.search_steps,
            optimiser=plan.search_optimiser,
            schedule=Cosine(plan.search_steps),
            evaluate_every=plan.search_steps,
        ),
        search.replicas(network, stack([start]), plan.density, score, order),
    )
    return search.masks(network, found.params, plan.density)[0]


def largest_weights(network: Network, params: Params, density: float) -> dict[str, np.ndarray]:
    """The mask of the largest weights of each layer."""
    sizes = {name: np.abs(w) for name, w in weights_of(network, params).items()}
    full: Mask = full_mask(network)
    return highest(sizes, counts_at(network, density), full)
