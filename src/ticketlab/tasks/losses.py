"""Losses ℓ(F, y) on a network's outputs: convex in F, given with their conjugates, so that every minimum has a duality gap.

The conjugate ℓ*(v, y) = sup_F ⟨v, F⟩ − ℓ(F, y) turns the tangent-space problem into its dual. At v = ∇ℓ(F, y) the supremum is
attained, so ℓ*(v, y) = ⟨v, F⟩ − ℓ(F, y) there: a test checks each conjugate against this (Fenchel–Young equality).
Any convex loss enters as a `ConvexLoss`; gradients and curvatures come from automatic differentiation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp, xlogy
from jaxtyping import Array, Float

__all__ = ["SOFTMAX_CROSS_ENTROPY", "SQUARE", "ConvexLoss"]


@dataclass(frozen=True)
class ConvexLoss:
    """A convex loss per example, with its conjugate.

    Arguments:
        name: for tables and messages.
        value: `(F[n, k], y[n, k]) -> [n]`.
        conjugate: `(v[n, k], y[n, k]) -> [n]`, +inf outside its domain.
        quadratic: whether the Hessian in F is the identity, so that one linear solve is the answer.
        finite_minimum: whether the loss has a minimum at finite F for every y.
        classification: whether y must be one-hot or a distribution over classes.
    """

    name: str
    value: Callable[[Array, Array], Array] = field(repr=False)
    conjugate: Callable[[Array, Array], Array] = field(repr=False)
    quadratic: bool = False
    finite_minimum: bool = True
    classification: bool = False

    @partial(jax.jit, static_argnums=0)
    def gradient(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """∇_F ℓ(F, y), example by example."""
        return jax.grad(lambda f: jnp.sum(self.value(f, targets)))(outputs)

    @partial(jax.jit, static_argnums=0)
    def hessian(self, outputs: Float[Array, "n k"], targets: Float[Array, "n k"]) -> Float[Array, "n k k"]:
        """∇²_F ℓ(F, y), one k × k block an example."""
        return jax.vmap(jax.hessian(lambda f, y: self.value(f[None], y[None])[0]))(outputs, targets)


@jax.jit
def _square_value(outputs: Array, targets: Array) -> Array:
    return 0.5 * jnp.sum((outputs - targets) ** 2, axis=-1)


@jax.jit
def _square_conjugate(v: Array, targets: Array) -> Array:
    return 0.5 * jnp.sum(v**2, axis=-1) + jnp.sum(v * targets, axis=-1)


@jax.jit
def _cross_entropy_value(outputs: Array, targets: Array) -> Array:
    return logsumexp(outputs, axis=-1) * jnp.sum(targets, axis=-1) - jnp.sum(targets * outputs, axis=-1)


@jax.jit
def _cross_entropy_conjugate(v: Array, targets: Array) -> Array:
    # v = p − y with p in the simplex; sup_F ⟨p, F⟩ − logsumexp(F) = Σ p log p.
    p = v + targets
    slack = 64 * jnp.finfo(p.dtype).eps
    inside = (jnp.min(p, axis=-1) >= -slack) & (jnp.abs(jnp.sum(p, axis=-1) - 1) <= slack * p.shape[-1])
    entropy = jnp.sum(xlogy(jnp.maximum(p, 0), jnp.maximum(p, 0)), axis=-1)
    return jnp.where(inside, entropy, jnp.inf)


SQUARE = ConvexLoss("square", _square_value, _square_conjugate, quadratic=True)
"""½‖F − y‖²."""

SOFTMAX_CROSS_ENTROPY = ConvexLoss(
    "softmax cross-entropy",
    _cross_entropy_value,
    _cross_entropy_conjugate,
    finite_minimum=False,
    classification=True,
)
"""log Σ_c exp F_c − ⟨y, F⟩; on separable data its unregularised minimum is at infinity."""
