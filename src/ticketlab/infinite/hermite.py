"""Moments by a Hermite series, for activation functions without a closed form.

With h_k(a) the coefficients of z ↦ g(√a z) in Hermite polynomials that are orthonormal under the Gaussian, Mehler's formula gives

    E[g(u) g(v)] = Σ_k ρᵏ h_k(a) h_k(b),        ρ = c/√(ab).

Coefficients are integrals in one dimension, computed once for each variance by the trapezoid rule, which converges exponentially
here. A pair then costs two operations for each term. An odd or even g has only every other term. By construction the truncated
series is a positive semi-definite kernel. The terms that are left out add up to at most the tail 1 − Σ_k h_k(a)²/E[g²].

Source: Mehler 1866; Daniely, Frostig, Singer 2016, arXiv 1602.05897, section 4.2 (dual activations).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.infinite.moment import Moment, root

__all__ = ["MOST_TERMS", "hermite_moment"]

MOST_TERMS = 512
_NODES, _END = 1001, 12.0  # of the trapezoid rule on [−12, 12]


@lru_cache(maxsize=8)
def _rule(terms: int, odd: bool) -> tuple[np.ndarray, np.ndarray]:
    """Nodes z `[nodes]`, and weight · density · He_k(z)/√k! for every other k below `terms`, `[nodes, terms / 2]`."""
    z = np.linspace(-_END, _END, _NODES)
    weight = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    polynomials = [np.ones_like(z), z]
    for k in range(1, terms):
        polynomials.append((z * polynomials[k] - math.sqrt(k) * polynomials[k - 1]) / math.sqrt(k + 1))
    return z, weight[:, None] * np.stack(polynomials[int(odd) : terms : 2], axis=1)


def hermite_moment(g: Callable[[Array], Array], terms: int, *, odd: bool) -> Moment:
    """The moment of an odd or even function g by the first `terms` terms of its series, of which half are zero.

    The profile of a side is its variance, then its coefficients: `[1 + terms / 2, ...]`.
    """
    z, basis = _rule(terms, odd)

    def values(a: Array) -> Array:
        """g(√a z), `[..., nodes]`."""
        return g(root(a)[..., None] * jnp.asarray(z, a.dtype))

    def profile(a: Array) -> Array:
        coefficients = values(a) @ jnp.asarray(basis, a.dtype)
        return jnp.concatenate([a[None], jnp.moveaxis(coefficients, -1, 0)])

    def pair(left: Array, right: Array, c: Array) -> Array:
        size = root(left[0]) * root(right[0])
        rho = jnp.clip(jnp.where(size > 0, c / jnp.where(size > 0, size, 1.0), 0.0), -1.0, 1.0)
        square = rho * rho

        def step(total: Array, h: tuple[Array, Array]) -> tuple[Array, None]:  # Horner's rule in ρ²
            return total * square + h[0] * h[1], None

        start = jnp.zeros(jnp.broadcast_shapes(left.shape[1:], right.shape[1:], c.shape), c.dtype)
        total, _ = jax.lax.scan(step, start, (left[1:], right[1:]), reverse=True, unroll=8)
        return rho * total if odd else total

    def tail(a: Array) -> Array:
        weight = jnp.asarray(np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0]), a.dtype)
        whole = values(a) ** 2 @ weight
        kept = jnp.sum((values(a) @ jnp.asarray(basis, a.dtype)) ** 2, axis=-1)
        return jnp.where(whole > 0, 1 - kept / jnp.where(whole > 0, whole, 1.0), 0.0)

    return Moment(profile, pair, tail)
