"""One Gauss–Newton step from θ₀: the minimum of the loss's second-order model in the tangent space.

With g and H the gradient and Hessian of the loss in the outputs at θ₀, the step minimises

    Σₙ ⟨gₙ, JₙΔ⟩ + ½ ⟨JₙΔ, HₙJₙΔ⟩ + ½λ‖Δ‖² .

For the square loss the model is the loss itself, and the step goes to the tangent minimum. For any other convex loss it is
the first of many Newton steps. With S = H^{1/2} and z = −S⁺g it is the least-squares problem ½‖SJΔ − z‖² + ½λ‖Δ‖², so that

    Δ = JᵀS (SKS + λI)⁺ z,

for λ = 0 the solution of minimum norm. This holds if g lies in the range of H, which may be singular. (For softmax it is:
adding a constant to all outputs of an example changes nothing.) The gradient of an outlier under Huber's loss does not: its
curvature is zero. A part g₀ of g in the null space of H is a force that no curvature stops, only the ridge:

    Δ = Jᵀ(S (SKS + λI)⁻¹ (z + SK g₀/λ) − g₀/λ).

For λ = 0 the model then has no minimum, unless Jᵀg₀ happens to be stopped; g₀ is left out, and `stationarity` shows it.

Sources: Schraudolph 2002, Fast curvature matrix-vector products; Martens 2020, arXiv 1412.1193, section 8 (the generalised
Gauss–Newton matrix JᵀHJ).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError
from ticketlab.tangent.dual import DualKernel
from ticketlab.tangent.flow import eigenvectors
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.operators import EigenOperator
from ticketlab.tangent.point import TangentPoint
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.target_check import check_target_shape, check_targets

__all__ = ["GaussNewtonStep", "gauss_newton_steps"]


ROUNDING = 1e-8  # of a gradient: more than the roots of the smallest curvatures that count leave


@dataclass(frozen=True, eq=False)
class GaussNewtonStep:
    """One step, and how close it came to the minimum of the model.

    Arguments:
        ridge: λ; 0 for the step of minimum norm.
        point: θ₀ and Δ.
        stationarity: ‖Jᵀ(g + HJΔ) + λΔ‖ / ‖Jᵀg‖, the gradient of the model relative to that at Δ = 0, by float64 products with
            J, independent of the matrix.
    """

    ridge: float
    point: TangentPoint = field(repr=False)
    stationarity: float


def gauss_newton_steps(
    kernel: DualKernel,
    loss: ConvexLoss,
    targets: Float[np.ndarray, "n k"],
    ridges: Sequence[float] = (0.0,),
    *,
    centred: bool = False,
) -> list[GaussNewtonStep]:
    """The Gauss–Newton steps of several ridges, from one eigendecomposition.

    Arguments:
        kernel: K, formed.
        loss, targets: ℓ and y.
        ridges: λ ≥ 0, as in the model (a sum over examples).
        centred: leave f₀ out, as for the network f(x, θ) − f(x, θ₀).

    Raises:
        UserError: for impossible ridges, or targets that do not fit the network or the loss.

    Cost: an eigendecomposition of SKS, about 9 (Nk)³ operations; for each ridge two products with J.
    """
    if not ridges or not all(np.isfinite(r) and r >= 0 for r in ridges):
        raise UserError(f"ridges {list(ridges)}", "finite numbers of at least 0")
    jacobian = kernel.jacobian
    check_target_shape(targets, jacobian.examples, jacobian.outputs_per_example)
    check_targets(loss, targets)
    shape = targets.shape
    with jax.enable_x64(True):
        f0 = np.zeros(shape) if centred else jacobian.outputs()
        y = np.asarray(targets, np.float64)
        gradient = np.asarray(loss.gradient(f0, y))
        hessian = np.asarray(loss.hessian(f0, y))
    root, inverse = _roots(hessian)
    z = -np.einsum("nij,nj->ni", inverse, gradient)
    values, vectors = eigenvectors(kernel) if loss.quadratic else _weighted(kernel, root)
    along = vectors.T @ z.ravel()
    free = _without_curvature(root, inverse, gradient)
    pushed = np.zeros_like(along)  # VᵀSKg₀
    if free.any():
        moved = np.asarray(jacobian.gram(free[None]))[0]
        pushed = vectors.T @ np.einsum("nij,nj->ni", root, moved).ravel()
    steps = []
    for ridge in ridges:
        shifted, wanted = values + ridge, along + pushed / ridge if ridge > 0 else along
        v = vectors @ np.divide(wanted, shifted, out=np.zeros_like(along), where=values > 0)
        u = np.einsum("nij,nj->ni", root, v.reshape(shape))
        if ridge > 0:
            u -= free / ridge
        delta = [np.asarray(leaf) for leaf in jacobian.pull_back(u[None])[0]]
        point = TangentPoint(jacobian, delta, not centred)
        steps.append(
            GaussNewtonStep(float(ridge), point, _stationarity(jacobian, gradient, hessian, u, ridge))
        )
    return steps


def _roots(hessian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """H^{1/2} and its pseudo-inverse, example by example."""
    values, vectors = np.linalg.eigh(hessian)
    floor = 1e-12 * np.maximum(values.max(axis=1, keepdims=True), 1e-300)
    root = np.sqrt(np.where(values > floor, values, 0.0))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    turned = np.swapaxes(vectors, 1, 2)
    return (vectors * root[:, None]) @ turned, (vectors * inverse[:, None]) @ turned


def _without_curvature(root: np.ndarray, inverse: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """g₀, the part of each example's gradient in the null space of its H; 0 within rounding of it."""
    free = gradient - np.einsum("nij,njk,nk->ni", root, inverse, gradient)
    sizes = np.linalg.norm(np.stack([free, gradient]), axis=2, keepdims=True)
    return np.where(sizes[0] > ROUNDING * sizes[1], free, 0.0)


def _weighted(kernel: DualKernel, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of SKS; eigenvalues within rounding of zero are zero."""
    n, k = root.shape[:2]
    if kernel.matrix is not None:
        matrix = np.asarray(kernel.matrix)
    else:
        assert kernel.root is not None
        base = np.asarray(kernel.root)
        matrix = np.kron(base @ base.T, np.eye(k))
    left = np.einsum("nij,njm->nim", root, matrix.reshape(n, k, n * k)).reshape(n * k, n * k)
    both = np.einsum("nij,njm->nim", root, left.T.reshape(n, k, n * k)).reshape(n * k, n * k)
    operator = EigenOperator.from_matrix(_symmetric(both))
    return np.asarray(operator.values), np.asarray(operator.vectors)


def _symmetric(matrix: np.ndarray) -> jax.Array:
    with jax.enable_x64(True):
        return jax.device_put(0.5 * (matrix + matrix.T))


def _stationarity(
    jacobian: Jacobian, gradient: np.ndarray, hessian: np.ndarray, u: np.ndarray, ridge: float
) -> float:
    """From Jᵀ(g + HKu + λu), since Δ = Jᵀu."""
    moved = np.asarray(jacobian.gram(u[None]))[0]
    left = gradient + np.einsum("nij,nj->ni", hessian, moved) + ridge * u
    norms = jacobian.squared_norm(np.stack([left, gradient]))
    return float(np.sqrt(norms[0] / norms[1])) if norms[1] > 0 else 0.0
