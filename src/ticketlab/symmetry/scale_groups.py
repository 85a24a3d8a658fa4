"""Which units can be rescaled without changing the function: a finer division than that into units that can be permuted.

For c > 0 the function stays the same if a unit's incoming weights and bias are multiplied by c and its outgoing weights are
divided by c, as long as everything between them commutes with c: ReLU, pools, sums. A residual sum needs one c for all that
write to it. A normalisation ends the stretch, and its own scale and shift begin the next one. What is before it depends on the
kind. With fixed batch statistics it is an elementwise product, so its scale is what reads the units. If a layer comes directly
before, the scale is folded into that layer's weights and stays at one. A normalisation over channels
leaves before it only a common factor of all units, and a common addend if nothing else reads them and every pixel has a mean of
its own. A sign leaves before it a factor of each unit that nothing after it has to undo.

The stages say what they write and read (`Stage.follow`); this file only answers differently at a normalisation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Network
from ticketlab.networks.stages.normalisation import Normalise
from ticketlab.networks.stages.stage import Step, follow
from ticketlab.networks.streams import Stream, Streams
from ticketlab.networks.units import UnitAxis, UnitGroup

__all__ = ["ScaleGroup", "folded_pairs", "scale_groups"]


@dataclass(frozen=True)
class ScaleGroup:
    """Units between what writes them and what reads them.

    Arguments:
        units: what writes and reads them, and whether they may be rescaled or flipped.
        common: a normalisation over channels reads them, so that they can only have one factor in common.
        centred: only such normalisations read them, with nothing in between, so that a common addend is free too.
        scaleless: only their signs are read, so that the incoming weights have a factor alone; these `units` have no outgoing
            weights, and those of another group have them.
    """

    units: UnitGroup
    common: bool
    centred: bool
    scaleless: bool = False


@lru_cache(maxsize=64)
def scale_groups(network: Network, common: bool = False) -> tuple[ScaleGroup, ...]:
    """The groups in order of depth, those without scale last; batch statistics are taken to be fixed and folded
    (`ticketlab.symmetry.folded`).

    Arguments:
        network: f.
        common: whether the common factor before a normalisation over channels counts as free.
    """
    network.require_layers("its symmetries")
    weighted = frozenset(layer.name for layer in network.layers if layer.stage.weighted)
    streams = _ScaleStreams(network.input_shape[-1], frozenset(folded_pairs(network).values()))
    follow(network.steps, streams)
    free = streams.free()
    groups = [_group(stream, read, common, weighted) for stream, read in free]
    return (*groups, *(_scaleless(stream, axes) for stream, _ in free for axes in stream.scaleless))


@lru_cache(maxsize=64)
def folded_pairs(network: Network) -> dict[str, str]:
    """`{layer: the normalisation over the batch that directly follows it}`; none for positions, which are only added."""

    def pairs(steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
        for step, after in pairwise(steps):
            if (
                _of_batch(after)
                and step.drawn
                and step.layer.stage.weighted
                and not step.layer.stage.continues
            ):
                yield step.layer.name, after.layer.name
        for step in steps:
            yield from pairs(step.body)
            yield from pairs(step.shortcut)

    return dict(pairs(network.steps))


def _of_batch(step: Step) -> bool:
    return isinstance(step.stage, Normalise) and step.stage.of_batch


def _group(stream: Stream, read_over_channels: bool, common: bool, weighted: frozenset[str]) -> ScaleGroup:
    # ReLU, maximum pools and a mean over pixels make a stream unflippable, other activation functions and gates unrescalable.
    linear = stream.rescalable and stream.flippable
    alone = not stream.outgoing and all(axis.layer in weighted for axis in stream.incoming)
    units = UnitGroup(
        stream.layer,
        stream.units,
        tuple(stream.incoming),
        tuple(stream.outgoing),
        stream.rescalable and (common or not read_over_channels),
        stream.flippable and not read_over_channels,
        jumps=stream.jumps,
    )
    return ScaleGroup(units, read_over_channels, read_over_channels and linear and alone)


def _scaleless(stream: Stream, axes: tuple[UnitAxis, ...]) -> ScaleGroup:
    units = UnitGroup(axes[0].layer, stream.units, axes, (), rescalable=True, flippable=False)
    return ScaleGroup(units, common=False, centred=False, scaleless=True)


class _ScaleStreams(Streams):
    """The same streams, except that a normalisation ends one and begins another, unless it is folded."""

    def __init__(self, units: int, folded: frozenset[str]) -> None:
        super().__init__(units)
        self._folded = folded
        self._before_channels: set[Stream] = set()

    def scale(self, layer: Layer) -> None:
        before = self.current
        shift = [UnitAxis(layer.name, "bias", (layer.units,), 0)] if layer.has_bias else []
        if layer.name in self._folded:
            before.incoming += shift
            return
        if layer.stage.of_batch:
            view = (layer.units // before.units, before.units)
            before.outgoing.append(UnitAxis(layer.name, "weight", view, -1))
        else:
            self._before_channels.add(before)
            # where pixels share a mean, no addend is common
            before.flippable &= layer.units == before.units
        scale = UnitAxis(layer.name, "weight", (layer.units,), 0)
        self.current = Stream(layer.name, layer.units, incoming=[scale, *shift])
        self._written.append(self.current)

    def tie(self, one: Stream, other: Stream) -> None:
        super().tie(one, other)
        if {one, other} & self._before_channels:
            self._before_channels.add(self.current)

    def free(self) -> list[tuple[Stream, bool]]:
        """The streams between inputs and outputs, and whether a normalisation over channels reads them."""
        self.current.fixed = True
        return [(s, s in self._before_channels) for s in self._written if not s.fixed]
