"""One pass of a batch through a network, with a record of intermediate values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jaxtyping import Array

from ticketlab.networks.convolution import convolve
from ticketlab.networks.layers import Layer, pre_activation
from ticketlab.networks.params import Params, Statistics

__all__ = ["Walk"]


@dataclass(eq=False)
class Walk:
    """Records each layer's input, and the features under the name of the layer before them.

    A normalisation over the batch uses the given statistics, or those of the batch; it records them too.
    `corrected` may put another z in a layer's place, which the next layers then read.
    """

    params: Params
    given: Statistics | None = None
    taps: Mapping[str, Array] = field(default_factory=dict)
    convolution: Callable[..., Array] = convolve
    corrected: Callable[[Layer, Array], Array] | None = None
    current: str = ""
    inputs: dict[str, Array] = field(default_factory=dict)
    features: dict[str, Array] = field(default_factory=dict)
    statistics: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def layer(self, layer: Layer, a: Array) -> Array:
        """The layer's z plus its tap."""
        self.inputs[layer.name] = a
        z = pre_activation(layer, self.params[layer.name], a, self.convolution)
        z = z + self.taps[layer.name] if layer.name in self.taps else z
        return z if self.corrected is None else self.corrected(layer, z)

    def weighted(self, layer: Layer, a: Array) -> Array:
        """The same for a layer that gives its name to the features after it."""
        self.current = layer.name
        return self.layer(layer, a)
