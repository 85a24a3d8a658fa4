"""A narrower network inside a wide one: the dense control of equal size, as a mask, so that it trains in the same program.

A network with fewer units in every hidden layer is the wide one without the other units. A mask sets their weights and
biases to zero, and every activation function here maps zero to zero. The parameters are drawn as for a network of the
smaller size and placed in the corners of the wide arrays. This costs the arithmetic of the wide network, but no
compilation for another shape.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from ticketlab.errors import UserError, counted
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.network import Network, Params

__all__ = ["embedded", "nearest_size", "parameters_of", "units_kept"]

NEAR = 1.15  # the narrowest network may have this multiple of the requested parameters


def nearest_size(architecture: Architecture, wide: Network, parameters: int) -> Network:
    """The architecture whose number of parameters is nearest to a target, with the same share of units in every hidden layer.

    Arguments:
        architecture: of the wide network.
        wide: the network that it builds.
        parameters: the target number of weights and biases.

    Raises:
        UserError: if the narrowest network, with one unit in every hidden layer, has more than 1.15 times that number (so
            always for a smaller network without hidden layers); and for networks whose layers `units_kept` refuses.

    Cost: about forty networks are built, none is drawn.
    """
    _refuse_normalisation(wide)

    def at(share: float) -> tuple[int, Network]:
        network = architecture.widened(share).build(wide.input_shape, wide.outputs)
        return parameters_of(network), network

    low, high = 1e-6, 1.0
    if at(high)[0] <= parameters:
        return at(high)[1]
    least = at(low)[0]
    if least > NEAR * parameters or least == at(high)[0]:
        raise UserError(
            f"{counted(int(parameters), 'parameter')} for a narrower network than {wide.name}",
            f"at least {least}, what one unit in every hidden layer needs"
            if wide.unit_groups
            else "a network with hidden layers",
            "Prune less, or leave out the dense control of equal size.",
        )
    for _ in range(20):
        middle = (low * high) ** 0.5 if low < 1e-3 else (low + high) / 2
        low, high = (middle, high) if at(middle)[0] <= parameters else (low, middle)
    return min(at(low), at(high), key=lambda found: abs(found[0] - parameters))[1]


def parameters_of(network: Network) -> int:
    """The number of parameters of a described network, without drawing any."""
    layers = network.require_layers("a narrower control")
    return sum(math.prod(layer.weight_shape) + layer.units * layer.has_bias for layer in layers)


def units_kept(wide: Network, narrow: Network) -> Any:
    """A pytree of booleans like the wide network's parameters: true for those between units of the narrow network.

    Raises:
        UserError: for networks with normalisations, which removed units would change; for constants that multiply parameters
            and depend on width; for networks that do not correspond.
    """
    _refuse_normalisation(wide)
    layers = list(zip(wide.require_layers("a narrower control"), narrow.layers, strict=True))
    if any(a.weight_scale != b.weight_scale or a.bias_scale != b.bias_scale for a, b in layers):
        raise UserError(
            f"{wide.name}, whose parameterisation depends on width",
            "the standard parameterisation, for the dense control of equal size",
            "Leave out that control.",
        )
    shapes: Any = jax.eval_shape(wide.init, jax.random.key(0))
    tree = jax.tree.map(lambda a: np.ones(a.shape, bool), shapes)
    for group, slim in zip(wide.unit_groups, narrow.unit_groups, strict=True):
        for part in (*group.incoming, *group.outgoing):
            array = tree[part.layer][part.leaf].reshape(part.view)
            np.moveaxis(array, part.axis, 0)[slim.units :] = False  # a view: writes into the tree
    return tree


def embedded(kept: Any, params: Params) -> Params:
    """The narrow network's parameters where the wide network keeps them, and zeros elsewhere.

    Arguments:
        kept: from `units_kept`.
        params: of the narrow network.
    """

    def laid(keep: np.ndarray, array: Any) -> np.ndarray:
        result = np.zeros(keep.shape, np.asarray(array).dtype)
        result[keep] = np.ravel(np.asarray(array))  # both list the same units in the same order
        return result

    return jax.tree.map(laid, kept, params)


def _refuse_normalisation(wide: Network) -> None:
    if any(not layer.stage.weighted for layer in wide.require_layers("a narrower control")):
        raise UserError(
            f"{wide.name}, which has normalisations",
            "a network without normalisation, for the dense control of equal size",
            "Leave out that control.",
        )
