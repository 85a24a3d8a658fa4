"""A ticket, independent of the search that found it, to be saved in a file or trained further.

start = θ_k ⊙ m,    trained = θ_T ⊙ m
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import jax
import numpy as np

from ticketlab.networks.network import Network, Params
from ticketlab.tickets.magnitude import Level, Search
from ticketlab.tickets.masks import Mask, density, over_parameters

__all__ = ["Ticket", "described", "level_tickets", "ticket"]


@dataclass(frozen=True)
class Ticket:
    """A subnetwork: its mask, and its weights.

    Arguments:
        start: the parameters from which it is trained (θ₀, or the rewind point), masked.
        mask: by layer.
        trained: the parameters after training, masked; None for a ticket that is not trained.
        about: text by name: the plan, the network, the seed, ….
        own: for a user's own model, the same in the format of its library: arrays by name, for each kind of file.
    """

    start: Params
    mask: Mask
    trained: Params | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)


def level_tickets(search: Search, level: Level) -> tuple[Ticket, ...]:
    """The tickets of a trained level, one per seed: from the rewind point to the early stop, or to the end without one."""
    start = search.params if level.point is None else level.point.params
    trained = level.state.params if level.state.best is None else level.state.best.params
    first = level.rows(0).start
    return tuple(
        ticket(search.network, mask, _masked(mask, start, seed), _masked(mask, trained, first + seed), seed)
        for seed, mask in enumerate(level.masks)
    )


def ticket(network: Network, mask: Mask, start: Params, trained: Params | None, seed: int) -> Ticket:
    """A ticket with its description, and in the model's own format if the network comes from one.

    Arguments:
        start, trained: masked.
    """
    about, own = described(network, mask, seed), network.own_format
    if own is None:
        return Ticket(start, mask, trained, about)
    return Ticket(start, mask, trained, {**about, **own.about}, own.files(start, trained, mask))


def described(network: Network, mask: Mask, seed: int) -> dict[str, str]:
    """The description that every search can give of its tickets."""
    return {"network": network.name, "seed": str(seed), "density": f"{density(mask):.6g}"}


def _masked(mask: Mask, params: Params, row: int) -> Params:
    own = jax.tree.map(lambda a: np.asarray(a[row]), params)
    return jax.tree.map(np.multiply, own, over_parameters(mask, own))
