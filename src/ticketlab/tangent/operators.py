"""The tangent kernel as an operator on functions: the interface that solvers need of K.

Functions on the training examples are arrays `[c, n, k]`, c at once, because one pass over K serves many ridges and offsets.
An operator multiplies by K and preconditions the Newton systems (HK + λI) d = b, where H is the curvature of the loss:

- `EigenOperator`: an eigendecomposition. For up to a few thousand rows, or for K = G ⊗ I_k.
- `CholeskyOperator`: K with one float32 Cholesky factor at one shift. For the square loss, up to tens of thousands of rows.
- `NystromOperator`: K with a low-rank preconditioner that depends on H. For other losses, at the same sizes.

`Jacobian.gram` is the product alone, in float64 and without K: the reference for certificates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from ticketlab.tangent.spectrum import extreme_eigenvalues

__all__ = [
    "CholeskyOperator",
    "EigenOperator",
    "KernelOperator",
    "NystromOperator",
    "independent_cholesky",
    "matrix_gram",
]

Functions = Float[Any, "c n k"]  # of JAX or NumPy
Curvature = Float[Any, "c n k k"] | None  # None: the identity, as for the square loss

FAR = 30.0  # λ/σ above which the identity is better than the factor at σ
PANEL = 1024  # columns of a Cholesky factor computed at once


class KernelOperator(ABC):
    """K, with a preconditioner."""

    @abstractmethod
    def gram(self, u: Functions) -> Functions:
        """K u."""

    def batches(self, ridge: Float[np.ndarray, "c"]) -> list[Int[np.ndarray, "b"]]:
        """The groups of the c systems that are best solved together."""
        return [np.arange(len(ridge))]

    @abstractmethod
    def prepare(self, curvature: Curvature, ridge: Float[Any, "c"]) -> Any:
        """The data that `precondition` needs for c Newton systems, computed once for each."""

    @abstractmethod
    def precondition(self, u: Functions, prepared: Any) -> Functions:
        """M u with M ≈ (HK + λI)⁻¹ up to a factor, self-adjoint and positive in the inner product ⟨u, v⟩_K = uᵀKv."""

    @abstractmethod
    def spectrum_bounds(self) -> tuple[float, float]:
        """The smallest and the largest eigenvalue of K, or estimates of them."""


def effective_shift(curvature: Curvature, ridge: Float[Any, "c"]) -> Float[np.ndarray, "c"]:
    """λ/h with h the mean curvature: hK + λI = h (K + (λ/h) I)."""
    if curvature is None:
        return np.asarray(ridge)
    mean = np.mean(np.trace(np.asarray(curvature), axis1=2, axis2=3), axis=1) / curvature.shape[-1]
    return np.asarray(ridge) / np.maximum(mean, 1e-12)


@dataclass(frozen=True, eq=False)
class EigenOperator(KernelOperator):
    """K = V diag(values) Vᵀ, or (V diag(values) Vᵀ) ⊗ I_k if V has one row per example instead of per example and output.

    Preconditions with (K + (λ/h) I)⁻¹, where h is the mean curvature; exact for the square loss.

    Arguments:
        values: r eigenvalues in ascending order, float64; those within rounding of zero, and those left out, are zero.
        vectors: their eigenvectors as columns, m = n·k or n.
    """

    values: Float[Any, "r"]
    vectors: Float[Any, "m r"]

    @staticmethod
    def from_matrix(matrix: Float[Any, "m m"]) -> EigenOperator:
        """Cost: about 9 m³ operations in float64."""
        if jax.default_backend() == "cpu":
            values, vectors = scipy.linalg.eigh(np.asarray(matrix, np.float64))
            rounding = np.finfo(np.float64).eps * len(values) * values[-1]
            return EigenOperator(np.where(values > rounding, values, 0.0), vectors)
        with jax.enable_x64(True):
            values, vectors = jnp.linalg.eigh(jnp.asarray(matrix, jnp.float64))
            rounding = jnp.finfo(jnp.float64).eps * values.shape[0] * values[-1]
            return EigenOperator(jnp.where(values > rounding, values, 0.0), vectors)

    @staticmethod
    def from_root(root: Float[Any, "m p"]) -> EigenOperator:
        """The operator of K = BBᵀ (or BBᵀ ⊗ I_k) from B. Cost: about m·p·min(m, p) operations in float64."""
        b = np.asarray(root, np.float64)
        # SciPy's, on the host: JAX's gave NaN for a rank-deficient matrix (MNIST's constant pixels), SciPy's did not.
        vectors, values, _ = scipy.linalg.svd(b, full_matrices=False)
        rounding = np.finfo(np.float64).eps * max(b.shape) * values[0]
        kept = np.where(values > rounding, values, 0.0)[::-1] ** 2
        if jax.default_backend() == "cpu":
            return EigenOperator(kept, vectors[:, ::-1])
        with jax.enable_x64(True):
            return EigenOperator(jnp.asarray(kept), jnp.asarray(vectors[:, ::-1]))

    def gram(self, u: Functions) -> Functions:
        return self.spectral(u, self.values)

    def prepare(self, curvature: Curvature, ridge: Float[Any, "c"]) -> Float[np.ndarray, "c r"]:
        """(K + (λ/h) I)⁻¹ outside the null space of K. In the null space u only adds rounding, so it stays 0."""
        shift = np.asarray(effective_shift(curvature, ridge))[:, None]
        values = np.asarray(self.values)
        return np.where(values > 0, 1.0 / np.where(values > 0, values + shift, 1.0), 0.0)

    def precondition(self, u: Functions, prepared: Float[np.ndarray, "c r"]) -> Functions:
        return self.spectral(u, prepared)

    def spectral(self, u: Functions, weights: Float[Any, "..."]) -> Functions:
        """V diag(weights) Vᵀ u; `weights` is `[r]`, or `[c, r]` for separate weights of each function."""
        return _spectral(self.vectors, weights, u)

    def spectrum_bounds(self) -> tuple[float, float]:
        m, r = self.vectors.shape
        return float(self.values[0]) if r == m else 0.0, float(self.values[-1])


def _spectral(vectors: Any, weights: Any, u: Functions) -> Functions:
    m, r = vectors.shape
    coefficients = vectors.T @ u.reshape(u.shape[0], m, -1)
    scaled = coefficients * np.broadcast_to(weights, (u.shape[0], r))[..., None]
    return (vectors @ scaled).reshape(u.shape)


@dataclass(frozen=True, eq=False)
class CholeskyOperator(KernelOperator):
    """K as a matrix, preconditioned by a float32 Cholesky factor of K + σI at one σ for every shift.

    Preconditioned by (K + σI)⁻¹, an eigenvalue κ of K becomes (κ + λ)/(κ + σ), between λ/σ and 1 for every κ. So one
    factorisation serves a few decades of ridges in tens of iterations. Far above σ the identity is the better
    preconditioner.

    Arguments:
        matrix: K `[m, m]`, symmetric to the bit; float64 if rounding in K matters.
        factor: the lower Cholesky factor of K + σI in float32.
        sigma: σ.
        careful: precondition with (I − (K + σI)⁻¹K)/σ instead, which is the same except for rounding and depends on u
        only through
            K u. If K is singular and the data are contradictory, the null-space part of u would otherwise dominate float32.
    """

    matrix: Float[Any, "m m"]
    factor: Float[np.ndarray, "m m"]
    sigma: float
    careful: bool = False

    @staticmethod
    def factorised(matrix: Float[Any, "m m"], sigma: float) -> CholeskyOperator:
        """With the factor at σ = sigma, doubled until it succeeds in float32. Cost: m³/6 multiply–adds in float32."""
        step = 1e-7 * float(np.mean(np.asarray(matrix).diagonal()))
        while True:
            factor = _cholesky(matrix, sigma)
            if factor is not None:
                return CholeskyOperator(matrix, factor, sigma)
            sigma = 2 * sigma + step

    def gram(self, u: Functions) -> Functions:
        return matrix_gram(self.matrix, u)

    @property
    def furthest(self) -> float:
        """The largest ridge that the factor serves.

        In the null space of K, T preconditioned is λ/σ. For λ > σ this is the largest eigenvalue, and the part of u in the
        null space grows in the iterations.
        """
        return self.sigma if self.careful else FAR * self.sigma

    def batches(self, ridge: Float[np.ndarray, "c"]) -> list[Int[np.ndarray, "b"]]:
        far = ridge > self.furthest
        return [np.flatnonzero(~far), np.flatnonzero(far)]

    def prepare(self, curvature: Curvature, ridge: Float[Any, "c"]) -> bool:
        return bool(np.all(np.asarray(effective_shift(curvature, ridge)) <= self.furthest))

    def precondition(self, u: Functions, prepared: bool) -> Functions:
        if not prepared:
            return u
        if not self.careful:
            return self._solve(u)
        return (np.asarray(u) - self._solve(self.gram(u))) / self.sigma

    def _solve(self, u: Functions) -> Float[np.ndarray, "c n k"]:
        flat = np.asarray(u).reshape(len(u), -1)
        size = np.linalg.norm(flat, axis=1, keepdims=True)  # float32 cannot hold very small residuals
        columns = (flat / np.where(size > 0, size, 1.0)).astype(np.float32).T
        # Substitution runs in LAPACK on the host: XLA's own took 750 ms on 10 000 rows and 12 columns, LAPACK's 92 ms.
        solved, _ = scipy.linalg.lapack.spotrs(self.factor.T, columns, lower=0)
        return (solved.T * size).reshape(u.shape).astype(u.dtype)

    def spectrum_bounds(self) -> tuple[float, float]:
        """The largest eigenvalue by the Lanczos process, the smallest by the same process with the inverse of the factor."""
        shape = (1, self.matrix.shape[0])
        _, largest = extreme_eigenvalues(self.gram, shape, steps=6)
        _, inverse = extreme_eigenvalues(self._solve, shape, steps=5)
        return max(1.0 / inverse - self.sigma, 0.0), largest


@dataclass(frozen=True, eq=False)
class NystromOperator(KernelOperator):
    """K as a matrix; r of its columns span the part of the tangent space in which the loss's curvature is treated exactly.

    Let S be r pivots, K_SS = LLᵀ and F = K_{:S}L⁻ᵀ (so K ≈ FFᵀ). The columns of V = J_SᵀL⁻ᵀ are an orthonormal basis of their
    part of the tangent space, and JV = F. The preconditioner of JᵀHJ + λI is exact there and a multiple of the identity on the
    complement,

        M = V (FᵀHF + λI)⁻¹ Vᵀ + (λ + μ)⁻¹ (I − VVᵀ),

    where μ is the mean curvature times the mean remaining eigenvalue. In function-space coefficients Vᵀ is Fᵀ and V is E_S L⁻ᵀ.
    Source: the randomly pivoted Cholesky of Díaz et al. 2304.12465, used in parameter space.

    Arguments:
        matrix: K `[m, m]`.
        columns: F `[m, r]`.
        pivots: S `[r]`.
        inverse_factor: L⁻¹ `[r, r]`.
        left: the mean diagonal of K − FFᵀ.
    """

    matrix: Float[Any, "m m"]
    columns: Float[Any, "m r"]
    pivots: Int[Any, "r"]
    inverse_factor: Float[Any, "r r"]
    left: float

    @staticmethod
    def pivoted(matrix: Float[Any, "m m"], rank: int, seed: int) -> NystromOperator:
        """With `rank` pivots drawn by randomly pivoted Cholesky, in blocks. Cost: m·rank² multiply–adds."""
        with jax.enable_x64(True):
            pivots = _random_pivots(matrix, min(rank, matrix.shape[0]), np.random.default_rng(seed))
            rows = np.asarray(np.asarray(matrix)[pivots], np.float64)
            factor, kept = independent_cholesky(rows[:, pivots])
            pivots, rows = pivots[kept], rows[kept]
            inverse = scipy.linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)
            columns = (inverse @ rows).T
            diagonal = np.asarray(np.asarray(matrix).diagonal(), np.float64)
            left = max(float(np.mean(diagonal - np.sum(columns**2, axis=1))), 0.0)
            if isinstance(matrix, np.ndarray):
                return NystromOperator(matrix, columns, pivots, inverse, left)
            return NystromOperator(
                matrix, jnp.asarray(columns), jnp.asarray(pivots), jnp.asarray(inverse), left
            )

    def gram(self, u: Functions) -> Functions:
        return matrix_gram(self.matrix, u)

    def prepare(
        self, curvature: Curvature, ridge: Float[Any, "c"]
    ) -> tuple[Float[Any, "c r r"], Float[Any, "c"]]:
        """(FᵀHF + λI)⁻¹ − (λ + μ)⁻¹ I and λ + μ. Cost: m·r² multiply–adds per problem, in float32."""
        return _curved_inverse(self.columns, self.left, curvature, ridge)

    def precondition(self, u: Functions, prepared: tuple[Float[Any, "c r r"], Float[Any, "c"]]) -> Functions:
        return _apply_nystrom(self.columns, self.pivots, self.inverse_factor, *prepared, u)

    def spectrum_bounds(self) -> tuple[float, float]:
        """By the Lanczos process from a fixed vector: the smallest eigenvalue is an upper bound."""
        return extreme_eigenvalues(self.gram, (1, self.matrix.shape[0]))


SMALL = 1e-25  # curvature that float32 products would take below its normal numbers, with which processors are slow


def _curved_inverse(
    f: Float[Any, "m r"], left: Any, curvature: Curvature, ridge: Float[Any, "c"]
) -> tuple[Float[Any, "c r r"], Float[np.ndarray, "c"]]:
    (m, r), ridge = f.shape, np.asarray(ridge)
    f = f.astype(np.float32)
    if isinstance(f, np.ndarray) and curvature is not None:
        curvature = np.asarray(curvature)
        curvature = np.where(np.abs(curvature) < SMALL, 0.0, curvature)
    inverses, rests = [], []
    for i, lam in enumerate(ridge):
        hf, mean = f, 1.0
        if curvature is not None:
            h = curvature[i]
            n, k, _ = h.shape
            hf = (h.astype(np.float32) @ f.reshape(n, k, r)).reshape(m, r)
            mean = float(np.mean(np.trace(np.asarray(h), axis1=1, axis2=2))) / k
        inner = np.asarray(f.T @ hf, np.float64)
        rest = lam + float(left) * mean
        floor = 1e-7 * np.trace(inner)  # rounding in float32 must not make it indefinite
        system = 0.5 * (inner + inner.T) + (lam + floor) * np.eye(r)
        inverse = np.linalg.inv(
            system
        )  # by NumPy as the products are: the threads of SciPy's library would wait for a core
        inverses.append(0.5 * (inverse + inverse.T) - np.eye(r) / rest)
        rests.append(rest)
    stacked = np.stack(inverses)
    return stacked if isinstance(f, np.ndarray) else jnp.asarray(stacked), np.array(rests)


def _apply_nystrom(
    columns: Any, pivots: Any, inverse_factor: Any, inner: Any, rest: np.ndarray, u: Functions
) -> Functions:
    flat = u.reshape(u.shape[0], -1)
    weights = (inner @ (flat @ columns)[..., None])[..., 0]
    spread = weights @ inverse_factor
    if isinstance(columns, np.ndarray):
        out = np.asarray(flat) / rest[:, None]
        out[:, pivots] += spread
        return out.reshape(u.shape)
    return (jnp.asarray(flat) / rest[:, None]).at[:, pivots].add(spread).reshape(u.shape)


def _cholesky(matrix: Any, sigma: float) -> np.ndarray | None:
    """The lower factor of K + σI in float32, by panels; None if it is not positive definite in float32.

    Left-looking, so that nearly all the work is one wide matrix product per panel: 3.9 s on 10 000 rows, where LAPACK's
    spotrf takes 8.7 s.
    """
    a = np.array(matrix, np.float32)
    m = len(a)
    a[np.arange(m), np.arange(m)] += np.float32(sigma)
    for j in range(0, m, PANEL):
        end = min(j + PANEL, m)
        a[j:, j:end] -= a[j:, :j] @ a[j:end, :j].T
        diagonal, info = scipy.linalg.lapack.spotrf(a[j:end, j:end], lower=1, clean=1)
        if info != 0:
            return None
        a[j:end, j:end] = diagonal
        if end < m:
            inverse = scipy.linalg.solve_triangular(diagonal, np.eye(end - j, dtype=np.float32), lower=True)
            a[end:, j:end] = a[end:, j:end] @ inverse.T
        a[j:end, end:] = 0.0
    return a


def matrix_gram(matrix: Any, u: Functions) -> Functions:
    """K u for K as a matrix, in the precision of the matrix. A few functions are multiplied one by one, at the rate of memory."""
    flat = u.reshape(u.shape[0], -1).astype(matrix.dtype)
    few = isinstance(matrix, np.ndarray) and len(flat) < 4
    product = np.stack([matrix @ row for row in np.asarray(flat)]) if few else (matrix @ flat.T).T
    return product.astype(u.dtype).reshape(u.shape)


def _random_pivots(matrix: Any, rank: int, rng: np.random.Generator, block: int = 64) -> np.ndarray:
    """Pivots drawn in proportion to the remaining diagonal, a block at a time."""
    m = matrix.shape[0]
    rows = np.asarray(matrix)  # on the host: blocks differ in size, and each size would be compiled again
    diagonal = np.array(rows.diagonal(), np.float64)
    columns = np.zeros((m, rank), np.float32)
    pivots: list[int] = []
    floor = 1e-10 * diagonal.max()
    while len(pivots) < rank and diagonal.max() > floor:
        weights = np.maximum(diagonal, 0.0)
        drawn = np.unique(rng.choice(m, min(block, m), p=weights / weights.sum()))[: rank - len(pivots)]
        asked = drawn
        done = columns[:, : len(pivots)]
        fresh = rows[drawn].T.astype(np.float32) - done @ done[drawn].T
        factor, kept = independent_cholesky(fresh[drawn].astype(np.float64))
        drawn, fresh = drawn[kept], fresh[:, kept]
        new = scipy.linalg.solve_triangular(factor, fresh.T.astype(np.float64), lower=True).T
        columns[:, len(pivots) : len(pivots) + len(drawn)] = new
        pivots += drawn.tolist()
        diagonal -= np.sum(np.square(new), axis=1)
        diagonal[asked] = 0.0  # also of dependent rows, whose remainder is rounding
    return np.array(pivots)


def independent_cholesky(matrix: np.ndarray, relative: float = 1e-8) -> tuple[np.ndarray, np.ndarray]:
    """Numerically independent rows by pivoted Cholesky: their lower factor, in their order, and their numbers.

    Rows whose remainder is below `relative` times the largest diagonal entry are left out.
    """
    tolerance = relative * max(float(matrix.diagonal().max()), 1e-300)
    factor, order, rank, _ = scipy.linalg.lapack.dpstrf(matrix, lower=1, tol=tolerance)
    return np.tril(factor[:rank, :rank]), order[:rank] - 1
