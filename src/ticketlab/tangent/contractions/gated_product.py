"""The layer before a dense read-out, whose cotangents for all outputs share one gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.networks.layers import Layer
from ticketlab.tangent.contractions.contraction import Contraction, Factor, positions
from ticketlab.tangent.contractions.factor_product import input_products
from ticketlab.tangent.contractions.rules import seen

__all__ = ["GatedProduct"]


@dataclass(frozen=True)
class GatedProduct(Contraction):
    """Σ_u V_uc V_uc' (H_nu · H_mu + s_b² h_nu h_mu), with h_nu = Σ_p g_pu.

    The factor is (a, g, V) as `[n, inputs]`, `[n, units]` and `[units, k]` for one position, where H_nu = g_nu a_n, and
    (H, h, V) with H `[n, units, inputs]` for several.

    Arguments:
        layer: a layer whose weights all move and whose `gated` is true.
        bias: whether the biases move.
    """

    layer: Layer
    bias: bool
    title: ClassVar[str] = "gates before the read-out"

    def gather(self, a: Array, gate: Array, readout: Float[Array, "units k"]) -> Factor:
        """The factor, from the layer's input, its gate `[n, …, units]` and the read-out's weights."""
        a = self.layer.weight_scale * seen(self.layer.stage, self.layer, a)
        g = gate.reshape(len(a), positions(self.layer), self.layer.units)
        if positions(self.layer) == 1:
            return a[:, 0], g[:, 0], readout
        return jnp.einsum("npu,npi->nui", g, a), jnp.sum(g, axis=1), readout

    def _by_unit(self, left: Factor, right: Factor) -> Float[Array, "n m units"]:
        """H_nu · H_mu + s_b² h_nu h_mu for several positions."""
        products = jnp.einsum("nui,mui->unm", left[0], right[0])
        if self.bias:
            products += self.layer.bias_scale**2 * left[1].T[:, :, None] * right[1].T[:, None, :]
        return jnp.moveaxis(products, 0, -1)

    def _inputs(self, a: Array, b: Array) -> Float[Array, "n m"]:
        return input_products(self.layer, self.bias, a, b)

    def full(self, left: Factor, right: Factor) -> Float[Array, "n k m k"]:
        k = left[2].shape[1]
        one, other = np.triu_indices(k)
        place = np.zeros((k, k), int)
        place[one, other] = place[other, one] = np.arange(len(one))
        pairs = left[2][:, one] * left[2][:, other]  # V_uc V_uc' for c ≤ c'
        if positions(self.layer) > 1:
            products = jnp.matmul(self._by_unit(left, right), pairs)[:, :, place]
            return jnp.swapaxes(products, 1, 2)
        (a, g, _), (b, h, _) = left, right
        rows = (g[:, None, :] * pairs.T).reshape(-1, g.shape[1])
        products = jnp.matmul(rows, h.T).reshape(len(a), len(one), len(b))[:, place]  # [n, k, k', m]
        return self._inputs(a, b)[:, None, :, None] * jnp.swapaxes(products, 2, 3)

    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        weights = jnp.mean(jnp.square(left[2]), axis=1)
        if positions(self.layer) > 1:
            return jnp.matmul(self._by_unit(left, right), weights)
        return self._inputs(left[0], right[0]) * jnp.matmul(left[1] * weights, right[1].T)

    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        a, g, v = factor
        squares = jnp.sum(jnp.square(a), axis=-1)
        if positions(self.layer) == 1:
            squares = (squares + (self.layer.bias_scale**2 if self.bias else 0.0))[:, None] * jnp.square(g)
        elif self.bias:
            squares = squares + self.layer.bias_scale**2 * jnp.square(g)
        return jnp.matmul(squares, jnp.square(v))
