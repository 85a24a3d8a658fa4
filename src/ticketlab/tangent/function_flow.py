"""Gradient flow of the linearised network for any convex loss: an ordinary differential equation in function space.

On the training inputs the flow on the mean loss is a closed equation, dF/dt = −(1/N) K ∇ℓ(F), in which K is all that
remains of the network. With a root K = RRᵀ it is the gradient flow of w ↦ (1/N) Σ ℓ(f₀ + Rw). Since ‖w‖ = ‖Δ‖, the
integrator's tolerance applies to the distance in parameter space:

    dw/dt = −(1/N) Rᵀ∇ℓ(f₀ + Rw),    F = f₀ + Rw,    Δ = Jᵀu,  u = K⁺Rw .

The equation is stiff: like the eigenvalues of K, its rates span many orders of magnitude, and late times are of
interest. It is integrated by backward differentiation formulas of variable order (SciPy's BDF) with the exact Jacobian
−(1/N) RᵀHR. Their steps grow with t. The steps of SciPy's explicit method (DOP853) always stay below a few over the
largest curvature; docs/decisions.md compares both. On separable data cross-entropy has no minimum, so t = ∞ is refused,
as λ = 0 is.

Source: Lee et al. 2019, arXiv 1902.06720, section 2.2; Shampine & Reichelt 1997, The MATLAB ODE suite (the formulas).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.integrate import solve_ivp

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.tangent.dual import DualKernel
from ticketlab.tangent.flow import eigenvectors
from ticketlab.tangent.point import TangentPoint
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.target_check import check_target_shape, check_targets

__all__ = ["FunctionPath", "function_path"]

SEEN = 1e-13  # eigenvalues below this fraction of the largest have no effect within the tolerance and are left out


@dataclass(frozen=True, eq=False)
class FunctionPath:
    """The flow at the requested times.

    Arguments:
        times: t, in units of one over a curvature of the mean loss (0 is f₀).
        points: Δ_t at each time.
        outputs: F_t on the training inputs `[t, n, k]`.
        losses: the mean training loss at each time.
        evaluations, factorisations: of the right-hand side, and of the Newton matrix.
    """

    times: tuple[float, ...]
    points: list[TangentPoint] = field(repr=False)
    outputs: Float[np.ndarray, "t n k"] = field(repr=False)
    losses: Float[np.ndarray, "t"]
    evaluations: int
    factorisations: int


def function_path(
    kernel: DualKernel,
    loss: ConvexLoss,
    targets: Float[np.ndarray, "n k"],
    times: Sequence[float],
    *,
    centred: bool = False,
    tolerance: float = 1e-5,
    progress: Callable[[float], None] = lambda time: None,
) -> FunctionPath:
    """Integrates dF/dt = −(1/N) K ∇ℓ(F, y) from f₀ through the times.

    Arguments:
        kernel: K, formed.
        loss, targets: ℓ and y; rows of targets are distributions for a classification loss.
        times: finite, increasing, at least 0.
        centred: leave f₀ out.
        tolerance: relative, on the local error of w. The absolute tolerance is the same fraction of 1/√(mean diag K), the
            motion that changes an output by about one.
        progress: called with the time reached.

    Raises:
        UserError: for times that are not finite and increasing, or targets that do not fit the network or the loss.
        NumericalFailure: if the integrator fails.

    Cost: an eigendecomposition, about 9 (Nk)³ operations, and a few tens of factorisations, (Nk)³ each.
    """
    times = [float(t) for t in times]
    if not times or not np.all(np.isfinite(times)) or times[0] < 0 or np.any(np.diff(times) <= 0):
        raise UserError(
            f"times {times}",
            "finite increasing times of at least 0",
            "Cross-entropy has no end on separable data; for the square loss training_path has t = ∞.",
        )
    jacobian, n = kernel.jacobian, len(targets)
    check_target_shape(targets, jacobian.examples, jacobian.outputs_per_example)
    check_targets(loss, targets)
    root, back = _root(kernel)
    f0 = np.zeros_like(targets) if centred else np.asarray(jacobian.outputs(), np.float64)
    gradient, hessian, value = _derivatives(loss, targets)

    def outputs(w: np.ndarray) -> np.ndarray:
        return f0 + (root @ w).reshape(f0.shape)

    def slope(t: float, w: np.ndarray) -> np.ndarray:
        progress(t)
        return root.T @ gradient(outputs(w)).ravel() / -n

    def slopes_slope(t: float, w: np.ndarray) -> np.ndarray:
        curved = np.einsum("nij,njr->nir", hessian(outputs(w)), root.reshape(*f0.shape, -1))
        return root.T @ curved.reshape(root.shape) / -n

    with np.errstate(invalid="ignore", over="ignore"):  # BDF subtracts numbers that it has not set yet
        found = solve_ivp(
            slope,
            (0.0, max(times[-1], np.finfo(float).tiny)),  # SciPy has no solution at t = 0 alone
            np.zeros(root.shape[1]),
            method="BDF",
            t_eval=times,
            jac=slopes_slope,
            rtol=tolerance,
            atol=tolerance / float(np.sqrt(max(kernel.mean_diagonal, 1e-300))),
        )
    if not found.success or not np.isfinite(found.y).all():
        raise NumericalFailure(f"The flow could not be integrated to t = {times[-1]:g}: {found.message}")
    along = np.stack([outputs(w) for w in found.y.T])
    u = (found.y.T @ back.T).reshape(along.shape)
    points = [
        TangentPoint(jacobian, [np.asarray(leaf) for leaf in step], not centred)
        for step in jacobian.pull_back(u)
    ]
    losses = np.array([value(f) for f in along])
    return FunctionPath(tuple(times), points, along, losses, int(found.nfev), int(found.nlu))


def _root(kernel: DualKernel) -> tuple[np.ndarray, np.ndarray]:
    """R = V√κ and K⁺R = V/√κ, without the null space of K."""
    values, vectors = eigenvectors(kernel)
    seen = values > SEEN * values.max(initial=0.0)
    scale = np.sqrt(values[seen])
    return vectors[:, seen] * scale, vectors[:, seen] / scale


def _derivatives(
    loss: ConvexLoss, targets: np.ndarray
) -> tuple[
    Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], float]
]:
    """∇ℓ, ∇²ℓ and the mean of ℓ, in float64, as functions of the outputs on the host."""

    def on_the_host(function: Callable[[Any, Any], Array]) -> Callable[[np.ndarray], np.ndarray]:
        def evaluate(outputs: np.ndarray) -> np.ndarray:
            with jax.enable_x64(True):
                return np.asarray(function(np.asarray(outputs, np.float64), np.asarray(targets, np.float64)))

        return evaluate

    value = on_the_host(partial(_mean_value, loss))
    return on_the_host(loss.gradient), on_the_host(loss.hessian), lambda outputs: float(value(outputs))


@partial(jax.jit, static_argnums=0)
def _mean_value(loss: ConvexLoss, outputs: Array, targets: Array) -> Array:
    return jnp.mean(loss.value(outputs, targets))
