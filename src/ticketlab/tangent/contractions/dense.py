"""Dense layers, whose part of a gradient is the outer product of their inputs and cotangents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ticketlab.networks.layers import Layer
from ticketlab.networks.stages import Dense
from ticketlab.tangent.contractions.contraction import Way, positions
from ticketlab.tangent.contractions.factor_product import FactorProduct
from ticketlab.tangent.contractions.gated_product import GatedProduct
from ticketlab.tangent.contractions.jacobian_product import written
from ticketlab.tangent.contractions.rules import ways

__all__ = ["outer_ways"]


@ways.register
def _(stage: Dense, layer: Layer, weight: Any, bias: Any, k: int, products: int) -> Iterator[Way]:
    return outer_ways(layer, weight, bias, k, products)


def outer_ways(layer: Layer, weight: Any, bias: Any, k: int, products: int) -> Iterator[Way]:
    """All contractions if whole arrays move, Jacobian rows if a mask keeps some weights; arguments as for `ways`."""
    p, i, u = positions(layer), layer.inputs, layer.units
    if weight is True and isinstance(bias, bool):
        if layer.readout:
            yield Way(FactorProduct(layer, bias), 2.0 * i, 0.0, i)
            return
        pair = 2.0 * p * p * (i + products * u + products)
        yield Way(FactorProduct(layer, bias), pair, 0.0, p * (i + k * u))
        if layer.gated:
            expand = (k * (k + 1) if products > k else 2) * u
            inputs, write, numbers = (
                (2.0 * i, 0.0, i + u) if p == 1 else (2.0 * i * u, 2.0 * p * i * u, i * u + u)
            )
            yield Way(GatedProduct(layer, bias), inputs + expand, write, numbers)
    yield written(layer, weight, bias, k, products)
