"""The matrix-free rung: neither K nor JᵀJ fits, and the minimum is found with products K u = J(Jᵀu) alone.

Square loss. Conjugate gradients on (K + λI)u = r, r = y − f₀, minimise the dual objective, with a low-rank preconditioner that
takes the large eigenvalues out (`nystrom`). At Δ = Jᵀu and the dual point v = −λu the duality gap is

    P(Δ) − D(v) = Σ ℓ(F) + ℓ*(v) − ⟨v, F⟩ = ½‖r − (K + λI)u‖²,

half the squared residual of the system, known at every iteration without a further product. It is the sharper certificate here:
the gap at v = ∇ℓ(F) is ‖Jᵀ(r − (K + λI)u)‖²/2λ, larger by the ratio of the eigenvalues of K to λ wherever the residual is. Since
the residual is what counts, iterates are smoothed: each is the point with the smallest residual on the line from the one before
to that of conjugate gradients (Weiss 1994), whose own residual goes up and down by large factors.

Other losses. Newton steps in function space (`newton`), each (HK + λI)d = −g by conjugate gradients on the symmetric system

    (H^½KH^½ + λI) w = −H^{−½}g,      d = H^½w.

What is singular in H (softmax does not see a constant added to all outputs) is raised to a small curvature: g has nothing there.

Products are in float32 with the activations kept. The result is judged by float64 sweeps, and the iteration goes on from there
with their residual where the tolerance is not met yet (iterative refinement), and with float64 products where that does not help.
For λ = 0 and data that K cannot fit, Ku = r has no solution; conjugate gradients in the inner product of K (`krylov`) then find
the least squares, for which Δ = Jᵀu is the pseudo-inverse's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.errors import NumericalFailure
from ticketlab.tangent.certificate import Certificate, Result
from ticketlab.tangent.checkpoint import Checkpoint
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.krylov import NewtonSystem, conjugate_gradients
from ticketlab.tangent.ladder import MatrixFree
from ticketlab.tangent.newton import (
    FunctionSpaceProblem,
    NewtonOptions,
    Standing,
    loss_curvature,
    newton,
    newton_path,
)
from ticketlab.tangent.nystrom import LowRank, low_rank, preconditioner, rooted
from ticketlab.tangent.operators import KernelOperator
from ticketlab.tangent.products import Products
from ticketlab.tangent.solution import Solution, Stats
from ticketlab.tangent.spectrum import extreme_eigenvalues
from ticketlab.tasks.losses import ConvexLoss

__all__ = ["MatrixFreeKernel", "matrix_free_kernel", "solve_matrix_free"]

PIVOT_SEED = 0  # pivots only precondition: they change the way to the solution, not the solution
FLOOR = 1e-6  # of the curvature, relative to its largest
REFINEMENTS = 8  # with the exact residual; each gains about six digits
Gram = Callable[[np.ndarray], np.ndarray]
Report = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class MatrixFreeKernel:
    """K as products, ready for any loss, offset and ridge.

    Arguments:
        jacobian: in float64.
        products: in float32.
        low_rank: of K.
        checkpoint: where the iterate of a long solve is kept; None for nowhere.
        seconds: what it took.
    """

    jacobian: Jacobian
    products: Products
    low_rank: LowRank
    checkpoint: Checkpoint | None
    seconds: float

    def exact_gram(self, u: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """K u by float64 sweeps."""
        return np.asarray(self.jacobian.gram(u[None]))[0]

    @property
    def mean_diagonal(self) -> float:
        return self.low_rank.mean_diagonal


def matrix_free_kernel(
    jacobian: Jacobian, rung: MatrixFree, progress: Callable[[float], None] = lambda fraction: None
) -> MatrixFreeKernel:
    """Keep the activations, and compute the low-rank part.

    Raises:
        NumericalFailure: when the kernel is not finite.
    """
    begin = time.perf_counter()
    fast = replace(jacobian, dtype=np.float32)
    products = Products(fast, rung.memory // 2)
    rows = jacobian.examples * jacobian.outputs_per_example
    rank = min(rung.rank, rows, (rung.memory - products.kept_bytes) // (4 * rows))
    low = low_rank(fast, rank, PIVOT_SEED, progress)
    if not np.isfinite(low.mean_diagonal):
        raise NumericalFailure(
            f"The tangent kernel's mean diagonal is {low.mean_diagonal}: the derivatives at θ₀ are too large for float32. "
            "Use smaller parameters or inputs."
        )
    checkpoint = Checkpoint(rung.checkpoint, jacobian) if rung.checkpoint else None
    return MatrixFreeKernel(jacobian, products, low, checkpoint, time.perf_counter() - begin)


def solve_matrix_free(
    kernel: MatrixFreeKernel,
    loss: ConvexLoss,
    targets: Float[np.ndarray, "n k"],
    problems: Sequence[tuple[bool, float]],
    *,
    reason: str,
    options: NewtonOptions,
    progress: Report = lambda what, value: None,
) -> list[Solution]:
    """Minimise for several (keeps f₀?, λ), from the largest ridge down; arguments and result as in `dual.solve_dual`.

    Cost: for the square loss a product with K and two passes over the low-rank part an iteration, and a float64
        product with K and one with Jᵀ a certificate.
    """
    begin = time.perf_counter()
    f0 = np.asarray(kernel.jacobian.outputs())
    found: dict[int, _Found] = {}
    if loss.quadratic:
        last: dict[bool, np.ndarray] = {}
        for i in sorted(range(len(problems)), key=lambda i: -problems[i][1]):
            keeps, ridge = problems[i]
            r = targets - f0 if keeps else np.asarray(targets, np.float64)
            found[i] = _minimise_square(kernel, r, ridge, last.get(keeps), options, progress)
            last[keeps] = found[i].u
    else:
        found = dict(enumerate(_minimise_convex(kernel, loss, targets, f0, problems, options, progress)))
    end = time.perf_counter()
    stats = Stats(
        rung=f"matrix-free, conjugate gradients with a preconditioner of rank {kernel.low_rank.rank}",
        reason=reason,
        rows=f0.size,
        columns=kernel.jacobian.columns,
        seconds=kernel.seconds + end - begin,
        kernel_seconds=kernel.seconds,
        factor_seconds=0.0,
        solve_seconds=end - begin - sum(one.certificate_seconds for one in found.values()),
        certificate_seconds=sum(one.certificate_seconds for one in found.values()),
        peak_bytes=kernel.products.kept_bytes + kernel.low_rank.nbytes,
        flops=2.0 * f0.size * kernel.low_rank.rank**2,
    )
    mean = kernel.mean_diagonal
    return [
        Solution(
            ridge=ridge,
            relative_ridge=ridge / mean if mean > 0 else ridge,
            step=kernel.jacobian.pull_back(found[i].u[None])[0],
            jacobian=kernel.jacobian,
            keeps_offset=keeps,
            certificate=found[i].certificate,
            stats=stats,
        )
        for i, (keeps, ridge) in enumerate(problems)
    ]


@dataclass(frozen=True)
class _Found:
    u: np.ndarray
    certificate: Certificate
    certificate_seconds: float


def _minimise_square(
    kernel: MatrixFreeKernel,
    r: np.ndarray,
    ridge: float,
    start: np.ndarray | None,
    options: NewtonOptions,
    progress: Report,
) -> _Found:
    u = np.zeros_like(r) if start is None else start
    done = 0
    if kernel.checkpoint and (kept := kernel.checkpoint.load(r, ridge)) is not None:
        u, done = kept
    limit = done + options.inner_limit
    ku = np.zeros_like(r) if not u.any() else kernel.products.gram(u)
    precondition = preconditioner(kernel.low_rank, ridge)
    start_norm = float(np.sqrt(kernel.jacobian.squared_norm(r[None])[0]))
    seconds, best, enough = 0.0, np.inf, 0.8 * options.tolerance
    gram: Gram = kernel.products.gram

    def watch(state: _State) -> bool:
        progress("conjugate gradients", state.relative(r, ridge))
        if kernel.checkpoint:
            kernel.checkpoint.save(r, ridge, state.u, state.iterations)
        return state.relative(r, ridge) <= enough

    for refinement in range(REFINEMENTS + 1):
        state = _State(u, ku, r - ku - ridge * u, done)
        state = _conjugate_gradients(state, gram, precondition, ridge, limit - done, watch)
        u, done = state.u, state.iterations
        begin = time.perf_counter()
        ku = kernel.exact_gram(u)
        judged = _State(u, ku, r - ku - ridge * u, 0)
        certificate = _certificate(kernel, judged, r, ridge, start_norm, options, refinement + 1, done)
        seconds += time.perf_counter() - begin
        progress("certificate", certificate.duality_gap)
        if certificate.met or done >= limit:
            break
        enough *= 0.3  # what was enough by the products' own account was not
        if gram == kernel.exact_gram and certificate.duality_gap > 0.5 * best:
            break
        far = certificate.duality_gap > 10 * options.tolerance
        if certificate.duality_gap > (0.01 if far else 0.5) * best:
            gram = kernel.exact_gram  # rounding in float32, times the condition number, stands in the way
        best = certificate.duality_gap
    if ridge > 0 or certificate.met or done >= limit:
        return _Found(u, certificate, seconds)
    found, more = _least_squares(kernel, r, options.tolerance, limit - done)
    judged = _State(found, kernel.exact_gram(found), r - kernel.exact_gram(found), 0)
    other = _certificate(kernel, judged, r, ridge, start_norm, options, certificate.steps + 1, done + more)
    if other.duality_gap < certificate.duality_gap:
        u, certificate = found, other
    return _Found(u, certificate, seconds)


def _least_squares(
    kernel: MatrixFreeKernel, r: np.ndarray, tolerance: float, limit: int
) -> tuple[np.ndarray, int]:
    """The least ½‖Ku − r‖² where Ku = r has no solution, by conjugate gradients in the inner product of K."""
    system = NewtonSystem(_Plain(kernel.jacobian), None, np.zeros(1))
    with jax.enable_x64(True):
        u, iterations = conjugate_gradients(system, r[None], np.array([0.3 * tolerance]), limit)
    return u[0], int(iterations[0])


@dataclass(frozen=True, eq=False)
class _Plain(KernelOperator):
    """K by float64 sweeps, and no preconditioner."""

    jacobian: Jacobian

    def gram(self, u: Float[Any, "c n k"]) -> Float[Any, "c n k"]:
        return self.jacobian.gram(u)

    def prepare(self, curvature: Any, ridge: Float[Any, "c"]) -> None:
        return None

    def precondition(self, u: Float[Any, "c n k"], prepared: None) -> Float[Any, "c n k"]:
        return u

    def spectrum_bounds(self) -> tuple[float, float]:
        return extreme_eigenvalues(self.gram, (self.jacobian.examples, self.jacobian.outputs_per_example))


@dataclass
class _State:
    """u, K u, the residual r − (K + λI)u, and the iterations it took."""

    u: np.ndarray
    ku: np.ndarray
    residual: np.ndarray
    iterations: int

    def towards(self, other: _State) -> _State:
        """The point of the line through both with the smallest residual."""
        way = other.residual - self.residual
        size = float(np.vdot(way, way))
        t = -float(np.vdot(self.residual, way)) / size if size > 0 else 1.0
        return _State(
            self.u + t * (other.u - self.u),
            self.ku + t * (other.ku - self.ku),
            self.residual + t * way,
            other.iterations,
        )

    def objective(self, r: np.ndarray, ridge: float) -> float:
        return 0.5 * float(np.sum(np.square(r - self.ku))) + 0.5 * ridge * float(np.vdot(self.u, self.ku))

    def relative(self, r: np.ndarray, ridge: float) -> float:
        """The relative duality gap; for λ = 0 the relative residual."""
        size = float(np.vdot(self.residual, self.residual))
        if ridge == 0:
            return float(np.sqrt(size / max(float(np.vdot(r, r)), 1e-300)))
        return 0.5 * size / max(self.objective(r, ridge), 1e-300)


def _conjugate_gradients(
    state: _State,
    gram: Gram,
    precondition: Callable[[np.ndarray], np.ndarray],
    ridge: float,
    limit: int,
    watch: Callable[[_State], bool],
) -> _State:
    """From a state on, until `watch` says that it is enough, `limit` iterations, or rounding has the last word.

    What is watched and returned are smoothed iterates, not those of the recurrence (minimal residual smoothing, Weiss 1994).
    """
    if watch(state):
        return state
    smooth = state
    z = precondition(state.residual)
    p, rz = z, float(np.vdot(state.residual, z))
    best, waiting = np.inf, 0
    for _ in range(limit):
        kp = gram(p)
        tp = kp + ridge * p
        curvature = float(np.vdot(p, tp))
        if rz <= 0 or curvature <= 0:
            return smooth
        alpha = rz / curvature
        state = _State(
            state.u + alpha * p,
            state.ku + alpha * kp,
            state.residual - alpha * tp,
            state.iterations + 1,
        )
        smooth = smooth.towards(state)
        if watch(smooth):
            return smooth
        z = precondition(state.residual)
        before, rz = rz, float(np.vdot(state.residual, z))
        size = float(np.vdot(smooth.residual, smooth.residual))
        best, waiting = (size, 0) if size < 0.99 * best else (best, waiting + 1)
        if waiting >= 100:
            return smooth
        p = z + rz / before * p
    return smooth


def _certificate(
    kernel: MatrixFreeKernel,
    state: _State,
    r: np.ndarray,
    ridge: float,
    start_norm: float,
    options: NewtonOptions,
    steps: int,
    iterations: int,
) -> Certificate:
    primal = state.objective(r, ridge)
    slope = float(kernel.jacobian.squared_norm(state.residual[None])[0])
    gradient = np.sqrt(slope) / start_norm if start_norm > 0 else 0.0
    dual, gap = float("nan"), gradient
    if ridge > 0:
        distance = min(0.5 * float(np.vdot(state.residual, state.residual)), slope / (2 * ridge))
        dual, gap = primal - distance, distance / max(primal, 1e-300)
    return Certificate(
        result=Result.MET if gap <= options.tolerance else Result.MISSED,
        tolerance=options.tolerance,
        primal=primal,
        dual=dual,
        duality_gap=float(gap),
        relative_residual=float(gradient),
        condition=float("nan"),
        steps=steps,
        iterations=iterations,
    )


def _minimise_convex(
    kernel: MatrixFreeKernel,
    loss: ConvexLoss,
    targets: np.ndarray,
    f0: np.ndarray,
    problems: Sequence[tuple[bool, float]],
    options: NewtonOptions,
    progress: Report,
) -> list[_Found]:
    offsets = np.stack([f0 if keeps else np.zeros_like(f0) for keeps, _ in problems])
    problem = FunctionSpaceProblem(loss, targets, offsets, np.array([ridge for _, ridge in problems], float))
    series = np.array([int(keeps) for keeps, _ in problems])
    directions = partial(_newton_directions, kernel)
    kept = kernel.checkpoint.load_path(problem) if kernel.checkpoint else None

    def keep(standing: Standing) -> None:
        if kernel.checkpoint:
            kernel.checkpoint.save_path(problem, standing)

    found = newton_path(
        problem,
        series,
        kernel.products.grams,
        directions,
        options,
        lambda done, gap: progress(f"ridges {done:.0%}", gap),
        start=kept,
        watch=keep,
    )
    before = Standing(found.u, np.ones(len(problems), bool), found.steps, found.iterations)
    begin = time.perf_counter()
    checked = newton(
        problem,
        kernel.jacobian.gram,
        directions,
        options,
        start=found.u,
        squared_norm=kernel.jacobian.squared_norm,
        progress=lambda gap: progress("certificate", gap),
        watch=lambda *moved: keep(before.moved(np.arange(len(problems)), *moved)),
    )
    seconds = (time.perf_counter() - begin) / len(problems)
    return [
        _Found(
            checked.u[i],
            Certificate(
                result=Result.MET if checked.met[i] else Result.MISSED,
                tolerance=options.tolerance,
                primal=float(checked.objective[i]),
                dual=float(checked.objective[i] - checked.gap[i]),
                duality_gap=float(checked.gap[i] / max(checked.objective[i], 1e-300)),
                relative_residual=float(checked.gradient[i]),
                condition=float("nan"),
                steps=int(found.steps[i] + checked.steps[i]),
                iterations=int(found.iterations[i] + checked.iterations[i]),
            ),
            seconds,
        )
        for i in range(len(problems))
    ]


def _newton_directions(
    kernel: MatrixFreeKernel,
    problem: FunctionSpaceProblem,
    g: np.ndarray,
    ku: np.ndarray,
    wanted: np.ndarray,
    limit: int,
) -> tuple[np.ndarray, np.ndarray]:
    """d = H^½w, one problem after the other."""
    d, iterations = np.zeros_like(g), np.zeros(len(wanted), int)
    for i in np.flatnonzero(wanted < 1):
        with jax.enable_x64(True):
            curvature = loss_curvature(problem.loss, (problem.offsets + ku)[i : i + 1], problem.targets)
        (root, inverse), ridge = _roots(np.asarray(curvature)[0]), float(problem.ridges[i])
        b = -rooted(inverse, g[i])
        enough = float(wanted[i]) ** 2 * float(np.vdot(b, b))
        solved = _conjugate_gradients(
            _State(np.zeros_like(b), np.zeros_like(b), b, 0),
            partial(_curved_gram, kernel.products, root),
            preconditioner(kernel.low_rank, ridge, root),
            ridge,
            limit,
            partial(_small, enough),
        )
        d[i], iterations[i] = rooted(root, solved.u), solved.iterations
    return d, iterations


def _curved_gram(products: Products, root: np.ndarray, w: np.ndarray) -> np.ndarray:
    return rooted(root, products.gram(rooted(root, w)))  # w → H^½w → KH^½w → H^½KH^½w


def _small(enough: float, state: _State) -> bool:
    return float(np.vdot(state.residual, state.residual)) <= enough


def _roots(
    curvature: Float[np.ndarray, "n k k"],
) -> tuple[Float[np.ndarray, "n k k"], Float[np.ndarray, "n k k"]]:
    """H^½ and H^{−½} of positive semi-definite blocks, with a floor under the eigenvalues."""
    values, vectors = np.linalg.eigh(curvature)
    roots = np.sqrt(np.maximum(values, FLOOR * max(float(values.max()), FLOOR)))
    root, inverse = (np.einsum("nij,nj,nkj->nik", vectors, r, vectors) for r in (roots, 1.0 / roots))
    return root, inverse
