"""A function with the derivative of another: how one descends where a function is flat.

Steps and Bernoulli draws have derivative zero wherever they have one. The straight-through estimator computes with the step and
differentiates something smoother in its place, its *surrogate*.

Source: Bengio, Léonard, Courville 2013, arXiv 1308.3432, section 4.
"""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array

__all__ = ["straight_through"]


@jax.custom_jvp
def straight_through(value: Array, surrogate: Array) -> Array:
    """`value` to the bit, with the derivative of `surrogate`, an array of the same shape and type.

    That bit is why it is not `surrogate + stop_gradient(value − surrogate)`, which rounds.
    """
    return value


@straight_through.defjvp
def _through(primals: Any, tangents: Any) -> tuple[Array, Array]:
    return primals[0], tangents[1]
