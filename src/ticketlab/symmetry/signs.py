"""Signs: which units can be multiplied by −1, and one choice of signs that depends on nothing else.

Where an activation function is odd, a unit's incoming weights can be multiplied by −1 and its outgoing weights too. Of a
recurrent unit, only the gate with the tanh changes its sign, with the row of the unit in the recurrent weights. A sign activation
is odd except at zero, where it is 1. A unit can have the pre-activation zero for whole patches of inputs if it has no bias, or a
bias of zero, so only units with a bias are flipped there.

A unit's largest incoming weight is made positive.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ticketlab.networks.units import UnitAxis, UnitGroup
from ticketlab.symmetry.places import Arrays, by_unit

__all__ = ["first_writer", "free_signs", "sign_flips"]


def free_signs(arrays: Arrays, group: UnitGroup) -> Bool[np.ndarray, "units"]:
    """Which units can be multiplied by −1 without a change of the function."""
    if not group.flippable or not group.jumps:
        return np.full(group.units, group.flippable)
    biases = [
        by_unit(arrays, axis).reshape(group.units, -1) for axis in group.incoming if axis.leaf == "bias"
    ]
    return np.all(np.concatenate(biases, axis=1) != 0, axis=1) if biases else np.zeros(group.units, bool)


def sign_flips(arrays: Arrays, group: UnitGroup) -> Float[np.ndarray, "units"]:
    """−1 for each unit whose largest incoming weight, of the first layer that writes it, is negative, if its sign is free.

    A recurrent unit that this layer does not reach takes its sign from its recurrent bias or, without one, from the units that
    have a sign: the largest of their recurrent weights into it is made positive.
    """
    weights = np.concatenate([_odd(arrays, axis) for axis in first_writer(group)], axis=1)
    signs, known = np.where(_largest(weights) < 0, -1.0, 1.0), np.any(weights != 0, axis=1)
    for axis in _recurrent(group, "bias"):
        biases = _odd(arrays, axis)[:, 0]
        signs = np.where(~known & (biases < 0), -1.0, signs)
        known = known | (biases != 0)
    for axis in _recurrent(group, "weight"):
        signs = _spread(signs, known, _odd(arrays, axis))
    return np.where(free_signs(arrays, group), signs, 1.0)


def first_writer(group: UnitGroup) -> tuple[UnitAxis, ...]:
    """The weights of the first layer that writes the units, with its bias or the shift folded into it."""
    weights = [i for i, axis in enumerate(group.incoming) if axis.leaf == "weight"]
    return group.incoming[: weights[1]] if len(weights) > 1 else group.incoming


def _odd(arrays: Arrays, axis: UnitAxis) -> Float[np.ndarray, "units m"]:
    """The incoming weights that change sign with the unit."""
    found = by_unit(arrays, axis)
    found = found if axis.odd_gate is None else found[..., axis.odd_gate]
    return found.reshape(len(found), -1)


def _largest(weights: Float[np.ndarray, "units m"]) -> Float[np.ndarray, "units"]:
    return np.take_along_axis(weights, np.abs(weights).argmax(axis=1)[:, None], axis=1)[:, 0]


def _recurrent(group: UnitGroup, leaf: str) -> list[UnitAxis]:
    """Where the units write themselves through gates."""
    read = {axis.layer for axis in group.outgoing}
    return [a for a in group.incoming if a.odd_gate is not None and a.leaf == leaf and a.layer in read]


def _spread(
    signs: Float[np.ndarray, "units"],
    known: Bool[np.ndarray, "units"],
    weights: Float[np.ndarray, "units units"],
) -> Float[np.ndarray, "units"]:
    """Signs of the units that are not known, from their weights from those that are; units without such stay as they are."""
    while True:
        seen = np.where(known, weights * signs, 0.0)
        reached = ~known & np.any(seen != 0, axis=1)
        if not reached.any():
            return signs
        signs = np.where(reached & (_largest(seen) < 0), -1.0, signs)
        known = known | reached
