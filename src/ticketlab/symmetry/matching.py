"""Matching: the order of one network's units in which its weights are most like another's.

Permuting the units of a hidden layer leaves the function as it is, so two networks have to be compared in the best of all
orders. `match_weights` looks for permutations P_g, one for each group of units, that maximise

    Σ_leaf ⟨A, P B Pᵀ⟩,

which is to minimise ‖A − P B Pᵀ‖. Given the other groups, the best P_g is a linear assignment with the costs
C_ij = Σ_leaf ⟨A_i, B_j⟩ of the leaves that write or read the group. Solving group after group raises the objective until nothing
moves. This ends in a local maximum (the problem is a quadratic assignment), so several starts are tried, and the best is
followed to its end:

- the order as it is, which is right for two networks with the same start;
- *profiles*: units whose sorted weights are alike, which no permutation of the other groups changes;
- orders given by the caller, such as those by activations;
- random orders.

Where signs are free (tanh, erf, sign) the assignment is by |C_ij|, and the signs go with it. Of recurrent units only one gate
changes its sign, so the assignment is by the gains of the other gates plus |C_ij| of the rest. For units that a
normalisation scales no signs are tried; the canonical form fixes them.

Source: Ainsworth, Hayase, Srinivasa 2022, arXiv 2209.04836, section 3 and algorithm 1 (one start, and no profiles).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.networks.units import UnitAxis, UnitGroup
from ticketlab.symmetry.ascent import Orders, Problem, Start, ascend, reorder, started
from ticketlab.symmetry.places import Arrays, Leaf, arrays_of, by_unit, like, require_groups

__all__ = ["Matching", "identity_orders", "match_from", "match_weights", "permuted"]

# The least gain after which neighbours are solved again, as a fraction of ‖A‖‖B‖: in every start, and from the best of them.
COARSE, TOLERANCE = 1e-2, 1e-7


@dataclass(frozen=True)
class Matching:
    """Orders of the units of a network B in which it is like a network A.

    Arguments:
        orders: for each group, the unit of B that comes to each place.
        signs: for each group, +1 or −1 for each place; −1 only where signs are free.
        objective: Σ ⟨A, P B Pᵀ⟩ / (‖A‖‖B‖) over the leaves that have units: 1 for equal networks.
        start: from which start it was found.
        objectives: of every start; only the best is followed until no group gains more than 10⁻⁷.
    """

    orders: Mapping[str, Int[np.ndarray, "..."]]
    signs: Mapping[str, Float[np.ndarray, "..."]] = field(repr=False)
    objective: float
    start: str
    objectives: Mapping[str, float]

    @property
    def moved(self) -> int:
        """The number of units that are not in their old place."""
        return sum(int(np.sum(order != np.arange(len(order)))) for order in self.orders.values())


def match_weights(
    network: Network,
    one: Params,
    other: Params,
    *,
    restarts: int = 3,
    seed: int = 0,
    starts: Mapping[str, Start] | None = None,
) -> Matching:
    """The orders of the units of `other` in which its weights are most like those of `one`.

    Arguments:
        network: of both. Bring both to a canonical form first, or one unit with large weights decides for all.
        one, other: θ_A and θ_B.
        restarts: random orders to start from, besides the order as it is and the profiles.
        seed: of the random orders, and of the sequence in which groups are solved.
        starts: further orders and signs to start from, by name.

    Raises:
        UserError: for a network without a description of its units.

    Cost: for each start several sweeps of one matrix product and one assignment, O(n³), for each group of n units.
    """
    if restarts < 0:
        raise UserError(f"restarts={restarts}", "0 or more")
    groups = require_groups(network)
    problem = Problem(groups, arrays_of(network, one), arrays_of(network, other))
    draw = np.random.default_rng(seed)
    candidates = {"as it is": Start(identity_orders(groups)), "profiles": Start(_by_profiles(problem))}
    candidates |= starts or {}
    for i in range(restarts):
        candidates[f"random {i + 1}"] = _random_start(problem, draw)
    found = {name: started(problem, start) for name, start in candidates.items()}
    values = {name: ascend(problem, now, draw, COARSE) for name, now in found.items()}
    best = max(values, key=lambda name: values[name])
    value = ascend(problem, found[best], draw, TOLERANCE)
    return _matching(problem, found[best], best, {**values, best: value})


def _random_start(problem: Problem, draw: np.random.Generator) -> Start:
    orders = {g.layer: draw.permutation(g.units) for g in problem.groups}
    signs = {g.layer: draw.choice([-1.0, 1.0], g.units) for g in problem.groups if g.flippable}
    free = {g.layer: of[orders[g.layer]] for g, of in zip(problem.groups, problem.free, strict=True)}
    return Start(orders, {layer: np.where(free[layer], of, 1.0) for layer, of in signs.items()})


def match_from(
    network: Network, one: Params, other: Params, name: str, start: Start, *, climb: bool, seed: int = 0
) -> Matching:
    """The matching from one start alone, under this name; the start itself if it is not to `climb`."""
    problem = Problem(require_groups(network), arrays_of(network, one), arrays_of(network, other))
    now = started(problem, start)
    if climb:
        ascend(problem, now, np.random.default_rng(seed), TOLERANCE)
    return _matching(problem, now, name, {name: problem.value(now) / problem.size})


def permuted(network: Network, params: Params, matching: Matching) -> Params:
    """The parameters with their units in the matched order; the network computes the same function.

    Arguments:
        network, params: f and θ_B, or anything else of the same shapes with the same units, such as θ_B at its start.
        matching: of θ_B.
    """
    arrays = arrays_of(network, params)
    for group in require_groups(network):
        axes = (*group.incoming, *group.outgoing)
        reorder(arrays, axes, matching.orders[group.layer], matching.signs[group.layer])
    return like(arrays, params)


def identity_orders(groups: Sequence[UnitGroup]) -> dict[str, np.ndarray]:
    """Every unit in its place."""
    return {group.layer: np.arange(group.units) for group in groups}


def _matching(problem: Problem, now: Orders, name: str, objectives: Mapping[str, float]) -> Matching:
    return Matching(
        {g.layer: order for g, order in zip(problem.groups, now.orders, strict=True)},
        {g.layer: signs.astype(float) for g, signs in zip(problem.groups, now.signs, strict=True)},
        objectives[name],
        name,
        objectives,
    )


def _by_profiles(problem: Problem) -> dict[str, np.ndarray]:
    """Orders in which sorted weights are most alike: exact for a permuted network, whatever its other groups."""
    found, signed = {}, any(group.flippable for group in problem.groups)
    for i, group in enumerate(problem.groups):
        gains = np.zeros((group.units, group.units))
        for leaf in problem.leaves:
            if any(side and side[0] == i for side in (leaf.writes, leaf.reads)):
                one, other = (_profile(leaf, a, i, group.units, signed) for a in (problem.one, problem.other))
                gains += one @ other.T
        found[group.layer] = linear_sum_assignment(gains, maximize=True)[1]
    return found


def _profile(leaf: Leaf, arrays: Arrays, i: int, units: int, signed: bool) -> Float[np.ndarray, "units m"]:
    """Each unit's entries of a leaf; those along another group's axis are sorted."""
    sides = [side for side in (leaf.writes, leaf.reads) if side]
    view = sides[-1][1].view  # of what reads, if anything does: it also has the axis of what is written
    array = leaf.of(arrays).reshape(view)
    array = np.abs(array) if signed else array
    if any(
        axis.view[axis.axis] != view[axis.axis] for _, axis in sides
    ):  # gates: a unit has a column in each
        rows = by_unit(
            {leaf.layer: {leaf.name: np.abs(leaf.of(arrays)) if signed else leaf.of(arrays)}}, _own(sides, i)
        )
        return np.sort(rows.reshape(units, -1), axis=1)
    own = _own(sides, i).axis % len(view)
    rest = [axis.axis % len(view) for j, axis in sides if j != i or axis.axis % len(view) != own]
    for axis in rest:
        array = np.sort(array, axis=axis)
    return np.moveaxis(array, own, 0).reshape(units, -1)


def _own(sides: Sequence[tuple[int, UnitAxis]], i: int) -> UnitAxis:
    return next(axis for j, axis in sides if j == i)
