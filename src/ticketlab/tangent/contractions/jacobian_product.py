"""The rows of the Jacobian, formed explicitly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.networks.layers import Layer
from ticketlab.tangent.contractions.contraction import (
    Contraction,
    Factor,
    Way,
    by_position,
    count,
    positions,
)
from ticketlab.tangent.contractions.rules import seen, weight_rows

__all__ = ["JacobianProduct", "written"]


@dataclass(frozen=True)
class JacobianProduct(Contraction):
    """⟨G_nc, G_mc'⟩ with explicit rows G of the Jacobian. The factor is a tuple of `[n, k, columns]`.

    Arguments:
        layer: a described layer, whose rows come from inputs and cotangents; None for other parameters, whose rows are
            differentiated one by one.
        weight, bias: which of the layer's parameters move.
    """

    layer: Layer | None
    weight: bool = True
    bias: bool = True
    title: ClassVar[str] = "Jacobian"

    def gather(self, a: Array, delta: Array, kept: Sequence[Array | None]) -> Factor:
        """The factor, from the layer's input and cotangents; only the kept parameters, if not None."""
        layer, parts = self.layer, []
        assert layer is not None
        d = by_position(layer, delta)
        if self.weight:
            g = weight_rows(layer.stage, seen(layer.stage, layer, a), d)
            parts.append(layer.weight_scale * g.reshape(*d.shape[:2], -1))
        if self.bias:
            parts.append(layer.bias_scale * jnp.sum(d, axis=2))
        return tuple(g if i is None else g[:, :, i] for g, i in zip(parts, kept, strict=True))

    def columns(self, mask: np.ndarray) -> np.ndarray:
        """The columns that a mask of the layer's weight or bias keeps."""
        by_unit = mask.reshape(-1, mask.shape[-1]).T if mask.ndim > 1 and self.layer is not None else mask
        return np.flatnonzero(by_unit)

    def full(self, left: Factor, right: Factor) -> Float[Array, "n k m k"]:
        n, k, _ = left[0].shape
        return _products(left, right, 2).reshape(n, k, -1, k)

    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        return _products(left, right, 1) / left[0].shape[1]

    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        return jnp.sum(jnp.stack([jnp.sum(jnp.square(g), axis=-1) for g in factor]), axis=0)


def written(layer: Layer, weight: Any, bias: Any, k: int, products: int) -> Way:
    """The rows of one layer with their cost; arguments as for `ways`."""
    fan = layer.inputs * layer.units
    columns = count(weight, fan) + count(bias, layer.units)
    write = 2.0 * k * positions(layer) * fan if weight is not False else 0.0
    contraction = JacobianProduct(layer, weight is not False, bias is not False)
    return Way(contraction, 2.0 * products * columns, write, k * columns)


def _products(left: Factor, right: Factor, rows: int) -> Array:
    """Σ G Gᵀ over parts; the first `rows` axes index the rows of the matrices."""
    flat = [(g.reshape(math.prod(g.shape[:rows]), -1), h.reshape(math.prod(h.shape[:rows]), -1).T)
            for g, h in zip(left, right, strict=True)]  # fmt: skip
    return sum((jnp.matmul(g, h) for g, h in flat[1:]), start=jnp.matmul(*flat[0]))
