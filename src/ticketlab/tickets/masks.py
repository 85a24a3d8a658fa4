"""Masks: whether each weight of a network is kept.

A mask is a pytree of booleans, `{layer: kept [shape of the weight]}`, over the weights of dense layers and convolutions in
order of depth. It does not include biases and normalisations, which are never pruned and never counted in a density. Masks
are NumPy arrays on the host, because they change once in thousands of steps. `over_parameters` turns a mask into the factors
for training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Bool

from ticketlab.errors import UserError

if TYPE_CHECKING:
    from ticketlab.networks.layers import Layer
    from ticketlab.networks.network import Network, Params

__all__ = [
    "Mask",
    "density",
    "full_mask",
    "kept",
    "layer_densities",
    "mask_of",
    "over_parameters",
    "prunable_layers",
    "same_shapes",
    "weights_of",
]

Mask: TypeAlias = Mapping[str, Bool[np.ndarray, "..."]]


def prunable_layers(network: Network) -> tuple[Layer, ...]:
    """The layers that have weights to prune, in order of depth: all except normalisations.

    Raises:
        UserError: for a network without a description of its layers.
    """
    return tuple(layer for layer in network.require_layers("masks") if layer.stage.weighted)


def weights_of(network: Network, params: Params) -> dict[str, np.ndarray]:
    """The weights that a mask covers, by layer, on the host."""
    return {layer.name: np.asarray(params[layer.name]["weight"]) for layer in prunable_layers(network)}


def full_mask(network: Network) -> dict[str, np.ndarray]:
    """The mask that keeps every weight."""
    return {layer.name: np.ones(layer.weight_shape, bool) for layer in prunable_layers(network)}


def over_parameters(mask: Mask, params: Params) -> Any:
    """A pytree of booleans like one network's parameters: the mask over its weights, and true for everything else."""
    return {
        name: {
            leaf: np.asarray(mask[name])
            if leaf == "weight" and name in mask
            else np.ones(np.shape(array), bool)
            for leaf, array in leaves.items()
        }
        for name, leaves in params.items()
    }


def mask_of(network: Network, tree: Any) -> dict[str, np.ndarray]:
    """The mask within a pytree like the parameters: `mask_of(network, over_parameters(mask, params))` is the mask."""
    return {name: array.astype(bool) for name, array in weights_of(network, tree).items()}


def kept(mask: Mask) -> int:
    """The number of weights kept."""
    return sum(int(np.count_nonzero(array)) for array in mask.values())


def density(mask: Mask) -> float:
    """The fraction of the weights that is kept; 1 − density is the sparsity."""
    return kept(mask) / sum(array.size for array in mask.values())


def layer_densities(mask: Mask) -> dict[str, float]:
    """The density of each layer."""
    return {name: float(np.mean(array)) for name, array in mask.items()}


def same_shapes(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], what: str) -> None:
    """Checks that both have arrays of the same shapes under the same names.

    Raises:
        UserError: if they do not, with both shapes.
    """
    shapes = [{name: np.shape(array) for name, array in tree.items()} for tree in (one, other)]
    if shapes[0] != shapes[1]:
        raise UserError(
            f"{what} of shapes {shapes[0]} and {shapes[1]}",
            "equal shapes, layer by layer",
            "Use the same network for both.",
        )
