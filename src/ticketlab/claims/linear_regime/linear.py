"""The linear model of `linear-regime`, trained as the network is: the same loss, step size, momentum and steps.

With the square loss its path is known in closed form, along the eigenfunctions of K. With any other loss gradient descent is run
in function space, with K in the place of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from ticketlab.claims.linear_regime.claim import LinearRegimePlan
from ticketlab.errors import NumericalFailure
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.dual import DualKernel
from ticketlab.tangent.flow import GradientDescent, Lanczos, path_of
from ticketlab.tangent.kernel import tangent_kernel
from ticketlab.tangent.point import TangentPoint, predict_points
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Task

__all__ = ["LinearPath", "Start", "linearised"]

KRYLOV_STEPS = (100, 300, 900)  # the next larger where the defect is above the tolerance


@dataclass(frozen=True)
class Start:
    """Where the network and its linear model start, and what both are trained with.

    Arguments:
        params: θ₀.
        order: the key of the data order.
        step_size: as it is taken.
    """

    plan: LinearRegimePlan
    task: Task
    loss: ConvexLoss
    network: Network
    params: Params
    order: jax.Array
    step_size: float


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


def linearised(at: Start, kernel: DualKernel, steps: list[int]) -> LinearPath:
    """The linear model, trained as the network is.

    Arguments:
        kernel: K at the training inputs, at θ₀.
        steps: at which the training loss is measured; the last is that of the test outputs.

    Raises:
        NumericalFailure: for a path that misses its own equation by more than the plan's tolerance.
    """
    return (_closed_form if at.loss.quadratic else _recurrence)(at, kernel, steps)


def _closed_form(at: Start, kernel: DualKernel, steps: list[int]) -> LinearPath:
    """Gradient descent on the square loss, from a Krylov space large enough for its last step."""
    targets = np.asarray(at.task.train.targets, np.float64)
    dynamics = GradientDescent(at.step_size, at.plan.momentum)
    for size in KRYLOV_STEPS:
        (path,) = path_of(kernel, targets, dynamics, centred=(at.plan.centred,), method=Lanczos(size))
        (defect,) = path.defect([steps[-1]])
        if defect <= at.plan.tolerance:
            (outputs,) = path.predict(at.task.test.x, [steps[-1]])
            losses = 0.5 * np.mean(np.sum(path.residuals(steps) ** 2, axis=2), axis=1)
            return LinearPath(outputs, steps, losses, float(defect))
    raise _missed(at, steps, defect, "Use a larger tolerance, fewer steps or a smaller step_size.")


def _missed(at: Start, steps: Sequence[int], defect: float, advice: str) -> NumericalFailure:
    return NumericalFailure(
        f"The linearised model's path misses its own equation at step {steps[-1]} by {defect:.1e}, tolerance "
        f"{at.plan.tolerance:g}. {advice}"
    )


def _recurrence(at: Start, kernel: DualKernel, steps: list[int]) -> LinearPath:
    """Gradient descent with momentum on any loss, in function space:

    v ← μv + ∇ℓ(f₀ + Ku)/N,   u ← u − ηv,   Δ = Jᵀu
    """
    plan, loss, jacobian = at.plan, at.loss, kernel.jacobian
    targets = loss.float64_targets(at.task.train.targets)
    matrix = np.asarray(kernel.matrix if kernel.matrix is not None else tangent_kernel(jacobian))
    f0 = np.zeros_like(targets) if plan.centred else np.asarray(jacobian.outputs(), np.float64)
    u, velocity, losses = np.zeros_like(targets), np.zeros_like(targets), []
    with jax.enable_x64(True):
        for step in range(steps[-1] + 1):
            outputs = f0 + (matrix @ u.ravel()).reshape(u.shape)
            if step in steps:
                losses.append(float(np.mean(loss.values(outputs, targets))))
            if step < steps[-1]:
                slope = np.asarray(loss.gradient(outputs, targets)) / len(targets)
                velocity = plan.momentum * velocity + slope
                u = u - at.step_size * velocity
        moved = np.asarray(jacobian.gram(u[None]))[0]
        size = max(float(np.linalg.norm(outputs - f0)), 1e-300)
        defect = float(np.linalg.norm(moved - (outputs - f0))) / size
    if not defect <= plan.tolerance:
        raise _missed(at, steps, defect, "Use a larger tolerance or a smaller step_size.")
    (delta,) = jacobian.pull_back(u[None])
    point = TangentPoint(jacobian, [np.asarray(leaf) for leaf in delta], not plan.centred)
    (predicted,) = predict_points([point], at.task.test.x)
    return LinearPath(predicted, steps, np.array(losses), defect)
