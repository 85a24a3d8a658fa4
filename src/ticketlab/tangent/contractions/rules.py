"""The rules that a kind of layer can define for the tangent kernel; each kind has its own file.

A kind without rules is contracted by Jacobian-vector products, which need none.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ticketlab.networks.layers import Layer
from ticketlab.tangent.contractions.contraction import Way, positions

__all__ = ["seen", "ways", "weight_rows"]


@singledispatch
def ways(stage: Any, layer: Layer, weight: Any, bias: Any, k: int, products: int) -> Iterator[Way]:
    """The contractions that apply to a layer, in addition to Jacobian-vector products.

    Arguments:
        stage, layer: the stage and its layer.
        weight, bias: what may move: True (all), False (nothing), or a mask.
        k, products: the number of outputs, and of pairs of outputs, k² or k.
    """
    return iter(())


@singledispatch
def seen(stage: Any, layer: Layer, a: Array) -> Float[Array, "n positions inputs"]:
    """The array that the weight multiplies at each position; by default the layer's input."""
    return a.reshape(-1, positions(layer), a.shape[-1])


@singledispatch
def weight_rows(
    stage: Any, a: Float[Array, "n positions inputs"], delta: Float[Array, "n k positions units"]
) -> Float[Array, "n k ..."]:
    """∂f_c(x_n)/∂weight from inputs and cotangents; by default outer products."""
    # Units before inputs, the order of the product, to avoid a copy.
    return jnp.einsum("npi,ncpu->ncui", a, delta)
