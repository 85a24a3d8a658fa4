"""Balanced scales: the factors of all units for which the squares of the weights have the least sum.

Multiplying the incoming weights of unit u by e^{x_u} and dividing its outgoing weights by it turns the sum of squares into

    F(x) = Σ_leaf Σ_{u,v} S_uv e^{2(x_u − x_v)},     S_uv: the squares that unit u writes and unit v feeds, added up,

a convex function. At its minimum every unit's incoming and outgoing weights have the same norm. Sweeps over the groups set
x_u ← x_u + ½ log(‖o_u‖/‖a_u‖), which is coordinate descent. (Half of that for a group that feeds itself, where the plain step
may oscillate.) The factors are unique unless a group of units is cut off from inputs and outputs.

Before a normalisation over channels only a common factor of the units is free, and it moves freely. It is set so that the squares
of the effective weights are what He's initialisation gives, 2 a unit and layer (1 for a normalisation's scale). The sweeps then
descend F with log ‖W‖² in place of ‖W‖² for these weights, which is convex too. Before a sign the factor of each unit moves
freely, and is set in the same way.

Sources: Stock, Graham, Gribonval, Jégou 2019, arXiv 1902.10416 (sweeps over layers, and their limit); Osborne 1960, "On
pre-conditioning of matrices", J. ACM 7 (balancing a matrix by a diagonal similarity).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from ticketlab.errors import NumericalFailure
from ticketlab.networks.network import Network
from ticketlab.symmetry.places import Arrays, Leaf, leaves_of, places
from ticketlab.symmetry.scale_groups import ScaleGroup

__all__ = ["Balance", "balanced_factors"]

TOLERANCE = 1e-9  # the largest change of a factor's logarithm in the last sweep
SWEEPS = 20_000
HE = 2.0  # squares of the weights into one unit at He's initialisation


@dataclass(frozen=True)
class Balance:
    """Arguments:
    logs: log c of every unit, group by group.
    sweeps: how many it took.
    """

    logs: list[Float[np.ndarray, "..."]]
    sweeps: int


@dataclass(frozen=True)
class _Squares:
    """S of one leaf, with the places of the groups that it leads from and to; None for inputs and outputs."""

    total: Float[np.ndarray, "m n"] = field(repr=False)
    to: int | None
    source: int | None
    effective: float  # the layer's own scale, squared

    def written(self, logs: Sequence[np.ndarray]) -> np.ndarray:
        """Squares into each unit that it writes, before that unit's own factor."""
        return self.total.sum(axis=1) if self.source is None else self.total @ np.exp(-2 * logs[self.source])

    def read(self, logs: Sequence[np.ndarray]) -> np.ndarray:
        """Squares out of each unit that it reads, before that unit's own factor."""
        return self.total.sum(axis=0) if self.to is None else np.exp(2 * logs[self.to]) @ self.total


def balanced_factors(network: Network, arrays: Arrays, groups: Sequence[ScaleGroup]) -> Balance:
    """The logarithms of the balanced factors; zero for units without weights on one side, and for groups that have no scale.

    Raises:
        NumericalFailure: if 20 000 sweeps are not enough, as for units that are all but cut off.

    Cost: a sweep takes one product with each matrix S; 3 × 512 units took 30 sweeps, ResNet-20 several hundred.
    """
    squares = _squares(network, arrays, groups)
    logs = [np.zeros(group.units.units) for group in groups]
    free = [i for i, group in enumerate(groups) if group.units.rescalable]
    for sweep in range(1, SWEEPS + 1):
        moved = 0.0
        for i in free:
            step = _step_of(network, groups[i], i, squares, logs)
            logs[i] = logs[i] + step
            moved = max(moved, float(np.max(np.abs(step), initial=0.0)))
        if moved < TOLERANCE:
            return Balance(logs, sweep)
    raise NumericalFailure(
        f"Factors still move by {moved:.1e} after {SWEEPS} sweeps. Remove units that hardly any weight leads to or from."
    )


def _step_of(
    network: Network, group: ScaleGroup, i: int, squares: Sequence[_Squares], logs: Sequence[np.ndarray]
) -> np.ndarray:
    if group.common:
        return _common_step(network, group, i, squares, logs)
    return _free_step(network, group, i, squares, logs) if group.scaleless else _step(i, squares, logs)


def _step(i: int, squares: Sequence[_Squares], logs: Sequence[np.ndarray]) -> np.ndarray:
    incoming = sum(s.written(logs) for s in squares if s.to == i) * np.exp(2 * logs[i])
    outgoing = sum(s.read(logs) for s in squares if s.source == i) * np.exp(-2 * logs[i])
    alive = (incoming > 0) & (outgoing > 0)
    ratio = np.divide(outgoing, incoming, out=np.ones_like(logs[i]), where=alive)
    feeds_itself = any(s.to == s.source == i for s in squares)
    return np.log(ratio) / (8 if feeds_itself else 4)


def _common_step(
    network: Network, group: ScaleGroup, i: int, squares: Sequence[_Squares], logs: Sequence[np.ndarray]
) -> np.ndarray:
    """The same for all units: the effective squares reach their target."""
    target = group.units.units * _target(network, group)
    into = sum(
        s.effective * float(np.sum(s.written(logs) * np.exp(2 * logs[i]))) for s in squares if s.to == i
    )
    return np.full(group.units.units, 0.5 * np.log(target / into) if into else 0.0)


def _free_step(
    network: Network, group: ScaleGroup, i: int, squares: Sequence[_Squares], logs: Sequence[np.ndarray]
) -> np.ndarray:
    """The effective squares into each unit reach their target; nothing after the unit depends on them."""
    into = sum(s.effective * s.written(logs) for s in squares if s.to == i) * np.exp(2 * logs[i])
    ratio = np.divide(_target(network, group), into, out=np.ones_like(logs[i]), where=into > 0)
    return 0.5 * np.log(ratio)


def _target(network: Network, group: ScaleGroup) -> float:
    """The effective squares into one unit."""
    writers = {axis.layer for axis in group.units.incoming}
    return sum(HE if layer.stage.weighted else 1.0 for layer in network.layers if layer.name in writers)


def _squares(network: Network, arrays: Arrays, groups: Sequence[ScaleGroup]) -> list[_Squares]:
    layers = {layer.name: layer for layer in network.layers}
    found = []
    for leaf in leaves_of(tuple(group.units for group in groups)):
        layer = layers[leaf.layer]
        scale = layer.weight_scale if leaf.name == "weight" else layer.bias_scale
        found.append(_of_leaf(leaf, arrays, groups, scale**2))
    return found


def _of_leaf(leaf: Leaf, arrays: Arrays, groups: Sequence[ScaleGroup], effective: float) -> _Squares:
    values = np.square(leaf.of(arrays)).ravel()
    sides = []
    for side in (leaf.writes, leaf.reads):
        units = 1 if side is None else groups[side[0]].units.units
        sides.append((units, 0 if side is None else places(side[1], units)))
    (rows, row), (columns, column) = sides
    total = np.bincount(row * columns + column, weights=values, minlength=rows * columns)
    to, source = (None if side is None else side[0] for side in (leaf.writes, leaf.reads))
    return _Squares(total.reshape(rows, columns), to, source, effective)
