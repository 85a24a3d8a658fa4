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

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

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
    curvature: Float[Array, "c n k k"] | None
    ridge: Float[Any, "c"]


class _State(NamedTuple):
    d: Array  # the solution so far
    r: Array  # b − T d
    p: Array  # the direction
    kp: Array  # K p
    rz: Array  # ⟨r, Mr⟩_K
    active: Array
    iterations: Array


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
    operator, curvature, ridge = system
    prepared = operator.prepare(curvature, ridge)
    z = operator.precondition(b, prepared)
    state, floor = _begin(b, z, operator.gram(z), wanted)
    for _ in range(limit):
        if not np.any(state.active):
            break
        state = _descend(curvature, ridge, state)
        z = operator.precondition(state.r, prepared)
        state = _turn(state, z, operator.gram(z), floor)
    return np.asarray(state.d), np.asarray(state.iterations)


@jax.jit
def _begin(b: Array, z: Array, kz: Array, wanted: Array) -> tuple[_State, Array]:
    """The state at d = 0, and the ⟨r, Mr⟩_K at which a problem counts as solved."""
    rz = _dot(b, kz)
    iterations = jnp.zeros(b.shape[0], jnp.int32)
    state = _State(jnp.zeros_like(b), b, z, kz, rz, (rz > 0) & (wanted < 1), iterations)
    return state, jnp.square(wanted) * rz


@jax.jit
def _descend(curvature: Array | None, ridge: Array, s: _State) -> _State:
    """d ← d + αp, r ← r − αTp."""
    curved = s.kp if curvature is None else jnp.einsum("cnij,cnj->cni", curvature, s.kp)
    tp = curved + ridge[:, None, None] * s.p  # p → Kp → HKp + λp
    alpha = jnp.where(s.active, s.rz / jnp.where(s.active, _dot(tp, s.kp), 1.0), 0.0)[:, None, None]
    return s._replace(d=s.d + alpha * s.p, r=s.r - alpha * tp)


@jax.jit
def _turn(s: _State, z: Array, kz: Array, floor: Array) -> _State:
    """p ← z + βp, with z = Mr."""
    rz = _dot(s.r, kz)
    beta = jnp.where(s.active, rz / jnp.where(s.rz > 0, s.rz, 1.0), 0.0)[:, None, None]
    return s._replace(
        p=z + beta * s.p,
        kp=kz + beta * s.kp,
        rz=rz,
        active=s.active & (rz > floor),
        iterations=s.iterations + s.active,
    )


def _dot(u: Array, v: Array) -> Array:
    return jnp.sum(u * v, axis=(1, 2))
