"""Canonical forms: of all parameters that compute one function by rescaling units, the ones that everybody agrees on.

Rescaling a ReLU unit (incoming weights × c, outgoing weights ÷ c) changes the parameters at will and the function not at all.
So distances between parameters mean nothing until the scales are fixed. Two forms fix them:

- `Balanced`: every unit's incoming and outgoing weights have the same norm. This is the point of least weight norm among
  all rescalings, where weight decay would lead, and the distance still knows which units matter.
- `UnitNorm`: every unit's incoming weights and bias have norm 1, from the first layer on; the read-out takes the scale. Angles
  then compare the units of a layer. Where several layers write to one unit, the first of them counts.

Before a sign activation the size of the incoming weights is void. `UnitNorm` sets their norm to 1, and `Balanced` sets their
squares to those of He's initialisation.

Signs are fixed too, where an odd activation function or a gated unit leaves them free: the largest incoming weight is positive.
Units without any weight on one side are *dead*: the other side is set to zero and they are counted. (The sign of nothing is 1, so
such a unit is constant, and stays.) Batch statistics are folded first. The order of the units stays as it is; `in_order` sorts
them, and `ticketlab.symmetry.match_weights` orders one network like another.

The function stays the same to rounding. Before a normalisation over channels a common factor of all units is free only up to
the ε = 10⁻⁵ that it adds to the variance: for variances v before and v' after, outputs change by the fraction ½ε(1/v − 1/v').
So this factor is left as it is unless the form says `common=True`, which is what distances between trained networks need.

Sources: `Balanced`: Stock et al. 2019, arXiv 1902.10416. `UnitNorm`: Pittorino et al. 2022, arXiv 2202.03038.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.networks.network import Network, Params
from ticketlab.networks.units import UnitGroup
from ticketlab.symmetry.balance import HE, balanced_factors
from ticketlab.symmetry.folding import folded
from ticketlab.symmetry.places import Arrays, arrays_of, by_unit, like, require_groups, unit_norms
from ticketlab.symmetry.scale_groups import ScaleGroup, scale_groups
from ticketlab.symmetry.signs import first_writer, sign_flips

__all__ = ["Balanced", "Canonical", "UnitNorm", "canonical", "in_order"]

DEAD = 1e-8  # ‖a_u‖ ‖o_u‖ of a dead unit, or ‖o_u‖ of a sign, relative to the mean of its group


@dataclass(frozen=True)
class Balanced:
    """Incoming and outgoing weights of equal norm.

    Arguments:
        common: also fix the common factor before a normalisation over channels.
    """

    common: bool = False


@dataclass(frozen=True)
class UnitNorm:
    """Incoming weights of norm 1.

    Arguments:
        common: also fix the common factor before a normalisation over channels.
    """

    common: bool = False


@dataclass(frozen=True)
class Canonical:
    """A network in canonical form.

    Arguments:
        network: f; for batch statistics the network with them folded, otherwise the one that was given.
        params: in the precision that was given, on the host.
        dead: how many units of each group have no effect.
        sweeps: how many the factors took; 1 for `UnitNorm`.
    """

    network: Network
    params: Params
    dead: dict[str, int]
    sweeps: int


def canonical(
    network: Network,
    params: Params,
    *,
    form: Balanced | UnitNorm = Balanced(),
    reference: np.ndarray | None = None,
) -> Canonical:
    """The canonical form of one network's parameters.

    Arguments:
        network, params: f and θ.
        form: which.
        reference: training inputs, for a network with batch statistics.

    Raises:
        UserError: for a network without a description, or with batch statistics and no reference.
        NumericalFailure: if the factors do not settle.
    """
    network, params = folded(network, params, reference)
    arrays, groups = arrays_of(network, params), scale_groups(network, form.common)
    for group in groups:
        if group.scaleless:  # otherwise a size that means nothing would decide who is dead
            _rescale(arrays, group.units, _unit_factors(network, arrays, group))
    dead = _without_dead(arrays, groups)
    for group in groups:
        if group.centred:
            _centre(arrays, group.units)
    if isinstance(form, Balanced):
        balance = balanced_factors(network, arrays, groups)
        for group, logs in zip(groups, balance.logs, strict=True):
            _rescale(arrays, group.units, np.exp(logs))
        sweeps = balance.sweeps
    else:
        sweeps = 1
        for group in groups:
            if group.units.rescalable:
                _rescale(arrays, group.units, _unit_factors(network, arrays, group))
    for group in groups:
        if group.units.flippable:
            _rescale(arrays, group.units, sign_flips(arrays, group.units))
    return Canonical(network, like(arrays, params), dead, sweeps)


def in_order(network: Network, params: Params) -> Params:
    """The units of each group in descending order of ‖a_u‖‖o_u‖, which no rescaling and no permutation changes.

    Equal networks then have equal arrays. Networks that are only alike may swap units of nearly equal norm: match those.

    Arguments:
        network, params: f, and its θ in canonical form.
    """
    arrays = arrays_of(network, params)
    for group in require_groups(network):
        both = [unit_norms(arrays, axes, group.units) for axes in (group.incoming, group.outgoing)]
        order = np.argsort(-both[0] * both[1], kind="stable")
        for axis in (*group.incoming, *group.outgoing):
            view = by_unit(arrays, axis)
            view[...] = view[order]
    return like(arrays, params)


def _rescale(arrays: Arrays, group: UnitGroup, factors: np.ndarray) -> None:
    for axes, by in ((group.incoming, factors), (group.outgoing, 1 / factors)):
        for axis in axes:
            view = by_unit(arrays, axis)
            view *= axis.per_entry(by)


def _unit_factors(network: Network, arrays: Arrays, group: ScaleGroup) -> np.ndarray:
    writers = group.units.incoming if group.scaleless else first_writer(group.units)
    first = unit_norms(arrays, writers, group.units.units)
    if not group.common:
        return 1 / np.where(first > 0, first, 1.0)
    layer = next(layer for layer in network.layers if layer.name == group.units.layer)
    target = np.sqrt(group.units.units * (HE if layer.stage.weighted else 1.0)) / layer.weight_scale
    return np.full(group.units.units, target / norm if (norm := np.linalg.norm(first)) else 1.0)


def _centre(arrays: Arrays, group: UnitGroup) -> None:
    """Takes from all units what they have in common, as the normalisation after them does."""
    for axis in group.incoming:
        view = by_unit(arrays, axis)
        view -= view.mean(axis=0)


def _without_dead(arrays: Arrays, groups: tuple[ScaleGroup, ...]) -> dict[str, int]:
    """Sets the weights of dead units to zero, until there are no more; a unit that only dead units read is dead."""
    groups = tuple(group for group in groups if not group.scaleless)
    found = dict.fromkeys((group.units.layer for group in groups), 0)
    while True:
        before = dict(found)
        for group in groups:
            if not group.common:
                found[group.units.layer] = _silence(arrays, group.units)
        if found == before:
            return found


def _silence(arrays: Arrays, group: UnitGroup) -> int:
    into, out = (unit_norms(arrays, axes, group.units) for axes in (group.incoming, group.outgoing))
    effect = out if group.jumps else into * out
    dead = effect <= DEAD * np.mean(effect)
    for axis in (*group.incoming, *group.outgoing):
        by_unit(arrays, axis)[dead] = 0.0
    return int(dead.sum())
