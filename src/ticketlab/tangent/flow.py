"""The whole training path of the linearised network for the square loss, from one spectral decomposition.

Trained on the mean loss from Δ = 0, F = f₀ + JΔ moves along the eigenfunctions of K, independently along each one.
With K = V diag(κ) Vᵀ, the residual r = y − f₀ and c = Vᵀr,

    F_t(x) = f₀(x) + J(x)Δ_t,    Δ_t = Jᵀu_t,    u_t = V diag(γ_t(κ/N)/κ) c,

where γ_t(h), as a function of the curvature h = κ/N, is the fraction of a component that is learnt at time t:

    gradient flow           γ_t = 1 − e^{−ht}
    gradient descent        γ_s = 1 − (1 − ηh)^s
    with momentum μ         γ_{s+1} = (1 + μ − ηh) γ_s − μγ_{s−1} + ηh,   γ_0 = γ_{−1} = 0

γ_∞ = 1 gives the minimum-norm solution, which includes f₀. It differs from y if K is singular; nothing here assumes
that the targets are reached. The decomposition is of K itself, or of its Krylov space from r (Lanczos), in which the
path lies.

Sources: Lee et al. 2019, arXiv 1902.06720, equations 8 to 11 (flow); Polyak 1964 (momentum); the Lanczos form as in Golub &
Meurant 2010, section 4.1.
"""

# ruff: noqa: B008 (defaults are frozen dataclasses, which cannot change)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.dual import DualKernel, dual_kernel
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.ladder import EIGEN_ROWS
from ticketlab.tangent.lanczos import lanczos
from ticketlab.tangent.operators import EigenOperator, matrix_gram
from ticketlab.tangent.point import TangentPoint, predict_points
from ticketlab.tangent.selection import AllParameters, Selection
from ticketlab.tasks.target_check import check_target_shape
from ticketlab.tasks.task import Split, Task

__all__ = [
    "Dynamics",
    "Eigen",
    "GradientDescent",
    "GradientFlow",
    "Lanczos",
    "Method",
    "TrainingPath",
    "path_of",
    "training_path",
]


@dataclass(frozen=True)
class GradientFlow:
    """dΔ/dt = −∇L, L the mean loss; t in units of one over a curvature of L."""

    def learnt(self, curvature: Float[np.ndarray, "r"], time: float) -> Float[np.ndarray, "r"]:
        """γ_t = 1 − e^{−ht}."""
        if np.isinf(time):
            return np.where(curvature > 0, 1.0, 0.0)
        return -np.expm1(-curvature * time)


@dataclass(frozen=True)
class GradientDescent:
    """Δ ← Δ − ηv with v ← μv + ∇L, L the mean loss; time is the number of steps.

    Arguments:
        step_size: η.
        momentum: μ, in [0, 1).
    """

    step_size: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.step_size) and self.step_size > 0 and 0 <= self.momentum < 1):
            raise UserError(
                f"step_size={self.step_size}, momentum={self.momentum}",
                "a positive step size, and a momentum of at least 0 and below 1",
            )

    def learnt(self, curvature: Float[np.ndarray, "r"], time: float) -> Float[np.ndarray, "r"]:
        """γ_s by the recurrence, as the s-th power of its matrix; the cost grows with log s."""
        eta_h = self.step_size * np.asarray(curvature, float)
        if np.isinf(time):
            if np.any(eta_h >= 2 * (1 + self.momentum)):
                largest = 2 * (1 + self.momentum) / float(np.max(curvature))
                raise UserError(
                    f"step_size={self.step_size:.4g} for infinitely many steps",
                    f"less than {largest:.4g}, 2(1 + μ) over the largest curvature",
                    "With a larger one, gradient descent on the linearised network diverges.",
                )
            return np.where(eta_h > 0, 1.0, 0.0)
        if time < 0 or time != int(time):
            raise UserError(f"{time} steps of gradient descent", "a whole number of at least 0, or infinity")
        mu = self.momentum
        recurrence = np.zeros((len(eta_h), 3, 3))  # of (γ_s, γ_{s−1}, 1)
        recurrence[:, 0, 0], recurrence[:, 0, 1], recurrence[:, 0, 2] = 1 + mu - eta_h, -mu, eta_h
        recurrence[:, 1, 0] = recurrence[:, 2, 2] = 1.0
        return np.linalg.matrix_power(recurrence, int(time))[:, 0, 2]


Dynamics = GradientFlow | GradientDescent
Times = Sequence[float] | Float[np.ndarray, "times"]


@dataclass(frozen=True)
class Eigen:
    """All eigenvectors of K: exact at every time. About 9 (Nk)³ operations."""


@dataclass(frozen=True)
class Lanczos:
    """A Krylov space from r: accurate for early times first, and for later times with more steps.

    Arguments:
        steps: products with K; about √(t·κ_max/N) are needed. `TrainingPath.defect` gives the error at a time.
    """

    steps: int = 200

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"a Krylov space of {self.steps} steps", "at least 1")


Method = Eigen | Lanczos


@dataclass(frozen=True, eq=False)
class TrainingPath:
    """The linearised network at every time.

    Arguments:
        jacobian: at the training inputs, in float64.
        dynamics: how it is trained.
        curvatures: h = κ/N `[r]`, the curvatures of the mean loss along the eigenfunctions.
        vectors: V `[n·k, r]`.
        components: Vᵀr `[r]`.
        residual: r = y − f₀ `[n, k]`.
        keeps_offset: whether f₀ is part of F.
        method: how V was computed, in words.
    """

    jacobian: Jacobian = field(repr=False)
    dynamics: Dynamics
    curvatures: Float[np.ndarray, "r"] = field(repr=False)
    vectors: Float[np.ndarray, "m r"] = field(repr=False)
    components: Float[np.ndarray, "r"] = field(repr=False)
    residual: Float[np.ndarray, "n k"] = field(repr=False)
    keeps_offset: bool
    method: str

    @cached_property
    def largest_curvature(self) -> float:
        """κ_max/N. Its inverse is the time at which the fastest component is 63 % learnt."""
        return float(self.curvatures.max(initial=0.0))

    def coefficients(self, times: Times) -> Float[np.ndarray, "t n k"]:
        """u_t at each time, which may be infinity."""
        kappa, learnt = self.curvatures * len(self.residual), self._learnt(times)
        u = np.divide(learnt, kappa, out=np.zeros_like(learnt), where=kappa > 0) * self.components
        return (u @ self.vectors.T).reshape(len(times), *self.residual.shape)

    def residuals(self, times: Times) -> Float[np.ndarray, "t n k"]:
        """y − F_t on the training inputs by the decomposition, r − V γ_t Vᵀr, without a pass over the data."""
        moved = (self._learnt(times) * self.components) @ self.vectors.T
        return self.residual - moved.reshape(len(times), *self.residual.shape)

    def _learnt(self, times: Times) -> Float[np.ndarray, "t r"]:
        if not all(t >= 0 for t in times):
            raise UserError(f"times {list(times)}", "times of at least 0, or infinity")
        return np.stack([self.dynamics.learnt(self.curvatures, t) for t in times])

    def points(self, times: Times) -> list[TangentPoint]:
        """Δ_t at each time, as points of the tangent space."""
        return [
            TangentPoint(self.jacobian, [np.asarray(leaf) for leaf in step], self.keeps_offset)
            for step in self.jacobian.pull_back(self.coefficients(times))
        ]

    def predict(self, x: Float[Any, "m ..."], times: Times) -> Float[np.ndarray, "t m k"]:
        """F_t(x) at each time. Cost per time: two or three forward passes over x, and equally many over the training inputs."""
        return predict_points(self.points(times), x)

    def defect(self, times: Times) -> Float[np.ndarray, "t"]:
        """‖(r − K u_t) − (y − F_t)‖ / ‖r‖, with K u_t by differentiating the network: the error of the path in its own equation.

        It is 0 at every time for an exact decomposition. For a Krylov space it is the part outside that space; at t = ∞ it is
        the residual of conjugate gradients. Cost: one product with K per time.
        """
        ku = np.asarray(self.jacobian.gram(self.coefficients(times)))
        off = self.residual - ku - self.residuals(times)
        size = float(np.linalg.norm(self.residual))
        return np.linalg.norm(off.reshape(len(times), -1), axis=1) / (size if size > 0 else 1.0)


def training_path(
    network: Network,
    params: Params,
    task: Task | Split,
    *,
    dynamics: Dynamics = GradientFlow(),
    selection: Selection = AllParameters(),
    centred: bool = False,
    method: Method | None = None,
) -> TrainingPath:
    """The path of the linearised network under gradient descent on the mean square loss, from θ₀ to t = ∞.

        dΔ/dt = −(1/N) Jᵀ(f₀ + JΔ − y),  or its steps

    Arguments:
        network, params: f and θ₀.
        task: its training part is learnt; or a `Split`.
        dynamics: gradient flow, or gradient descent with its step size and momentum (default: flow).
        selection: which parameters may move (default: all).
        centred: leave f₀ out, as for the network f(x, θ) − f(x, θ₀).
        method: `Eigen()` or `Lanczos(steps)`; None: by size.

    Returns:
        A `TrainingPath`, which gives the network at any time.

    Raises:
        UserError: inputs or targets that do not fit the network.

    Cost: as for `tangent_kernel`, and an eigendecomposition; or `steps` products with K, each a JVP and a VJP over the data.
    """
    split = task.train if isinstance(task, Task) else task
    jacobian = Jacobian(network, params, split.x, selection, dtype=np.float64)
    check_target_shape(split.targets, len(split.x), network.outputs)
    targets = np.asarray(split.targets, np.float64)
    method = method or (Eigen() if targets.size <= EIGEN_ROWS else Lanczos())
    kernel = dual_kernel(jacobian) if isinstance(method, Eigen) else jacobian
    return path_of(kernel, targets, dynamics, centred=(centred,), method=method)[0]


def path_of(
    kernel: DualKernel | Jacobian,
    targets: Float[np.ndarray, "n k"],
    dynamics: Dynamics,
    *,
    centred: Sequence[bool] = (False,),
    method: Method = Eigen(),
) -> list[TrainingPath]:
    """The paths with f₀ kept or centred away, from a kernel already formed, or for Lanczos from a Jacobian alone.

    Arguments:
        kernel: K; or J for Lanczos, which needs no matrix.
        targets: y.
        dynamics: how the linearised network is trained.
        centred: the variants. One eigendecomposition serves all of them, a Krylov space only one.
        method: `Eigen` or `Lanczos`.
    """
    jacobian = kernel.jacobian if isinstance(kernel, DualKernel) else kernel
    f0 = np.asarray(jacobian.outputs(), np.float64)
    residuals = [targets - (0.0 if c else f0) for c in centred]
    if isinstance(method, Eigen):
        if not isinstance(kernel, DualKernel):
            raise UserError("Eigen() for a Jacobian", "a DualKernel", "Form it with dual_kernel(jacobian).")
        whole = eigenvectors(kernel)
        found = [(*whole, whole[1].T @ r.ravel(), "eigendecomposition") for r in residuals]
    else:
        found = [_krylov(kernel, r, method.steps) for r in residuals]
    return [
        TrainingPath(jacobian, dynamics, values / len(targets), vectors, components, r, not c, how)
        for c, r, (values, vectors, components, how) in zip(centred, residuals, found, strict=True)
    ]


@lru_cache(maxsize=2)
def eigenvectors(kernel: DualKernel) -> tuple[np.ndarray, np.ndarray]:
    """κ and V of K as a matrix, or of its root if only a read-out moves. Eigenvalues within rounding of 0 are 0.

    Cached for the last two kernels, which serve several paths and steps.
    """
    if kernel.matrix is not None:
        whole = EigenOperator.from_matrix(kernel.matrix)
        return np.asarray(whole.values), np.asarray(whole.vectors)
    assert kernel.root is not None
    whole, k = EigenOperator.from_root(kernel.root), kernel.jacobian.outputs_per_example
    return np.repeat(np.asarray(whole.values), k), np.kron(np.asarray(whole.vectors), np.eye(k))


def _krylov(
    kernel: DualKernel | Jacobian, residual: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    size = float(np.linalg.norm(residual))
    if size == 0:  # nothing to learn
        return np.zeros(1), np.zeros((residual.size, 1)), np.zeros(1), "nothing to learn"
    ritz = lanczos(_gram(kernel), residual, steps)
    assert ritz.vectors is not None
    rounding = np.finfo(float).eps * residual.size * float(ritz.values[-1])
    values = np.where(ritz.values > rounding, ritz.values, 0.0)  # as for `eigenvectors`: K may be singular
    return values, ritz.vectors, size * ritz.weights, f"Lanczos, {len(values)} steps"


def _gram(kernel: DualKernel | Jacobian) -> Callable[[Any], Any]:
    if isinstance(kernel, Jacobian):
        return kernel.gram
    if kernel.matrix is None:
        return kernel.jacobian.gram
    matrix = kernel.matrix

    def gram(u: Any) -> Any:
        with jax.enable_x64(True):
            return matrix_gram(matrix, jnp.asarray(u))

    return gram
