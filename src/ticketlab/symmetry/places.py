"""Arrays on the host: parameters in double precision, and where the units of a group lie in each.

Symmetries need sums, products and assignments of at most a few megabytes, in double precision and without compilation. So
everything here is NumPy. An array that one group writes and another reads is a matrix of their units, summed over whatever
else it has: pixels of a kernel, or places of a flattened image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.networks.units import UnitAxis, UnitGroup

__all__ = ["Arrays", "Leaf", "arrays_of", "by_unit", "leaves_of", "like", "require_groups", "unit_norms"]

Arrays: TypeAlias = dict[str, dict[str, np.ndarray]]
"""The parameters of one network, `{layer: {"weight": …, "bias": …}}`, contiguous and in double precision."""


@dataclass(frozen=True)
class Leaf:
    """One array, and the groups whose units it has.

    Arguments:
        layer, name: which array.
        writes: the group whose incoming weights it holds, by its place, and where the units lie; None for the outputs.
        reads: the same for the group that it reads; None for the inputs.
    """

    layer: str
    name: str
    writes: tuple[int, UnitAxis] | None = None
    reads: tuple[int, UnitAxis] | None = None

    def of(self, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
        """The array itself."""
        return arrays[self.layer][self.name]


def require_groups(network: Network) -> tuple[UnitGroup, ...]:
    """The groups of units that can be permuted.

    Raises:
        UserError: for a network without a description of its units.
    """
    network.require_layers("its symmetries")
    return network.unit_groups


def arrays_of(network: Network, params: Params) -> Arrays:
    """The parameters of one network as contiguous arrays in double precision, copied.

    Raises:
        UserError: if they are not those of one such network.
    """
    require_groups(network)
    found = {
        layer: {name: np.array(leaf, np.float64, order="C") for name, leaf in leaves.items()}
        for layer, leaves in params.items()
    }
    for layer in network.layers:
        shape = found[layer.name]["weight"].shape
        if shape != layer.weight_shape:
            raise UserError(
                f"weights of shape {shape} in layer {layer.name!r}",
                f"{layer.weight_shape}",
                "Give the parameters of one network, of the same architecture.",
            )
    return found


def like(arrays: Arrays, params: Params) -> Any:
    """The arrays in the precision of these parameters."""
    return {
        layer: {
            name: np.asarray(leaf, np.asarray(params[layer][name]).dtype) for name, leaf in leaves.items()
        }
        for layer, leaves in arrays.items()
    }


def by_unit(arrays: Mapping[str, Mapping[str, np.ndarray]], axis: UnitAxis) -> Float[np.ndarray, "units ..."]:
    """The array with units first: a view, so that writing to it changes the array."""
    return np.moveaxis(arrays[axis.layer][axis.leaf].reshape(axis.view), axis.axis, 0)


def unit_norms(arrays: Arrays, axes: tuple[UnitAxis, ...], units: int) -> Float[np.ndarray, "units"]:
    """The Euclidean norm of each unit's weights along these axes."""
    squares = np.zeros(units)
    for axis in axes:
        squares += np.square(by_unit(arrays, axis)).reshape(units, -1).sum(axis=1)
    return np.sqrt(squares)


def leaves_of(groups: tuple[UnitGroup, ...]) -> tuple[Leaf, ...]:
    """Every array that has units of some group; of two groups that it writes, the last."""
    found: dict[tuple[str, str], dict[str, tuple[int, UnitAxis]]] = {}
    for i, group in enumerate(groups):
        for side, axes in (("writes", group.incoming), ("reads", group.outgoing)):
            for axis in axes:
                found.setdefault((axis.layer, axis.leaf), {})[side] = (i, axis)
    return tuple(Leaf(layer, name, **sides) for (layer, name), sides in found.items())


def places(axis: UnitAxis, units: int) -> Int[np.ndarray, "n"]:
    """The unit of every entry of the flattened array."""
    shape = [1] * len(axis.view)
    shape[axis.axis] = units
    return np.broadcast_to(np.arange(units).reshape(shape), axis.view).ravel()
