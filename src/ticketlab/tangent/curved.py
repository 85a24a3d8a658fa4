"""Newton systems of a small kernel, solved by a Cholesky factor each, which also gives the outputs on examples left out.

For a loss that is not quadratic T = HK + λI changes with every step. Let W = H^½, one k × k block for each example. Then

    T = W (WKW + λI) W⁻¹,       T⁻¹ = W B⁻¹ W⁻¹  with  B = WKW + λI,

where B is symmetric and positive definite. H is singular for softmax (a constant added to all outputs changes nothing), so W is
kept off zero; that is a rounding of T⁻¹, which conjugate gradients correct.

Around an iterate F the loss is a quadratic function with gradient g and curvature H, and its minimum is F⁺ = F + Kd with
T d = −(g + λu). Without example n the minimum of the quadratic function has the outputs

    F⁺ + (I − SₙHₙ)⁻¹ Sₙ g⁺ₙ,      g⁺ = g + HKd,   S = KT⁻¹,

which is exact (`leave_one_out`). With Rₙ = I − λ(B⁻¹)ₙ it is F⁺ + W⁻¹(I − Rₙ)⁻¹Rₙ W⁻¹g⁺ₙ: the diagonal blocks of B⁻¹ are enough.

Source: Rasmussen & Williams 2006, "Gaussian Processes for Machine Learning", section 3.4 (B with the curvature in W).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ticketlab.tangent.certificate import relative_gap
from ticketlab.tangent.leave_one_out import left_out
from ticketlab.tangent.line_search import line_search
from ticketlab.tangent.newton import FunctionSpaceProblem
from ticketlab.tangent.operators import Curvature, Functions, KernelOperator, matrix_gram
from ticketlab.tangent.spectrum import extreme_eigenvalues

__all__ = ["CurvedOperator", "NewtonPoint", "curved_points"]

LEAST = 1e-12  # of the curvature, relative to its largest
FLAT = (
    1e-8  # below this curvature, relative to the largest, a gradient is that of a loss with straight pieces
)
CLOSE = 0.03  # the relative duality gap from which one more Newton step is enough to compare ridges


@dataclass(frozen=True, eq=False)
class _Factor:
    """W `[n, k, k]`, W⁻¹, and the lower factor of B = WKW + λI."""

    root: Float[np.ndarray, "n k k"]
    inverse: Float[np.ndarray, "n k k"]
    lower: Float[np.ndarray, "m m"]
    ridge: float

    def solved(self, u: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """T⁻¹u = W B⁻¹ W⁻¹ u."""
        inner = (self.inverse @ u[..., None]).ravel()
        solved = scipy.linalg.lapack.dpotrs(self.lower, inner, lower=1)[0]
        return (self.root @ solved.reshape(*u.shape, 1))[..., 0]

    def leverage(self) -> Float[np.ndarray, "n k k"]:
        """R: blocks of I − λB⁻¹ = WSW. Cost: m³/3 operations."""
        n, k, _ = self.root.shape
        upper = scipy.linalg.lapack.dtrtri(self.lower, lower=1)[0].T  # B⁻¹ = L⁻ᵀL⁻¹
        rows = np.ascontiguousarray(np.triu(upper)).reshape(n, k, -1)
        return np.eye(k) - self.ridge * (rows @ rows.transpose(0, 2, 1))


@dataclass(frozen=True, eq=False)
class CurvedOperator(KernelOperator):
    """K as a matrix, with one factorisation for each Newton system.

    Arguments:
        matrix: K `[m, m]` in float64.
    """

    matrix: Float[np.ndarray, "m m"]

    def gram(self, u: Functions) -> Functions:
        return matrix_gram(self.matrix, u)

    def prepare(self, curvature: Curvature, ridge: Float[Any, "c"]) -> list[_Factor]:
        """Cost: m³/3 operations for each system."""
        assert curvature is not None  # a quadratic loss takes an eigendecomposition
        return [self.factor(h, float(lam)) for h, lam in zip(curvature, np.asarray(ridge), strict=True)]

    def precondition(self, u: Functions, prepared: list[_Factor]) -> Functions:
        return np.stack([each.solved(f) for each, f in zip(prepared, np.asarray(u), strict=True)])

    def spectrum_bounds(self) -> tuple[float, float]:
        return extreme_eigenvalues(self.gram, (1, len(self.matrix)))

    def factor(self, h: Float[np.ndarray, "n k k"], ridge: float) -> _Factor:
        root, inverse = _roots(h)
        b = _times(root, _times(root, self.matrix).T)
        diagonal = np.diag_indices_from(b)
        b[diagonal] += ridge
        while True:
            lower, failed = scipy.linalg.lapack.dpotrf(b.T, lower=1, clean=0)
            if not failed:
                return _Factor(root, inverse, lower, ridge)
            b[diagonal] += 1e-14 * np.trace(b)  # λ is below rounding, where B only preconditions

    def own_influence(self, factor: _Factor) -> Float[np.ndarray, "n k k"]:
        """S = (K − VᵀV)/λ with V = L⁻¹WK, on its diagonal: also where H = 0. Cost: m³ operations."""
        n, k, _ = factor.root.shape
        wk = _times(factor.root, self.matrix)
        v = scipy.linalg.solve_triangular(factor.lower, wk, lower=True, check_finite=False)
        by_example = v.T.reshape(n, k, -1)
        own = self.matrix.reshape(n, k, n, k)[np.arange(n), :, np.arange(n)]
        return (own - by_example @ by_example.transpose(0, 2, 1)) / factor.ridge


@dataclass(frozen=True, eq=False)
class NewtonPoint:
    """A rough minimum for one ridge.

    Arguments:
        u: its coefficients `[1, n, k]`.
        left_out: the outputs on every example without it, or on those held out.
        gap: the relative duality gap before the last step.
    """

    u: Float[np.ndarray, "1 n k"]
    left_out: Float[np.ndarray, "m k"]
    gap: float


def curved_points(
    operator: CurvedOperator, problem: FunctionSpaceProblem, ridges: Sequence[float], steps: int
) -> Iterator[NewtonPoint]:
    """Rough minima for a descending path of ridges, each from the one before.

    Cost: for each ridge one or two factorisations and an inverse of a factor, m³/3 operations each.
    """
    u = np.zeros_like(problem.offsets)
    ku = np.zeros_like(u)
    for ridge in ridges:
        at = replace(problem, ridges=np.array([ridge]))
        for step in range(steps):
            outputs = problem.offsets + ku
            fit, slope = at.look(outputs)
            g = slope + ridge * u
            objective = float(fit[0]) + 0.5 * ridge * float(np.vdot(u, ku))
            gap = relative_gap(float(np.vdot(g, operator.gram(g))) / (2 * ridge), objective)
            h = np.asarray(problem.loss.hessian(outputs[0], problem.targets))
            factor = operator.factor(h, ridge)
            d = -factor.solved(g[0])[None]
            kd = np.asarray(operator.gram(d))
            along, bend = ridge * np.vdot(d, ku), ridge * np.vdot(d, kd)
            t = float(line_search(at.look, outputs, kd, np.array([along]), np.array([bend]))[0])
            u, ku = u + t * d, ku + t * kd
            if gap <= CLOSE or t == 0 or step == steps - 1:
                break
        model = (slope + _curved(h, kd))[0]
        yield NewtonPoint(u, _left_out(operator, factor, h, model, (outputs + kd)[0]), gap)


def _left_out(
    operator: CurvedOperator,
    factor: _Factor,
    h: Float[np.ndarray, "n k k"],
    gradient: Float[np.ndarray, "n k"],
    outputs: Float[np.ndarray, "n k"],
) -> Float[np.ndarray, "n k"]:
    """From the diagonal blocks of B⁻¹; from S itself if a gradient lies where H is zero, as for an outlier under Huber's loss."""
    inner = factor.inverse @ gradient[..., None]
    size, whitened = np.sum(gradient**2, axis=1), np.sum(inner[..., 0] ** 2, axis=1)
    flat = FLAT * float(np.max(np.trace(h, axis1=1, axis2=2))) * whitened > size
    if np.any(flat & (size > FLAT * np.max(size))):
        return left_out(operator.own_influence(factor), h, gradient, outputs)
    r = factor.leverage()
    moved = np.linalg.solve(np.eye(h.shape[-1]) - r, r @ inner)
    return outputs + (factor.inverse @ moved)[..., 0]


def _roots(h: Float[np.ndarray, "n k k"]) -> tuple[np.ndarray, np.ndarray]:
    """H^½ and its inverse, with curvature kept off zero."""
    values, vectors = np.linalg.eigh(h) if h.shape[-1] > 1 else (h[..., 0], np.ones_like(h))
    least = max(LEAST * float(values.max()), np.finfo(float).tiny)
    sizes = np.sqrt(np.maximum(values, least))[:, None, :]
    across = vectors.transpose(0, 2, 1)
    return (vectors * sizes) @ across, (vectors / sizes) @ across


def _times(blocks: Float[np.ndarray, "n k k"], matrix: Float[np.ndarray, "m c"]) -> Float[np.ndarray, "m c"]:
    """A block-diagonal matrix times a matrix."""
    n, k, _ = blocks.shape
    if k == 1:
        return blocks[:, :, 0] * matrix
    return np.matmul(blocks, matrix.reshape(n, k, -1)).reshape(matrix.shape)


def _curved(h: Float[np.ndarray, "n k k"], f: Float[np.ndarray, "c n k"]) -> Float[np.ndarray, "c n k"]:
    return (h @ f[..., None])[..., 0]
