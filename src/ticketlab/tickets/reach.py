"""The kept weights that still have an effect: those on a path from an input to an output.

A kept weight is as good as pruned if the unit it reads has no input, or if nothing reads the unit it feeds. At low densities
this can apply to much of a mask. *Effective* density counts only the other weights. Paths follow the unit groups of the
network: a weight leads from the unit that it reads to the unit that it feeds, and a residual sum continues both of its parts.
A normalisation belongs to the layer before it; over channels, it connects every channel with every other, because it divides
by a common number. A bias is not an input: a unit with nothing else is constant. The position in an image where a kernel
weight is applied does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from itertools import pairwise

import numpy as np

from ticketlab.errors import UserError
from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Network
from ticketlab.networks.stages import Normalise
from ticketlab.networks.units import UnitAxis
from ticketlab.tickets.masks import Mask, kept, prunable_layers

__all__ = ["effective_density", "effective_mask"]


def effective_mask(network: Network, mask: Mask) -> dict[str, np.ndarray]:
    """The kept weights that lie on a path of kept weights from an input to an output.

    Raises:
        UserError: for a network without a description of its layers, one with gates or attention, one that applies a layer
            several times, or one that adds its inputs or outputs to hidden units.

    Cost: two passes over the weights.
    """
    edges = _edges(network)
    units = [group.units for group in network.unit_groups]
    fed, used = _fed(edges, units, mask), _used(edges, units, mask)
    return {
        name: edge.between(mask[name], fed[name], used[name]) for edge in edges for name in (edge.layer.name,)
    }


def effective_density(network: Network, mask: Mask) -> float:
    """The fraction of all weights that are kept and lie on a path from an input to an output."""
    sizes = (int(np.prod(layer.weight_shape)) for layer in prunable_layers(network))
    return kept(effective_mask(network, mask)) / sum(sizes)


@dataclass(frozen=True)
class _Edge:
    """A layer between two groups of units.

    Arguments:
        layer: the layer.
        reads: the group that it reads; None for the inputs, which count as one unit.
        writes: the group that it feeds; None for the outputs.
        reading: the place of the units that it reads in its weight; None for the inputs.
        mixes: whether a normalisation over its units (not over the batch) follows it, or the sum that it ends.
    """

    layer: Layer
    reads: int | None
    writes: int | None
    reading: UnitAxis | None
    mixes: bool

    def links(self, kept: np.ndarray) -> np.ndarray:
        """Which unit feeds which, `[units read, units written]`."""
        return np.any(self._by_unit(kept), axis=1)

    def between(self, kept: np.ndarray, fed: np.ndarray, used: np.ndarray) -> np.ndarray:
        """The kept weights from a unit with input to a unit that is used."""
        chosen = self._by_unit(kept) & fed[:, None, None] & used
        if self.reading is None:
            return chosen.reshape(kept.shape)
        view = chosen.reshape(len(fed), *np.delete(self.reading.view, self.reading.axis))
        return np.moveaxis(view, 0, self.reading.axis).reshape(kept.shape)

    def _by_unit(self, kept: np.ndarray) -> np.ndarray:
        """`[units read, everything between, units written]`."""
        if self.reading is None:
            return kept.reshape(1, -1, kept.shape[-1])
        view = np.moveaxis(kept.reshape(self.reading.view), self.reading.axis, 0)
        return view.reshape(len(view), -1, kept.shape[-1])


@singledispatch
def mixes_units(stage: object) -> bool:
    """Whether a layer that scales units makes each of them depend on all the others."""
    raise UserError(
        f"a layer of the kind {type(stage).__name__}",
        "a kind with a rule for the dependence between units, for an effective density",
    )


@mixes_units.register
def _(stage: Normalise) -> bool:
    return not stage.of_batch


def _edges(network: Network) -> list[_Edge]:
    """The layers with weights, in order of depth, as edges between groups of units."""
    layers = network.require_layers("an effective density")
    followers = [*layers[1:], None]
    edges = []
    for layer, follower in zip(layers, followers, strict=True):
        if not layer.stage.weighted:
            continue
        reads, reading, writes = None, None, None
        for i, group in enumerate(network.unit_groups):
            for part in group.outgoing:
                if part.layer == layer.name:
                    reads, reading = i, part
            if any(part.layer == layer.name for part in group.incoming):
                writes = i
        mixes = follower is not None and not follower.stage.weighted and mixes_units(follower.stage)
        edges.append(_Edge(layer, reads, writes, reading, mixes))
    # A shortcut comes after the body that it is added to; a normalisation after it is one of their sum.
    for i, (edge, after) in enumerate(pairwise(edges)):
        if after.mixes and edge.writes == after.writes != after.reads:
            edges[i] = replace(edge, mixes=True)
    _check(network, edges)
    return edges


def _fed(edges: list[_Edge], units: list[int], mask: Mask) -> dict[str, np.ndarray]:
    """For each layer, which of the units that it reads have a path from an input; layers in order of depth."""
    alive, found = [np.zeros(n, bool) for n in units], {}
    for edge in edges:
        reads = np.ones(1, bool) if edge.reads is None else alive[edge.reads].copy()
        found[edge.layer.name] = reads
        if edge.writes is not None:
            reached = (edge.links(mask[edge.layer.name]) & reads[:, None]).any(axis=0)
            alive[edge.writes] |= reached | (edge.mixes and bool(reached.any()))
    return found


def _used(edges: list[_Edge], units: list[int], mask: Mask) -> dict[str, np.ndarray]:
    """For each layer, which of the units that it writes have a path to an output; layers in reverse order."""
    useful, found = [np.zeros(n, bool) for n in units], {}
    for edge in reversed(edges):
        writes = np.ones(edge.layer.units, bool) if edge.writes is None else useful[edge.writes].copy()
        found[edge.layer.name] = writes = writes | (edge.mixes and bool(writes.any()))
        if edge.reads is not None:
            useful[edge.reads] |= (edge.links(mask[edge.layer.name]) & writes).any(axis=1)
    return found


def _check(network: Network, edges: list[_Edge]) -> None:
    """Checks that no layer has gates or is applied twice, and that only the last feeds the outputs."""
    if any(edge.layer.gates > 1 for edge in edges):
        raise UserError(
            f"{network.name}, in which gates or attention connect units that no weight connects",
            "a network whose units are connected by weights alone, for an effective density",
        )
    if any(edge.layer.times for edge in edges):
        raise UserError(
            f"{network.name}, which applies a layer several times",
            "a network that applies each layer once, for an effective density",
        )
    if any((edge.writes is None) != (edge is edges[-1]) for edge in edges):
        raise UserError(
            f"{network.name}, which adds its inputs or outputs to hidden units",
            "a network whose inputs and outputs are separate from hidden units, for an effective density",
            "Put a layer before the first residual sum and one after the last.",
        )
