"""Gaussian-process posteriors for the square loss, and the law of trained wide networks: three laws that are not the same.

1. `posterior` with the covariance Σ (NNGP): random networks of infinite width, conditioned on the data. Training a network does
   not sample from it, but training the read-out alone does.
2. `posterior` with the covariance Θ (NTK): a prior that no random network has by itself. Training samples from it if an untrained
   random function is added (He, Lakshminarayanan, Teh 2020, arXiv 2007.05864).
3. `trained_law`: the law of the outputs of wide networks after gradient flow from random starts. It is Gaussian, but it is the
   posterior of nothing.

With noise σ² on the training targets, K_y = K + σ²I and K_* the covariance of test and training points,

    mean K_* K_y⁻¹ y,    covariance K_** − K_* K_y⁻¹ K_*ᵀ,    log p(y) = −½ yᵀK_y⁻¹y − ½ log det K_y − (n/2) log 2π.

Nothing is added to the diagonal without being asked for. A covariance that is singular to rounding is an error which says so.

Sources: Rasmussen & Williams 2006, "Gaussian Processes for Machine Learning", algorithm 2.1; Lee et al. 2019, arXiv 1902.06720,
equations 14 to 16 (the law of trained networks).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, cho_solve, cholesky, eigh, solve_triangular

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.infinite.covariances import checked_cross, checked_test

__all__ = ["Posterior", "TrainedLaw", "posterior", "trained_law"]


@dataclass(frozen=True)
class Posterior:
    """A Gaussian process conditioned on targets.

    Arguments:
        factor: L with L Lᵀ = K + σ²I, lower triangular.
        weights: (K + σ²I)⁻¹ y.
        log_marginal_likelihood: log p(y), summed over outputs, which share the covariance.
        condition: an estimate of the condition number of K + σ²I, from the diagonal of L: at most the true one.
    """

    factor: Float[np.ndarray, "n n"]
    weights: Float[np.ndarray, "n k"]
    log_marginal_likelihood: float
    condition: float

    def mean(self, cross: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m k"]:
        """K_* (K + σ²I)⁻¹ y, for the covariances of test with training points."""
        return checked_cross(cross, len(self.factor)) @ self.weights

    def covariance(
        self, cross: Float[np.ndarray, "m n"], test: Float[np.ndarray, "m m"]
    ) -> Float[np.ndarray, "m m"]:
        """K_** − K_* (K + σ²I)⁻¹ K_*ᵀ of the noiseless outputs, for each output."""
        cross = checked_cross(cross, len(self.factor))
        v = solve_triangular(self.factor, cross.T, lower=True)
        return checked_test(test, (len(cross), len(cross))) - v.T @ v

    def variance(
        self, cross: Float[np.ndarray, "m n"], test: Float[np.ndarray, "m"]
    ) -> Float[np.ndarray, "m"]:
        """Its diagonal, from that of K_**; rounding below zero becomes zero."""
        cross = checked_cross(cross, len(self.factor))
        v = solve_triangular(self.factor, cross.T, lower=True)
        return np.maximum(checked_test(test, (len(cross),)) - np.sum(v * v, axis=0), 0.0)


def posterior(covariance: Any, targets: Any, *, noise: float = 0.0) -> Posterior:
    """The Gaussian process with this covariance, conditioned on the targets.

    Arguments:
        covariance: K of the training points, `[n, n]`: `kernels(…).nngp` for random networks, `.ntk` for the other law.
        targets: y, `[n]` or `[n, k]`.
        noise: σ², the variance of the noise on targets, in their units squared. It is the ridge of the square loss.

    Raises:
        UserError: for shapes that do not agree, or negative noise.
        NumericalFailure: if K + σ²I is not positive definite in float64; names its smallest eigenvalue.

    Cost: n³/3 operations. Equivalent to `GaussianProcessRegressor` with a fixed kernel.
    """
    k, y = _checked(covariance, targets, noise)
    n = len(k)
    factor = _factor(k, noise)
    weights = cho_solve((factor, True), y)
    diagonal = np.diag(factor)
    log_likelihood = (
        -0.5 * float(np.sum(y * weights))
        - y.shape[1] * float(np.sum(np.log(diagonal)))
        - y.shape[1] * n / 2 * math.log(2 * math.pi)
    )
    return Posterior(factor, weights, log_likelihood, float((diagonal.max() / diagonal.min()) ** 2))


@dataclass(frozen=True)
class TrainedLaw:
    """The Gaussian law of a wide network's outputs at test points after training.

    Arguments:
        mean: over random starts.
        covariance: over random starts, the same for each output.
    """

    mean: Float[np.ndarray, "m k"]
    covariance: Float[np.ndarray, "m m"]


def trained_law(
    nngp: Any,
    ntk: Any,
    targets: Any,
    *,
    cross_nngp: Any,
    cross_ntk: Any,
    test_nngp: Any,
    time: float = math.inf,
    ridge: float = 0.0,
) -> TrainedLaw:
    """The law at test points after gradient flow on the loss ½ Σ_n ‖f(x_n) − y_n‖² + ½λ‖θ − θ₀‖² for a time t.

        A = Θ_* (Θ + λI)⁻¹ (I − e^{−t(Θ + λI)}),    mean A y,    covariance Σ_** + A Σ Aᵀ − A Σ_*ᵀ − Σ_* Aᵀ

    Arguments:
        nngp, ntk: Σ and Θ of the training points, `[n, n]`.
        targets: `[n]` or `[n, k]`.
        cross_nngp, cross_ntk: of test with training points, `[m, n]`.
        test_nngp: Σ_** of the test points, `[m, m]`.
        time: t of gradient flow on the sum over examples; for the mean, divide by n.
        ridge: λ, which pulls towards the start.

    Raises:
        UserError: for shapes that do not agree, or a negative time or ridge.
        NumericalFailure: if Θ + λI is singular to rounding and the time is infinite.

    Cost: an eigendecomposition, about 10 n³ operations.
    """
    theta, y = _checked(ntk, targets, ridge)
    sigma, cross_sigma, cross_theta, test = (
        np.asarray(a, np.float64) for a in (nngp, cross_nngp, cross_ntk, test_nngp)
    )
    m = len(test)
    for name, array, shape in (
        ("nngp", sigma, theta.shape),
        ("cross_nngp", cross_sigma, (m, len(theta))),
        ("cross_ntk", cross_theta, (m, len(theta))),
        ("test_nngp", test, (m, m)),
    ):
        if array.shape != shape:
            raise UserError(f"{name} of shape {array.shape}", f"{shape}")
    if not time >= 0:
        raise UserError(f"time={time}", "a number of at least 0, or infinity")
    values, vectors = eigh(theta)
    values = values + ridge
    rounding = len(values) * np.finfo(float).eps * max(abs(values[0]), values[-1])
    if math.isinf(time):
        if values[0] <= rounding:
            raise _singular(values[0])
        gain = 1 / values
    else:  # (1 − e^{−tλ})/λ, also at λ = 0
        gain = np.where(
            np.abs(values) > rounding, -np.expm1(-time * values) / np.where(values == 0, 1.0, values), time
        )
    a = cross_theta @ (vectors * gain) @ vectors.T
    shared = a @ cross_sigma.T
    covariance = test + a @ sigma @ a.T - shared - shared.T
    return TrainedLaw(a @ y, (covariance + covariance.T) / 2)


def _checked(
    covariance: Any, targets: Any, noise: float
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n k"]]:
    k, y = np.asarray(covariance, np.float64), np.asarray(targets, np.float64)
    if k.ndim != 2 or k.shape[0] != k.shape[1] or y.ndim not in (1, 2) or len(y) != len(k):
        raise UserError(
            f"a covariance of shape {k.shape} and targets of shape {y.shape}", "[n, n], and [n] or [n, k]"
        )
    for what, array in (("covariance", k), ("targets", y)):
        if not np.isfinite(array).all():
            raise UserError(f"{what} with NaN or infinite values", "finite numbers")
    if np.ndim(noise) or not 0 <= noise < math.inf:
        raise UserError(f"a noise or ridge of {noise}", "a finite number of at least 0")
    return k, y.reshape(len(y), -1)


def _factor(k: Float[np.ndarray, "n n"], noise: float) -> Float[np.ndarray, "n n"]:
    try:
        factor = cholesky(k + noise * np.eye(len(k)), lower=True)
    except LinAlgError:
        raise _singular(float(eigh(k, eigvals_only=True, subset_by_index=[0, 0])[0]) + noise) from None
    return factor


def _singular(smallest: float) -> NumericalFailure:
    return NumericalFailure(
        f"the covariance of the training points is singular to rounding (smallest eigenvalue {smallest:.1e}): some examples are "
        "equal or nearly so. Remove copies, or give noise."
    )
