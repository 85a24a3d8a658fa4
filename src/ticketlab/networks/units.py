"""Which parameters belong to which unit: the weights that lead into it, its bias, and the weights that lead out of it.

A unit of a dense layer owns one column of the layer's weight, one bias, and one row of the next weight. A channel of a
convolution owns one slice of the last axis of its kernel and one bias. In the next layer it owns one slice of the third
axis or, if the image is flattened for a dense layer, one row for every pixel. Each is one axis of a reshaped array. So
one operation on that axis can prune, permute, rescale or count units in every kind of layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = ["UnitAxis", "UnitGroup", "permute_units", "rescale_units"]


@dataclass(frozen=True)
class UnitAxis:
    """Where units lie in one array: along `axis` of `params[layer][leaf]` reshaped to `view`.

    Arguments:
        odd_gate: of a layer with gates, the only one that changes sign with the unit, along the last axis of `take`; None if
            all entries do.
    """

    layer: str
    leaf: Literal["weight", "bias"]
    view: tuple[int, ...]
    axis: int
    odd_gate: int | None = None

    def take(self, params: Any) -> Array:
        """The array with units first, `[units, …]`, of parameters or anything with the same shapes, such as a mask."""
        return jnp.moveaxis(params[self.layer][self.leaf].reshape(self.view), self.axis, 0)

    def put(self, params: Any, by_unit: Array) -> Any:
        """New parameters with this array, whose first axis is the units; `put(params, take(params))` changes nothing."""
        leaves = params[self.layer]
        array = jnp.moveaxis(by_unit, 0, self.axis).reshape(leaves[self.leaf].shape)
        return {**params, self.layer: {**leaves, self.leaf: array}}

    def per_entry(self, factors: Any) -> Any:
        """The factors of the units, in a shape that multiplies `take`; 1 for the gates that keep their sign."""
        along = factors.reshape(-1, *[1] * (len(self.view) - 1))
        if self.odd_gate is None:
            return along
        return 1 + (along - 1) * (np.arange(self.view[-2]) == self.odd_gate)


@dataclass(frozen=True)
class UnitGroup:
    """The units of one hidden layer, which can be permuted without changing the function.

    Arguments:
        layer: the layer whose features they compute.
        units: their number.
        incoming: the weights into each unit, and its bias if there is one.
        outgoing: the weights that read each unit.
        rescalable: whether incoming × c and outgoing ÷ c leave the function unchanged for every c > 0 (ReLU).
        flippable: the same for c = −1 (tanh, erf and sign, unless a maximum pool comes between), where of gates only the
            odd one changes its sign (GRU, LSTM).
        scaleless: sets of incoming parameters; each can be multiplied by any c > 0 alone, because only the sign of what they
            add up to goes on.
        jumps: whether a sign is on the way. It is not odd at zero, so only units whose bias is not zero can be flipped.
    """

    layer: str
    units: int
    incoming: tuple[UnitAxis, ...]
    outgoing: tuple[UnitAxis, ...]
    rescalable: bool
    flippable: bool
    scaleless: tuple[tuple[UnitAxis, ...], ...] = ()
    jumps: bool = False


@partial(jax.jit, static_argnums=1)
def permute_units(params: Any, group: UnitGroup, order: Int[Array, "units"]) -> Any:
    """The parameters with unit `order[i]` in place i; the network computes the same function."""
    for part in (*group.incoming, *group.outgoing):
        params = part.put(params, part.take(params)[order])
    return params


@partial(jax.jit, static_argnums=1)
def rescale_units(params: Any, group: UnitGroup, factors: Float[Array, "units"]) -> Any:
    """Incoming weights and bias × factor, outgoing weights ÷ factor, unit by unit.

    The function stays the same for positive factors if the group is rescalable, for factors ±1 if it is flippable. Of the gates
    of a recurrent unit only the odd one is multiplied.
    """
    for part in group.incoming:
        params = part.put(params, part.take(params) * part.per_entry(factors))
    for part in group.outgoing:
        params = part.put(params, part.take(params) * part.per_entry(1 / factors))
    return params
