"""One moment of a pair of Gaussian pre-activations, split into what each side contributes and what the pair does.

The contribution of a side (a variance, or the coefficients of a series) is computed once for each example. The pair is computed
for each pair of examples, so it should be cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import jax.numpy as jnp
from jaxtyping import Array

__all__ = ["Moment", "root"]


@dataclass(frozen=True)
class Moment:
    """E[g(u) g(v)] for a function g.

    Arguments:
        profile: `variances [...] -> [*more, ...]`, what one side contributes.
        pair: `(profile of u, profile of v, c) -> moment`; all broadcast.
        tail: `variances -> ` the share of E[g(u)²] that a truncated series leaves out.
    """

    profile: Callable[[Array], Array]
    pair: Callable[[Array, Array, Array], Array]
    tail: Callable[[Array], Array] = field(default=jnp.zeros_like)


def root(a: Array) -> Array:
    """√a, with derivative 0 at a = 0."""
    positive = a > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, a, 1.0)), 0.0)
