"""Layers of sequences: dense layers applied at every step. A recurrent layer reads the state before each step.

Embeddings have no rule: their inputs are numbers of rows, so Jacobian-vector products contract them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxtyping import Array, Float

from ticketlab.networks.layers import Layer
from ticketlab.networks.stages import CausalConvolution
from ticketlab.networks.stages.causal_convolution import windows_before
from ticketlab.networks.stages.per_step import Map
from ticketlab.tangent.contractions.contraction import Way, positions
from ticketlab.tangent.contractions.dense import outer_ways
from ticketlab.tangent.contractions.rules import seen, ways

__all__: list[str] = []


@ways.register
def _(stage: Map, layer: Layer, weight: Any, bias: Any, k: int, products: int) -> Iterator[Way]:
    return outer_ways(layer, weight, bias, k, products)


@ways.register
def _(stage: CausalConvolution, layer: Layer, weight: Any, bias: Any, k: int, products: int) -> Iterator[Way]:
    return outer_ways(layer, weight, bias, k, products)


@seen.register
def _(stage: CausalConvolution, layer: Layer, a: Array) -> Float[Array, "n positions inputs"]:
    read = windows_before(a.reshape(-1, *a.shape[-2:]), stage.window, stage.dilation)
    return read.reshape(-1, positions(layer), read.shape[-1])
