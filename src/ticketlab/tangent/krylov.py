"""Conjugate gradients for one Newton system of the tangent-space problem, for many ridges and offsets at once.

The Newton step Δ ↦ Δ + Jᵀd of  Σ ℓ(f₀ + JΔ) + ½λ‖Δ‖²  solves (JᵀHJ + λI) Jᵀd = Jᵀb in parameter space. Written with
coefficients d in function space it reads T d = b with T = HK + λI. T is self-adjoint and positive in the inner product
⟨u, v⟩_K = uᵀKv = ⟨Jᵀu, Jᵀv⟩. Conjugate gradients in it are exactly those of parameter space, with one product with K
per iteration and no vector of length P. They minimise the objective itself, not a residual, over the Krylov space. For
λ = 0 they converge to the minimum-norm solution even if K is singular. Source: Hestenes & Stiefel 1952; the change of
inner product as in Díaz et al. 2304.12465, section 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ticketlab.tangent.operators import KernelOperator

__all__ = ["NewtonSystem", "conjugate_gradients"]


class NewtonSystem(NamedTuple):
    """T = HK + λI for c problems.

    Arguments:
        operator: K and its preconditioner.
        curvature: H `[c, n, k, k]`, the losses' Hessians in the outputs; None for the identity (square loss).
        ridge: λ `[c]`.
    """

    operator: KernelOperator
    curvature: Float[Any, "c n k k"] | None
    ridge: Float[Any, "c"]


def conjugate_gradients(
    system: NewtonSystem,
    b: Float[Any, "c n k"],
    wanted: Float[Any, "c"],
    limit: int,
) -> tuple[Float[np.ndarray, "c n k"], Int[np.ndarray, "c"]]:
    """d with T d ≈ b, until ⟨r, Mr⟩_K ≤ wanted²·⟨b, Mb⟩_K for every problem, or `limit` iterations.

    Arguments:
        system: the c systems.
        b: right-hand sides.
        wanted: `[c]` relative reduction of the preconditioned residual norm; ≥ 1 leaves a problem untouched.
        limit: most iterations.

    Returns:
        d, and the iterations of each problem. Cost per iteration: one product with K and one preconditioning for all c.
    """
    operator, ridge = system.operator, np.asarray(system.ridge)[:, None, None]
    curvature = None if system.curvature is None else np.asarray(system.curvature)
    prepared = operator.prepare(system.curvature, system.ridge)

    def preconditioned(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = operator.precondition(r, prepared)
        return np.asarray(z), np.asarray(operator.gram(z))

    r = np.asarray(b)
    p, kp = preconditioned(r)
    rz = _dot(r, kp)
    floor, active = np.square(wanted) * rz, (rz > 0) & (np.asarray(wanted) < 1)
    d, iterations = np.zeros_like(r), np.zeros(len(r), int)
    for _ in range(limit):
        if not active.any():
            break
        curved = kp if curvature is None else np.matmul(curvature, kp[..., None])[..., 0]
        tp = curved + ridge * p  # p → Kp → HKp + λp
        alpha = np.where(active, rz / np.where(active, _dot(tp, kp), 1.0), 0.0)[:, None, None]
        d, r = d + alpha * p, r - alpha * tp
        z, kz = preconditioned(r)
        before, rz = rz, _dot(r, kz)
        beta = np.where(active, rz / np.where(before > 0, before, 1.0), 0.0)[:, None, None]
        p, kp = z + beta * p, kz + beta * kp
        iterations = iterations + active
        active = active & (rz > floor)
    return d, iterations


def _dot(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sum(u * v, axis=(1, 2))
