"""The tangent-space minimum in one call: from a network, its random parameters and a task to a certified solution.

min_Δ  Σₙ ℓ(f(xₙ, θ₀) + J(xₙ)Δ, yₙ) + ½λ‖Δ‖²
"""

# ruff: noqa: B008 (defaults are frozen dataclasses, which cannot change)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.dual import DualKernel, dual_kernel, solve_dual, tune_dual
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel_plan import common_block
from ticketlab.tangent.ladder import (
    EIGEN_ROWS,
    Automatic,
    Choice,
    DenseDual,
    DensePrimal,
    MatrixFree,
    Rung,
    choose_rung,
)
from ticketlab.tangent.leave_one_out import RidgeScores
from ticketlab.tangent.matrix_free import MatrixFreeKernel, matrix_free_kernel, solve_matrix_free
from ticketlab.tangent.newton import NewtonOptions
from ticketlab.tangent.primal import PrimalMatrix, primal_matrix, solve_primal, tune_primal
from ticketlab.tangent.processes import together
from ticketlab.tangent.selection import AllParameters, Selection
from ticketlab.tangent.solution import Solution
from ticketlab.tasks.losses import SQUARE, ConvexLoss, scaled
from ticketlab.tasks.target_check import check_target_shape, check_targets
from ticketlab.tasks.task import Split, Task

__all__ = [
    "MINIMUM_NORM",
    "Absolute",
    "Relative",
    "Ridge",
    "Tuned",
    "minimise",
    "ridge_path",
    "tuned_minimum",
]


@dataclass(frozen=True)
class Relative:
    """λ = value · mean diag(K), so that a value smooths about equally at every width.

    Not at every data size: K's largest eigenvalues grow with it, so they are shrunk less with more examples.
    """

    value: float


@dataclass(frozen=True)
class Absolute:
    """λ = value, as in the objective (a sum over examples, not a mean)."""

    value: float


Ridge = Relative | Absolute
FLOAT32 = 1e35  # beyond this, sums over a kernel's rows leave float32
MINIMUM_NORM = Absolute(0.0)
"""The limit λ → 0: the minimum of the loss with the smallest ‖Δ‖. Square loss only."""


def minimise(
    network: Network,
    params: Params,
    task: Task | Split,
    *,
    loss: ConvexLoss = SQUARE,
    ridge: Ridge = Relative(1e-2),
    selection: Selection = AllParameters(),
    centred: bool = False,
    rung: Rung = Automatic(),
    options: NewtonOptions = NewtonOptions(),
    devices: Devices | None = None,
) -> Solution:
    """The minimum of the loss in the parameter tangent space at θ₀.

        min_Δ  Σₙ ℓ(f₀(xₙ) + J(xₙ)Δ, yₙ) + ½λ‖Δ‖²,   f₀(x) = f(x, θ₀), or 0 when centred

    Arguments:
        network, params: f and θ₀; any pair of pure functions (`pure_network`).
        task: its training part is fitted; or a `Split`.
        loss: any convex loss with its conjugate (default: square).
        ridge: λ, relative to mean diag(K) or absolute (default: 0.01 relative); `MINIMUM_NORM` for λ → 0.
        selection: which parameters may move (default: all).
        centred: leave f₀ out, as for the network f(x, θ) − f(x, θ₀).
        rung: the solver; by default the one that is predicted to be the fastest.
        options: tolerance on the relative duality gap (default 1e-8) and limits.
        devices: over which examples are distributed in products with J (default: all on one).

    Returns:
        A `Solution` with `predict`, `delta`, `certificate` and `stats`. The certificate names a missed tolerance.

    Raises:
        UserError: for inputs that do not fit the network, a negative ridge, or no finite minimum (cross-entropy at λ = 0);
            with several processes, if another has ended.

    Cost: forming and factorising a matrix of min(N·k, P) rows; memory two to four times its size. Matrix-free, if both are
        large: some hundred passes over the data.

    Equivalent: `sklearn.linear_model.Ridge` or `LogisticRegression` without intercept on the rows of J, for the residual y − f₀.

    Source: the tangent space is that of Jacot et al. 1806.07572; the duality gap is Fenchel's (Rockafellar, Convex Analysis,
    theorem 31.1).
    """
    return ridge_path(
        network,
        params,
        task,
        loss=loss,
        ridges=(ridge,),
        selection=selection,
        centred=(centred,),
        rung=rung,
        options=options,
        devices=devices,
    )[0]


@together()
def ridge_path(
    network: Network,
    params: Params,
    task: Task | Split,
    *,
    loss: ConvexLoss = SQUARE,
    ridges: Sequence[Ridge],
    selection: Selection = AllParameters(),
    centred: Sequence[bool] = (False,),
    rung: Rung = Automatic(),
    options: NewtonOptions = NewtonOptions(),
    devices: Devices | None = None,
    weights: Float[np.ndarray, "n"] | None = None,
    common: bool = False,
    progress: Callable[[str, float], None] = lambda what, value: None,
) -> list[Solution]:
    """The minima for a whole path of ridges, and with f₀ kept or centred away, from one matrix.

    Arguments: as for `minimise`, with several `ridges`; `centred` lists the variants. `progress` is called with the
        current activity, and a fraction (kernel) or the largest relative duality gap (Newton steps). `weights` w > 0 say how
        many times each example counts, Σ w ℓ; relative ridges are then λ/(Σ w diag(K)/Σ w). `common`: examples pass in
        blocks of one of a few common sizes, so that problems with any number of examples share their compiled programs.

    Returns:
        For each entry of `centred` in order, one solution per ridge in order.
    """
    split = _training_part(task)
    _check(network, split, loss, ridges, centred)
    jacobian = Jacobian(network, params, split.x, selection, dtype=np.float64, devices=devices)
    chosen = choose_rung(jacobian, rung, quadratic=loss.quadratic, problems=len(ridges) * len(centred))
    posed = _posed(jacobian, loss, split.targets, weights, common, chosen)
    shared: dict[str, Any] = {"reason": chosen.reason, "options": options, "progress": progress}

    def problems(mean_diagonal: float) -> list[tuple[bool, float]]:
        return [(not c, _absolute(r, mean_diagonal)) for c in centred for r in ridges]

    matrix = _matrix(posed.jacobian, chosen.rung, progress)
    _check_range(loss, matrix, chosen.rung)
    solve: Callable[..., list[Solution]] = solve_matrix_free
    if isinstance(matrix, DualKernel):
        assert isinstance(chosen.rung, DenseDual)
        solve = partial(solve_dual, rung=chosen.rung)
    elif isinstance(matrix, PrimalMatrix):
        solve = solve_primal
    return _of_one_each(
        solve(matrix, posed.loss, posed.targets, problems(matrix.mean_diagonal), **shared), chosen
    )


@dataclass(frozen=True, eq=False)
class Tuned:
    """The minimum for the best ridge.

    Arguments:
        solution: for it.
        scores: of all candidates in their order.
    """

    solution: Solution
    scores: RidgeScores


def tuned_minimum(
    network: Network,
    params: Params,
    split: Split,
    *,
    loss: ConvexLoss,
    ridges: Sequence[Ridge],
    score: Callable[[Float[np.ndarray, "m k"], Int[np.ndarray, "m"]], float],
    centred: bool = False,
    rung: Rung = Automatic(),
    options: NewtonOptions = NewtonOptions(),
    weights: Float[np.ndarray, "n"] | None = None,
    common: bool = False,
    progress: Callable[[str, float], None] = lambda what, value: None,
) -> Tuned | None:
    """The minimum for the ridge that predicts best on examples left out; None if a solver without a matrix is used.

    Arguments:
        ridges: candidates above 0, tried from the largest on, until two in a row are worse than the best.
        score: of the outputs on these rows by minima without them; larger is better. Every example is left out by itself,
            but for more than 2 500 examples with a dense dual, where a fifth is held out.
        Others as for `ridge_path`.

    Cost: one matrix and its factorisation, a few Newton steps for each ridge that is tried, and the minimum for the best, from
        there. Equivalent: `sklearn.linear_model.RidgeCV` without intercept on the rows of J, for the square loss and one output.
    """
    _check(network, split, loss, ridges, (centred,))
    if any(ridge.value == 0 for ridge in ridges):
        raise UserError(
            "ridge 0 among candidates for leave-one-out",
            "ridges above 0",
            "Give folds (cv) to compare it by cross-validation.",
        )
    jacobian = Jacobian(network, params, split.x, dtype=np.float64)
    chosen = choose_rung(jacobian, rung, quadratic=loss.quadratic)
    if isinstance(chosen.rung, MatrixFree):
        return None
    posed = _posed(jacobian, loss, split.targets, weights, common, chosen)
    matrix = _matrix(posed.jacobian, chosen.rung, progress)
    _check_range(loss, matrix, chosen.rung)
    values = [_absolute(ridge, matrix.mean_diagonal) for ridge in ridges]
    shared: dict[str, Any] = {"options": options, "progress": progress}
    asked = (
        posed.loss,
        posed.targets,
        not centred,
        values,
        lambda outputs, rows: score(posed.unscaled(outputs, rows), rows),
    )
    if isinstance(matrix, DualKernel):
        assert isinstance(chosen.rung, DenseDual)
        scores, guess = tune_dual(matrix, *asked, rung=chosen.rung, **shared)
        solve: Callable[..., list[Solution]] = partial(solve_dual, rung=chosen.rung, near=guess)
    else:
        assert isinstance(matrix, PrimalMatrix)
        if not matrix.kept:
            return None
        scores, delta = tune_primal(matrix, *asked, **shared)
        solve = partial(solve_primal, near=delta)
    problem = [(not centred, values[scores.best])]
    solutions = solve(matrix, posed.loss, posed.targets, problem, reason=chosen.reason, **shared)
    return Tuned(_of_one_each(solutions, chosen)[0], scores)


@dataclass(frozen=True, eq=False)
class _Posed:
    """The problem as it is solved: each example's rows of J times s, the root of its weight."""

    jacobian: Jacobian
    loss: ConvexLoss
    targets: Float[np.ndarray, "n targets"]

    def unscaled(
        self, outputs: Float[np.ndarray, "m k"], rows: Int[np.ndarray, "m"]
    ) -> Float[np.ndarray, "m k"]:
        """Of examples that count once."""
        return outputs if self.jacobian.scale is None else outputs / self.jacobian.scale[rows][:, None]


def _posed(
    jacobian: Jacobian,
    loss: ConvexLoss,
    targets: Any,
    weights: np.ndarray | None,
    common: bool,
    chosen: Choice,
) -> _Posed:
    y = loss.float64_targets(targets)
    if isinstance(chosen.rung, MatrixFree):
        if weights is not None:
            raise UserError(
                "weights of examples with a solver that forms no matrix",
                "a problem that DenseDual() or DensePrimal() can solve",
                "Leave the weights out, or fit fewer examples or a smaller network.",
            )
        return _Posed(jacobian, loss, y)
    if common:
        block = common_block(jacobian.examples, jacobian.outputs_per_example)
        jacobian = replace(jacobian, batch=block, filled=True)
    if weights is None:
        return _Posed(jacobian, loss, y)
    scale = np.sqrt(_weights(weights, jacobian.examples))
    posed = replace(jacobian, scale=scale)
    if loss.quadratic:
        return _Posed(posed, loss, y * scale[:, None])
    return _Posed(posed, scaled(loss), np.column_stack([y, scale]))


def _weights(weights: Any, examples: int) -> np.ndarray:
    values = np.asarray(weights, np.float64)
    if values.shape != (examples,) or not np.isfinite(values).all() or np.any(values <= 0):
        raise UserError(
            f"weights of shape {values.shape}",
            f"{examples} positive numbers",
            "Leave out examples of weight 0.",
        )
    return values


def _matrix(
    jacobian: Jacobian, rung: DenseDual | DensePrimal | MatrixFree, progress: Callable[[str, float], None]
) -> DualKernel | PrimalMatrix | MatrixFreeKernel:
    if isinstance(rung, DenseDual):
        return dual_kernel(jacobian, lambda fraction: progress("kernel", fraction))
    if isinstance(rung, MatrixFree):
        return matrix_free_kernel(jacobian, rung, progress)
    return primal_matrix(jacobian)


def _of_one_each(solutions: Sequence[Solution], chosen: Choice) -> list[Solution]:
    """The solutions with the Jacobian of examples that count once."""
    return [
        replace(
            each,
            jacobian=each.jacobian if each.jacobian.scale is None else replace(each.jacobian, scale=None),
            stats=replace(each.stats, predicted_seconds=chosen.seconds),
        )
        for each in solutions
    ]


def _absolute(ridge: Ridge, mean_diagonal: float) -> float:
    return ridge.value * mean_diagonal if isinstance(ridge, Relative) else ridge.value


def _check_range(loss: ConvexLoss, matrix: DualKernel | PrimalMatrix | MatrixFreeKernel, rung: Rung) -> None:
    """A large kernel's low rank or Cholesky factor is in float32, whose largest number is 3.4e38."""
    if matrix.mean_diagonal <= FLOAT32 or not isinstance(matrix, DualKernel):
        return
    rows = matrix.jacobian.examples * matrix.jacobian.outputs_per_example
    wide = rows <= EIGEN_ROWS and rung == DenseDual()
    if loss.quadratic and isinstance(rung, DenseDual):
        wide = matrix.matrix is None or rung.factor == "eigen" or (rows <= EIGEN_ROWS and rung.factor is None)
    if not wide:
        raise NumericalFailure(
            f"The tangent kernel's mean diagonal is {matrix.mean_diagonal:.2g}: too large for {loss.name}, which is solved "
            "partly in float32. Use smaller inputs (standardise them) or smaller parameters."
        )


def _training_part(task: Any) -> Split:
    if isinstance(task, Task):
        return task.train
    if not isinstance(task, Split):
        raise UserError(
            f"{type(task).__name__} as a task",
            "a Task, such as Digits().task(seed=0), or a Split",
            "Arrays are one by Split(x, targets, ids).",
        )
    return task


def _check(network: Network, split: Split, loss: Any, ridges: Any, centred: Sequence[bool]) -> None:
    if not isinstance(loss, ConvexLoss):
        raise UserError(
            f"loss={loss!r}", "a ConvexLoss of ticketlab.tasks, such as SQUARE or SOFTMAX_CROSS_ENTROPY"
        )
    if not isinstance(ridges, Sequence) or not all(isinstance(r, Relative | Absolute) for r in ridges):
        given = list(ridges) if isinstance(ridges, Sequence | np.ndarray) else ridges
        raise UserError(
            f"ridges {given!r}", "several of Relative(…) or Absolute(…)", "Pass, say, Relative(0.01)."
        )
    if not ridges:
        raise UserError("no ridge", "at least one", "Pass, say, Relative(0.01).")
    if loss.quadratic and loss.value is not SQUARE.value:
        raise UserError(
            f"quadratic=True for {loss.name}, which is not the square loss",
            "quadratic=False",
            "One Newton step is enough for a loss whose curvature is constant.",
        )
    if not centred:
        raise UserError("an empty centred", "False, True, or both", "Pass (False,) to keep f₀.")
    for ridge in ridges:
        if not np.isfinite(ridge.value) or ridge.value < 0:
            raise UserError(
                f"ridge {ridge.value}", "a finite number of at least 0", "Pass, say, Relative(0.01)."
            )
        if ridge.value == 0 and not loss.finite_minimum:
            raise UserError(
                f"ridge 0 with {loss.name}",
                "a ridge above 0",
                "On separable data this loss has no minimum at finite Δθ: use a path of small ridges instead.",
            )
        if ridge.value == 0 and not loss.quadratic:
            raise UserError(
                f"ridge 0 with {loss.name}",
                "the square loss, or a ridge above 0",
                "Pass, say, Relative(1e-6).",
            )
    check_target_shape(split.targets, len(split.x), network.outputs)
    check_targets(loss, split.targets)
