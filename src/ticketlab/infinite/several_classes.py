"""Classification with several classes: softmax likelihood, and a Gaussian around the mode of the posterior (Laplace).

Each class has its own latent function, with the same covariance. The mode is found by Newton's method, each step of which solves
(K⁻¹ + W) f′ = W f + y − π with W = diag π − Π Πᵀ, class by class. The approximation is good where the posterior is nearly
Gaussian. It is one model for all classes, unlike one expectation propagation for each class against the rest.

Source: Rasmussen & Williams 2006, section 3.5, algorithms 3.3 and 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import cho_solve, cholesky
from scipy.special import log_softmax, softmax

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.infinite.covariances import checked_cross, checked_test

__all__ = ["LaplacePosterior", "laplace"]

_STEPS = 200


@dataclass(frozen=True)
class LaplacePosterior:
    """A Gaussian around the mode.

    Arguments:
        mode: latent values at the training points.
        log_marginal_likelihood: Laplace's approximation of log p(labels).
        steps: of Newton's method.
    """

    mode: Float[np.ndarray, "n classes"]
    log_marginal_likelihood: float
    steps: int
    _gradient: Float[np.ndarray, "n classes"]
    _each: Float[np.ndarray, "classes n n"]
    _sum: Float[np.ndarray, "n n"]

    def mean(self, cross: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m classes"]:
        """Of the latent values at test points."""
        return checked_cross(cross, len(self.mode)) @ self._gradient

    def covariance(
        self, cross: Float[np.ndarray, "m n"], test: Float[np.ndarray, "m"]
    ) -> Float[np.ndarray, "m classes classes"]:
        """Of the classes' latent values at each test point, from K_* and the diagonal of K_**."""
        classes = len(self._each)
        cross = checked_cross(cross, len(self.mode))
        test = checked_test(test, (len(cross),))
        factor = cholesky(self._sum, lower=True)
        loaded = np.stack([cross @ e for e in self._each])  # [classes, m, n]
        shared = np.stack([cho_solve((factor, True), a.T) for a in loaded])  # [classes, n, m]
        found = np.einsum("cmn,dnm->mcd", loaded, shared)
        for c in range(classes):
            found[:, c, c] += test - np.einsum("mn,mn->m", loaded[c], cross)
        return found

    def probabilities(
        self, key: Array, cross: Float[np.ndarray, "m n"], test: Float[np.ndarray, "m"], *, draws: int = 2000
    ) -> Float[np.ndarray, "m classes"]:
        """The mean softmax over draws of the latent values; its standard error is below ½/√draws."""
        mean, covariance = self.mean(cross), self.covariance(cross, test)
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
        noise = rng.standard_normal((draws, mean.shape[1]))
        return np.stack(
            [softmax(f + noise @ r.T, axis=1).mean(axis=0) for f, r in zip(mean, root, strict=True)]
        )


def laplace(covariance: Any, labels: Any, classes: int, *, tolerance: float = 1e-9) -> LaplacePosterior:
    """The posterior of all classes' latent values.

    Arguments:
        covariance: K of the training points, `[n, n]`, the same for each class.
        labels: 0 to classes − 1, `[n]`.
        classes: their number, ≥ 2.
        tolerance: on the change of the log posterior in a step.

    Raises:
        UserError: for labels or shapes that do not agree.
        NumericalFailure: if Newton's method does not converge in 200 steps.

    Cost: (classes + 1) Cholesky factorisations of n × n matrices, and as many inverses, for each of some 10 steps.
    """
    k, y = np.asarray(covariance, np.float64), np.asarray(labels)
    if k.shape != (len(y), len(y)) or y.ndim != 1 or classes < 2 or not np.isin(y, np.arange(classes)).all():
        raise UserError(
            f"a covariance of shape {k.shape} and labels of shape {y.shape} for {classes} classes",
            "[n, n], and labels from 0 to classes − 1, at least two classes",
        )
    one_hot = np.eye(classes)[y.astype(int)]
    f = np.zeros_like(one_hot)
    before = float(np.sum(one_hot * log_softmax(f, axis=1)))
    for step in range(1, _STEPS + 1):
        p = softmax(f, axis=1)
        each, total, _ = _curvature(k, p)
        b = p * f - p * np.sum(p * f, axis=1, keepdims=True) + one_hot - p
        c = np.einsum("cnm,mc->nc", each, k @ b)
        a = b - c + np.einsum("cnm,m->nc", each, np.linalg.solve(total, c.sum(axis=1)))
        f, value = _damped(k, f, a, one_hot, before)
        if value - before < tolerance:
            p = softmax(f, axis=1)
            each, total, log_determinant = _curvature(k, p)
            return LaplacePosterior(f, value - log_determinant, step, one_hot - p, each, total)
        before = value
    raise NumericalFailure(f"Newton's method for the mode did not converge in {_STEPS} steps")


def _curvature(k: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """E_c = √D_c (I + √D_c K √D_c)⁻¹ √D_c for each class, their sum, and ½ log det(I + W K)."""
    each, log_determinant = [], 0.0
    for column in p.T:
        root = np.sqrt(column)
        factor = cholesky(np.eye(len(k)) + root[:, None] * k * root, lower=True)
        each.append(root[:, None] * cho_solve((factor, True), np.diag(root)))
        log_determinant += float(np.sum(np.log(np.diag(factor))))
    total = np.sum(each, axis=0)
    return (
        np.stack(each),
        total,
        log_determinant + float(np.sum(np.log(np.diag(cholesky(total, lower=True))))),
    )


def _damped(
    k: np.ndarray, f: np.ndarray, a: np.ndarray, one_hot: np.ndarray, before: float
) -> tuple[np.ndarray, float]:
    """Newton's step to K a, halved until the log posterior does not fall."""
    target, now = k @ a, np.linalg.lstsq(k, f, rcond=None)[0] if np.any(f) else np.zeros_like(f)
    share = 1.0
    for _ in range(30):
        weights = now + share * (a - now)
        g = f + share * (target - f)
        value = float(-0.5 * np.sum(weights * g) + np.sum(one_hot * log_softmax(g, axis=1)))
        if value >= before - 1e-12:
            return g, value
        share /= 2
    return f, before
