"""Binary classification: the posterior of a latent Gaussian process by expectation propagation.

Labels y_i = ±1 are y_i = sign(f(x_i) + noise). So the likelihood of f_i is Φ(y_i f_i) (probit), or without noise (zero–one) 1 if
y_i f_i > 0 and 0 otherwise. Expectation propagation replaces each factor by a Gaussian with natural parameters τ_i, ν_i, so that
the approximation has the moments that it would have with this one exact factor. All factors are refreshed at once, with damping.

log Z approximates log p(y). It has no error bar: `orthants` gives the exact value of the zero–one likelihood with one.

Sources: Minka 2001; Rasmussen & Williams 2006, section 3.6 (algorithms 3.5 and 3.6, and equations 3.58 and 3.82).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.linalg import cholesky, solve_triangular
from scipy.special import log_ndtr, ndtr

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.infinite.covariances import checked_cross, checked_test

__all__ = ["BinaryPosterior", "Likelihood", "expectation_propagation"]

_SWEEPS, _DAMPING = 500, 0.7
_TINY = 1e-290  # for the variance of a latent value that is 0 for certain, as an input of zeros has without biases


class Likelihood(StrEnum):
    """Of a label given the latent value: with Gaussian noise of variance 1 before the sign, or with none."""

    PROBIT = "probit"
    ZERO_ONE = "zero-one"

    @property
    def noise(self) -> float:
        return 1.0 if self is Likelihood.PROBIT else 0.0


@dataclass(frozen=True)
class BinaryPosterior:
    """A Gaussian approximation of the posterior of the latent values.

    Arguments:
        mean, covariance: of the latent values of the training points.
        log_marginal_likelihood: log Z, an approximation of log p(y) without an error bar.
        sweeps: how often all factors were refreshed.
        labels, likelihood: ±1, and how they came about.
        precision, shift: τ and ν of the Gaussian factors that replace the likelihood.
    """

    mean: Float[np.ndarray, "n"]
    covariance: Float[np.ndarray, "n n"]
    log_marginal_likelihood: float
    sweeps: int
    labels: Float[np.ndarray, "n"]
    likelihood: Likelihood
    precision: Float[np.ndarray, "n"]
    shift: Float[np.ndarray, "n"]
    _root: Float[np.ndarray, "n"]
    _factor: Float[np.ndarray, "n n"]
    _weights: Float[np.ndarray, "n"]

    def latent(
        self, cross: Float[np.ndarray, "m n"], test: Float[np.ndarray, "m"]
    ) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
        """Mean and variance of the latent values at test points, from K_* and the diagonal of K_**."""
        cross = checked_cross(cross, len(self.labels))
        v = solve_triangular(self._factor, (cross * self._root).T, lower=True)
        variance = checked_test(test, (len(cross),)) - np.sum(v * v, axis=0)
        return cross @ self._weights, np.maximum(variance, 0.0)

    def probability(
        self, cross: Float[np.ndarray, "m n"], test: Float[np.ndarray, "m"]
    ) -> Float[np.ndarray, "m"]:
        """p(y = 1) at test points."""
        mean, variance = self.latent(cross, test)
        return ndtr(mean / np.sqrt(np.maximum(self.likelihood.noise + variance, np.finfo(float).tiny)))


def expectation_propagation(
    covariance: Any,
    labels: Any,
    *,
    likelihood: Likelihood = Likelihood.PROBIT,
    tolerance: float = 1e-8,
) -> BinaryPosterior:
    """The posterior for ±1 labels.

    Arguments:
        covariance: K of the training points, `[n, n]`.
        labels: ±1, `[n]`.
        likelihood: probit or zero-one.
        tolerance: on the change of log Z in a sweep, and on that of the factors relative to the posterior's width.

    Raises:
        UserError: for other labels or shapes.
        NumericalFailure: if it does not converge in 500 sweeps, or no Gaussian is left without one of the factors.

    Cost: a Cholesky factorisation and two solves, about 3 n³ operations, for each of 10 to 50 sweeps.
    """
    k, y = np.asarray(covariance, np.float64), np.asarray(labels, np.float64)
    if y.ndim != 1 or k.shape != (len(y), len(y)) or not len(y) or not np.isin(y, (-1, 1)).all():
        raise UserError(
            f"a covariance of shape {k.shape} and labels of shape {y.shape}",
            "[n, n], and labels −1 or 1 of shape [n]",
        )
    likelihood = Likelihood(likelihood)
    n = len(y)
    k = k + np.diag(np.where(np.diag(k) == 0, _TINY, 0.0))
    tau, nu, before = np.zeros(n), np.zeros(n), -math.inf
    for sweep in range(1, _SWEEPS + 1):
        try:
            mean, cov, root, factor = _approximation(k, tau, nu)
        except np.linalg.LinAlgError:
            break
        variance = np.diag(cov)
        cavity_tau = 1 / variance - tau
        cavity_nu = mean / variance - nu
        if not (cavity_tau > 0).all():
            break
        found = _tilted(y, cavity_tau, cavity_nu, likelihood)
        log_z = _log_z(found.log_mass, tau, nu, cavity_tau, cavity_nu, factor, mean)
        # The factor that gives the tilted moments to the cavity; a log-concave factor has τ ≥ 0.
        tau_step = np.maximum(1 / found.variance - cavity_tau, 1e-12) - tau
        nu_step = found.mean / found.variance - cavity_nu - nu
        change = max(np.max(np.abs(tau_step) * variance), np.max(np.abs(nu_step) * np.sqrt(variance)))
        if max(abs(log_z - before), change) < tolerance:
            inner = solve_triangular(factor, root * (k @ nu), lower=True)
            weights = nu - root * solve_triangular(factor, inner, lower=True, trans="T")
            return BinaryPosterior(mean, cov, log_z, sweep, y, likelihood, tau, nu, root, factor, weights)
        before = log_z
        tau, nu = tau + _DAMPING * tau_step, nu + _DAMPING * nu_step
    raise NumericalFailure(
        f"expectation propagation did not converge in {sweep} sweeps (log Z = {before:.6g}). Draw from the posterior instead "
        "(orthant_slices), unless equal inputs have different labels: the zero–one likelihood cannot have both."
    )


def _approximation(
    k: Float[np.ndarray, "n n"], tau: Float[np.ndarray, "n"], nu: Float[np.ndarray, "n"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean and covariance (K⁻¹ + diag τ)⁻¹, with √τ and the factor of I + √τ K √τ."""
    root = np.sqrt(tau)
    factor = cholesky(np.eye(len(k)) + root[:, None] * k * root, lower=True)
    v = solve_triangular(factor, root[:, None] * k, lower=True)
    covariance = k - v.T @ v
    return covariance @ nu, covariance, root, factor


@dataclass(frozen=True)
class _Tilted:
    """Moments of a cavity times the exact factor."""

    log_mass: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def _tilted(y: np.ndarray, cavity_tau: np.ndarray, cavity_nu: np.ndarray, likelihood: Likelihood) -> _Tilted:
    """With z = y μ/√(noise + s²) and r = φ(z)/Φ(z): mean μ + y s² r/√(noise + s²), variance s² − s⁴ r (z + r)/(noise + s²)."""
    s2 = 1 / cavity_tau
    mu = cavity_nu * s2
    total = likelihood.noise + s2
    z = y * mu / np.sqrt(total)
    log_mass = log_ndtr(z)
    r = np.exp(-z * z / 2 - math.log(math.sqrt(2 * math.pi)) - log_mass)
    far = z < -30
    curvature = np.where(
        far, 1 - 1 / np.where(far, z, 1.0) ** 2, r * (z + r)
    )  # r ≈ −z − 1/z: avoids cancellation
    variance = s2 - s2 * s2 / total * curvature
    return _Tilted(log_mass, mu + y * s2 * r / np.sqrt(total), np.maximum(variance, 1e-14 * s2))


def _log_z(
    log_mass: np.ndarray,
    tau: np.ndarray,
    nu: np.ndarray,
    cavity_tau: np.ndarray,
    cavity_nu: np.ndarray,
    factor: np.ndarray,
    mean: np.ndarray,
) -> float:
    """log ∫ N(f; 0, K) Π_i factor_i(f_i) df, each Gaussian factor scaled to the mass of its tilted distribution."""
    ratio = np.log1p(tau / cavity_tau)
    mu = cavity_nu / cavity_tau
    # log of the scales: ½ log(1 + τ/τ_c) + ½ (τ μ² − 2 ν μ − ν²/τ_c) τ_c/(τ_c + τ)
    quadratic = (tau * mu * mu - 2 * nu * mu - nu * nu / cavity_tau) / (1 + tau / cavity_tau)
    return float(
        np.sum(log_mass)
        + 0.5 * np.sum(ratio)
        + 0.5 * np.sum(quadratic)
        - np.sum(np.log(np.diag(factor)))
        + 0.5 * nu @ mean
    )
