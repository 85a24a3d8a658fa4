"""The influence of an example on itself, where K has too many rows for a factorisation: K ≈ G ⊗ I_k, with one kernel G.

Outputs of a wide network have nearly the same kernel, and nearly none between them: G is the mean of the k blocks. It has n rows
where K has n·k, so it is factorised instead. Only the influence comes from G. Minimum, gradient and curvature stay those of K.
With G̃ = G/λ,

    S = (G̃⁻¹ ⊗ I + H)⁻¹.

If H is diagonal, every output has its own S = G̃ − G̃EG̃ with E = D^½(I + D^½G̃D^½)⁻¹D^½ and D its curvature. For softmax
H = diag(p) − ppᵀ couples the outputs of an example. With D = p it follows from the same matrices:

    S(c, d) = δ(c, d)(G̃ − G̃E_cG̃) + G̃E_c(Σ E)⁻¹E_dG̃.

Sources: Jacot, Gabriel, Hongler 2018, arXiv 1806.07572, theorem 1 (K = G ⊗ I in the limit); Rasmussen & Williams 2006, "Gaussian
Processes for Machine Learning", section 3.5 (softmax).
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from jaxtyping import Float

__all__ = ["one_kernel", "shared_influence", "softmax_probabilities"]

SAME = 1e-6  # of curvatures: how exactly probabilities have to give them
LEAST = 1e-10  # of a probability
JITTER = 1e-13  # of the mean diagonal, where Σ E is singular to rounding


def one_kernel(matrix: Float[np.ndarray, "m m"], outputs: int) -> Float[np.ndarray, "n n"]:
    """G: the mean over outputs of the kernel of one output."""
    by_output = np.asarray(matrix).reshape(len(matrix) // outputs, outputs, -1, outputs)
    return np.mean([by_output[:, c, :, c] for c in range(outputs)], axis=0, dtype=float)


def shared_influence(
    kernel: Float[np.ndarray, "n n"], curvature: Float[np.ndarray, "n k k"] | None, ridge: float, outputs: int
) -> Float[np.ndarray, "n k k"] | None:
    """Sₙ, or None for a curvature that is neither diagonal nor that of softmax.

    Arguments:
        kernel: G.
        curvature: H at the minimum; None for the identity.
        ridge: λ > 0.
        outputs: k.

    Cost: about 2 n³ operations for a diagonal curvature, for each output whose curvature is another; 2 k n³ for softmax. Memory:
        k n² numbers for softmax.
    """
    g, eye = kernel / ridge, np.eye(outputs)
    if curvature is None:
        return _own(g, _seen(g, np.ones(len(g))))[:, None, None] * eye
    diagonal = np.einsum("ncc->nc", curvature)
    if np.abs(curvature - diagonal[:, :, None] * eye).max() <= SAME * np.abs(diagonal).max(initial=0.0):
        return np.stack([_own(g, _seen(g, d)) for d in diagonal.T], axis=1)[:, :, None] * eye
    p = softmax_probabilities(curvature)
    return None if p is None else _softmax(g, p)


def softmax_probabilities(curvature: Float[np.ndarray, "n k k"]) -> Float[np.ndarray, "n k"] | None:
    """p with H = diag(p) − ppᵀ; None if there is none.

    p(1 − p) is the diagonal of H. At most one p is above ½, and then its p(1 − p) is the largest.
    """
    spread = np.einsum("ncc->nc", curvature)
    p = 0.5 * (1 - np.sqrt(np.maximum(1 - 4 * spread, 0.0)))
    rows, largest = np.arange(len(p)), np.argmax(spread, axis=1)
    p[rows, largest] = 0.0
    p[rows, largest] = 1 - p.sum(axis=1)
    again = p[:, :, None] * np.eye(p.shape[1]) - p[:, :, None] * p[:, None, :]
    return p if np.abs(again - curvature).max(initial=0.0) <= SAME else None


def _seen(g: Float[np.ndarray, "n n"], d: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n n"]:
    """V = L⁻¹D^½G̃ with LLᵀ = I + D^½G̃D^½, so that G̃EG̃ = VᵀV."""
    root = np.sqrt(np.maximum(d, 0.0))[:, None]
    return scipy.linalg.solve_triangular(_factor(g, root), root * g, lower=True, check_finite=False)


def _factor(g: Float[np.ndarray, "n n"], root: Float[np.ndarray, "n 1"]) -> Float[np.ndarray, "n n"]:
    inner = root * g * root.T
    inner[np.diag_indices_from(inner)] += 1.0
    return np.linalg.cholesky(inner)


def _own(g: Float[np.ndarray, "n n"], seen: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n"]:
    return g.diagonal() - np.einsum("ij,ij->j", seen, seen)


def _softmax(g: Float[np.ndarray, "n n"], p: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k k"]:
    """From B = I + D^½G̃D^½ alone: E = D^½B⁻¹D^½, EG̃ = D^½(I − B⁻¹)D^−½, G̃ − G̃EG̃ = D^−½(I − B⁻¹)D^−½."""
    n, k = p.shape
    roots = np.sqrt(np.maximum(p, LEAST))
    summed, moved, own = np.zeros((n, n)), np.empty((k, n, n)), np.empty((n, k))
    for c in range(k):
        root = roots[:, c : c + 1]
        inverse = _inverse(_factor(g, root))
        summed += root * inverse * root.T
        moved[c] = -root * inverse / root.T
        rest = 1 - inverse.diagonal()
        moved[c][np.diag_indices(n)] = rest
        own[:, c] = rest / roots[:, c] ** 2
    summed[np.diag_indices_from(summed)] += JITTER * np.mean(summed.diagonal())
    lower = np.linalg.cholesky(summed)
    by_example = np.empty((n, k, n))
    for c in range(k):
        by_example[:, c] = scipy.linalg.solve_triangular(lower, moved[c], lower=True, check_finite=False).T
    return own[:, :, None] * np.eye(k) + by_example @ by_example.transpose(0, 2, 1)


def _inverse(lower: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """(LLᵀ)⁻¹. Cost: two thirds of n³ operations."""
    # LAPACK reads arrays by columns: L as it lies here is an upper factor.
    half = scipy.linalg.lapack.dpotri(np.ascontiguousarray(lower).T, lower=0)[0]
    upper = np.triu(half)
    return upper + np.triu(half, 1).T
