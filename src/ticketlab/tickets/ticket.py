"""A ticket by itself, apart from the search that found it: what one takes away, keeps in a file, and trains on.

start = θ_k ⊙ m,    trained = θ_T ⊙ m
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import jax
import numpy as np

from ticketlab.networks.network import Params
from ticketlab.tickets.magnitude import Level, Search
from ticketlab.tickets.masks import Mask, density, over_parameters

__all__ = ["Ticket", "level_tickets"]


@dataclass(frozen=True)
class Ticket:
    """A subnetwork: its mask, and its weights.

    Arguments:
        start: the parameters from which it is trained (θ₀, or the rewind point), masked.
        mask: by layer.
        trained: the parameters after training, masked; None for a ticket that is not trained.
        about: text by name: the plan, the network, the seed, ….
    """

    start: Params
    mask: Mask
    trained: Params | None = None
    about: Mapping[str, str] = field(default_factory=dict)


def level_tickets(search: Search, level: Level) -> tuple[Ticket, ...]:
    """The tickets of a trained level, one a seed: from the rewind point to the early stop, or to the end where there is none."""
    start = search.params if level.point is None else level.point.params
    trained = level.state.params if level.state.best is None else level.state.best.params
    own = level.rows(0)
    found = []
    for seed, mask in enumerate(level.masks):
        parts = [_masked(mask, params, at) for params, at in ((start, seed), (trained, own.start + seed))]
        about = {"network": search.network.name, "seed": str(seed), "density": f"{density(mask):.6g}"}
        found.append(Ticket(parts[0], mask, parts[1], about))
    return tuple(found)


def _masked(mask: Mask, params: Params, row: int) -> Params:
    own = jax.tree.map(lambda a: np.asarray(a[row]), params)
    return jax.tree.map(np.multiply, own, over_parameters(mask, own))
