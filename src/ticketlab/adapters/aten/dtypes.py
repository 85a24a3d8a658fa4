"""The types of numbers that an operation asks for.

A graph is exported in single precision, and says so wherever it makes a tensor. Here arrays keep the precision that they have,
so that the same graph can be evaluated in double precision: only a conversion to another *kind* of number is carried out, or
one to half precision, which a model asks for on purpose.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

__all__ = ["converted", "number_type"]

HALF = ("float16", "bfloat16")


def number_type(torch_type: Any, default: Any = jnp.float32) -> Any:
    """The type of JAX for one of PyTorch's (`torch.int64`, or None for the default); integers are those of JAX."""
    if torch_type is None:
        return jnp.dtype(default)
    name = str(torch_type).removeprefix("torch.")
    if name == "bool":
        return jnp.dtype(bool)
    kind = jnp.dtype(name)
    return jnp.asarray(0).dtype if jnp.issubdtype(kind, jnp.integer) else kind


def converted(a: Array, torch_type: Any) -> Array:
    """The array as that kind of number; a floating one keeps its precision, unless half precision is asked for."""
    if torch_type is None:
        return a
    wanted = number_type(torch_type)
    both = jnp.issubdtype(a.dtype, jnp.floating) and jnp.issubdtype(wanted, jnp.floating)
    return a if both and wanted.name not in HALF else a.astype(wanted)
