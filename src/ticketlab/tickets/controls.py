"""What a ticket is compared with: networks with as many weights, in which one thing or another is left to chance.

A ticket is a mask and the weights under it. *Reinitialised* keeps the mask and draws the weights anew; *shuffled* keeps where the
weights start and shuffles the mask within each layer; *both* does both, with the same shuffle and the same draw, so that the
three and the ticket are a factorial design. *Equal-size* is a dense network with as many parameters, and *random* a mask drawn
with the Erdős–Rényi profile, which takes nothing from the ticket but its number of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from ticketlab.networks.architectures import Architecture
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
        names: which.
        search: whose tickets they are compared with.
        architecture: of its network, for the one of equal size.
        keys: of the seeds, `[S]`: what is left to chance at a level is a function of these and the level.
    """

    def companions(number: int, masks: tuple[Mask, ...]) -> list[Arm]:
        level = _Level(search, architecture, [jax.random.fold_in(key, number) for key in keys], masks)
        return [CONTROLS[name](level) for name in names]

    return companions


@dataclass(frozen=True)
class _Level:
    """The tickets of a level, and what the controls have in common."""

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
        return stack([self.search.network.init(self.key(s, 1)) for s in range(len(self.masks))])


def _reinitialised(level: _Level) -> Arm:
    return Arm("reinitialised", level.stacked(level.masks), level.drawn)


def _shuffled(level: _Level) -> Arm:
    return Arm("shuffled", level.shuffled)


def _both(level: _Level) -> Arm:
    return Arm("both", level.shuffled, level.drawn)


def _equal_size(level: _Level) -> Arm:
    """As many parameters as the first seed's ticket has weights and biases; all seeds' tickets have equal counts."""
    narrow, keep = equal_size(level.architecture, level.search.network, kept(level.masks[0]))
    params = [embedded(keep, narrow.init(level.key(s, 2))) for s in range(len(level.masks))]
    return Arm("equal-size", jax.tree.map(lambda a: np.stack([a] * len(params)), keep), stack(params))


def equal_size(architecture: Architecture, network: Network, weights: int) -> tuple[Network, Any]:
    """The dense control of tickets with so many weights: the narrower network, and where it lies in the wide one.

    Raises:
        UserError: for a network that has none of that size inside.
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
