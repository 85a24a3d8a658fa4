"""The products of a layer's inputs and those of its cotangents, each as one matrix product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ticketlab.networks.layers import Layer
from ticketlab.tangent.contractions.contraction import Contraction, Factor, by_position
from ticketlab.tangent.contractions.rules import seen

__all__ = ["FactorProduct", "input_products"]


@dataclass(frozen=True)
class FactorProduct(Contraction):
    """Σ_pq (s_w² a_p·a_q + s_b²)(δ_cp·δ_c'q).

    The factor is (a, δ) as `[n, positions, inputs]` and `[n, k, positions, units]`; (a,) for a read-out, whose δ is the identity.

    Arguments:
        layer: a layer whose weights all move.
        bias: whether the biases move.
    """

    layer: Layer
    bias: bool
    title: ClassVar[str] = "activations × cotangents"

    def gather(self, a: Array, delta: Array | None) -> Factor:
        """The factor, from the layer's input and cotangents in the network's layout; a read-out needs no cotangents."""
        a = self.layer.weight_scale * seen(self.layer.stage, self.layer, a)
        return (a,) if delta is None else (a, by_position(self.layer, delta))

    def _inputs(self, a: Array, b: Array) -> Float[Array, "n m"]:
        return input_products(self.layer, self.bias, a, b)

    def full(self, left: Factor, right: Factor) -> Float[Array, "n k m k"]:
        if self.layer.readout:
            identity = jnp.eye(self.layer.units, dtype=left[0].dtype)
            return self._inputs(left[0][:, 0], right[0][:, 0])[:, None, :, None] * identity[:, None, :]
        (a, d), (b, e) = left, right
        (n, k, count, _), m = d.shape, len(b)
        columns = e.reshape(m * k * count, -1)

        def at(p: Any) -> Array:
            rows = jnp.matmul(d[:, :, p].reshape(n * k, -1), columns.T).reshape(n, k, m, k, count)
            weights = self._inputs(a[:, p], b.reshape(m * count, -1)).reshape(n, 1, m, 1, count)
            return jnp.sum(weights * rows, axis=-1)

        return _sum_over(count, at)

    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        if self.layer.readout:
            return self._inputs(left[0][:, 0], right[0][:, 0])
        (a, d), (b, e) = left, right
        (n, k, count, _), m = d.shape, len(b)
        columns = jnp.swapaxes(e, 1, 2).reshape(m * count, -1)

        def at(p: Any) -> Array:
            rows = jnp.matmul(d[:, :, p].reshape(n, -1), columns.T)
            weights = self._inputs(a[:, p], b.reshape(m * count, -1))
            return jnp.sum((weights * rows).reshape(n, m, count), axis=-1) / k

        return _sum_over(count, at)

    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        a = factor[0]
        inner = jnp.einsum("npi,nqi->npq", a, a) + (self.layer.bias_scale**2 if self.bias else 0.0)
        if self.layer.readout:
            return jnp.broadcast_to(inner[:, 0], (len(a), self.layer.units))
        d = factor[1]
        return jnp.einsum("npq,ncpu,ncqu->nc", inner, d, d, optimize="optimal")


def input_products(layer: Layer, bias: bool, a: Array, b: Array) -> Float[Array, "n m"]:
    """a_n·a_m + s_b², with a already scaled."""
    product = jnp.matmul(a, b.T)
    return product + layer.bias_scale**2 if bias else product


def _sum_over(count: int, term: Callable[[Any], Array]) -> Array:
    """Σ_p term(p), one position at a time."""
    if count == 1:  # without a loop, so that XLA fuses the sum with other layers
        return term(0)
    return jax.lax.fori_loop(1, count, lambda p, total: total + term(p), term(0))
