"""The ways to contract one layer's part of the tangent kernel, each right for the layers it can take, and cheap for other sizes.

A layer sees each example at P positions (the pixels of a convolution, the repetitions of a shared layer; one for a dense layer),
with input a_p, a convolution's being the patch under its window, and cotangent δ_cp = ∂f_c/∂z_p. Its part of K is

    K(n c, m c') = Σ_pq (s_w² a_np·a_mq + s_b²)(δ_ncp · δ_mc'q) = ⟨G_nc, G_mc'⟩,    G_nc = s_w Σ_p a_np ⊗ δ_ncp and s_b Σ_p δ_ncp.

- `FactorProduct` takes the left form: two matrix products and a Hadamard product (patches × cotangents where P > 1).
- `JacobianProduct` takes the right form: the reshaped Jacobian, each of whose rows is as long as the layer has parameters.
- `GatedProduct` is for the layer before a dense read-out with weights V, where δ_cpu = g_pu V_uc with a gate g that all outputs
  share: K = Σ_u V_uc V_uc' (H_nu · H_mu), H_nu = Σ_p g_pu a_p, and only the k(k + 1)/2 different products V_uc V_uc' are needed.
- `TangentProduct` never needs the rows on the left: K = J(X₁) J(X₂)ᵀ by one Jacobian-vector product for each row on the right.

With i inputs and u units they cost 2P²(i + k²u), 2k²iu, 2iu + k(k + 1)u (for P = 1 2i + k(k + 1)u), and about 2k times a
forward pass for each pair of examples. A block is left as `[n, k, m, k]`, the order in which K is kept; the sum over layers
happens while blocks are small enough for the cache.

Source: Novak, Sohl-Dickstein, Schoenholz 2022, arXiv 2206.08720, sections 3.2 to 3.4.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.networks.convolution import patches
from ticketlab.networks.network import Layer, Network

__all__ = [
    "Contraction",
    "Factor",
    "FactorProduct",
    "GatedProduct",
    "JacobianProduct",
    "TangentProduct",
    "outputs_at",
    "positions",
]

Factor = Any  # what a contraction needs to know of a block of examples: a tuple of arrays, examples first


class Contraction(ABC):
    """How a part of K is computed from factors of two blocks of examples."""

    title: ClassVar[str]

    @abstractmethod
    def full(self, left: Factor, right: Factor) -> Float[Array, "n k m k"]:
        """K(n c, m c')."""

    @abstractmethod
    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        """1/k Σ_c K(n c, m c)."""

    @abstractmethod
    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        """K(n c, n c)."""


@dataclass(frozen=True)
class FactorProduct(Contraction):
    """Σ_pq (s_w² a_p·a_q + s_b²)(δ_cp·δ_c'q).

    The factor is (a, δ) as `[n, positions, inputs]` and `[n, k, positions, units]`; (a,) for a read-out, whose δ is the identity.

    Arguments:
        layer: of which all weights move.
        bias: whether the biases move.
    """

    layer: Layer
    bias: bool
    title: ClassVar[str] = "activations × cotangents"

    def gather(self, a: Array, delta: Array | None) -> Factor:
        """The factor, from the layer's input and cotangents as the network has them; a read-out's are not asked for."""
        a = self.layer.weight_scale * seen(self.layer, a)
        return (a,) if delta is None else (a, by_position(self.layer, delta))

    def full(self, left: Factor, right: Factor) -> Float[Array, "n k m k"]:
        if self.layer.readout:
            identity = jnp.eye(self.layer.units, dtype=left[0].dtype)
            return _inputs(self, left[0][:, 0], right[0][:, 0])[:, None, :, None] * identity[:, None, :]
        (a, d), (b, e) = left, right
        (n, k, count, _), m = d.shape, len(b)
        columns = e.reshape(m * k * count, -1)

        def at(p: Any) -> Array:
            rows = jnp.matmul(d[:, :, p].reshape(n * k, -1), columns.T).reshape(n, k, m, k, count)
            weights = _inputs(self, a[:, p], b.reshape(m * count, -1)).reshape(n, 1, m, 1, count)
            return jnp.sum(weights * rows, axis=-1)

        return _sum_over(count, at)

    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        if self.layer.readout:
            return _inputs(self, left[0][:, 0], right[0][:, 0])
        (a, d), (b, e) = left, right
        (n, k, count, _), m = d.shape, len(b)
        columns = jnp.swapaxes(e, 1, 2).reshape(m * count, -1)

        def at(p: Any) -> Array:
            rows = jnp.matmul(d[:, :, p].reshape(n, -1), columns.T)
            weights = _inputs(self, a[:, p], b.reshape(m * count, -1))
            return jnp.sum((weights * rows).reshape(n, m, count), axis=-1) / k

        return _sum_over(count, at)

    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        a = factor[0]
        inner = jnp.einsum("npi,nqi->npq", a, a) + (self.layer.bias_scale**2 if self.bias else 0.0)
        if self.layer.readout:
            return jnp.broadcast_to(inner[:, 0], (len(a), self.layer.units))
        d = factor[1]
        return jnp.einsum("npq,ncpu,ncqu->nc", inner, d, d, optimize="optimal")


@dataclass(frozen=True)
class GatedProduct(Contraction):
    """Σ_u V_uc V_uc' (H_nu · H_mu + s_b² h_nu h_mu), with h_nu = Σ_p g_pu.

    The factor is (a, g, V) as `[n, inputs]`, `[n, units]` and `[units, k]` for one position, where H_nu = g_nu a_n, and
    (H, h, V) with H `[n, units, inputs]` for several.

    Arguments:
        layer: of which all weights move; its `gated` is true.
        bias: whether the biases move.
    """

    layer: Layer
    bias: bool
    title: ClassVar[str] = "gates before the read-out"

    def gather(self, a: Array, gate: Array, readout: Float[Array, "units k"]) -> Factor:
        """The factor, from the layer's input, its gate `[n, …, units]` and the read-out's weights."""
        a = self.layer.weight_scale * seen(self.layer, a)
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
        return _inputs(self, a, b)[:, None, :, None] * jnp.swapaxes(products, 2, 3)

    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        weights = jnp.mean(jnp.square(left[2]), axis=1)
        if positions(self.layer) > 1:
            return jnp.matmul(self._by_unit(left, right), weights)
        return _inputs(self, left[0], right[0]) * jnp.matmul(left[1] * weights, right[1].T)

    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        a, g, v = factor
        squares = jnp.sum(jnp.square(a), axis=-1)
        if positions(self.layer) == 1:
            squares = (squares + (self.layer.bias_scale**2 if self.bias else 0.0))[:, None] * jnp.square(g)
        elif self.bias:
            squares = squares + self.layer.bias_scale**2 * jnp.square(g)
        return jnp.matmul(squares, jnp.square(v))


@dataclass(frozen=True)
class JacobianProduct(Contraction):
    """⟨G_nc, G_mc'⟩ with the rows G of the Jacobian written down. The factor is a tuple of `[n, k, columns]`.

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
        """The factor, from the layer's input and cotangents; of the parameters that move only the kept ones, if not None."""
        layer, parts = self.layer, []
        assert layer is not None
        d = by_position(layer, delta)
        if self.weight:
            normalisation = layer.kind == "normalisation"
            # Units before inputs: the order in which the product leaves them, without a copy.
            g = jnp.einsum("npu,ncpu->ncu" if normalisation else "npi,ncpu->ncui", seen(layer, a), d)
            parts.append(layer.weight_scale * g.reshape(*d.shape[:2], -1))
        if self.bias:
            parts.append(layer.bias_scale * jnp.sum(d, axis=2))
        return tuple(g if i is None else g[:, :, i] for g, i in zip(parts, kept, strict=True))

    def columns(self, mask: np.ndarray) -> np.ndarray:
        """Which columns of the rows a mask of the layer's weight or bias keeps."""
        by_unit = mask.reshape(-1, mask.shape[-1]).T if mask.ndim > 1 and self.layer is not None else mask
        return np.flatnonzero(by_unit)

    def full(self, left: Factor, right: Factor) -> Float[Array, "n k m k"]:
        n, k, _ = left[0].shape
        return _products(left, right, 2).reshape(n, k, -1, k)

    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        return _products(left, right, 1) / left[0].shape[1]

    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        return jnp.sum(jnp.stack([jnp.sum(jnp.square(g), axis=-1) for g in factor]), axis=0)


@dataclass(frozen=True)
class TangentProduct(Contraction):
    """J(X₁) G with G = J(X₂)ᵀ: forward mode on the left, reverse mode on the right.

    The factor is (x, all leaves, rows G of the leaves that move as `[n, k, *leaf]`).

    Arguments:
        network, structure: f, and the tree of its parameters.
        leaves: the numbers of the leaves that move.
    """

    network: Network
    structure: Any
    leaves: tuple[int, ...]
    title: ClassVar[str] = "Jacobian-vector products"

    def full(self, left: Factor, right: Factor) -> Float[Array, "n k m k"]:
        x, leaves, _ = left
        push = jax.linearize(outputs_at(self, leaves, x), [leaves[i] for i in self.leaves])[1]
        # One example's k tangents at a time, since each carries all activations of the left block.
        columns = jax.lax.map(jax.vmap(push), list(right[2]))
        return jnp.transpose(columns, (2, 3, 0, 1))  # [m, k', n, k] → [n, k, m, k']

    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        return jnp.einsum("ncmc->nm", self.full(left, right)) / self.network.outputs

    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        squares = [jnp.sum(jnp.square(g), axis=tuple(range(2, g.ndim))) for g in factor[2]]
        return jnp.sum(jnp.stack(squares), axis=0)


def outputs_at(
    contraction: TangentProduct, leaves: Sequence[Array], x: Array
) -> Callable[[list[Array]], Array]:
    """f(x, θ) as a function of the leaves that move."""

    def outputs(moving: list[Array]) -> Array:
        merged = list(leaves)
        for i, leaf in zip(contraction.leaves, moving, strict=True):
            merged[i] = leaf
        return contraction.network.apply(jax.tree.unflatten(contraction.structure, merged), x)

    return outputs


def positions(layer: Layer) -> int:
    """P: how often a layer's parameters are applied to one example."""
    return math.prod(layer.output_shape[:-1])


def seen(layer: Layer, a: Array) -> Float[Array, "n positions inputs"]:
    """What the layer multiplies by its weight at each position; a convolution's patches."""
    if layer.kind == "convolution":
        rows, columns, *_ = layer.weight_shape
        a = patches(a.reshape(-1, *a.shape[-3:]), (rows, columns), layer.strides, layer.padding)
    return a.reshape(-1, positions(layer), a.shape[-1])


def by_position(layer: Layer, delta: Array) -> Float[Array, "n k positions units"]:
    """Cotangents `[k, n, …, units]`, outputs first as they are swept, with examples first."""
    k, n = delta.shape[:2]
    return jnp.swapaxes(delta.reshape(k, n, positions(layer), layer.units), 0, 1)


def _inputs(part: FactorProduct | GatedProduct, a: Array, b: Array) -> Float[Array, "n m"]:
    """a_n·a_m + s_b²; the a are scaled already."""
    product = jnp.matmul(a, b.T)
    return product + part.layer.bias_scale**2 if part.bias else product


def _products(left: Factor, right: Factor, rows: int) -> Array:
    """Σ G Gᵀ over parts, with the first `rows` axes as rows of matrices."""
    flat = [(g.reshape(math.prod(g.shape[:rows]), -1), h.reshape(math.prod(h.shape[:rows]), -1).T)
            for g, h in zip(left, right, strict=True)]  # fmt: skip
    return sum((jnp.matmul(g, h) for g, h in flat[1:]), start=jnp.matmul(*flat[0]))


def _sum_over(count: int, term: Callable[[Any], Array]) -> Array:
    """Σ_p term(p), one position at a time."""
    if count == 1:  # without a loop, so that XLA adds it up together with other layers' parts
        return term(0)
    return jax.lax.fori_loop(1, count, lambda p, total: total + term(p), term(0))
