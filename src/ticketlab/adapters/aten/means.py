"""Means over the last axes, as products with a constant vector.

XLA's processor back end in jaxlib 0.10.2 compiles some fused reductions over the last axis wrongly: the derivative of a layer
normalisation over 17 tokens of 16 features, vmapped over cotangents, is off by 40 % when compiled, and right when not. Products
are not fused that way. `tests/adapters/test_aten.py` has the case.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

__all__ = ["mean_of_last"]


def mean_of_last(a: Array, count: int) -> Array:
    """The mean over the last `count` axes, kept as axes of length one."""
    shape = a.shape[a.ndim - count :]
    size = math.prod(shape)
    flat = a.reshape(*a.shape[: a.ndim - count], size)
    mean = jnp.matmul(flat, jnp.full(size, 1 / size, a.dtype), precision=lax.Precision.HIGHEST)
    return mean.reshape(*a.shape[: a.ndim - count], *(1,) * count)
