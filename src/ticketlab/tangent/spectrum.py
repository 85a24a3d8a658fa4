"""The ends of the tangent kernel's spectrum, from products with it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["extreme_eigenvalues"]


def extreme_eigenvalues(
    gram: Callable[[Any], Any], shape: tuple[int, int], steps: int = 40
) -> tuple[float, float]:
    """Estimates of the smallest (from above) and largest (from below) eigenvalue of K, by the Lanczos process.

    Arguments:
        gram: u `[1, n, k]` ↦ K u.
        shape: (n, k).
        steps: products with K; the largest eigenvalue has 1 % or better after about ten.

    Cost: `steps` products, and `steps`² · n·k multiply–adds to keep the basis orthogonal.
    """
    m = shape[0] * shape[1]
    steps = min(steps, m)
    basis, alphas, betas = np.zeros((steps, m)), np.zeros(steps), np.zeros(steps)
    v = np.cos(1.618033988749895 * np.arange(m)) + 0.1  # any vector with weight everywhere
    v /= np.linalg.norm(v)
    with jax.enable_x64(True):
        for i in range(steps):
            basis[i] = v
            w = np.array(gram(jnp.asarray(v).reshape(1, *shape)), np.float64).ravel()
            alphas[i] = v @ w
            for _ in range(2):
                w -= basis[: i + 1].T @ (basis[: i + 1] @ w)
            betas[i] = np.linalg.norm(w)
            if betas[i] <= 1e-6 * np.abs(alphas[: i + 1]).max():
                steps = i + 1
                break
            v = w / betas[i]
    beside = betas[: steps - 1]
    ritz = np.linalg.eigvalsh(np.diag(alphas[:steps]) + np.diag(beside, 1) + np.diag(beside, -1))
    return float(max(ritz[0], 0.0)), float(ritz[-1])
