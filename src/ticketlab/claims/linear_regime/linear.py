"""The linear model of `linear-regime`, trained as the network is: the same loss, step size, momentum and steps.

With the square loss its path is known in closed form, along the eigenfunctions of K. With any other loss gradient descent is run
in function space, with K in the place of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from ticketlab.claims.linear_regime.claim import LinearRegimePlan
from ticketlab.errors import NumericalFailure
from ticketlab.tangent.dual import DualKernel
from ticketlab.tangent.flow import GradientDescent, Lanczos, path_of
from ticketlab.tangent.kernel import tangent_kernel
from ticketlab.tangent.point import TangentPoint, predict_points
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Task

__all__ = ["LinearPath", "linearised"]

KRYLOV_STEPS = (100, 300, 900)  # the next larger where the defect is above the tolerance


@dataclass(frozen=True)
class LinearPath:
    """Where the linear model comes to.

    Arguments:
        outputs: on the test inputs, at the last step.
        steps: of the looks at its training.
        losses: the mean training loss at every look.
        defect: how far the path is from its own equation, by derivatives of the network that know nothing of K.
    """

    outputs: np.ndarray
    steps: list[int]
    losses: np.ndarray
    defect: float


def linearised(
    plan: LinearRegimePlan,
    task: Task,
    loss: ConvexLoss,
    kernel: DualKernel,
    step_size: float,
    steps: list[int],
) -> LinearPath:
    """The linear model, trained as the network is.

    Arguments:
        kernel: K at the training inputs, at θ₀.
        step_size: as it is taken.
        steps: at which the training loss is measured; the last is that of the test outputs.

    Raises:
        NumericalFailure: for a path that misses its own equation by more than the plan's tolerance.
    """
    if loss.quadratic:
        return _closed_form(plan, task, kernel, step_size, steps)
    return _recurrence(plan, task, loss, kernel, step_size, steps)


def _closed_form(
    plan: LinearRegimePlan, task: Task, kernel: DualKernel, step_size: float, steps: list[int]
) -> LinearPath:
    """Gradient descent on the square loss, from a Krylov space large enough for its last step."""
    targets = np.asarray(task.train.targets, np.float64)
    dynamics = GradientDescent(step_size, plan.momentum)
    for size in KRYLOV_STEPS:
        (path,) = path_of(kernel, targets, dynamics, centred=(plan.centred,), method=Lanczos(size))
        (defect,) = path.defect([steps[-1]])
        if defect <= plan.tolerance:
            (outputs,) = path.predict(task.test.x, [steps[-1]])
            losses = 0.5 * np.mean(np.sum(path.residuals(steps) ** 2, axis=2), axis=1)
            return LinearPath(outputs, steps, losses, float(defect))
    raise NumericalFailure(
        f"The linearised model's path misses its own equation at step {steps[-1]} by {defect:.1e}, tolerance "
        f"{plan.tolerance:g}. Use a larger tolerance, fewer steps or a smaller step_size."
    )


def _recurrence(
    plan: LinearRegimePlan,
    task: Task,
    loss: ConvexLoss,
    kernel: DualKernel,
    step_size: float,
    steps: list[int],
) -> LinearPath:
    """Gradient descent with momentum on any loss, in function space:

    v ← μv + ∇ℓ(f₀ + Ku)/N,   u ← u − ηv,   Δ = Jᵀu
    """
    targets = loss.float64_targets(task.train.targets)
    jacobian = kernel.jacobian
    matrix = np.asarray(kernel.matrix if kernel.matrix is not None else tangent_kernel(jacobian))
    f0 = np.zeros_like(targets) if plan.centred else np.asarray(jacobian.outputs(), np.float64)
    u, velocity, losses = np.zeros_like(targets), np.zeros_like(targets), []
    with jax.enable_x64(True):
        for step in range(steps[-1] + 1):
            outputs = f0 + (matrix @ u.ravel()).reshape(u.shape)
            if step in steps:
                losses.append(float(np.mean(loss.values(outputs, targets))))
            if step < steps[-1]:
                velocity = plan.momentum * velocity + np.asarray(loss.gradient(outputs, targets)) / len(
                    targets
                )
                u = u - step_size * velocity
        moved = np.asarray(jacobian.gram(u[None]))[0]
        size = max(float(np.linalg.norm(outputs - f0)), 1e-300)
        defect = float(np.linalg.norm(moved - (outputs - f0))) / size
    if not defect <= plan.tolerance:
        raise NumericalFailure(
            f"The linearised model's path misses its own equation at step {steps[-1]} by {defect:.1e}, tolerance "
            f"{plan.tolerance:g}. Use a larger tolerance or a smaller step_size."
        )
    (delta,) = jacobian.pull_back(u[None])
    point = TangentPoint(jacobian, [np.asarray(leaf) for leaf in delta], not plan.centred)
    (predicted,) = predict_points([point], task.test.x)
    return LinearPath(predicted, steps, np.array(losses), defect)
