"""Losses ℓ(F, y) on the outputs of a network: convex in F, with their conjugates, so that every minimum has a duality gap.

The conjugate ℓ*(v, y) = sup_F ⟨v, F⟩ − ℓ(F, y) turns the tangent-space problem into its dual. At v = ∇ℓ(F, y) the
supremum is attained, so ℓ*(v, y) = ⟨v, F⟩ − ℓ(F, y) there. A test checks each conjugate by this Fenchel–Young equality.

Any convex loss can be a `ConvexLoss`; gradients and curvatures come from automatic differentiation. Those of the losses here
are also written down for NumPy arrays, because between large products functions are small, and every shape of data would be
compiled again. Squared hinge and Huber are only piecewise quadratic: their curvature jumps. It is zero for examples beyond the
hinge (squared hinge) and for outliers (Huber).
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
from jaxtyping import Array, Float

from ticketlab.errors import UserError

__all__ = [
    "LOGISTIC",
    "SOFTMAX_CROSS_ENTROPY",
    "SQUARE",
    "SQUARED_HINGE",
    "ClosedForms",
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
class ClosedForms:
    """Derivatives of a loss in its outputs, for NumPy arrays.

    Arguments:
        gradient: `(F[..., n, k], y[n, targets]) -> [..., n, k]`.
        hessian: `(F[..., n, k], y[n, targets]) -> [..., n, k, k]`.
    """

    gradient: Callable[[np.ndarray, np.ndarray], np.ndarray]
    hessian: Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ConvexLoss:
    """A convex loss per example, with its conjugate.

    `value` and `conjugate` are plain functions, so that a loss can be copied, pickled and compared. The methods are compiled,
    or for a loss with closed forms and NumPy arrays computed by NumPy.

    Arguments:
        name: for tables and messages.
        value: `(F[n, k], y[n, k]) -> [n]`.
        conjugate: `(v[n, k], y[n, k]) -> [n]`, +inf outside its domain.
        quadratic: whether it is ½‖F − y‖², so that one linear solve gives the minimum.
        finite_minimum: whether the loss has a minimum at finite F for every y.
        targets: the allowed y: any real numbers; rows ≥ 0 with sum 1, such as one-hot rows; or, independently for each output,
            a number from 0 to 1, or 0 or 1.
        probabilities: `F[n, k] -> p[n, k]`, the probabilities for which F is optimal: of the classes, or of 1 for each
            output. None if the loss models no probabilities.
        steps: answers of each example, one for each step of a sequence; outputs and targets are theirs, one after the other.
        closed: derivatives in closed form; then `value` and `conjugate` take NumPy arrays too, with any axes in front. None:
            automatic differentiation.
    """

    name: str
    value: Callable[[Array, Array], Array] = field(repr=False)
    conjugate: Callable[[Array, Array], Array] = field(repr=False)
    quadratic: bool = False
    finite_minimum: bool = True
    targets: Targets = Targets.REAL
    probabilities: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)
    steps: int = 1
    closed: ClosedForms | None = field(default=None, repr=False)

    def float64_targets(self, targets: Float[Any, "n k"]) -> Float[np.ndarray, "n k"]:
        """The targets in float64; distributions are normalised again, since in float32 their sum is only near 1."""
        wide = np.asarray(targets, np.float64)
        if self.targets is not Targets.DISTRIBUTION:
            return wide
        answers = self.by_step(wide)
        return (answers / answers.sum(axis=2, keepdims=True)).reshape(wide.shape)

    def by_step(self, targets: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n steps each"]:
        """The targets of each step by themselves."""
        return targets.reshape(len(targets), self.steps, -1)

    def values(self, outputs: Float[Any, "n k"], targets: Float[Any, "n targets"]) -> Float[Any, "n"]:
        """ℓ(F, y), example by example."""
        if self.closed and _on_host(outputs, targets):
            return self.value(outputs, targets)
        return _values(self, outputs, targets)

    def conjugates(self, v: Float[Any, "n k"], targets: Float[Any, "n targets"]) -> Float[Any, "n"]:
        """ℓ*(v, y), example by example."""
        if self.closed and _on_host(v, targets):
            return self.conjugate(v, targets)
        return _conjugates(self, v, targets)

    def gradient(self, outputs: Float[Any, "n k"], targets: Float[Any, "n targets"]) -> Float[Any, "n k"]:
        """∇_F ℓ(F, y), example by example."""
        if self.closed and _on_host(outputs, targets):
            return self.closed.gradient(outputs, targets)
        return _gradient(self, outputs, targets)

    def look(
        self, outputs: Float[Any, "c n k"], targets: Float[Any, "n targets"]
    ) -> tuple[Float[Any, "c"], Float[Any, "c n k"]]:
        """Σₙ ℓ(F, y) and ∇_F ℓ(F, y) for c functions at once."""
        if self.closed and _on_host(outputs, targets):
            return np.sum(self.value(outputs, targets), axis=-1), self.closed.gradient(outputs, targets)
        return _look(self, outputs, targets)

    def hessian(self, outputs: Float[Any, "n k"], targets: Float[Any, "n targets"]) -> Float[Any, "n k k"]:
        """∇²_F ℓ(F, y), one k × k block for each example."""
        if self.closed and _on_host(outputs, targets):
            return self.closed.hessian(outputs, targets)
        return _hessian(self, outputs, targets)

    def curvature(
        self, outputs: Float[Any, "c n k"], targets: Float[Any, "n targets"]
    ) -> Float[Any, "c n k k"]:
        """∇²_F ℓ(F, y) for c functions at once."""
        if self.closed and _on_host(outputs, targets):
            return self.closed.hessian(outputs, targets)
        return _curvature(self, outputs, targets)


def _on_host(*arrays: Any) -> bool:
    return all(isinstance(array, np.ndarray) for array in arrays)


@partial(jax.jit, static_argnums=0)
def _values(loss: ConvexLoss, outputs: Array, targets: Array) -> Array:
    return loss.value(outputs, targets)


@partial(jax.jit, static_argnums=0)
def _conjugates(loss: ConvexLoss, v: Array, targets: Array) -> Array:
    return loss.conjugate(v, targets)


@partial(jax.jit, static_argnums=0)
def _gradient(loss: ConvexLoss, outputs: Array, targets: Array) -> Array:
    return jax.grad(lambda f: jnp.sum(loss.value(f, targets)))(outputs)


@partial(jax.jit, static_argnums=0)
def _look(loss: ConvexLoss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    return jax.vmap(jax.value_and_grad(lambda f: jnp.sum(loss.value(f, targets))))(outputs)


@partial(jax.jit, static_argnums=0)
def _hessian(loss: ConvexLoss, outputs: Array, targets: Array) -> Array:
    return jax.vmap(jax.hessian(lambda f, y: loss.value(f[None], y[None])[0]))(outputs, targets)


@partial(jax.jit, static_argnums=0)
def _curvature(loss: ConvexLoss, outputs: Array, targets: Array) -> Array:
    return jax.vmap(lambda f: _hessian(loss, f, targets))(outputs)


def _libraries(array: Any) -> tuple[Any, Any]:
    """NumPy and SciPy's special functions, or JAX's."""
    return (np, scipy.special) if isinstance(array, np.ndarray) else (jnp, jax.scipy.special)


def _diagonal(values: np.ndarray) -> np.ndarray:
    """Blocks diag(values) over the last axis."""
    return values[..., None] * np.eye(values.shape[-1])


def _square_value(outputs: Any, targets: Any) -> Any:
    return 0.5 * ((outputs - targets) ** 2).sum(axis=-1)


def _square_conjugate(v: Any, targets: Any) -> Any:
    return 0.5 * (v**2).sum(axis=-1) + (v * targets).sum(axis=-1)


def _square_gradient(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return outputs - targets


def _square_hessian(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return _diagonal(np.ones_like(outputs))


def _cross_entropy_value(outputs: Any, targets: Any) -> Any:
    _, special = _libraries(outputs)
    return special.logsumexp(outputs, axis=-1) * targets.sum(axis=-1) - (targets * outputs).sum(axis=-1)


def _cross_entropy_conjugate(v: Any, targets: Any) -> Any:
    # v = p − y with p in the simplex; sup_F ⟨p, F⟩ − logsumexp(F) = Σ p log p.
    xp, special = _libraries(v)
    p = v + targets
    slack = 64 * xp.finfo(p.dtype).eps
    inside = (p.min(axis=-1) >= -slack) & (abs(p.sum(axis=-1) - 1) <= slack * p.shape[-1])
    q = xp.maximum(p, 0)
    return xp.where(inside, special.xlogy(q, q).sum(axis=-1), xp.inf)


def _cross_entropy_gradient(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return _softmax(outputs) * targets.sum(axis=-1, keepdims=True) - targets


def _cross_entropy_hessian(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    p = _softmax(outputs)
    return (_diagonal(p) - p[..., :, None] * p[..., None, :]) * targets.sum(axis=-1)[:, None, None]


def _logistic_value(outputs: Any, targets: Any) -> Any:
    xp, _ = _libraries(outputs)
    return (xp.logaddexp(outputs, 0) - targets * outputs).sum(axis=-1)


def _logistic_conjugate(v: Any, targets: Any) -> Any:
    # v = p − y with p in [0, 1] for each output; the negative entropy of a coin.
    xp, special = _libraries(v)
    p = v + targets
    slack = 64 * xp.finfo(p.dtype).eps
    yes, no = xp.clip(p, 0, 1), xp.clip(1 - p, 0, 1)
    inside = xp.all((p >= -slack) & (p <= 1 + slack), axis=-1)
    return xp.where(inside, (special.xlogy(yes, yes) + special.xlogy(no, no)).sum(axis=-1), xp.inf)


def _logistic_gradient(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return scipy.special.expit(outputs) - targets


def _logistic_hessian(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return _diagonal(scipy.special.expit(outputs) * scipy.special.expit(-outputs))


def _squared_hinge_value(outputs: Any, targets: Any) -> Any:
    xp, _ = _libraries(outputs)
    return 0.5 * (xp.maximum(1 - _signs(targets) * outputs, 0) ** 2).sum(axis=-1)


def _squared_hinge_conjugate(v: Any, targets: Any) -> Any:
    # The conjugate of ½ max(0, 1 − z)² is w + ½w² for w ≤ 0; z = sF with s = ±1, so w = sv.
    xp, _ = _libraries(v)
    w = _signs(targets) * v
    inside = xp.all(w <= 64 * xp.finfo(w.dtype).eps, axis=-1)
    return xp.where(inside, (w + 0.5 * w**2).sum(axis=-1), xp.inf)


def _squared_hinge_gradient(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    s = _signs(targets)
    return -s * np.maximum(1 - s * outputs, 0)


def _squared_hinge_hessian(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return _diagonal((_signs(targets) * outputs < 1).astype(outputs.dtype))


def _signs(targets: Any) -> Any:
    return 2 * targets - 1


@dataclass(frozen=True)
class _HuberValue:
    width: float

    def __call__(self, outputs: Any, targets: Any) -> Any:
        xp, _ = _libraries(outputs)
        d = outputs - targets
        near = xp.clip(d, -self.width, self.width)
        return (near * (d - 0.5 * near)).sum(axis=-1)  # ½d² within the width, width·|d| − ½width² outside


@dataclass(frozen=True)
class _HuberConjugate:
    width: float

    def __call__(self, v: Any, targets: Any) -> Any:
        xp, _ = _libraries(v)
        slack = 64 * xp.finfo(v.dtype).eps * self.width
        inside = abs(v).max(axis=-1) <= self.width + slack
        return xp.where(inside, _square_conjugate(v, targets), xp.inf)


@dataclass(frozen=True)
class _HuberGradient:
    width: float

    def __call__(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.clip(outputs - targets, -self.width, self.width)


@dataclass(frozen=True)
class _HuberHessian:
    width: float

    def __call__(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return _diagonal((np.abs(outputs - targets) < self.width).astype(outputs.dtype))


def _softmax(outputs: np.ndarray) -> np.ndarray:
    return scipy.special.softmax(outputs, axis=-1)


SQUARE = ConvexLoss(
    "square",
    _square_value,
    _square_conjugate,
    quadratic=True,
    closed=ClosedForms(_square_gradient, _square_hessian),
)
"""½‖F − y‖²."""

SOFTMAX_CROSS_ENTROPY = ConvexLoss(
    "softmax cross-entropy",
    _cross_entropy_value,
    _cross_entropy_conjugate,
    finite_minimum=False,
    targets=Targets.DISTRIBUTION,
    probabilities=_softmax,
    closed=ClosedForms(_cross_entropy_gradient, _cross_entropy_hessian),
)
"""log Σ_c exp F_c − ⟨y, F⟩. On separable data the unregularised minimum is at infinity."""

LOGISTIC = ConvexLoss(
    "logistic",
    _logistic_value,
    _logistic_conjugate,
    finite_minimum=False,
    targets=Targets.PROBABILITIES,
    probabilities=scipy.special.expit,
    closed=ClosedForms(_logistic_gradient, _logistic_hessian),
)
"""Σ_c log(1 + exp F_c) − y_c F_c: yes or no for each output. One output serves two classes; several serve one-vs-rest or
labels that do not exclude each other."""

SQUARED_HINGE = ConvexLoss(
    "squared hinge",
    _squared_hinge_value,
    _squared_hinge_conjugate,
    targets=Targets.BINARY,
    closed=ClosedForms(_squared_hinge_gradient, _squared_hinge_hessian),
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
    return ConvexLoss(
        f"Huber of width {width:g}",
        _HuberValue(width),
        _HuberConjugate(width),
        closed=ClosedForms(_HuberGradient(width), _HuberHessian(width)),
    )


@dataclass(frozen=True)
class _Scaled:
    """A function of an argument s times larger and targets with s in a last column, times a power of s."""

    unscaled: Callable[[Any, Any], Any]
    power: int
    axes: int = 0  # after that of the examples

    def __call__(self, scaled: Any, targets: Any) -> Any:
        xp, _ = _libraries(scaled)
        y, s = targets[..., :-1], targets[..., -1]
        found = self.unscaled(scaled / xp.where(s > 0, s, 1.0)[..., None], y)
        s = s.reshape(*s.shape, *(1,) * self.axes)
        return xp.where(s > 0, s**self.power * found, 0.0)


def scaled(loss: ConvexLoss) -> ConvexLoss:
    """The loss of an example that counts s² times, as a function of G = sF: s²ℓ(G/s, y), with conjugate s²ℓ*(v/s, y).

    So weights become a factor of the Jacobian, J ↦ sJ, and leave the curvature as it is: ∇²s²ℓ(G/s) = ∇²ℓ(F). The targets are
    [y, s]. An example with s = 0 counts for nothing.
    """
    closed = loss.closed
    return replace(
        loss,
        name=f"weighted {loss.name}",
        value=_Scaled(loss.value, 2),
        conjugate=_Scaled(loss.conjugate, 2),
        probabilities=None,
        closed=closed and ClosedForms(_Scaled(closed.gradient, 1, 1), _Scaled(closed.hessian, 0, 2)),
    )
