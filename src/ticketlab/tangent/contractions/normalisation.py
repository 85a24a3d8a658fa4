"""Normalisations: each weight multiplies one unit, so their part of a gradient is short and is formed explicitly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ticketlab.networks.layers import Layer
from ticketlab.networks.stages import Normalise
from ticketlab.tangent.contractions.contraction import Way
from ticketlab.tangent.contractions.jacobian_product import written
from ticketlab.tangent.contractions.rules import ways, weight_rows


@ways.register
def _(stage: Normalise, layer: Layer, weight: Any, bias: Any, k: int, products: int) -> Iterator[Way]:
    yield written(layer, weight, bias, k, products)


@weight_rows.register
def _(
    stage: Normalise, a: Float[Array, "n positions units"], delta: Float[Array, "n k positions units"]
) -> Float[Array, "n k units"]:
    return jnp.einsum("npu,ncpu->ncu", a, delta)
