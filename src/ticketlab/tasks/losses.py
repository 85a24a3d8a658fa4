"""Losses ℓ(F, y) on the outputs of a network: convex in F, with their conjugates, so that every minimum has a duality gap.

The conjugate ℓ*(v, y) = sup_F ⟨v, F⟩ − ℓ(F, y) turns the tangent-space problem into its dual. At v = ∇ℓ(F, y) the
supremum is attained, so ℓ*(v, y) = ⟨v, F⟩ − ℓ(F, y) there. A test checks each conjugate by this Fenchel–Young equality.

Any convex loss can be a `ConvexLoss`; gradients and curvatures come from automatic differentiation. Squared hinge and
Huber are only piecewise quadratic: their curvature jumps. It is zero for examples beyond the hinge (squared hinge) and for
outliers (Huber).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax.scipy.special import logsumexp, xlogy
from jaxtyping import Array, Float

from ticketlab.errors import UserError

__all__ = [
    "LOGISTIC",
    "SOFTMAX_CROSS_ENTROPY",
    "SQUARE",
    "SQUARED_HINGE",
    "ConvexLoss",
    "Targets",
    "huber",
    "scaled",
]


class Targets(StrEnum):
    """The targets that a loss accepts."""

    REAL = "real numbers"
    DISTRIBUTION = "distributions over classes"
    PROBABILITIES = "probabilities, one for each output"
    BINARY = "zeros and ones"


@dataclass(frozen=True)
class ConvexLoss:
    """A convex loss per example, with its conjugate.

    `value` and `conjugate` are plain functions, so that a loss can be copied, pickled and compared. `values` and
    `conjugates` are their compiled versions.

    Arguments:
        name: for tables and messages.
        value: `(F[n, k], y[n, k]) -> [n]`.
        conjugate: `(v[n, k], y[n, k]) -> [n]`, +inf outside its domain.
        quadratic: whether the Hessian in F is the identity, so that one linear solve gives the minimum.
        finite_minimum: whether the loss has a minimum at finite F for every y.
        targets: the allowed y: any real numbers; rows ≥ 0 with sum 1, such as one-hot rows; or, independently for each output,
            a number from 0 to 1, or 0 or 1.
        probabilities: `F[n, k] -> p[n, k]`, the probabilities for which F is optimal: of the classes, or of 1 for each
            output. None if the loss models no probabilities.
    """

    name: str
    value: Callable[[Array, Array], Array] = field(repr=False)
    conjugate: Callable[[Array, Array], Array] = field(repr=False)
    quadratic: bool = False
    finite_minimum: bool = True
    targets: Targets = Targets.REAL
    probabilities: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)

    def float64_targets(self, targets: Float[Any, "n k"]) -> Float[np.ndarray, "n k"]:
        """The targets in float64; distributions are normalised again, since in float32 their sum is only near 1."""
        wide = np.asarray(targets, np.float64)
        return wide / wide.sum(axis=1, keepdims=True) if self.targets is Targets.DISTRIBUTION else wide

    @partial(jax.jit, static_argnums=0)
    def values(self, outputs: Float[Array, "n k"], targets: Float[Array, "n targets"]) -> Float[Array, "n"]:
        """ℓ(F, y), example by example."""
        return self.value(outputs, targets)

    @partial(jax.jit, static_argnums=0)
    def conjugates(self, v: Float[Array, "n k"], targets: Float[Array, "n targets"]) -> Float[Array, "n"]:
        """ℓ*(v, y), example by example."""
        return self.conjugate(v, targets)

    @partial(jax.jit, static_argnums=0)
    def gradient(
        self, outputs: Float[Array, "n k"], targets: Float[Array, "n targets"]
    ) -> Float[Array, "n k"]:
        """∇_F ℓ(F, y), example by example."""
        return jax.grad(lambda f: jnp.sum(self.value(f, targets)))(outputs)

    @partial(jax.jit, static_argnums=0)
    def look(
        self, outputs: Float[Array, "c n k"], targets: Float[Array, "n targets"]
    ) -> tuple[Float[Array, "c"], Float[Array, "c n k"]]:
        """Σₙ ℓ(F, y) and ∇_F ℓ(F, y) for c functions at once."""
        return jax.vmap(jax.value_and_grad(lambda f: jnp.sum(self.value(f, targets))))(outputs)

    @partial(jax.jit, static_argnums=0)
    def hessian(
        self, outputs: Float[Array, "n k"], targets: Float[Array, "n targets"]
    ) -> Float[Array, "n k k"]:
        """∇²_F ℓ(F, y), one k × k block for each example."""
        return jax.vmap(jax.hessian(lambda f, y: self.value(f[None], y[None])[0]))(outputs, targets)


def _square_value(outputs: Array, targets: Array) -> Array:
    return 0.5 * jnp.sum((outputs - targets) ** 2, axis=-1)


def _square_conjugate(v: Array, targets: Array) -> Array:
    return 0.5 * jnp.sum(v**2, axis=-1) + jnp.sum(v * targets, axis=-1)


def _cross_entropy_value(outputs: Array, targets: Array) -> Array:
    return logsumexp(outputs, axis=-1) * jnp.sum(targets, axis=-1) - jnp.sum(targets * outputs, axis=-1)


def _cross_entropy_conjugate(v: Array, targets: Array) -> Array:
    # v = p − y with p in the simplex; sup_F ⟨p, F⟩ − logsumexp(F) = Σ p log p.
    p = v + targets
    slack = 64 * jnp.finfo(p.dtype).eps
    inside = (jnp.min(p, axis=-1) >= -slack) & (jnp.abs(jnp.sum(p, axis=-1) - 1) <= slack * p.shape[-1])
    entropy = jnp.sum(xlogy(jnp.maximum(p, 0), jnp.maximum(p, 0)), axis=-1)
    return jnp.where(inside, entropy, jnp.inf)


def _logistic_value(outputs: Array, targets: Array) -> Array:
    return jnp.sum(jax.nn.softplus(outputs) - targets * outputs, axis=-1)


def _logistic_conjugate(v: Array, targets: Array) -> Array:
    # v = p − y with p in [0, 1] for each output; the negative entropy of a coin.
    p = v + targets
    slack = 64 * jnp.finfo(p.dtype).eps
    yes, no = jnp.clip(p, 0, 1), jnp.clip(1 - p, 0, 1)
    inside = jnp.all((p >= -slack) & (p <= 1 + slack), axis=-1)
    return jnp.where(inside, jnp.sum(xlogy(yes, yes) + xlogy(no, no), axis=-1), jnp.inf)


def _squared_hinge_value(outputs: Array, targets: Array) -> Array:
    return 0.5 * jnp.sum(jnp.maximum(1 - _signs(targets) * outputs, 0) ** 2, axis=-1)


def _squared_hinge_conjugate(v: Array, targets: Array) -> Array:
    # The conjugate of ½ max(0, 1 − z)² is w + ½w² for w ≤ 0; z = sF with s = ±1, so w = sv.
    w = _signs(targets) * v
    inside = jnp.all(w <= 64 * jnp.finfo(w.dtype).eps, axis=-1)
    return jnp.where(inside, jnp.sum(w + 0.5 * w**2, axis=-1), jnp.inf)


def _signs(targets: Array) -> Array:
    return 2 * targets - 1


@dataclass(frozen=True)
class _HuberValue:
    width: float

    def __call__(self, outputs: Array, targets: Array) -> Array:
        d = outputs - targets
        near = jnp.clip(d, -self.width, self.width)
        return jnp.sum(near * (d - 0.5 * near), axis=-1)  # ½d² within the width, width·|d| − ½width² outside


@dataclass(frozen=True)
class _HuberConjugate:
    width: float

    def __call__(self, v: Array, targets: Array) -> Array:
        slack = 64 * jnp.finfo(v.dtype).eps * self.width
        inside = jnp.max(jnp.abs(v), axis=-1) <= self.width + slack
        return jnp.where(inside, _square_conjugate(v, targets), jnp.inf)


def _softmax(outputs: np.ndarray) -> np.ndarray:
    return scipy.special.softmax(outputs, axis=-1)


SQUARE = ConvexLoss("square", _square_value, _square_conjugate, quadratic=True)
"""½‖F − y‖²."""

SOFTMAX_CROSS_ENTROPY = ConvexLoss(
    "softmax cross-entropy",
    _cross_entropy_value,
    _cross_entropy_conjugate,
    finite_minimum=False,
    targets=Targets.DISTRIBUTION,
    probabilities=_softmax,
)
"""log Σ_c exp F_c − ⟨y, F⟩. On separable data the unregularised minimum is at infinity."""

LOGISTIC = ConvexLoss(
    "logistic",
    _logistic_value,
    _logistic_conjugate,
    finite_minimum=False,
    targets=Targets.PROBABILITIES,
    probabilities=scipy.special.expit,
)
"""Σ_c log(1 + exp F_c) − y_c F_c: yes or no for each output. One output serves two classes; several serve one-vs-rest or
labels that do not exclude each other."""

SQUARED_HINGE = ConvexLoss(
    "squared hinge", _squared_hinge_value, _squared_hinge_conjugate, targets=Targets.BINARY
)
"""½ Σ_c max(0, 1 − s_c F_c)² with s = 2y − 1 = ±1: the loss of a support vector machine with squared slacks."""


def huber(width: float = 1.0) -> ConvexLoss:
    """Huber's loss, Σ_c ½d² for |d| ≤ width, width·|d| − ½width² beyond, with d = F_c − y_c. `width` bounds each gradient.

    Arguments:
        width: in the units of the targets (default 1).

    Raises:
        UserError: for a width that is not a positive number.

    Source: Huber 1964, "Robust estimation of a location parameter".
    """
    if not 0 < width < np.inf:
        raise UserError(f"width {width} of Huber's loss", "a positive number", "Pass, say, huber(1.0).")
    return ConvexLoss(f"Huber of width {width:g}", _HuberValue(width), _HuberConjugate(width))


@dataclass(frozen=True)
class _Scaled:
    """A value or a conjugate, of an argument s times larger and targets with s in a last column."""

    unscaled: Callable[[Array, Array], Array]

    def __call__(self, scaled: Array, targets: Array) -> Array:
        y, s = targets[..., :-1], targets[..., -1]
        safe = jnp.where(s > 0, s, 1.0)
        return jnp.where(s > 0, s**2 * self.unscaled(scaled / safe[..., None], y), 0.0)


def scaled(loss: ConvexLoss) -> ConvexLoss:
    """The loss of an example that counts s² times, as a function of G = sF: s²ℓ(G/s, y), with conjugate s²ℓ*(v/s, y).

    So weights become a factor of the Jacobian, J ↦ sJ, and leave the curvature as it is: ∇²s²ℓ(G/s) = ∇²ℓ(F). The targets are
    [y, s]. An example with s = 0 counts for nothing.
    """
    return replace(
        loss,
        name=f"weighted {loss.name}",
        value=_Scaled(loss.value),
        conjugate=_Scaled(loss.conjugate),
        probabilities=None,
    )
