"""Which units of a network can be permuted together: the streams in which activations flow from layer to layer.

A dense layer or a convolution reads one stream and writes the next; activation functions and pools stay in it. A normalisation
stays in it too, and its scale and shift belong to the units. A residual sum ties what it adds up: unit i of the one is added to
unit i of the other, so both are one stream, written and read by several layers, and its units are permuted in all of them at
once. The input and the output are streams whose units stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ticketlab.networks.network import Layer
from ticketlab.networks.stages import (
    Activate,
    Activation,
    Convolution,
    Dense,
    Normalise,
    Pool,
    Pooling,
    Repeat,
    Residual,
    Shape,
    Stage,
)
from ticketlab.networks.units import UnitAxis, UnitGroup

__all__ = ["unit_groups"]


@dataclass(eq=False)
class _Stream:
    layer: str
    units: int
    fixed: bool = False
    incoming: list[UnitAxis] = field(default_factory=list)
    outgoing: list[UnitAxis] = field(default_factory=list)
    activations: set[Activation] = field(default_factory=set)
    maximum: bool = False
    normalised: bool = False

    def group(self) -> UnitGroup:
        return UnitGroup(
            layer=self.layer,
            units=self.units,
            incoming=tuple(self.incoming),
            outgoing=tuple(self.outgoing),
            rescalable=not self.normalised and self.activations <= {Activation.RELU},
            flippable=not self.normalised
            and not self.maximum
            and self.activations <= {Activation.TANH, Activation.ERF},
        )


def unit_groups(stages: Sequence[Stage], layers: Sequence[Layer], shape: Shape) -> tuple[UnitGroup, ...]:
    """The groups in order of depth.

    Arguments:
        stages: from input to output.
        layers: their layers in order of depth.
        shape: of one input.
    """
    streams = _Streams(iter(layers), _Stream("", shape[-1], fixed=True))
    streams.follow(stages, shape)
    streams.current.fixed = True
    return tuple(stream.group() for stream in streams.written if not stream.fixed)


class _Streams:
    """Follows the stages; `current` is the stream that they have reached, `written` all of them."""

    def __init__(self, layers: Iterator[Layer], given: _Stream) -> None:
        self.layers, self.current, self.written = layers, given, [given]

    def follow(self, stages: Sequence[Stage], shape: Shape) -> None:
        for stage in stages:
            match stage:
                case Dense() | Convolution():
                    self._layer(next(self.layers))
                case Normalise():
                    self._normalise(next(self.layers))
                case Activate():
                    self.current.activations.add(stage.activation)
                case Pool(pooling=Pooling.MAX):
                    self.current.maximum = True
                case Repeat():
                    given = self.current
                    self.follow(stage.stages, shape)
                    self._tie(given, self.current)
                case Residual():
                    given = self.current
                    self.follow(stage.stages, shape)
                    reached = self.current
                    if stage.shortcut(shape):
                        self.current = given
                        self._layer(next(self.layers))
                        given = self.current
                    self._tie(given, reached)
            shape = stage.shape(shape)

    def _layer(self, layer: Layer) -> None:
        read, *window = self.current, *layer.weight_shape[:-2]
        # Flattened, a channel feeds one row of the next weight for each pixel, and channels run fastest.
        view = layer.weight_shape if window else (layer.inputs // read.units, read.units, layer.units)
        read.outgoing.append(UnitAxis(layer.name, "weight", view, -2))
        self.current = _Stream(layer.name, layer.units)
        self.current.incoming.append(UnitAxis(layer.name, "weight", layer.weight_shape, -1))
        if layer.has_bias:
            self.current.incoming.append(UnitAxis(layer.name, "bias", (layer.units,), 0))
        self.written.append(self.current)

    def _normalise(self, layer: Layer) -> None:
        stream = self.current
        view = (layer.units // stream.units, stream.units)  # flattened, as above
        stream.incoming.append(UnitAxis(layer.name, "weight", view, -1))
        if layer.has_bias:
            stream.incoming.append(UnitAxis(layer.name, "bias", view, -1))
        stream.normalised = True

    def _tie(self, one: _Stream, other: _Stream) -> None:
        """Both become the one that was written first."""
        if one is other:
            return
        if self.written.index(other) < self.written.index(one):
            one, other = other, one
        self.written.remove(other)
        one.fixed = one.fixed or other.fixed or one.units != other.units
        one.incoming += other.incoming
        one.outgoing += other.outgoing
        one.activations |= other.activations
        one.maximum = one.maximum or other.maximum
        one.normalised = one.normalised or other.normalised
        self.current = one
