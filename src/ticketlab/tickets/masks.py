"""Masks: whether each weight of a network is kept.

A mask is a pytree of booleans, `{layer: kept [shape of the weight]}`, over the weights of dense layers and convolutions in
order of depth. It does not include biases and normalisations, which are never pruned and never counted in a density. Masks
are NumPy arrays on the host, because they change once in thousands of steps. `over_parameters` turns a mask into the factors
for training.

The parameters of a zoo network are `{layer: {"weight": …, "bias": …}}`, and a mask names layers. Those of a user's own model are
arrays by name, `{"stem.0.weight": …}`, and a mask names parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Bool

from ticketlab.errors import UserError
from ticketlab.networks.own_format import Weight

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
    "prunable_weights",
    "same_shapes",
    "weights_in",
    "weights_of",
    "with_weights",
]

Mask: TypeAlias = Mapping[str, Bool[np.ndarray, "..."]]


def prunable_layers(network: Network) -> tuple[Layer, ...]:
    """The layers that have weights to prune, in order of depth: all except normalisations.

    Raises:
        UserError: for a network without a description of its layers.
    """
    return tuple(layer for layer in network.require_layers("masks") if layer.stage.weighted)


def prunable_weights(network: Network) -> tuple[Weight, ...]:
    """The weights that masks cover, in order of depth.

    Raises:
        UserError: for a network of which they are not known.
    """
    if network.weights:
        return network.weights
    return tuple(Weight(layer.name, tuple(layer.weight_shape)) for layer in prunable_layers(network))


def weights_in(params: Params, names: Iterable[str]) -> dict[str, Any]:
    """The weights with these names among parameters."""
    return {name: params[name]["weight"] if _of_layer(params[name]) else params[name] for name in names}


def with_weights(params: Params, weights: Mapping[str, Any]) -> Params:
    """Parameters with these weights; everything else is unchanged."""
    new = {
        name: {**params[name], "weight": w} if _of_layer(params[name]) else w for name, w in weights.items()
    }
    return {**params, **new}


def weights_of(network: Network, params: Params) -> dict[str, np.ndarray]:
    """The weights that a mask covers, by layer, on the host."""
    names = [weight.name for weight in prunable_weights(network)]
    return {name: np.asarray(array) for name, array in weights_in(params, names).items()}


def full_mask(network: Network) -> dict[str, np.ndarray]:
    """The mask that keeps every weight."""
    return {weight.name: np.ones(weight.weight_shape, bool) for weight in prunable_weights(network)}


def over_parameters(mask: Mask, params: Params) -> Any:
    """A pytree of booleans like one network's parameters: the mask over its weights, and true for everything else.

    Raises:
        UserError: for a mask with a layer that the parameters have not, or of another shape.
    """
    import jax  # plans import this module to read a rule of pruning

    own = {name: np.shape(w) for name, w in weights_in(params, [n for n in mask if n in params]).items()}
    shapes = {name: np.shape(kept) for name, kept in mask.items()}
    if shapes != own:
        raise UserError(
            f"a mask of shapes {shapes}", f"those of the parameters: {own}", "Use a mask of this network."
        )
    everything = jax.tree.map(lambda array: np.ones(np.shape(array), bool), params)
    return with_weights(everything, {name: np.asarray(kept) for name, kept in mask.items()})


def mask_of(network: Network, tree: Any) -> dict[str, np.ndarray]:
    """The mask within a pytree like the parameters: `mask_of(network, over_parameters(mask, params))` is the mask."""
    return {name: array.astype(bool) for name, array in weights_of(network, tree).items()}


def _of_layer(leaves: Any) -> bool:
    """Whether parameters under a name are those of a layer, not one array."""
    return isinstance(leaves, Mapping)


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
