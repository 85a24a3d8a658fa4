"""Operations that take many numbers to one: sums, means, extremes, norms, softmax, products of matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.adapters.aten.dtypes import converted
from ticketlab.adapters.aten.means import mean_of_last

__all__ = ["REDUCTIONS"]


def _axes(a: Array, dim: Any) -> tuple[int, ...]:
    """The axes of a reduction; none given means all."""
    dims = [dim] if isinstance(dim, int) else list(dim or ())
    return tuple(d % max(a.ndim, 1) for d in dims) if dims and a.ndim else tuple(range(a.ndim))


def _reduction(function: Callable[..., Array]) -> Callable[..., Array]:
    def reduced(a: Array, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
        return function(converted(a, dtype), axis=_axes(a, dim), keepdims=keepdim)

    return reduced


def _mean(a: Array, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    a = converted(a, dtype)
    return _averaged(a, _axes(a, dim), keepdim)


def _averaged(a: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    others = [axis for axis in range(a.ndim) if axis not in axes]
    mean = mean_of_last(jnp.transpose(a, (*others, *axes)), len(axes)).reshape([a.shape[i] for i in others])
    return jnp.expand_dims(mean, axes) if keepdim else mean


def _variance(a: Array, dim: Any = None, *, correction: Any = 1, keepdim: bool = False) -> Array:
    return _variance_mean(a, dim, correction=correction, keepdim=keepdim)[0]


def _variance_mean(
    a: Array, dim: Any = None, *, correction: Any = 1, keepdim: bool = False
) -> tuple[Array, Array]:
    axes = _axes(a, dim)
    mean = _averaged(a, axes, True)
    size = math.prod(a.shape[axis] for axis in axes)
    variance = _averaged(jnp.square(a - mean), axes, keepdim) * (
        size / (size - (1 if correction is None else correction))
    )
    return variance, mean if keepdim else jnp.squeeze(mean, axes)


def _extreme(of: Callable[..., Array], place: Callable[..., Array]) -> Callable[..., tuple[Array, Array]]:
    """The value along an axis, from its place: where several are equal, the derivative goes to the first."""

    def found(a: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
        at = jnp.expand_dims(place(a, axis=dim), dim)
        value = jnp.take_along_axis(a, at, axis=dim)
        return (value, at) if keepdim else (jnp.squeeze(value, dim), jnp.squeeze(at, dim))

    return found


def _place(function: Callable[..., Array]) -> Callable[..., Array]:
    def found(a: Array, dim: Any = None, keepdim: bool = False) -> Array:
        return function(a, axis=dim, keepdims=keepdim)

    return found


def _norm(a: Array, order: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    a, axes = converted(a, dtype), _axes(a, dim)
    if order == 2:
        squares = jnp.sum(jnp.square(a), axis=axes, keepdims=keepdim)
        return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)  # no NaN at zero
    if order in (np.inf, -np.inf):
        return (jnp.max if order > 0 else jnp.min)(jnp.abs(a), axis=axes, keepdims=keepdim)
    return jnp.sum(jnp.abs(a) ** order, axis=axes, keepdims=keepdim) ** (1 / order)


def _cumulative_sum(a: Array, dim: int, *, dtype: Any = None) -> Array:
    return jnp.cumsum(converted(a, dtype), axis=dim)


def _softmax(a: Array, dim: int, half_to_float: bool = False) -> Array:
    return jax.nn.softmax(a, axis=dim)


def _log_softmax(a: Array, dim: int, half_to_float: bool = False) -> Array:
    return jax.nn.log_softmax(a, axis=dim)


def _addmm(bias: Array, a: Array, b: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    product = a @ b
    return (bias if beta == 1 else beta * bias) + (product if alpha == 1 else alpha * product)


def _linear(a: Array, weight: Array, bias: Array | None = None) -> Array:
    product = a @ weight.T
    return product if bias is None else product + bias


def _einsum(equation: str, operands: Sequence[Array], **_: Any) -> Array:
    return jnp.einsum(equation, *operands)


_SUM, _PRODUCT = _reduction(jnp.sum), _reduction(jnp.prod)
_ANY, _ALL = _reduction(jnp.any), _reduction(jnp.all)

REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "aten.sum.default": _SUM,
    "aten.sum.dim_IntList": _SUM,
    "aten.mean.default": _mean,
    "aten.mean.dim": _mean,
    "aten.prod.default": _PRODUCT,
    "aten.prod.dim_int": _PRODUCT,
    "aten.any.default": _ANY,
    "aten.any.dim": _ANY,
    "aten.any.dims": _ANY,
    "aten.all.default": _ALL,
    "aten.all.dim": _ALL,
    "aten.amax.default": _reduction(jnp.max),
    "aten.amin.default": _reduction(jnp.min),
    "aten.max.default": _reduction(jnp.max),
    "aten.min.default": _reduction(jnp.min),
    "aten.max.dim": _extreme(jnp.max, jnp.argmax),
    "aten.min.dim": _extreme(jnp.min, jnp.argmin),
    "aten.argmax.default": _place(jnp.argmax),
    "aten.argmin.default": _place(jnp.argmin),
    "aten.var.correction": _variance,
    "aten.var_mean.correction": _variance_mean,
    "aten.linalg_vector_norm.default": _norm,
    "aten.cumsum.default": _cumulative_sum,
    "aten._softmax.default": _softmax,
    "aten._log_softmax.default": _log_softmax,
    "aten.mm.default": jnp.matmul,
    "aten.bmm.default": jnp.matmul,
    "aten.mv.default": jnp.matmul,
    "aten.dot.default": jnp.matmul,
    "aten.matmul.default": jnp.matmul,
    "aten.addmm.default": _addmm,
    "aten.baddbmm.default": _addmm,
    "aten.linear.default": _linear,
    "aten.einsum.default": _einsum,
}
