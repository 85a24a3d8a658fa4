"""One pass of a batch through a network, and what is noted on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jaxtyping import Array

from ticketlab.networks.convolution import convolve
from ticketlab.networks.layers import Layer, pre_activation
from ticketlab.networks.network import Params, Statistics

__all__ = ["Walk"]


@dataclass(eq=False)
class Walk:
    """Notes each layer's input, and the features under the layer that they follow.

    A normalisation over the batch takes the statistics that are given, or those of the batch; they are noted too.
    """

    params: Params
    given: Statistics | None = None
    taps: Mapping[str, Array] = field(default_factory=dict)
    convolution: Callable[..., Array] = convolve
    current: str = ""
    inputs: dict[str, Array] = field(default_factory=dict)
    features: dict[str, Array] = field(default_factory=dict)
    statistics: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def layer(self, layer: Layer, a: Array) -> Array:
        """The layer's z, with its tap."""
        self.inputs[layer.name] = a
        z = pre_activation(layer, self.params[layer.name], a, self.convolution)
        return z + self.taps[layer.name] if layer.name in self.taps else z

    def weighted(self, layer: Layer, a: Array) -> Array:
        """The same for a layer after which the features that follow are named."""
        self.current = layer.name
        return self.layer(layer, a)
