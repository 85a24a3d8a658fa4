"""The tangent-space minimum in one call: from a network, its random parameters and a task to a certified solution.

min_Δ  Σₙ ℓ(f(xₙ, θ₀) + J(xₙ)Δ, yₙ) + ½λ‖Δ‖²
"""

# ruff: noqa: B008 (defaults are frozen dataclasses, which cannot change)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.dual import dual_kernel, solve_dual
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.ladder import Automatic, DenseDual, MatrixFree, Rung, choose_rung
from ticketlab.tangent.matrix_free import matrix_free_kernel, solve_matrix_free
from ticketlab.tangent.newton import NewtonOptions
from ticketlab.tangent.primal import primal_matrix, solve_primal
from ticketlab.tangent.processes import together
from ticketlab.tangent.selection import AllParameters, Selection
from ticketlab.tangent.solution import Solution
from ticketlab.tasks.losses import SQUARE, ConvexLoss, Targets
from ticketlab.tasks.task import Split, Task

__all__ = ["MINIMUM_NORM", "Absolute", "Relative", "Ridge", "minimise", "ridge_path"]


@dataclass(frozen=True)
class Relative:
    """λ = value · mean diag(K), so that a value smooths about equally at every width and data size."""

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
        rung: the solver; by default the one with the smaller matrix.
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
    progress: Callable[[str, float], None] = lambda what, value: None,
) -> list[Solution]:
    """The minima for a whole path of ridges, and with f₀ kept or centred away, from one matrix.

    Arguments: as for `minimise`, with several `ridges`; `centred` lists the variants. `progress` is called with the
        current activity, and a fraction (kernel) or the largest relative duality gap (Newton steps).

    Returns:
        For each entry of `centred` in order, one solution per ridge in order.
    """
    split = task.train if isinstance(task, Task) else task
    _check(network, split, loss, ridges, centred)
    targets = loss.float64_targets(split.targets)
    jacobian = Jacobian(network, params, split.x, selection, dtype=np.float64, devices=devices)
    chosen, reason = choose_rung(jacobian, rung)
    if isinstance(chosen, DenseDual):
        kernel = dual_kernel(jacobian, lambda fraction: progress("kernel", fraction))
        _check_range(loss, kernel.mean_diagonal)
        problems = [(not c, _absolute(r, kernel.mean_diagonal)) for c in centred for r in ridges]
        return solve_dual(
            kernel,
            loss,
            targets,
            problems,
            rung=chosen,
            reason=reason,
            options=options,
            progress=progress,
        )
    if isinstance(chosen, MatrixFree):
        products = matrix_free_kernel(jacobian, chosen, progress)
        problems = [(not c, _absolute(r, products.mean_diagonal)) for c in centred for r in ridges]
        return solve_matrix_free(
            products, loss, targets, problems, reason=reason, options=options, progress=progress
        )
    matrix = primal_matrix(jacobian)
    problems = [(not c, _absolute(r, matrix.mean_diagonal)) for c in centred for r in ridges]
    return solve_primal(matrix, loss, targets, problems, reason=reason, options=options, progress=progress)


def _absolute(ridge: Ridge, mean_diagonal: float) -> float:
    return ridge.value * mean_diagonal if isinstance(ridge, Relative) else ridge.value


def _check_range(loss: ConvexLoss, mean_diagonal: float) -> None:
    """Losses but the square one precondition their systems in float32, whose largest number is 3.4e38."""
    if not loss.quadratic and mean_diagonal > FLOAT32:
        raise NumericalFailure(
            f"The tangent kernel's mean diagonal is {mean_diagonal:.2g}: too large for {loss.name}, which is solved partly in "
            "float32. Use smaller inputs (standardise them) or smaller parameters."
        )


def _check(
    network: Network, split: Split, loss: ConvexLoss, ridges: Sequence[Ridge], centred: Sequence[bool]
) -> None:
    if not ridges:
        raise UserError("no ridge", "at least one", "Pass, say, Relative(0.01).")
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
    targets = np.asarray(split.targets)
    if targets.shape != (len(split.x), network.outputs):
        raise UserError(
            f"targets of shape {targets.shape}",
            f"({len(split.x)}, {network.outputs})",
            "Give the network one output for each target.",
        )
    if not np.isfinite(targets).all():
        raise UserError(
            "targets with NaN or infinite values", "finite numbers", "Remove these examples first."
        )
    _check_targets(loss, targets)


def _check_targets(loss: ConvexLoss, targets: np.ndarray) -> None:
    if loss.targets is Targets.DISTRIBUTION:
        if np.min(targets) < 0 or not np.allclose(targets.sum(axis=1), 1.0):
            raise UserError(
                f"targets that are not distributions over classes, with {loss.name}",
                "one-hot rows, or rows ≥ 0 with sum 1",
                "Encode labels as one-hot rows, or use the square loss.",
            )
    elif loss.targets is Targets.PROBABILITIES:
        if np.min(targets) < 0 or np.max(targets) > 1:
            raise UserError(
                f"targets from {np.min(targets):g} to {np.max(targets):g}, with {loss.name}",
                "numbers from 0 to 1",
                "Encode yes as 1 and no as 0, or use the square loss.",
            )
    elif loss.targets is Targets.BINARY and not np.isin(targets, (0, 1)).all():
        raise UserError(
            f"targets other than 0 and 1, with {loss.name}",
            "zeros and ones",
            "Encode yes as 1 and no as 0, or use the square loss.",
        )
