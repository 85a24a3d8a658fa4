"""The matrix-free rung: neither K nor JᵀJ fits, so the minimum is found with products K u = J(Jᵀu) alone.

The square loss is one linear system (`square_loss`). Block descent (`block_descent`) solves it unless the ridge is small;
then conjugate gradients with a low-rank preconditioner (`nystrom`) do. Other losses take Newton steps in function space
(`newton`). Each solves (HK + λI)d = −g by conjugate gradients on the symmetric system

    (H^½KH^½ + λI) w = −H^{−½}g,      d = H^½w.

Null directions of H are given a small curvature; g has no component there. (Softmax ignores a constant added to all
outputs.) Products are in float32 with kept activations; float64 sweeps judge the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.errors import NumericalFailure, UserError, counted
from ticketlab.tangent.block_descent import Blocks, block_descent, inverse_bytes, prepare_blocks
from ticketlab.tangent.certificate import Certificate, Result, relative_gap
from ticketlab.tangent.checkpoint import Checkpoint
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel import kernel_diagonal
from ticketlab.tangent.ladder import BlockDescent, ConjugateGradients, MatrixFree
from ticketlab.tangent.newton import (
    FunctionSpaceProblem,
    NewtonOptions,
    Standing,
    newton,
    newton_path,
)
from ticketlab.tangent.nystrom import LowRank, low_rank, preconditioner, rooted
from ticketlab.tangent.products import Products
from ticketlab.tangent.residual_smoothing import DualPoint, Gram, Watch, smoothed_conjugate_gradients
from ticketlab.tangent.solution import Solution, Stats, solutions_of
from ticketlab.tangent.square_loss import Certified, SquareProblem, Way, minimise_square
from ticketlab.tasks.losses import ConvexLoss

__all__ = ["MatrixFreeKernel", "matrix_free_kernel", "solve_matrix_free"]

PIVOT_SEED = 0  # pivots only precondition: they change the path to the solution, not the solution
FLOOR = 1e-6  # of the curvature, relative to its largest
SMALL_RIDGE = 1e-3  # relative; at this ridge both methods were about equally fast on 6 000 examples of MNIST
SOME_BLOCKS = 12
Report = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class MatrixFreeKernel:
    """K as products, ready for any loss, offset and ridge. What a method needs is computed on first use.

    Arguments:
        jacobian: in float64.
        rung: method and memory: half for activations, half for the low-rank part or the inverses of the blocks.
        mean_diagonal: mean diag(K).
        checkpoint: the file for the iterate of a long solve; None for no file.
        progress: called with the current activity and the fraction done.
        seconds: the time of each part.
    """

    jacobian: Jacobian
    rung: MatrixFree
    mean_diagonal: float
    checkpoint: Checkpoint | None
    progress: Report
    seconds: list[float] = field(default_factory=list)

    @cached_property
    def fast(self) -> Jacobian:
        """In float32."""
        return replace(self.jacobian, dtype=np.float32)

    @property
    def rows(self) -> int:
        return self.jacobian.examples * self.jacobian.outputs_per_example

    @cached_property
    def products(self) -> Products:
        with self._timed():
            return Products.at_exact_point(self.fast, self.rung.memory // 2)

    @cached_property
    def low_rank(self) -> LowRank:
        method = (
            self.rung.method if isinstance(self.rung.method, ConjugateGradients) else ConjugateGradients()
        )
        rank = min(method.rank, self.rows, self.rung.memory // 2 // (4 * self.rows))
        with self._timed():
            return low_rank(self.fast, rank, PIVOT_SEED, partial(self.progress, "kernel"))

    def blocks(self, method: BlockDescent, ridge: float) -> Blocks | None:
        """For one ridge; not kept."""
        with self._timed():
            return prepare_blocks(
                self.fast, ridge, method.rows, self.rung.memory // 2, partial(self.progress, "kernel")
            )

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - begin)


def matrix_free_kernel(
    jacobian: Jacobian, rung: MatrixFree, progress: Report = lambda what, value: None
) -> MatrixFreeKernel:
    """The kernel of a Jacobian in float64, by its products.

    Raises:
        NumericalFailure: if the kernel is not finite.
        UserError: for a checkpoint in a folder that does not exist.
    """
    begin = time.perf_counter()
    mean = float(np.mean(np.asarray(kernel_diagonal(replace(jacobian, dtype=np.float32)), np.float64)))
    if not np.isfinite(mean):
        raise NumericalFailure(
            f"The tangent kernel's mean diagonal is {mean}: the derivatives at θ₀ are too large for float32. "
            "Use smaller parameters or inputs."
        )
    checkpoint = Checkpoint(rung.checkpoint, jacobian) if rung.checkpoint else None
    return MatrixFreeKernel(jacobian, rung, mean, checkpoint, progress, [time.perf_counter() - begin])


def solve_matrix_free(
    kernel: MatrixFreeKernel,
    loss: ConvexLoss,
    targets: Float[np.ndarray, "n targets"],
    problems: Sequence[tuple[bool, float]],
    *,
    reason: str,
    options: NewtonOptions,
    progress: Report = lambda what, value: None,
) -> list[Solution]:
    """Minimise for several (keeps f₀?, λ), from the largest ridge down; arguments and result as in `dual.solve_dual`.

    Raises:
        UserError: for block descent with a loss other than the square loss, a ridge of 0, or several devices.

    Cost: that of the methods, and float64 products for certificates.
    """
    begin = time.perf_counter()
    before = sum(kernel.seconds)
    f0 = np.asarray(kernel.jacobian.outputs())
    methods = [_method(kernel, loss, ridge) for _, ridge in problems]
    found: dict[int, Certified] = {}
    if loss.quadratic:
        last: dict[bool, np.ndarray] = {}
        for i in sorted(range(len(problems)), key=lambda i: -problems[i][1]):
            keeps, ridge = problems[i]
            r = targets - f0 if keeps else np.asarray(targets, np.float64)
            problem = SquareProblem(kernel.jacobian, r, ridge)
            found[i] = _minimise_square(kernel, methods[i], problem, last.get(keeps), options, progress)
            last[keeps] = found[i].u
    else:
        found = dict(enumerate(_minimise_convex(kernel, loss, targets, f0, problems, options, progress)))
    solving = time.perf_counter() - begin
    made, certifying = sum(kernel.seconds), sum(one.certificate_seconds for one in found.values())
    stats = Stats(
        rung="matrix-free, " + "; ".join(dict.fromkeys(", then ".join(found[i].ways) for i in sorted(found))),
        reason=reason,
        rows=kernel.rows,
        columns=kernel.jacobian.columns,
        seconds=before + solving,
        kernel_seconds=made,
        factor_seconds=0.0,
        solve_seconds=solving - certifying - (made - before),
        certificate_seconds=certifying,
        peak_bytes=max(_bytes(kernel, method) for method in methods),
        flops=sum({_flops(kernel, method) for method in methods}),
    )
    steps = [kernel.jacobian.pull_back(found[i].u[None])[0] for i in range(len(problems))]
    certificates = [found[i].certificate for i in range(len(problems))]
    return solutions_of(kernel.jacobian, kernel.mean_diagonal, problems, steps, certificates, stats)


def _method(kernel: MatrixFreeKernel, loss: ConvexLoss, ridge: float) -> ConjugateGradients | BlockDescent:
    asked, devices = kernel.rung.method, kernel.jacobian.devices
    if isinstance(asked, BlockDescent) and not (loss.quadratic and ridge > 0 and devices is None):
        raise UserError(
            f"block descent with {loss.name}, a ridge of {ridge:g} and "
            + counted(1 if devices is None else len(devices), "device"),
            "the square loss, a ridge above 0 and one device",
            "Leave the method out, or use ConjugateGradients().",
        )
    if asked is not None:
        return asked
    method = BlockDescent()
    fitting = (
        loss.quadratic
        and devices is None
        and ridge >= SMALL_RIDGE * kernel.mean_diagonal
        and kernel.rows >= SOME_BLOCKS * method.rows
        and _bytes(kernel, method) <= kernel.rung.memory
    )
    return method if fitting else ConjugateGradients()


def _bytes(kernel: MatrixFreeKernel, method: ConjugateGradients | BlockDescent) -> int:
    """The most that activations and inverses or the low-rank part take."""
    if isinstance(method, ConjugateGradients):
        return kernel.products.kept_bytes + kernel.low_rank.nbytes
    k = kernel.jacobian.outputs_per_example
    return kernel.rung.memory // 2 + inverse_bytes(kernel.jacobian.examples, k, method.rows)


def _flops(kernel: MatrixFreeKernel, method: ConjugateGradients | BlockDescent) -> float:
    return (
        2.0 * kernel.rows * (method.rows if isinstance(method, BlockDescent) else kernel.low_rank.rank) ** 2
    )


def _minimise_square(
    kernel: MatrixFreeKernel,
    method: ConjugateGradients | BlockDescent,
    problem: SquareProblem,
    start: np.ndarray | None,
    options: NewtonOptions,
    progress: Report,
) -> Certified:
    u, done = np.zeros_like(problem.r) if start is None else start, 0
    if kernel.checkpoint and (kept := kernel.checkpoint.load(problem.r, problem.ridge)) is not None:
        u, done = kept
    ku = problem.gram(u) if u.any() else np.zeros_like(u)
    ways = _ways(kernel, method, problem)
    return minimise_square(problem, ways, problem.at(u, ku, done), options, kernel.checkpoint, progress)


def _ways(
    kernel: MatrixFreeKernel, method: ConjugateGradients | BlockDescent, problem: SquareProblem
) -> Iterator[Way]:
    """From the fastest to the most careful. Each is built after the one before has ended and freed its memory."""
    if isinstance(method, BlockDescent):
        blocks = kernel.blocks(method, problem.ridge)
        if blocks is not None:
            yield Way("block descent", f"{method.rows} rows per block", partial(block_descent, blocks))
        del blocks
    precondition = preconditioner(kernel.low_rank, problem.ridge)
    for gram in (kernel.products.gram, problem.gram):

        def go(start: DualPoint, limit: int, watch: Watch, gram: Gram = gram) -> DualPoint:
            return smoothed_conjugate_gradients(start, gram, precondition, problem.ridge, limit, watch)

        yield Way("conjugate gradients", f"a preconditioner of rank {kernel.low_rank.rank}", go)


def _minimise_convex(
    kernel: MatrixFreeKernel,
    loss: ConvexLoss,
    targets: np.ndarray,
    f0: np.ndarray,
    problems: Sequence[tuple[bool, float]],
    options: NewtonOptions,
    progress: Report,
) -> list[Certified]:
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
        Certified(
            checked.u[i],
            Certificate(
                result=Result.MET if checked.met[i] else Result.MISSED,
                tolerance=options.tolerance,
                primal=float(checked.objective[i]),
                dual=float(checked.objective[i] - checked.gap[i]),
                duality_gap=relative_gap(float(checked.gap[i]), float(checked.objective[i])),
                relative_residual=float(checked.gradient[i]),
                condition=float("nan"),
                steps=int(found.steps[i] + checked.steps[i]),
                iterations=int(found.iterations[i] + checked.iterations[i]),
            ),
            seconds,
            (f"conjugate gradients with a preconditioner of rank {kernel.low_rank.rank}",),
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
            curvature = problem.loss.curvature((problem.offsets + ku)[i : i + 1], problem.targets)
        (root, inverse), ridge = _roots(np.asarray(curvature)[0]), float(problem.ridges[i])
        b = -rooted(inverse, g[i])
        enough = float(wanted[i]) ** 2 * float(np.vdot(b, b))
        solved = smoothed_conjugate_gradients(
            DualPoint(np.zeros_like(b), np.zeros_like(b), b, 0),
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


def _small(enough: float, state: DualPoint) -> bool:
    return state.squared_residual <= enough


def _roots(
    curvature: Float[np.ndarray, "n k k"],
) -> tuple[Float[np.ndarray, "n k k"], Float[np.ndarray, "n k k"]]:
    """H^½ and H^{−½} of positive semi-definite blocks, with a floor under the eigenvalues."""
    values, vectors = np.linalg.eigh(curvature)
    roots = np.sqrt(np.maximum(values, FLOOR * max(float(values.max()), FLOOR)))
    root, inverse = (np.einsum("nij,nj,nkj->nik", vectors, r, vectors) for r in (roots, 1.0 / roots))
    return root, inverse
