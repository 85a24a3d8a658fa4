"""Ascent: one linear assignment after another, each the best order of one group while the others stay.

The gains of a group are C_ij = Σ_leaf ⟨A_i, B_j⟩, over the leaves that write or read it. They split into two parts. Leaves
that no other group permutes (first weights, biases, read-outs) are multiplied once. The others depend on the orders of their
other group, and are multiplied again when that has moved. Where a sign is free, gains are times the sign, except those of gates
that keep theirs. A leaf that leads from a group to itself is a true quadratic
assignment: the step is taken back unless the objective has risen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from ticketlab.networks.units import UnitAxis, UnitGroup
from ticketlab.symmetry.places import Arrays, by_unit, leaves_of
from ticketlab.symmetry.signs import free_signs

__all__ = ["Gains", "Orders", "Problem", "Start", "ascend", "assignment", "reorder", "started"]


@dataclass(frozen=True)
class Start:
    """Orders to start from, and signs; groups that are missing stay as they are.

    Arguments:
        orders, signs: as in a `Matching`.
    """

    orders: Mapping[str, Int[np.ndarray, "..."]]
    signs: Mapping[str, Float[np.ndarray, "..."]] = field(default_factory=dict)


@dataclass(frozen=True)
class Gains:
    """C_ij, what having B's unit j in place i adds.

    Arguments:
        turned: the part that changes sign with the unit.
        kept: the part of gates that do not.
    """

    turned: Float[np.ndarray, "units units"]
    kept: Float[np.ndarray, "units units"]

    def picked(
        self, order: Int[np.ndarray, "units"], signs: Float[np.ndarray, "units"]
    ) -> Float[np.ndarray, "units"]:
        """What the unit in each place adds."""
        places = np.arange(len(order))
        return self.kept[places, order] + self.turned[places, order] * signs

    def placed(self, order: Int[np.ndarray, "units"], signs: Float[np.ndarray, "units"] | None) -> Gains:
        """The same for the units of B in this order, with these signs."""
        turned, kept = (part.T[order].T for part in (self.turned, self.kept))
        return Gains(turned if signs is None else turned * signs, kept)

    def __add__(self, other: Gains) -> Gains:
        return Gains(self.turned + other.turned, self.kept + other.kept)


def assignment(
    gains: Gains, free: Bool[np.ndarray, "units"]
) -> tuple[Int[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """The unit for each place with the largest sum of gains, and its sign; +1 unless that unit's sign is free."""
    best = gains.kept + np.where(free, np.abs(gains.turned), gains.turned)
    order = linear_sum_assignment(best, maximize=True)[1]
    picked = gains.turned[np.arange(len(order)), order]
    return order, np.where((picked < 0) & free[order], -1.0, 1.0)


class Problem:
    """Two networks, in single precision; sums of the objective are in double precision.

    Gains from leaves that no other group permutes are computed once; only the other leaves of B are moved.
    """

    def __init__(self, groups: tuple[UnitGroup, ...], one: Arrays, other: Arrays) -> None:
        self.groups, self.leaves = groups, leaves_of(groups)
        norms = [np.sqrt(sum(np.sum(leaf.of(a) ** 2) for leaf in self.leaves)) for a in (one, other)]
        self.size = float(norms[0] * norms[1]) or 1.0  # ‖A‖‖B‖
        self.one, self.other = (_single(arrays) for arrays in (one, other))
        self.free = [free_signs(self.other, group) for group in groups]
        self.shared = [leaf for leaf in self.leaves if leaf.writes and leaf.reads]
        own = {(leaf.layer, leaf.name) for leaf in self.leaves if leaf not in self.shared}
        self.own_gains = [
            self._gains(self.other, g, lambda axis: (axis.layer, axis.leaf) in own) for g in groups
        ]
        self._shared = {(leaf.layer, leaf.name) for leaf in self.shared}

    def _gains(self, b: Arrays, group: UnitGroup, wanted: Callable[[UnitAxis], bool]) -> Gains:
        turned, kept = np.zeros((2, group.units, group.units), np.float32)
        for axis in filter(wanted, (*group.incoming, *group.outgoing)):
            one, other = (by_unit(a, axis) for a in (self.one, b))
            if axis.odd_gate is not None:
                even = np.arange(one.shape[-1]) != axis.odd_gate
                kept += _products(one[..., even], other[..., even])
                one, other = one[..., ~even], other[..., ~even]
            turned += _products(one, other)
        return Gains(
            turned.T, kept.T
        )  # B's units are the rows in memory, so that reordering them copies rows

    def gains(self, now: Orders, i: int) -> Gains:
        """Those of B's units in their present order."""
        shared = self._gains(now.b, self.groups[i], lambda axis: (axis.layer, axis.leaf) in self._shared)
        signs = now.signs[i] if self.groups[i].flippable else None
        return self.own_gains[i].placed(now.orders[i], signs) + shared

    def value(self, now: Orders) -> float:
        """Σ ⟨A, P B Pᵀ⟩."""
        own = sum(
            float(np.sum(gains.picked(order, signs), dtype=np.float64))
            for gains, order, signs in zip(self.own_gains, now.orders, now.signs, strict=True)
        )
        return own + sum(
            float(np.sum(leaf.of(self.one) * leaf.of(now.b), dtype=np.float64)) for leaf in self.shared
        )

    def move(self, now: Orders, i: int, order: np.ndarray, signs: np.ndarray) -> None:
        """Puts the unit of B in place `order[j]` into place j, times its sign."""
        now.orders[i] = now.orders[i][order]
        now.signs[i] = now.signs[i][order] * signs
        group = self.groups[i]
        axes = (
            axis for axis in (*group.incoming, *group.outgoing) if (axis.layer, axis.leaf) in self._shared
        )
        reorder(now.b, axes, order, signs)

    def neighbours(self, i: int) -> set[int]:
        """The groups whose gains depend on the order of group i."""
        pairs = [{side[0] for side in (leaf.writes, leaf.reads) if side} for leaf in self.shared]
        return set().union(*(pair for pair in pairs if i in pair)) - (set() if self.loop(i) else {i})

    def loop(self, i: int) -> bool:
        """Whether a leaf leads from the group to itself, so that its gains depend on its own order."""
        return any(leaf.writes[0] == leaf.reads[0] == i for leaf in self.shared if leaf.writes and leaf.reads)


@dataclass
class Orders:
    """The present orders and signs, group by group, and the leaves of B that two groups share, so ordered."""

    b: Arrays = field(repr=False)
    orders: list[np.ndarray]
    signs: list[np.ndarray]


def _products(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """⟨A_i, B_j⟩, `[j, i]`."""
    return other.reshape(len(other), -1) @ one.reshape(len(one), -1).T


def _single(arrays: Arrays) -> Arrays:
    return {
        layer: {name: a.astype(np.float32) for name, a in leaves.items()} for layer, leaves in arrays.items()
    }


def started(problem: Problem, start: Start) -> Orders:
    b: Arrays = {}
    for leaf in problem.shared:
        b.setdefault(leaf.layer, {})[leaf.name] = leaf.of(problem.other).copy()
    now = Orders(
        b,
        [np.arange(g.units) for g in problem.groups],
        [np.ones(g.units, np.float32) for g in problem.groups],
    )
    for i, group in enumerate(problem.groups):
        order = np.asarray(start.orders.get(group.layer, now.orders[i]))
        problem.move(now, i, order, np.asarray(start.signs.get(group.layer, now.signs[i]), np.float32))
    return now


def ascend(problem: Problem, now: Orders, draw: np.random.Generator, tolerance: float) -> float:
    """Solves group after group until no single one gains; returns the objective."""
    stale, least = set(range(len(problem.groups))), tolerance * problem.size
    while stale:
        for i in (int(i) for i in draw.permutation(len(problem.groups)) if i in stale):
            stale.discard(i)
            if _solved(problem, now, i) > least:
                stale |= problem.neighbours(i)
    return problem.value(now) / problem.size


def _solved(problem: Problem, now: Orders, i: int) -> float:
    """Gives a group its best order; returns the gain, zero if it had it already."""
    gains, loop = problem.gains(now, i), problem.loop(i)
    order, signs = assignment(gains, problem.free[i][now.orders[i]])
    if np.array_equal(order, np.arange(len(order))) and np.all(signs > 0):
        return 0.0
    picked, stay = gains.picked(order, signs), gains.picked(np.arange(len(order)), np.ones(len(order)))
    before = problem.value(now) if loop else 0.0
    problem.move(now, i, order, signs)
    if not loop:
        return float(np.sum(picked, dtype=np.float64) - np.sum(stay, dtype=np.float64))
    gain = problem.value(now) - before  # the gains themselves have moved
    if gain <= 0:
        back = np.argsort(order)
        problem.move(now, i, back, signs[back])
    return max(gain, 0.0)


def reorder(arrays: Arrays, axes: Iterable[UnitAxis], order: np.ndarray, signs: np.ndarray) -> None:
    """Puts unit `order[i]` into place i along each axis, times its sign."""
    for axis in axes:
        view = by_unit(arrays, axis)
        view[...] = view[order] * axis.per_entry(signs)
