"""Which units of a network can be permuted together: the streams in which activations flow from layer to layer.

A dense layer or a convolution reads one stream and writes the next. Activation functions and pools stay in their
stream. A normalisation stays in it too, and its scale and shift belong to the units. A residual sum adds unit i of one
stream to unit i of another, so both become one stream. Several layers then write and read it, and a permutation of its
units applies to all of them. The units of the input and output streams are fixed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ticketlab.networks.layers import Layer
from ticketlab.networks.units import UnitAxis, UnitGroup

__all__ = ["Stream", "Streams"]


@dataclass(eq=False)
class Stream:
    """Units and their places in the parameters.

    Arguments:
        layer, units: the first layer that writes them, and their number.
        fixed: whether they cannot be permuted.
        incoming, outgoing: the parameters that write and read them.
        rescalable, flippable: as for a `UnitGroup`; stages on the way can set them to false.
        scaleless, jumps: as for a `UnitGroup`.
        shared: whether another path reads the units too (the other part of a residual sum).
    """

    layer: str
    units: int
    fixed: bool = False
    incoming: list[UnitAxis] = field(default_factory=list)
    outgoing: list[UnitAxis] = field(default_factory=list)
    rescalable: bool = True
    flippable: bool = True
    scaleless: list[tuple[UnitAxis, ...]] = field(default_factory=list)
    jumps: bool = False
    shared: bool = False

    def only_signs(self) -> None:
        """Only the signs of the units go on. The size of what wrote them is void, unless something else reads it."""
        if self.incoming and self.rescalable and not self.outgoing and not self.shared:
            self.scaleless.append(tuple(self.incoming))
        self.rescalable, self.jumps = False, True


class Streams:
    """The streams of the stages followed so far.

    Arguments:
        units: of the input.
    """

    def __init__(self, units: int) -> None:
        self.current = Stream("", units, fixed=True)  # the stream after the stages so far
        self._written = [self.current]

    def groups(self) -> tuple[UnitGroup, ...]:
        """The groups of units in order of depth, after the last stage."""
        self.current.fixed = True
        return tuple(
            UnitGroup(
                s.layer,
                s.units,
                tuple(s.incoming),
                tuple(s.outgoing),
                s.rescalable,
                s.flippable,
                tuple(s.scaleless),
                s.jumps,
            )
            for s in self._written
            if not s.fixed
        )

    def cross(self, layer: Layer, view: tuple[int, ...], odd_gate: int | None = None) -> None:
        """A layer reads the stream and writes the next. Reshaped to `view`, its weight has the units read as axis −2.

        A unit of a layer with gates owns one column of each; the odd gate is the one that changes sign with the unit.
        """
        self.current.outgoing.append(UnitAxis(layer.name, "weight", view, -2))
        self.current = Stream(layer.name, layer.units // layer.gates)
        self._write(layer, odd_gate)
        self._written.append(self.current)

    def loop(self, layer: Layer, odd_gate: int) -> None:
        """A layer reads the stream and writes it: the recurrent weights of its units."""
        self.current.outgoing.append(UnitAxis(layer.name, "weight", (1, *layer.weight_shape), -2))
        self._write(layer, odd_gate)

    def join(self, layer: Layer) -> None:
        """A layer is added to the stream, unit by unit, and reads none of it (learned positions)."""
        self._write(layer)

    def renew(self, units: int) -> None:
        """The units so far are fixed, and so are those that follow: entries of the stream change their meaning."""
        self.current.fixed = True
        self.current = Stream("", units, fixed=True)
        self._written.append(self.current)

    def _write(self, layer: Layer, odd_gate: int | None = None) -> None:
        """The columns of a layer's weight and its biases belong to the units of the stream."""
        incoming, gates = self.current.incoming, () if layer.gates == 1 else (layer.gates,)
        view = (*layer.weight_shape[:-1], *gates, self.current.units)
        incoming.append(UnitAxis(layer.name, "weight", view, -1, odd_gate))
        if layer.has_bias:
            incoming.append(UnitAxis(layer.name, "bias", (*gates, self.current.units), len(gates), odd_gate))

    def scale(self, layer: Layer) -> None:
        """A normalisation's scale and shift belong to the units of the stream."""
        stream = self.current
        view = (layer.units // stream.units, stream.units)  # a unit of a flattened image has several pixels
        stream.incoming.append(UnitAxis(layer.name, "weight", view, -1))
        if layer.has_bias:
            stream.incoming.append(UnitAxis(layer.name, "bias", view, -1))
        stream.rescalable = stream.flippable = False

    def tie(self, one: Stream, other: Stream) -> None:
        """Merges two streams into the one that was written first."""
        if one is other:
            return
        if self._written.index(other) < self._written.index(one):
            one, other = other, one
        self._written.remove(other)
        one.fixed = one.fixed or other.fixed or one.units != other.units
        one.incoming += other.incoming
        one.outgoing += other.outgoing
        one.rescalable &= other.rescalable
        one.flippable &= other.flippable
        one.scaleless += other.scaleless
        one.jumps |= other.jumps
        self.current = one
