"""Controls for a ticket: networks with equally many weights, in which some part is random.

A ticket is a mask and the weights under it. *Reinitialised* keeps the mask and draws new weights. *Shuffled* keeps the initial
weights and shuffles the mask within each layer. *Both* does both, with the same shuffle and the same draw, so that these three
and the ticket form a factorial design. *Equal-size* is a dense network with equally many parameters. *Random* is a mask with
the Erdős–Rényi profile, which shares only the number of weights with the ticket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from ticketlab.networks.architecture import Architecture
from ticketlab.networks.network import Network, Params
from ticketlab.tickets.control_names import Control
from ticketlab.tickets.magnitude import Arm, Companions, Search, stacked
from ticketlab.tickets.masks import Mask, full_mask, kept
from ticketlab.tickets.narrow import embedded, nearest_size, parameters_of, units_kept
from ticketlab.tickets.random_masks import erdos_renyi_counts, random_mask, shuffled
from ticketlab.training.replicas import stack

__all__ = ["CONTROLS", "controls", "equal_size"]


def controls(names: Sequence[Control], search: Search, architecture: Architecture, keys: Array) -> Companions:
    """The controls of every level, as companions of a search.

    Arguments:
        names: the controls.
        search: the search whose tickets they are compared with.
        architecture: of its network, for the control of equal size.
        keys: of the seeds, `[S]`: the random parts at a level are a function of these and the level.
    """

    def companions(number: int, masks: tuple[Mask, ...]) -> list[Arm]:
        level = _Level(search, architecture, [jax.random.fold_in(key, number) for key in keys], masks)
        return [CONTROLS[name](level) for name in names]

    return companions


@dataclass(frozen=True)
class _Level:
    """The tickets of a level, and what the controls share."""

    search: Search
    architecture: Architecture
    keys: list[Array]
    masks: tuple[Mask, ...]

    def key(self, seed: int, purpose: int) -> Array:
        return jax.random.fold_in(self.keys[seed], purpose)

    def stacked(self, masks: Sequence[Mask]) -> Any:
        return stacked(masks, self.search.params)

    @cached_property
    def shuffled(self) -> Any:
        return self.stacked([shuffled(mask, self.key(s, 0)) for s, mask in enumerate(self.masks)])

    @cached_property
    def drawn(self) -> Params:
        return stack([self.search.network.drawn(self.key(s, 1)) for s in range(len(self.masks))])


def _reinitialised(level: _Level) -> Arm:
    return Arm("reinitialised", level.stacked(level.masks), level.drawn)


def _shuffled(level: _Level) -> Arm:
    return Arm("shuffled", level.shuffled)


def _both(level: _Level) -> Arm:
    return Arm("both", level.shuffled, level.drawn)


def _equal_size(level: _Level) -> Arm:
    """The number of weights and biases of the first seed's ticket; the tickets of all seeds have equal counts."""
    narrow, keep = equal_size(level.architecture, level.search.network, kept(level.masks[0]))
    params = [embedded(keep, narrow.init(level.key(s, 2))) for s in range(len(level.masks))]
    return Arm("equal-size", jax.tree.map(lambda a: np.stack([a] * len(params)), keep), stack(params))


def equal_size(architecture: Architecture, network: Network, weights: int) -> tuple[Network, Any]:
    """The dense control for tickets with this number of weights: the narrower network, and its place in the wide one.

    Raises:
        UserError: for a network that contains none of that size.
    """
    removed = sum(array.size for array in full_mask(network).values()) - weights
    narrow = nearest_size(architecture, network, parameters_of(network) - removed)
    return narrow, units_kept(network, narrow)


def _random(level: _Level) -> Arm:
    masks = []
    for s, mask in enumerate(level.masks):
        shapes = {name: array.shape for name, array in mask.items()}
        masks.append(random_mask(shapes, erdos_renyi_counts(shapes, kept(mask)), level.key(s, 3)))
    return Arm("random", level.stacked(masks))


CONTROLS: dict[Control, Callable[[_Level], Arm]] = {
    "reinitialised": _reinitialised,
    "shuffled": _shuffled,
    "both": _both,
    "equal-size": _equal_size,
    "random": _random,
}
"""The controls by name."""
