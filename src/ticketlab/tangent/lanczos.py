"""The Lanczos process: what s products with a symmetric matrix reveal about it, starting from one vector.

From a start q₁ it builds an orthonormal basis Q of the Krylov space span{q₁, Kq₁, …, K^{s−1}q₁} in which K is tridiagonal,

    K Q = Q T + β_s q_{s+1} e_sᵀ .

With T = W Θ Wᵀ, the Ritz vectors QW and Ritz values Θ replace eigenvectors and eigenvalues: g(K) q₁ ≈ QW g(Θ) Wᵀe₁ for
any function g. This is exact for polynomials g of degree below s. The nodes Θ and the squares of the weights Wᵀe₁ are
the Gauss quadrature of the spectral measure q₁ᵀg(K)q₁, exact up to degree 2s − 1.

Source: Golub & Meurant 2010, Matrices, Moments and Quadrature, sections 4.1 and 6.2; reorthogonalised as in Golub & Van Loan
2013, section 10.3.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

__all__ = ["Ritz", "lanczos"]

EXHAUSTED = (
    1e-10  # a new direction this small relative to the largest product is rounding: the space is invariant
)


@dataclass(frozen=True, eq=False)
class Ritz:
    """The result of the process.

    Arguments:
        values: Θ `[s]`, ascending.
        weights: Wᵀe₁ `[s]`, whose squares sum to 1.
        vectors: QW `[m, s]`; None if not requested.
        last: e_sᵀW `[s]`, and `beta`: β_s, with which K(QW) − (QW)Θ = β_s q_{s+1} (e_sᵀW): how far Ritz pairs are from
            eigenpairs.
    """

    values: Float[np.ndarray, "s"]
    weights: Float[np.ndarray, "s"]
    vectors: Float[np.ndarray, "m s"] | None
    last: Float[np.ndarray, "s"]
    beta: float


def lanczos(
    gram: Callable[[Any], Any],
    start: Float[np.ndarray, "n k"],
    steps: int,
    *,
    vectors: bool = True,
) -> Ritz:
    """`steps` steps of the process from a vector in function space; fewer if the Krylov space ends earlier.

    Arguments:
        gram: u `[1, n, k]` ↦ K u.
        start: `[n, k]`, not zero.
        steps: s, at least 1.
        vectors: whether QW is computed.

    Cost: s products with K, and 4s²·n·k operations to keep the basis orthogonal to rounding.
    """
    shape, m = start.shape, start.size
    steps = min(steps, m)
    basis, alphas, betas = np.zeros((steps, m)), np.zeros(steps), np.zeros(steps)
    v = np.asarray(start, np.float64).ravel()
    v = v / np.linalg.norm(v)
    largest = 0.0
    with jax.enable_x64(True):
        for i in range(steps):
            basis[i] = v
            w = np.array(gram(v.reshape(1, *shape)), np.float64).ravel()
            largest = max(largest, float(np.linalg.norm(w)))
            alphas[i] = v @ w
            for _ in range(2):  # one pass would leave the rounding errors of the first
                w -= basis[: i + 1].T @ (basis[: i + 1] @ w)
            betas[i] = np.linalg.norm(w)
            if betas[i] <= EXHAUSTED * largest:
                steps, betas[i] = i + 1, 0.0
                break
            v = w / betas[i]
    beside = betas[: steps - 1]
    values, turned = np.linalg.eigh(np.diag(alphas[:steps]) + np.diag(beside, 1) + np.diag(beside, -1))
    return Ritz(
        values=values,
        weights=turned[0],
        vectors=basis[:steps].T @ turned if vectors else None,
        last=turned[-1],
        beta=float(betas[steps - 1]),
    )
