"""Levels of density: how many weights each has, and the one at which a question is decided.

Counts follow from the rule of pruning and the shapes alone, not from what is learnt, so a level can be named before anything
runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ticketlab.errors import UserError
from ticketlab.networks.network import Network
from ticketlab.tickets.masks import full_mask
from ticketlab.tickets.ranking import Counts, Pruning, best

__all__ = ["level_counts", "nearest_level", "weights_left"]

NEAR = 1.15  # a level within this factor of the density that was asked for


def level_counts(pruning: Pruning, network: Network, levels: int) -> tuple[Counts, ...]:
    """How many weights are left after 1, 2, … rounds of a rule of pruning.

    Raises:
        UserError: for a level at which a layer (with counts of the whole network: the network) has none.
    """
    mask, found = full_mask(network), []
    flat = {name: np.zeros(array.shape) for name, array in mask.items()}
    for number in range(1, levels + 1):
        left = pruning.survivors(mask)
        parts = (
            {"the network": left} if isinstance(left, int) else {f"layer {n!r}": c for n, c in left.items()}
        )
        if empty := [name for name, count in parts.items() if count == 0]:
            raise UserError(
                f"{levels} levels by {pruning}, of which level {number} leaves {empty[0]} no weight",
                "some weights at every level",
                "Ask for fewer levels, or prune a smaller fraction.",
            )
        found.append(left)
        mask = best(flat, left, mask)
    return tuple(found)


def weights_left(counts: Counts) -> int:
    """How many weights of the network a level has."""
    return counts if isinstance(counts, int) else sum(counts.values())


def nearest_level(counts: Sequence[Counts], network: Network, density: float) -> int:
    """The number of the level, from 1, whose density is nearest to one that was asked for.

    Raises:
        UserError: when none comes near.
    """
    size = sum(array.size for array in full_mask(network).values())
    densities = np.array([weights_left(c) for c in counts]) / size
    away = np.abs(np.log(densities / density))
    if away.min() > np.log(NEAR):
        raise UserError(
            f"density={density:g}, while the {len(counts)} levels have {', '.join(f'{d:.3g}' for d in densities)}",
            "the density of a level, or one near it",
            "Choose another density, more levels, or another pruning.",
        )
    return int(np.argmin(away)) + 1
