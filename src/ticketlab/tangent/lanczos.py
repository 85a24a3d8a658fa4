"""The Lanczos process: what s products with a symmetric matrix tell about it, seen from one vector.

From a start q₁ it builds an orthonormal basis Q of the Krylov space span{q₁, Kq₁, …, K^{s−1}q₁} in which K is tridiagonal,

    K Q = Q T + β_s q_{s+1} e_sᵀ .

With T = W Θ Wᵀ the vectors QW and the numbers Θ (Ritz) take the place of eigenvectors and eigenvalues: g(K) q₁ ≈ QW g(Θ) Wᵀe₁ for
any function g, exactly when g is a polynomial of degree below s. The squares of the weights Wᵀe₁ and the nodes Θ are Gauss's
quadrature of the spectral measure q₁ᵀg(K)q₁, exact up to degree 2s − 1.

Source: Golub & Meurant 2010, Matrices, Moments and Quadrature, sections 4.1 and 6.2; reorthogonalised as in Golub & Van Loan
2013, section 10.3.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

__all__ = ["Ritz", "lanczos"]

EXHAUSTED = 1e-10  # a new direction this small beside the largest product is rounding: the space is invariant


@dataclass(frozen=True, eq=False)
class Ritz:
    """What the process leaves behind.

    Arguments:
        values: Θ `[s]`, ascending.
        weights: Wᵀe₁ `[s]`, of which the squares sum to 1.
        vectors: QW `[m, s]`; None where they were not asked for.
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
    """`steps` steps of the process from a vector in function space, fewer where the Krylov space ends before.

    Arguments:
        gram: u `[1, n, k]` ↦ K u.
        start: `[n, k]`, of any length but 0.
        steps: s, at least 1.
        vectors: whether QW is made.

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
            w = np.array(gram(jnp.asarray(v).reshape(1, *shape)), np.float64).ravel()
            largest = max(largest, float(np.linalg.norm(w)))
            alphas[i] = v @ w
            for _ in range(2):  # once leaves what rounding made of the first pass
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
