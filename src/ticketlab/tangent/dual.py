"""The dense dual rung: K = JJᵀ is formed, and the minimum is found in function space, Δ = Jᵀu.

Up to a few thousand rows K is decomposed into eigenvectors. Every ridge of the square loss then follows exactly, and
the minimum-norm limit through the pseudo-inverse. Other losses take a Cholesky factor for each Newton step. For more
rows, conjugate gradients with a preconditioner find the Newton steps of a whole ridge path at once. In all cases float64
Jacobian products, independent of the matrix, judge the result and refine it if needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ticketlab.errors import NumericalFailure
from ticketlab.tangent.certificate import Certificate, Result, relative_gap
from ticketlab.tangent.curved import CurvedOperator, NewtonPoint, curved_points
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel import kernel_cost, only_readout_moves, readout_root, tangent_kernel
from ticketlab.tangent.ladder import EIGEN_ROWS, DenseDual
from ticketlab.tangent.leave_one_out import ROUGH, Features, RidgeScores, left_out, own_influence, tried
from ticketlab.tangent.newton import (
    FunctionSpaceProblem,
    Iterate,
    NewtonOptions,
    krylov_directions,
    newton,
    newton_path,
)
from ticketlab.tangent.operators import (
    CholeskyOperator,
    EigenOperator,
    KernelOperator,
    NystromOperator,
    matrix_gram,
)
from ticketlab.tangent.shared_kernel import one_kernel, shared_influence
from ticketlab.tangent.solution import Solution, Stats, solutions_of
from ticketlab.tangent.spectrum import condition_number
from ticketlab.tasks.losses import ConvexLoss

__all__ = ["DualGuess", "DualKernel", "dual_kernel", "solve_dual", "tune_dual"]

SIGMA = 0.01  # shift of the Cholesky factor, relative to the mean diagonal of K; serves ridges from 0 to 30 times this
HELD_OUT = 0.2  # of the examples, for comparing ridges where they cannot be left out one at a time
HOLDING_SEED = 0
PIVOT_SEED = 0  # pivots only precondition: they change the path to the solution, not the solution


@dataclass(frozen=True, eq=False)
class DualKernel:
    """K at the training inputs, ready for any loss, offset and ridge.

    Arguments:
        jacobian: in float64.
        matrix: K in float64 `[n·k, n·k]`; None if only a dense read-out moves. Then
        root: is B in float64 with K = BBᵀ ⊗ I_k.
        mean_diagonal: mean diag(K), the unit of relative ridges.
        seconds, flops: the cost of forming it.
    """

    jacobian: Jacobian
    matrix: Float[Any, "m m"] | None
    root: Float[Any, "n p"] | None
    mean_diagonal: float
    seconds: float
    flops: float


def dual_kernel(jacobian: Jacobian, progress: Callable[[float], None] = lambda fraction: None) -> DualKernel:
    """Form K in float64. Cost and memory: `kernel_cost`; almost nothing if only a dense read-out moves.

    Raises:
        NumericalFailure: if K is not finite.
    """
    begin = time.perf_counter()
    matrix = root = None
    with jax.enable_x64(True):
        if only_readout_moves(jacobian):
            root, flops = readout_root(jacobian), 0.0
            with np.errstate(over="ignore", invalid="ignore"):  # reported below
                total = float(np.sum(np.square(np.asarray(root)))) * jacobian.outputs_per_example
        else:
            matrix, flops = tangent_kernel(jacobian, progress=progress), kernel_cost(jacobian).flops
            with np.errstate(over="ignore", invalid="ignore"):
                total = float(np.sum(np.asarray(matrix).diagonal()))
        mean = total / (jacobian.total_weight * jacobian.outputs_per_example)
    if not np.isfinite(mean):
        raise NumericalFailure(
            f"The tangent kernel's mean diagonal is {mean}: the derivatives at θ₀ are too large for float64. "
            "Use smaller parameters or inputs."
        )
    return DualKernel(jacobian, matrix, root, mean, time.perf_counter() - begin, flops)


def solve_dual(
    kernel: DualKernel,
    loss: ConvexLoss,
    targets: Float[np.ndarray, "n targets"],
    problems: Sequence[tuple[bool, float]],
    *,
    rung: DenseDual,
    reason: str,
    options: NewtonOptions,
    progress: Callable[[str, float], None] = lambda what, gap: None,
    near: DualGuess | None = None,
) -> list[Solution]:
    """Minimise for several (keeps f₀?, λ) at once.

    Arguments:
        kernel: K, formed once for all losses.
        loss, targets: the objective.
        problems: whether f₀ is kept, and λ ≥ 0, for each solution.
        rung, reason: how K is factorised, and why (for the statistics).
        options: tolerance and limits.
        progress: called with the current activity and the largest relative gap.
        near: the operators, and an iterate for the only problem, from the choice of its ridge.

    Returns:
        One certified solution per problem, in the same order.
    """
    begin = time.perf_counter()
    jacobian = kernel.jacobian
    with jax.enable_x64(True):
        problem = _problem(jacobian, loss, targets, problems)
        operator, exact = near.operators if near else _operators(kernel, loss, rung)
        spectrum = operator.spectrum_bounds()
        factorised = time.perf_counter()
        if near:
            directions = krylov_directions(operator)
            found = newton(problem, exact, directions, options, start=near.u, start_norm=near.start_norm)
        else:
            found = newton_path(
                problem,
                np.array([int(keeps) for keeps, _ in problems]),
                exact,
                krylov_directions(operator),
                options,
                lambda done, gap: progress(f"ridges {done:.0%}", gap),
            )
        careful = _more_careful(operator, kernel, rung) if _stalled(found, options) else None
        if careful is not None:
            operator = careful
            found = _resumed(problem, found, exact, operator, options, progress)
        solved = time.perf_counter()
        checked = _checked(problem, found, jacobian, operator, options, progress)
        steps = jacobian.pull_back(checked.u)
        certificates = [
            _certificate(problem, found, checked, i, options, spectrum) for i in range(len(problems))
        ]
    stats = _stats(kernel, operator, reason, begin - (near.seconds if near else 0.0), factorised, solved)
    return solutions_of(jacobian, kernel.mean_diagonal, problems, steps, certificates, stats)


@dataclass(frozen=True, eq=False)
class DualGuess:
    """What the choice of a ridge leaves to its solution: operators, u, ‖Jᵀ∇ℓ(f₀)‖, and the seconds it took."""

    operators: tuple[KernelOperator, Callable[[Any], Any]]
    u: Float[np.ndarray, "1 n k"]
    start_norm: Float[np.ndarray, "1"]
    seconds: float


def tune_dual(
    kernel: DualKernel,
    loss: ConvexLoss,
    targets: Float[np.ndarray, "n targets"],
    keeps: bool,
    ridges: Sequence[float],
    score: Callable[[np.ndarray, np.ndarray], float],
    rung: DenseDual,
    options: NewtonOptions,
    progress: Callable[[str, float], None] = lambda what, value: None,
) -> tuple[RidgeScores, DualGuess]:
    """The ridge with the best score on examples left out, each minimum found roughly, from the one before.

    Examples are left out one at a time, if K is decomposed, or if the kernel of one output can be factorised in its stead
    (`shared_kernel`). Otherwise there are thousands of examples, and a fifth of them is held out.

    Arguments: as for `solve_dual`, with candidates λ > 0; `score` of outputs `[m, k]`, scaled as the Jacobian is, of these rows.
    Cost: a few Newton steps for each ridge that is tried, and `left_out`. Memory: 0.8 of K more, while a fifth is held out.
    """
    begin = time.perf_counter()
    order = sorted(range(len(ridges)), key=lambda i: -ridges[i])
    path = [ridges[i] for i in order]
    found: list[np.ndarray] = []
    with jax.enable_x64(True):
        problem = _problem(kernel.jacobian, loss, targets, [(keeps, path[0])])
        start_norm = np.sqrt(kernel.jacobian.squared_norm(problem.look(problem.offsets)[1]))
        rows, operators = np.arange(problem.offsets.shape[1]), None
        if _too_large(kernel, rung, problem):
            rows, points = _held_out(kernel, rung, problem, path, options)
        else:
            operators = _operators(kernel, loss, rung)
            if isinstance(operators[0], CurvedOperator):
                points = curved_points(operators[0], problem, path, options.steps)
            else:
                leave = _leaving(kernel, operators[0], problem)
                points = _points(operators[0], problem, path, options, start_norm, leave)

        def outputs() -> Iterator[np.ndarray]:
            for ridge, point in zip(path, points, strict=True):
                found.append(point.u)
                progress(f"ridge {ridge / kernel.mean_diagonal:.0e}", point.gap)
                yield point.left_out

        scores = tried(ridges, outputs(), lambda left: score(left, rows))
        chosen = found[order.index(scores.best)]
        operators = operators or _operators(kernel, loss, rung)
    return replace(scores, rows=rows), DualGuess(operators, chosen, start_norm, time.perf_counter() - begin)


Influence = Callable[[Any, float], np.ndarray | None]
"""`(curvature, ridge)`: Sₙ of every example, `[n, k, k]`; None for a curvature that it does not know."""


def _points(
    operator: KernelOperator,
    problem: FunctionSpaceProblem,
    path: Sequence[float],
    options: NewtonOptions,
    start_norm: np.ndarray | None,
    leave: Influence | None,
) -> Iterator[NewtonPoint]:
    """Rough minima for a descending path of ridges, by the iterations of the solver, with the outputs left out."""
    rough = replace(options, tolerance=max(options.tolerance, ROUGH))
    directions, u = krylov_directions(operator), None
    for ridge in path:
        at = replace(problem, ridges=np.array([ridge]))
        now = newton(at, operator.gram, directions, rough, start=u, start_norm=start_norm)
        u, outputs = now.u, at.offsets[0] + now.ku[0]
        if leave is not None:
            h = None if at.loss.quadratic else np.asarray(at.loss.hessian(outputs, at.targets))
            influence = leave(h, ridge)
            assert influence is not None  # `_leaving` has asked for this loss
            outputs = left_out(influence, h, at.look(outputs[None])[1][0], outputs)
        yield NewtonPoint(u, outputs, relative_gap(float(now.gap[0]), float(now.objective[0])))


def _too_large(kernel: DualKernel, rung: DenseDual, problem: FunctionSpaceProblem) -> bool:
    """Whether neither K nor the kernel of one output can be factorised, so that examples have to be held out."""
    matrix = kernel.matrix
    if matrix is None or kernel.mean_diagonal == 0 or rung.factor == "eigen":
        return False
    if rung.factor is None and len(matrix) <= EIGEN_ROWS and isinstance(matrix, np.ndarray):
        return False
    return problem.offsets.shape[1] > EIGEN_ROWS or _coupled_unusually(problem)


def _leaving(kernel: DualKernel, operator: KernelOperator, problem: FunctionSpaceProblem) -> Influence:
    """How examples influence themselves, of a K that is not too large."""
    k = problem.offsets.shape[-1]
    if isinstance(operator, EigenOperator):
        features = _features(operator, k if kernel.matrix is None else 1)
        return lambda h, ridge: own_influence(features, h, ridge, k)
    assert kernel.matrix is not None  # a read-out's kernel is always decomposed
    g = one_kernel(kernel.matrix, k)
    return lambda h, ridge: shared_influence(g, h, ridge, k)


def _coupled_unusually(problem: FunctionSpaceProblem) -> bool:
    """Whether the loss couples outputs otherwise than softmax does."""
    if problem.loss.quadratic:
        return False
    h = np.asarray(problem.loss.hessian(problem.offsets[0, :1], problem.targets[:1]))
    return shared_influence(np.ones((1, 1)), h, 1.0, h.shape[-1]) is None


def _features(operator: EigenOperator, outputs: int) -> Features:
    """K as features, from its eigenvectors; K = G ⊗ I for several outputs."""
    kept = np.asarray(operator.values) > 0
    squares = np.asarray(operator.values)[kept]
    columns = np.asarray(operator.vectors)[:, kept] * np.sqrt(squares)
    return Features(np.kron(columns, np.eye(outputs)), squares=np.repeat(squares, outputs))


def _held_out(
    kernel: DualKernel,
    rung: DenseDual,
    problem: FunctionSpaceProblem,
    path: Sequence[float],
    options: NewtonOptions,
) -> tuple[np.ndarray, Iterator[NewtonPoint]]:
    """The rows held out, and rough minima without them: their coefficients for all examples, and the outputs held out."""
    n, k = problem.offsets.shape[1:]
    order = np.random.default_rng(HOLDING_SEED).permutation(n)
    held, fitted = np.sort(order[: round(HELD_OUT * n)]), np.sort(order[round(HELD_OUT * n) :])
    matrix = np.asarray(kernel.matrix).reshape(n, k, n, k)
    inside = matrix[fitted][:, :, fitted].reshape(len(fitted) * k, -1)
    across = matrix[held][:, :, fitted].reshape(len(held) * k, -1)
    part = replace(problem, targets=problem.targets[fitted], offsets=problem.offsets[:, fitted])
    operator, _ = _operators(replace(kernel, matrix=inside), problem.loss, rung)

    def points() -> Iterator[NewtonPoint]:
        for point in _points(operator, part, path, options, None, None):
            u = np.zeros_like(problem.offsets)
            u[:, fitted] = point.u
            outputs = problem.offsets[0, held] + (across @ point.u.ravel()).reshape(-1, k)
            yield replace(point, u=u, left_out=outputs)

    return held, points()


def _problem(
    jacobian: Jacobian, loss: ConvexLoss, targets: np.ndarray, problems: Sequence[tuple[bool, float]]
) -> FunctionSpaceProblem:
    """All problems as one, each with its own offset and ridge."""
    zero = np.zeros((jacobian.examples, jacobian.outputs_per_example))
    f0 = np.asarray(jacobian.outputs()) if any(keeps for keeps, _ in problems) else zero
    offsets = np.stack([f0 if keeps else zero for keeps, _ in problems])
    ridges = np.array([ridge for _, ridge in problems], float)
    return FunctionSpaceProblem(loss, np.asarray(targets, np.float64), offsets, ridges)


def _operators(
    kernel: DualKernel, loss: ConvexLoss, rung: DenseDual
) -> tuple[KernelOperator, Callable[[Any], Any]]:
    """The operator that finds directions, and the exact product that judges them."""
    if kernel.matrix is None or kernel.mean_diagonal == 0:
        rows = kernel.jacobian.examples * kernel.jacobian.outputs_per_example
        root = jnp.zeros((rows, 1)) if kernel.root is None else kernel.root
        operator = EigenOperator.from_root(root)
        return operator, operator.gram
    small = rung.factor is None and loss.quadratic and len(kernel.matrix) <= EIGEN_ROWS
    if small or rung.factor == "eigen":
        operator = EigenOperator.from_matrix(kernel.matrix)
        return operator, operator.gram
    if loss.quadratic:
        cholesky = CholeskyOperator.factorised(kernel.matrix, SIGMA * kernel.mean_diagonal)
        return cholesky, cholesky.gram
    if rung.factor is None and len(kernel.matrix) <= EIGEN_ROWS and isinstance(kernel.matrix, np.ndarray):
        curved = CurvedOperator(kernel.matrix)
        return curved, curved.gram
    # Directions from K in float32 cost half the memory traffic; their rounding is far below the accuracy that a step needs.
    matrix = kernel.matrix if len(kernel.matrix) <= EIGEN_ROWS else kernel.matrix.astype(jnp.float32)
    nystrom = NystromOperator.pivoted(matrix, rung.rank, PIVOT_SEED)
    return nystrom, partial(matrix_gram, kernel.matrix)


def _more_careful(operator: KernelOperator, kernel: DualKernel, rung: DenseDual) -> KernelOperator | None:
    """The operator to continue with if float32 rounding misleads, as on a singular K; None if there is none better."""
    if isinstance(operator, CholeskyOperator):
        return replace(operator, careful=True)
    if (
        isinstance(operator, NystromOperator)
        and kernel.matrix is not None
        and operator.matrix.dtype != kernel.matrix.dtype
    ):
        return NystromOperator.pivoted(kernel.matrix, rung.rank, PIVOT_SEED)
    return None


def _stalled(found: Iterate, options: NewtonOptions) -> bool:
    """Whether some problem ended before it met the tolerance or used all its steps."""
    return bool(np.any(~found.met & (found.steps < options.steps)))


def _resumed(
    problem: FunctionSpaceProblem,
    found: Iterate,
    exact: Callable[[Any], Any],
    operator: KernelOperator,
    options: NewtonOptions,
    progress: Callable[[str, float], None],
) -> Iterate:
    """Continues from the last step with another operator."""
    again = newton(
        problem,
        exact,
        krylov_directions(operator),
        options,
        start=found.u,
        start_norm=found.start_norm,
        progress=lambda gap: progress("careful steps", gap),
    )
    return replace(again, steps=found.steps + again.steps, iterations=found.iterations + again.iterations)


def _checked(
    problem: FunctionSpaceProblem,
    found: Iterate,
    jacobian: Jacobian,
    operator: KernelOperator,
    options: NewtonOptions,
    progress: Callable[[str, float], None],
) -> Iterate:
    """The solutions, judged and if needed refined by float64 products with J, independent of the matrix."""
    return newton(
        problem,
        jacobian.gram,
        krylov_directions(operator),
        options,
        start=found.u,
        start_norm=found.start_norm,
        squared_norm=jacobian.squared_norm,
        progress=lambda gap: progress("certificate", gap),
    )


def _certificate(
    problem: FunctionSpaceProblem,
    found: Iterate,
    checked: Iterate,
    i: int,
    options: NewtonOptions,
    spectrum: tuple[float, float],
) -> Certificate:
    ridge = float(problem.ridges[i])
    primal = float(checked.objective[i])
    dual = float("nan")
    if ridge > 0:
        v = np.asarray(problem.loss.gradient(problem.offsets[i] + checked.ku[i], problem.targets))
        # D(v) = ⟨v, f₀⟩ − Σ ℓ*(v) − ‖Jᵀv‖²/2λ, and ‖Jᵀv‖² = ‖Jᵀg‖² − 2λ⟨g, JΔ⟩ + λ²‖Δ‖² with g = v + λu.
        g = v + ridge * checked.u[i]
        size = 2 * ridge * checked.gap[i] - 2 * ridge * np.vdot(g, checked.ku[i])
        size += ridge**2 * np.vdot(checked.u[i], checked.ku[i])
        conjugate = np.sum(problem.loss.conjugates(v, problem.targets))
        dual = float(np.vdot(v, problem.offsets[i]) - conjugate - size / (2 * ridge))
    gap = relative_gap(checked.gap[i], primal) if ridge > 0 else checked.gradient[i]
    return Certificate(
        result=Result.MET if checked.met[i] else Result.MISSED,
        tolerance=options.tolerance,
        primal=primal,
        dual=dual,
        duality_gap=float(gap),
        relative_residual=float(checked.gradient[i]),
        condition=condition_number(spectrum, ridge),
        steps=int(found.steps[i] + checked.steps[i]),
        iterations=int(found.iterations[i] + checked.iterations[i]),
    )


def _stats(
    kernel: DualKernel, operator: KernelOperator, reason: str, begin: float, factorised: float, solved: float
) -> Stats:
    """The statistics, from the times at which each part ended; the certificates end now."""
    end = time.perf_counter()
    return Stats(
        rung=f"dense dual, {_title(operator)}",
        reason=reason,
        rows=kernel.jacobian.examples * kernel.jacobian.outputs_per_example,
        columns=kernel.jacobian.columns,
        seconds=kernel.seconds + end - begin,
        kernel_seconds=kernel.seconds,
        factor_seconds=factorised - begin,
        solve_seconds=solved - factorised,
        certificate_seconds=end - solved,
        peak_bytes=_peak_bytes(kernel, operator),
        flops=kernel.flops,
    )


def _title(operator: KernelOperator) -> str:
    names = {
        EigenOperator: "eigendecomposition",
        CholeskyOperator: "Cholesky-preconditioned conjugate gradients",
        CurvedOperator: "Newton steps by Cholesky",
    }
    return names.get(type(operator), "Newton steps by Nyström-preconditioned conjugate gradients")


def _peak_bytes(kernel: DualKernel, operator: KernelOperator) -> int:
    """K in float64, plus eigenvectors (with workspace), a float32 factor, or K in float32."""
    beside = {EigenOperator: 3.0, CholeskyOperator: 1.0, CurvedOperator: 3.0}.get(type(operator), 0.5)
    held = kernel.root if kernel.matrix is None else kernel.matrix
    return 0 if held is None else int(held.nbytes * (1 + beside))
