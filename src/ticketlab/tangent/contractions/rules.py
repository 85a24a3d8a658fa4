"""The questions that the tangent kernel asks of a kind of layer; the kinds answer them in files of their own.

A layer of a kind without rules is contracted by Jacobian-vector products, which need none.
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
    """The contractions that are right for a layer, besides Jacobian-vector products.

    Arguments:
        stage, layer: which.
        weight, bias: what may move: True (all), False (nothing), or a mask.
        k, products: the outputs, and how many pairs of outputs are wanted, k² or k.
    """
    return iter(())


@singledispatch
def seen(stage: Any, layer: Layer, a: Array) -> Float[Array, "n positions inputs"]:
    """What the layer multiplies by its weight at each position: its input as the network has it, unless a kind says otherwise."""
    return a.reshape(-1, positions(layer), a.shape[-1])


@singledispatch
def weight_rows(
    stage: Any, a: Float[Array, "n positions inputs"], delta: Float[Array, "n k positions units"]
) -> Float[Array, "n k ..."]:
    """∂f_c(x_n)/∂weight from inputs and cotangents: outer products, unless a kind says otherwise."""
    # Units before inputs: the order in which the product leaves them, without a copy.
    return jnp.einsum("npi,ncpu->ncui", a, delta)
