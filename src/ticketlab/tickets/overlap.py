"""How two masks compare: what either keeps, what both keep, and the share of the one in the other.

Masks of two networks can be compared only when their units correspond. A permutation of units that leaves the function as it is
takes a mask along: `transported` is the mask of the network that `permute_units` makes.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from ticketlab.networks.network import Network
from ticketlab.networks.units import UnitGroup, permute_units
from ticketlab.tickets.masks import Mask, kept, mask_of, over_parameters, same_shapes

__all__ = ["intersection", "jaccard", "transported", "union"]


def union(one: Mask, other: Mask) -> dict[str, np.ndarray]:
    """What either keeps."""
    same_shapes(one, other, "masks")
    return {name: array | other[name] for name, array in one.items()}


def intersection(one: Mask, other: Mask) -> dict[str, np.ndarray]:
    """What both keep."""
    same_shapes(one, other, "masks")
    return {name: array & other[name] for name, array in one.items()}


def jaccard(one: Mask, other: Mask) -> float:
    """The overlap |A ∩ B| / |A ∪ B|; 1 for two masks that keep nothing."""
    either = kept(union(one, other))
    return kept(intersection(one, other)) / either if either else 1.0


def transported(
    network: Network, mask: Mask, group: UnitGroup, order: Int[np.ndarray, "units"]
) -> dict[str, np.ndarray]:
    """The mask of the network whose unit `order[i]` stands in place i.

    Arguments:
        network: whose mask it is.
        group: the units that are permuted, one of `network.unit_groups`.
        order: a permutation of 0 … units − 1.
    """
    shapes: Any = jax.eval_shape(network.init, jax.random.key(0))
    tree = jax.tree.map(jnp.asarray, over_parameters(mask, shapes))
    return mask_of(network, permute_units(tree, group, jnp.asarray(order)))
