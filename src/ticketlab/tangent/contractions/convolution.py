"""Convolutions: dense layers that read a patch at each pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxtyping import Array, Float

from ticketlab.networks.convolution import patches
from ticketlab.networks.layers import Layer
from ticketlab.networks.stages import Convolution
from ticketlab.tangent.contractions.contraction import Way, positions
from ticketlab.tangent.contractions.dense import outer_ways
from ticketlab.tangent.contractions.rules import seen, ways


@ways.register
def _(stage: Convolution, layer: Layer, weight: Any, bias: Any, k: int, products: int) -> Iterator[Way]:
    return outer_ways(layer, weight, bias, k, products)


@seen.register
def _(stage: Convolution, layer: Layer, a: Array) -> Float[Array, "n positions inputs"]:
    images = a.reshape(-1, *a.shape[-3:])
    a = patches(images, (stage.window, stage.window), stage.strides, stage.padding)
    return a.reshape(-1, positions(layer), a.shape[-1])
