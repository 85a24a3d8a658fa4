"""Comparison of two masks: their union, their intersection, and their overlap.

Masks of two networks can be compared only if their units correspond. A permutation of units that preserves the function also
permutes the mask: `transported` is the mask of the network that `permute_units` returns.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from ticketlab.networks.network import Network
from ticketlab.networks.units import UnitGroup, permute_units
from ticketlab.tickets.masks import Mask, kept, mask_of, over_parameters, same_shapes

__all__ = ["intersection", "jaccard", "transported", "union"]


def union(one: Mask, other: Mask) -> dict[str, np.ndarray]:
    """The weights that either keeps."""
    same_shapes(one, other, "masks")
    return {name: array | other[name] for name, array in one.items()}


def intersection(one: Mask, other: Mask) -> dict[str, np.ndarray]:
    """The weights that both keep."""
    same_shapes(one, other, "masks")
    return {name: array & other[name] for name, array in one.items()}


def jaccard(one: Mask, other: Mask) -> float:
    """The overlap |A ∩ B| / |A ∪ B|; 1 for two masks that keep nothing."""
    either = kept(union(one, other))
    return kept(intersection(one, other)) / either if either else 1.0


def transported(
    network: Network, mask: Mask, group: UnitGroup, order: Int[np.ndarray, "units"]
) -> dict[str, np.ndarray]:
    """The mask of the network after moving unit `order[i]` to place i.

    Arguments:
        network: the network of the mask.
        group: the permuted units, one of `network.unit_groups`.
        order: a permutation of 0 … units − 1.
    """
    shapes: Any = jax.eval_shape(network.init, jax.random.key(0))
    return mask_of(network, permute_units(over_parameters(mask, shapes), group, order))
