"""The dense primal rung: few parameters, many examples. JᵀJ `[P, P]` is accumulated in batches, and the unknown is Δ itself.

Square loss: one eigendecomposition of JᵀJ serves every ridge, and the minimum-norm limit through the pseudo-inverse. That is
for up to a few thousand parameters; with more, each ridge takes a Cholesky factor. Other losses: Newton steps with JᵀHJ + λI,
Cholesky, and a line search along J d. The solution is refined once with the Jacobian itself, because JᵀJ squares the condition
number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import numpy as np
import scipy.linalg
from jaxtyping import Float

from ticketlab.errors import NumericalFailure
from ticketlab.tangent.certificate import Certificate, Result, relative_gap
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.ladder import EIGEN_ROWS
from ticketlab.tangent.leave_one_out import ROUGH, Features, RidgeScores, left_out, own_influence, tried
from ticketlab.tangent.line_search import line_search
from ticketlab.tangent.newton import FunctionSpaceProblem, NewtonOptions, Progress
from ticketlab.tangent.solution import Solution, Stats, solutions_of
from ticketlab.tangent.spectrum import condition_number, extreme_eigenvalues
from ticketlab.tasks.losses import ConvexLoss

__all__ = ["PrimalMatrix", "primal_matrix", "solve_primal", "tune_primal"]

BLOCK_BYTES = 2**28


class PrimalMatrix:
    """J in blocks of examples, kept if it fits into 2 GB and recomputed otherwise; with JᵀJ and mean diag(K)."""

    def __init__(self, jacobian: Jacobian) -> None:
        begin = time.perf_counter()
        self.jacobian = jacobian
        rows = jacobian.examples * jacobian.outputs_per_example
        row_bytes = 8 * jacobian.columns * jacobian.outputs_per_example
        self.size = max(1, min(jacobian.examples, BLOCK_BYTES // max(row_bytes, 1)))
        if jacobian.filled and self.size > jacobian.batch:
            self.size -= self.size % jacobian.batch
        self._kept: list[np.ndarray] | None = None
        if row_bytes * jacobian.examples <= 2**31:
            self._kept = [block for _, block in self._computed()]
        self.gram = np.zeros((jacobian.columns, jacobian.columns))
        trace = 0.0
        with np.errstate(over="ignore", invalid="ignore"):  # reported below
            for _, j in self.blocks():
                self.gram += j.T @ j
                trace += float(np.sum(j * j))
        self.mean_diagonal = trace / (jacobian.total_weight * jacobian.outputs_per_example)
        if not np.isfinite(trace):
            raise NumericalFailure(
                f"The tangent kernel's mean diagonal is {self.mean_diagonal}: the derivatives at θ₀ are too large for "
                "float64. Use smaller parameters or inputs."
            )
        self.flops = 2.0 * rows * jacobian.columns**2
        self.seconds = time.perf_counter() - begin

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """(examples, J of these examples `[rows, P]`)."""
        if self._kept is None:
            yield from self._computed()
            return
        for i, block in enumerate(self._kept):
            yield slice(i * self.size, (i + 1) * self.size), block

    def times(self, delta: Float[np.ndarray, "p"]) -> Float[np.ndarray, "n k"]:
        k = self.jacobian.outputs_per_example
        return np.concatenate([(j @ delta).reshape(-1, k) for _, j in self.blocks()])

    def transposed(self, v: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "p"]:
        total = np.zeros(self.jacobian.columns)
        for part, j in self.blocks():
            total += j.T @ v[part].ravel()
        return total

    @property
    def kept(self) -> bool:
        """Whether J is held as a whole."""
        return self._kept is not None

    @cached_property
    def eigen(self) -> tuple[Float[np.ndarray, "p"], Float[np.ndarray, "p p"]]:
        """Eigenvalues of JᵀJ, ascending, and its eigenvectors. Cost: about 9 P³ operations."""
        values, vectors = scipy.linalg.eigh(self.gram)
        return values, vectors

    def features(self, orthogonal: bool) -> Features:
        """J, if it is held; or J in the basis of the eigenvectors."""
        j = np.concatenate([block for _, block in self.blocks()])
        if not orthogonal:
            return Features(j)
        values, vectors = self.eigen
        return Features(j @ vectors, squares=np.maximum(values, 0.0))

    def multiplied(self, delta: Float[Any, "1 p 1"]) -> Float[np.ndarray, "1 p 1"]:
        """JᵀJΔ."""
        return np.matmul(self.gram, np.asarray(delta))

    def curved(self, curvature: Float[np.ndarray, "n k k"]) -> Float[np.ndarray, "p p"]:
        """JᵀHJ."""
        total = np.zeros_like(self.gram)
        k = curvature.shape[-1]
        for part, j in self.blocks():
            hj = np.matmul(curvature[part], j.reshape(-1, k, j.shape[1])).reshape(j.shape)
            total += j.T @ hj
        return total

    def _computed(self) -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, self.jacobian.examples, self.size):
            part = slice(start, start + self.size)
            block = self.jacobian.part(part).dense()
            yield part, block.reshape(-1, block.shape[-1])


def primal_matrix(jacobian: Jacobian) -> PrimalMatrix:
    """JᵀJ in float64. Cost: N·k·P² multiply–adds, P² numbers."""
    return PrimalMatrix(jacobian)


def solve_primal(
    matrix: PrimalMatrix,
    loss: ConvexLoss,
    targets: Float[np.ndarray, "n targets"],
    problems: Sequence[tuple[bool, float]],
    *,
    reason: str,
    options: NewtonOptions,
    progress: Callable[[str, float], None] = lambda what, gap: None,
    near: Float[np.ndarray, "p"] | None = None,
) -> list[Solution]:
    """Minimise for several (keeps f₀?, λ); arguments and result as in `dual.solve_dual`, `near` a Δ to start from."""
    begin = time.perf_counter()
    jacobian = matrix.jacobian
    targets = np.asarray(targets, np.float64)
    f0 = _start(jacobian, any(keeps for keeps, _ in problems))
    needs_all = loss.quadratic and (
        jacobian.columns <= EIGEN_ROWS or any(ridge == 0 for _, ridge in problems)
    )
    values, vectors = matrix.eigen if needs_all else (None, None)
    factorised = time.perf_counter()
    spectrum = _spectrum_bounds(matrix, values)
    found = []
    for i, (keeps, ridge) in enumerate(problems):
        offset = f0 if keeps else np.zeros_like(f0)
        if loss.quadratic:
            delta, count = _ridge_solution(matrix, targets - offset, ridge, values, vectors), 1
        else:
            delta, count = _newton(matrix, loss, targets, offset, ridge, options, near)
        found.append((delta, count, offset))
        progress("ridges", (i + 1) / len(problems))
    solved = time.perf_counter()
    certificates = [
        _certify(matrix, loss, targets, offset, ridge, delta, count, spectrum, options)
        for (delta, count, offset), (_, ridge) in zip(found, problems, strict=True)
    ]
    end = time.perf_counter()
    stats = Stats(
        rung="dense primal",
        reason=reason,
        rows=jacobian.examples * jacobian.outputs_per_example,
        columns=jacobian.columns,
        seconds=matrix.seconds + end - begin,
        kernel_seconds=matrix.seconds,
        factor_seconds=factorised - begin,
        solve_seconds=solved - factorised,
        certificate_seconds=end - solved,
        peak_bytes=int(3 * matrix.gram.nbytes + min(2**31, 8 * jacobian.columns * f0.size)),
        flops=matrix.flops,
    )
    steps = [unflatten(jacobian, delta) for delta, _, _ in found]
    return solutions_of(jacobian, matrix.mean_diagonal, problems, steps, certificates, stats)


def tune_primal(
    matrix: PrimalMatrix,
    loss: ConvexLoss,
    targets: Float[np.ndarray, "n targets"],
    keeps: bool,
    ridges: Sequence[float],
    score: Callable[[np.ndarray, np.ndarray], float],
    options: NewtonOptions,
    progress: Callable[[str, float], None] = lambda what, value: None,
) -> tuple[RidgeScores, np.ndarray]:
    """The ridge with the best score on examples left out, and its Δ roughly; arguments as for `dual.tune_dual`.

    J must be held. Cost: a few Newton steps for each ridge that is tried, and `left_out`.
    """
    f0 = _start(matrix.jacobian, keeps)
    offset = f0 if keeps else np.zeros_like(f0)
    spectral = loss.quadratic and matrix.jacobian.columns <= EIGEN_ROWS
    features = matrix.features(spectral)
    rough = replace(options, tolerance=max(options.tolerance, ROUGH))
    found: list[np.ndarray] = []

    def outputs() -> Iterator[np.ndarray]:
        for ridge in sorted(ridges, reverse=True):
            if loss.quadratic:
                values, vectors = matrix.eigen if spectral else (None, None)
                delta = _ridge_solution(matrix, targets - offset, ridge, values, vectors)
            else:
                delta, _ = _newton(matrix, loss, targets, offset, ridge, rough, found[-1] if found else None)
            found.append(delta)
            progress(f"ridge {ridge / matrix.mean_diagonal:.0e}", len(found) / len(ridges))
            at = offset + matrix.times(delta)
            with jax.enable_x64(True):
                h = None if loss.quadratic else np.asarray(loss.hessian(at, targets))
            s = own_influence(features, h, ridge, at.shape[1])
            yield left_out(s, h, _look(loss, at, targets)[1], at)

    scores = tried(ridges, outputs(), lambda left: score(left, np.arange(len(left))))
    order = sorted(range(len(ridges)), key=lambda i: -ridges[i])
    return scores, found[order.index(scores.best)]


def _start(jacobian: Jacobian, kept: bool) -> Float[np.ndarray, "n k"]:
    """f₀, or zeros if it is not needed."""
    if not kept:
        return np.zeros((jacobian.examples, jacobian.outputs_per_example))
    return np.asarray(jacobian.outputs())


def _spectrum_bounds(matrix: PrimalMatrix, values: Float[np.ndarray, "p"] | None) -> tuple[float, float]:
    """The smallest and the largest eigenvalue of K, from those of JᵀJ; without these, estimates from inside."""
    n, k = matrix.jacobian.examples, matrix.jacobian.outputs_per_example
    null = matrix.jacobian.columns - n * k  # eigenvalues of JᵀJ that K does not have
    if values is not None:
        return max(float(values[null]), 0.0) if null >= 0 else 0.0, float(values[-1])
    if null < 0:
        return 0.0, extreme_eigenvalues(matrix.multiplied, (matrix.jacobian.columns, 1))[1]
    return extreme_eigenvalues(lambda u: matrix.times(matrix.transposed(u[0]))[None], (n, k))


def unflatten(jacobian: Jacobian, delta: Float[np.ndarray, "p"]) -> list[np.ndarray]:
    """The flat Δ, in the order of `Jacobian.dense`, as a list over the moving leaves."""
    leaves, start = [], 0
    for leaf, mask in jacobian._moving_with_masks:
        kept = np.ones(leaf.shape, bool) if mask is True else np.asarray(mask)
        values = np.zeros(leaf.shape)
        count = int(kept.sum())
        values[kept] = delta[start : start + count]
        leaves.append(values)
        start += count
    return leaves


def _ridge_solution(
    matrix: PrimalMatrix,
    r: np.ndarray,
    ridge: float,
    values: np.ndarray | None,
    vectors: np.ndarray | None,
) -> np.ndarray:
    """(JᵀJ + λI)⁻¹Jᵀr, for λ = 0 by the pseudo-inverse; refined with residuals computed through J."""
    if values is not None and vectors is not None:
        solve = _spectral_solver(values + ridge, vectors)
    else:
        solve = _positive_solver(matrix.gram + ridge * np.eye(len(matrix.gram)))
    delta = solve(matrix.transposed(r))
    for _ in range(2):
        delta = delta + solve(matrix.transposed(r - matrix.times(delta)) - ridge * delta)
    return delta


Solver = Callable[[np.ndarray], np.ndarray]


def _positive_solver(matrix: Float[np.ndarray, "p p"]) -> Solver:
    """b ↦ A⁻¹b by Cholesky; by eigendecomposition if rounding leaves A not positive definite."""
    try:
        factor = scipy.linalg.cho_factor(matrix, lower=True)
    except np.linalg.LinAlgError:
        return _spectral_solver(*scipy.linalg.eigh(matrix))
    return lambda b: scipy.linalg.cho_solve(factor, b)


def _spectral_solver(values: Float[np.ndarray, "p"], vectors: Float[np.ndarray, "p p"]) -> Solver:
    """b ↦ A⁺b, the pseudo-inverse from eigenvalues in ascending order."""
    floor = np.finfo(float).eps * len(values) * values[-1]
    inverse = np.where(values > floor, 1.0 / np.where(values > floor, values, 1.0), 0.0)
    return lambda b: vectors @ (inverse * (vectors.T @ b))


def _newton(
    matrix: PrimalMatrix,
    loss: ConvexLoss,
    targets: np.ndarray,
    offset: np.ndarray,
    ridge: float,
    options: NewtonOptions,
    near: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    delta, outputs = np.zeros(len(matrix.gram)), offset
    if near is not None:
        delta, outputs = near, offset + matrix.times(near)
    problem = FunctionSpaceProblem(loss, targets, offset[None], np.array([ridge]))
    progressing = Progress(1)
    for step in range(options.steps):
        fit, slope = _look(loss, outputs, targets)
        gradient = matrix.transposed(slope) + ridge * delta
        value = fit + 0.5 * ridge * delta @ delta
        size = float(gradient @ gradient)
        stalled = progressing.stalled(np.array([size]), np.array([value]))[0]
        if size <= 2 * ridge * options.tolerance * abs(value) or stalled:
            return delta, step
        with jax.enable_x64(True):
            curvature = np.asarray(loss.hessian(outputs, targets))
        hessian = matrix.curved(curvature)
        hessian[np.diag_indices_from(hessian)] += ridge
        d = -_positive_solver(hessian)(gradient)
        jd = matrix.times(d)
        along = line_search(
            problem.look,
            outputs[None],
            jd[None],
            np.array([ridge * delta @ d]),
            np.array([ridge * d @ d]),
        )
        t = float(along[0])
        if t == 0:
            return delta, step  # stalled at rounding; the certificate says how close it is
        delta, outputs = delta + t * d, outputs + t * jd
    return delta, options.steps


def _certify(
    matrix: PrimalMatrix,
    loss: ConvexLoss,
    targets: np.ndarray,
    offset: np.ndarray,
    ridge: float,
    delta: np.ndarray,
    steps: int,
    spectrum: tuple[float, float],
    options: NewtonOptions,
) -> Certificate:
    jacobian = matrix.jacobian
    outputs = offset + np.asarray(jacobian.jvp(unflatten(jacobian, delta)))
    fit, v = _look(loss, outputs, targets)
    gradient = _flat(jacobian, v) + ridge * delta
    start = np.linalg.norm(_flat(jacobian, _look(loss, offset, targets)[1]))
    primal = fit + 0.5 * ridge * float(delta @ delta)
    relative = float(np.linalg.norm(gradient) / start) if start > 0 else 0.0
    dual, gap = float("nan"), relative
    if ridge > 0:
        jv = gradient - ridge * delta
        with jax.enable_x64(True):
            conjugate = float(np.sum(loss.conjugates(v, targets)))
        dual = float(np.vdot(v, offset)) - conjugate - float(jv @ jv) / (2 * ridge)
        gap = relative_gap(float(gradient @ gradient) / (2 * ridge), primal)
    return Certificate(
        result=Result.MET if gap <= options.tolerance else Result.MISSED,
        tolerance=options.tolerance,
        primal=primal,
        dual=dual,
        duality_gap=gap,
        relative_residual=relative,
        condition=condition_number(spectrum, ridge),
        steps=steps,
        iterations=0,
    )


def _flat(jacobian: Jacobian, v: np.ndarray) -> np.ndarray:
    parts = []
    for d, (_, mask) in zip(jacobian.vjp(v), jacobian._moving_with_masks, strict=True):
        values = np.asarray(d)
        parts.append(values.ravel() if mask is True else values[np.asarray(mask)])
    return np.concatenate(parts)


def _look(loss: ConvexLoss, outputs: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Σ ℓ and ∇ℓ."""
    with jax.enable_x64(True):
        value, gradient = loss.look(outputs[None], targets)
    return float(value[0]), np.asarray(gradient)[0]
