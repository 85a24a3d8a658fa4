"""A function with the derivative of another: a way to descend where a function is flat.

The derivative of a step or of a Bernoulli draw is zero wherever it exists. The straight-through estimator computes with
the step, but differentiates a smoother function in its place, the *surrogate*.

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

    The usual `surrogate + stop_gradient(value − surrogate)` would round.
    """
    return value


@straight_through.defjvp
def _through(primals: Any, tangents: Any) -> tuple[Array, Array]:
    return primals[0], tangents[1]
