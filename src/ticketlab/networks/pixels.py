"""Sums over the pixels of all images of a batch, and their adjoint: one number a channel for every pixel.

    summed(z)[u] = Σ_{n, i, j} z[n, i, j, u],        spread(b)[n, i, j, u] = b[u]

Biases, and means and scales of a normalisation over the batch, need the two in training. XLA sums over long leading axes one
number at a time on a CPU. Here the images are summed by a product with a row of ones: for 60 images of 32 × 32 × 64 in 0.7 ms
instead of 22 ms, on one core. The two are JAX primitives, because each is the derivative of the other.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

__all__ = ["spread", "summed"]


def summed(z: Float[Array, "n height width units"]) -> Float[Array, " units"]:
    """Σ_{n, i, j} z[n, i, j].

    Equivalent to `jnp.sum(z, axis=(0, 1, 2))`.
    """
    return _summed.bind(z)


def spread(b: Any, like: Float[Array, "n height width units"]) -> Array:
    """b `[units]` at every pixel of the images `like`, in the precision of b.

    Equivalent to `jnp.broadcast_to(b, like.shape)`.
    """
    return _spread.bind(b, over=like.shape[:3])


_summed, _spread = Primitive("summed_over_pixels"), Primitive("spread_over_pixels")


@jax.jit
def _summed_alone(z: Array) -> Array:
    return _summed.bind(z)


@partial(jax.jit, static_argnames=["over"])
def _spread_alone(b: Array, over: tuple[int, int, int]) -> Array:
    return _spread.bind(b, over=over)


def _sum(z: Array) -> Array:
    """With any axes in front."""
    n, height, width, units = z.shape[-4:]
    rows = z.reshape(*z.shape[:-4], n * height, width * units)
    over_rows = jnp.ones((1, n * height), z.dtype) @ rows
    return jnp.sum(over_rows.reshape(*z.shape[:-4], width, units), axis=-2)


def _broadcast(b: Array, *, over: tuple[int, int, int]) -> Array:
    """With any axes in front."""
    lead = tuple(range(b.ndim - 1))
    return lax.broadcast_in_dim(b, (*b.shape[:-1], *over, b.shape[-1]), (*lead, b.ndim + 2))


def _register(primitive: Primitive, alone: Any, lowered: Any, abstract: Any, adjoint: Any) -> None:
    """The rules of a linear primitive with any axes in front."""
    primitive.def_impl(alone)
    primitive.def_abstract_eval(abstract)
    ad.deflinear2(primitive, adjoint)
    mlir.register_lowering(primitive, mlir.lower_fun(lowered, multiple_results=False))

    def batched(operands: Any, axes: Any, **parameters: Any) -> tuple[Array, int]:
        return primitive.bind(jnp.moveaxis(operands[0], axes[0], 0), **parameters), 0

    batching.primitive_batchers[primitive] = batched


_register(
    _summed,
    _summed_alone,
    _sum,
    lambda z: jax.core.ShapedArray((*z.shape[:-4], z.shape[-1]), z.dtype),
    lambda cotangent, z: [_spread.bind(cotangent, over=z.aval.shape[-4:-1])],
)
_register(
    _spread,
    _spread_alone,
    _broadcast,
    lambda b, over: jax.core.ShapedArray((*b.shape[:-1], *over, b.shape[-1]), b.dtype),
    lambda cotangent, b, over: [_summed.bind(cotangent)],
)
