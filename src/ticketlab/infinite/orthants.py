"""The probability that a Gaussian vector has given signs, with its error.

It is the marginal likelihood of binary labels under the zero–one likelihood, and with K + I in the place of K under probit. The
integral goes one coordinate after the other, each given those before, the least likely first. It is a mean over a lattice.
Shifting the lattice at random gives independent unbiased estimates, and from them the standard error.

Source: Genz 1992, "Numerical computation of multivariate normal probabilities"; Gibson, Glasbey, Elston 1994 (the order).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Array
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri

from ticketlab.errors import UserError
from ticketlab.infinite.slices import checked_signs, generator

__all__ = ["OrthantProbability", "orthant_probability"]


@dataclass(frozen=True)
class OrthantProbability:
    """The probability of signs, and its uncertainty.

    Arguments:
        log_probability: the logarithm of an unbiased estimate.
        relative_error: the standard error of the estimate, divided by it.
    """

    log_probability: float
    relative_error: float


def orthant_probability(
    key: Array, covariance: Any, labels: Any, *, points: int = 4096, shifts: int = 16
) -> OrthantProbability:
    """P(sign f = labels) for a Gaussian vector f with mean zero.

    Arguments:
        key: of the shifts.
        covariance, labels: as for `orthant_slices`.
        points: of a lattice.
        shifts: independent shifts of the lattice, ≥ 2, from which the error is estimated.

    Raises:
        UserError, NumericalFailure: as for `orthant_slices`.

    Cost: n² operations for each point of each shift. Beyond some 200 dimensions the relative error becomes large, and says so.
    """
    if points < 1 or shifts < 2:
        raise UserError(f"points={points}, shifts={shifts}", "at least 1 and 2 of them")
    _, y = checked_signs(covariance, labels)
    signed = np.asarray(covariance, np.float64) * np.outer(y, y)  # all signs positive
    factor = _ordered_factor(signed)
    rng, n = generator(key), len(y)
    lattice = np.arange(1, points + 1)[:, None] * _square_roots_of_primes(n) % 1.0
    logs = np.array([_integrated(factor, lattice, rng.random(n)) for _ in range(shifts)])
    log_mean = float(logsumexp(logs) - math.log(shifts))
    spread = float(np.std(np.exp(logs - log_mean), ddof=1) / math.sqrt(shifts))
    return OrthantProbability(log_mean, spread)


def _integrated(factor: np.ndarray, lattice: np.ndarray, shift: np.ndarray) -> float:
    """log of the mean over points of Π_i P(f_i > 0 | those before)."""
    u = np.abs(2 * ((lattice + shift) % 1.0) - 1)  # the baker's transformation makes the integrand periodic
    z = np.zeros_like(u)
    total = np.zeros(len(u))
    for i in range(len(factor)):
        bound = z[:, :i] @ factor[i, :i] / factor[i, i]  # f_i > 0 ⟺ −z_i < bound
        total += log_ndtr(bound)
        # z_i = −Φ⁻¹(u Φ(bound)); Φ(bound) is positive wherever its point counts
        z[:, i] = -ndtri(np.clip(u[:, i] * ndtr(bound), 1e-300, 1 - 1e-16))
    return float(logsumexp(total) - math.log(len(u)))


def _ordered_factor(k: np.ndarray) -> np.ndarray:
    """The Cholesky factor with the least likely coordinate next, given the expected values of those before."""
    k, n = k.copy(), len(k)
    factor, expected = np.zeros((n, n)), np.zeros(n)
    for i in range(n):
        variance = np.diag(k)[i:] - np.sum(factor[i:, :i] ** 2, axis=1)
        bound = factor[i:, :i] @ expected[:i] / np.sqrt(np.maximum(variance, 1e-300))
        j = i + int(np.argmin(bound))
        k[[i, j]] = k[[j, i]]
        k[:, [i, j]] = k[:, [j, i]]
        factor[[i, j]] = factor[[j, i]]
        factor[i, i] = math.sqrt(max(k[i, i] - factor[i, :i] @ factor[i, :i], 1e-300))
        factor[i + 1 :, i] = (k[i + 1 :, i] - factor[i + 1 :, :i] @ factor[i, :i]) / factor[i, i]
        b = factor[i, :i] @ expected[:i] / factor[i, i]
        expected[i] = math.exp(-b * b / 2 - 0.5 * math.log(2 * math.pi) - log_ndtr(b))
    return factor


def _square_roots_of_primes(n: int) -> np.ndarray:
    found: list[int] = []
    number = 2
    while len(found) < n:
        if all(number % p for p in found if p * p <= number):
            found.append(number)
        number += 1
    return np.sqrt(np.array(found, float))
