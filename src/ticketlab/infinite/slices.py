"""Exact draws of latent values given binary labels, by elliptical slice sampling, and how far the draws can be trusted.

Under the zero–one likelihood the latent values are a Gaussian vector with given signs; under probit, latent values plus noise of
variance 1 are, so that K + I takes the place of K. On the ellipse f cos θ + ν sin θ through the state f and a fresh prior draw ν,
sign i is right on the half circle around φ_i = atan2(y_i ν_i, y_i f_i). All of these contain θ = 0, so they meet in one interval,
from which `orthant_slices` draws θ: nothing is rejected. Steps become short where there are many labels.

`probit_slices` takes the Gaussian of expectation propagation for the ellipse. The posterior differs from it by a factor near one,
so a step goes far also with many labels; a bracket around θ = 0 shrinks until the slice is met.

Sources: Murray, Adams, MacKay 2010, arXiv 1001.0175 (elliptical slices); Gessner, Kanjilal, Hennig 2020, arXiv 1910.09328 (linear
constraints); Gelman & Rubin 1992 and Geyer 1992 (diagnostics).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import LinAlgError, cholesky
from scipy.special import log_ndtr

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.infinite.binary_labels import BinaryPosterior, Likelihood

__all__ = [
    "Slices",
    "checked_signs",
    "effective_draws",
    "generator",
    "orthant_slices",
    "probit_slices",
    "split_r_hat",
]


@dataclass(frozen=True)
class Slices:
    """Draws and how far they can be trusted.

    Arguments:
        draws: `[chains, draws, n]`.
        r_hat: the largest split R-hat of a coordinate; near 1 (below 1.01) if chains agree.
        effective: the least effective number of draws of a coordinate, over all chains.
    """

    draws: Float[np.ndarray, "chains draws n"]
    r_hat: float
    effective: float


def orthant_slices(
    key: Array,
    covariance: Any,
    labels: Any,
    *,
    draws: int = 1000,
    chains: int = 4,
    thin: int = 1,
    burn: int = 200,
) -> Slices:
    """Draws of a Gaussian vector with mean zero, given its signs.

    Arguments:
        key: of all draws.
        covariance: `[n, n]`; K for the zero–one likelihood, K + I for probit.
        labels: the signs, ±1, `[n]`.
        draws: to keep from each chain.
        chains: independent chains, ≥ 2.
        thin, burn: steps for each kept draw, and steps before the first.

    Raises:
        UserError: for labels other than ±1, or impossible numbers.
        NumericalFailure: if the covariance is not positive definite.

    Cost: 2 n² operations for each step of each chain.
    """
    factor, y = checked_signs(covariance, labels)
    _check_numbers(draws, chains, thin, burn)
    rng = generator(key)
    n = len(y)
    state = y * np.abs(rng.standard_normal((chains, n)) @ factor.T)
    kept = np.empty((draws, chains, n))
    for step in range(burn + draws * thin):
        prior = rng.standard_normal((chains, n)) @ factor.T
        phi = np.arctan2(y * prior, y * state)
        low, high = phi.max(axis=1) - math.pi / 2, phi.min(axis=1) + math.pi / 2
        theta = (low + (high - low) * rng.random(chains))[:, None]
        state = state * np.cos(theta) + prior * np.sin(theta)
        state = y * np.maximum(y * state, np.finfo(float).tiny)  # rounding at the ends of the interval
        if step >= burn and (step - burn) % thin == thin - 1:
            kept[(step - burn) // thin] = state
    return _with_diagnostics(np.moveaxis(kept, 0, 1))


def probit_slices(
    key: Array,
    posterior: BinaryPosterior,
    *,
    draws: int = 1000,
    chains: int = 4,
    thin: int = 1,
    burn: int = 100,
) -> Slices:
    """Draws of the latent values under the probit likelihood, exact although the given approximation is not.

    Arguments:
        key: of all draws.
        posterior: from `expectation_propagation` with the probit likelihood.
        draws, chains, thin, burn: as for `orthant_slices`.

    Raises:
        UserError: for another likelihood, or impossible numbers.

    Cost: 2 n² operations, and some evaluations of n likelihoods, for each step of each chain.
    """
    if posterior.likelihood is not Likelihood.PROBIT:
        raise UserError(
            f"the {posterior.likelihood} likelihood",
            "probit",
            "Draw with orthant_slices, which is for signs.",
        )
    _check_numbers(draws, chains, thin, burn)
    rng, y, centre = generator(key), posterior.labels, posterior.mean
    values, vectors = np.linalg.eigh(posterior.covariance)
    factor = vectors * np.sqrt(np.maximum(values, 0.0))

    def log_ratio(f: np.ndarray) -> np.ndarray:
        """log of the likelihood over the Gaussian factors that replace it."""
        replaced = posterior.precision * f * f / 2 - posterior.shift * f
        return np.sum(log_ndtr(y * f) + replaced, axis=-1)

    n = len(y)
    away = rng.standard_normal((chains, n)) @ factor.T
    kept = np.empty((draws, chains, n))
    for step in range(burn + draws * thin):
        prior = rng.standard_normal((chains, n)) @ factor.T
        level = log_ratio(centre + away) + np.log(rng.random(chains))
        high = 2 * math.pi * rng.random(chains)
        low, theta = high - 2 * math.pi, high.copy()
        waiting, moved = np.arange(chains), away.copy()
        while len(waiting):
            angle = theta[waiting, None]
            moved[waiting] = away[waiting] * np.cos(angle) + prior[waiting] * np.sin(angle)
            waiting = waiting[log_ratio(centre + moved[waiting]) <= level[waiting]]
            low[waiting] = np.where(theta[waiting] < 0, theta[waiting], low[waiting])
            high[waiting] = np.where(theta[waiting] >= 0, theta[waiting], high[waiting])
            theta[waiting] = low[waiting] + (high - low)[waiting] * rng.random(len(waiting))
        away = moved
        if step >= burn and (step - burn) % thin == thin - 1:
            kept[(step - burn) // thin] = centre + away
    return _with_diagnostics(np.moveaxis(kept, 0, 1))


def _with_diagnostics(draws: Float[np.ndarray, "chains draws n"]) -> Slices:
    coordinates = range(draws.shape[2])
    return Slices(
        draws,
        max(split_r_hat(draws[..., i]) for i in coordinates),
        min(effective_draws(draws[..., i]) for i in coordinates),
    )


def _check_numbers(draws: int, chains: int, thin: int, burn: int) -> None:
    if min(draws, thin) < 1 or chains < 2 or burn < 0:
        raise UserError(
            f"draws={draws}, chains={chains}, thin={thin}, burn={burn}", "at least 1, 2, 1 and 0 of them"
        )


def split_r_hat(chains: Float[np.ndarray, "chains draws"]) -> float:
    """√(pooled variance / variance within), each chain split in two halves."""
    half = chains.shape[1] // 2
    if half < 2:
        return math.inf
    parts = np.concatenate([chains[:, :half], chains[:, -half:]])
    within = float(np.mean(np.var(parts, axis=1, ddof=1)))
    between = half * float(np.var(np.mean(parts, axis=1), ddof=1))
    return math.sqrt(((half - 1) / half * within + between / half) / within)


def effective_draws(chains: Float[np.ndarray, "chains draws"]) -> float:
    """m n / (1 + 2 Σ_t ρ_t), the sum cut by Geyer's rule where a pair of neighbouring correlations is not positive."""
    m, n = chains.shape
    centred = chains - chains.mean()
    power = np.abs(np.fft.rfft(centred, 2 * n, axis=1)) ** 2
    covariance = np.mean(np.fft.irfft(power, axis=1)[:, :n], axis=0) / n
    correlation = covariance / covariance[0]
    pairs = correlation[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    end = int(np.argmax(pairs <= 0)) if (pairs <= 0).any() else len(pairs)
    monotone = np.minimum.accumulate(pairs[:end])
    return float(min(m * n, m * n / max(2 * float(monotone.sum()) - 1, 1e-12)))


def checked_signs(covariance: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """The Cholesky factor of the covariance, and the signs."""
    k, y = np.asarray(covariance, np.float64), np.asarray(labels, np.float64)
    if y.ndim != 1 or k.shape != (len(y), len(y)) or not len(y) or not np.isin(y, (-1, 1)).all():
        raise UserError(
            f"a covariance of shape {k.shape} and labels of shape {y.shape}",
            "[n, n], and labels −1 or 1 of shape [n]",
        )
    try:
        return cholesky(k, lower=True), y
    except LinAlgError:
        raise NumericalFailure(
            "the covariance is singular to rounding, so some signs determine others: remove copies, or add noise"
        ) from None


def generator(key: Array) -> np.random.Generator:
    """NumPy's generator for a key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
