"""The square loss by products with K alone: (K + λI)u = r with r = y − f₀, to a certified duality gap.

At Δ = Jᵀu and the dual point v = −λu the gap is

    P(Δ) − D(v) = Σ ℓ(F) + ℓ*(v) − ⟨v, F⟩ = ½‖r − (K + λI)u‖²,

half the squared residual of the system, known at every iteration without another product. It is the sharper certificate: the
gap at v = ∇ℓ(F) is ‖Jᵀ(r − (K + λI)u)‖²/2λ, larger by κ/λ for each part of the residual along an eigenvector with eigenvalue κ.

Iterations run in float32, and float64 sweeps judge their result. If the tolerance is not met, they continue from it with the
exact residual (iterative refinement). If this does not help, the next, more careful method takes over: conjugate gradients
after block descent, then the same with float64 products. For λ = 0 and data that K cannot fit, Ku = r has no solution. Then
conjugate gradients in the inner product of K (`krylov`) find the least-squares solution, whose Δ = Jᵀu is that of the
pseudo-inverse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.tangent.certificate import Certificate, Result
from ticketlab.tangent.checkpoint import Checkpoint
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.krylov import NewtonSystem, conjugate_gradients
from ticketlab.tangent.newton import NewtonOptions
from ticketlab.tangent.operators import KernelOperator
from ticketlab.tangent.residual_smoothing import DualPoint, Watch
from ticketlab.tangent.spectrum import extreme_eigenvalues

__all__ = ["Certified", "SquareProblem", "Way", "minimise_square"]

REFINEMENTS = 8  # with the exact residual; each gains about six digits


@dataclass(frozen=True, eq=False)
class SquareProblem:
    """(K + λI)u = r.

    Arguments:
        jacobian: in float64.
        r: y − f₀, or y when centred `[n, k]`.
        ridge: λ.
    """

    jacobian: Jacobian
    r: Float[np.ndarray, "n k"]
    ridge: float

    def gram(self, u: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """K u by float64 sweeps."""
        return np.asarray(self.jacobian.gram(u[None]))[0]

    def at(self, u: Float[np.ndarray, "n k"], ku: Float[np.ndarray, "n k"], iterations: int) -> DualPoint:
        return DualPoint(u, ku, self.r - ku - self.ridge * u, iterations)


@dataclass(frozen=True)
class Certified:
    """u with its certificate, the seconds spent on certificates, and the methods used, in order."""

    u: Float[np.ndarray, "n k"]
    certificate: Certificate
    certificate_seconds: float
    ways: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """A method that continues from an iterate: its name in progress reports, its means, and its function.

    `go(start, limit, watch)` ends when `watch` stops it, after `limit` iterations, or when it stalls.
    """

    name: str
    means: str
    go: Callable[[DualPoint, int, Watch], DualPoint]


def minimise_square(
    problem: SquareProblem,
    ways: Iterator[Way],
    start: DualPoint,
    options: NewtonOptions,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[str, float], None] = lambda what, value: None,
) -> Certified:
    """DualPoint, certify, refine.

    Arguments:
        problem: K, r and λ.
        ways: at least one, from the fastest to the most careful; the next one starts when one stalls.
        start: an iterate.
        options: the tolerance and, as `inner_limit`, the most iterations.
        checkpoint: the file in which u is kept at intervals.
        progress: called with the name of the method and its own estimate of the gap, and with "certificate" and the
            certified gap.

    Cost: the iterations, and for each certificate a float64 product with K and one with Jᵀ.
    """
    r, ridge = problem.r, problem.ridge
    start_norm = float(np.sqrt(problem.jacobian.squared_norm(r[None])[0]))
    limit = start.iterations + options.inner_limit
    used: dict[str, None] = {}
    state, way, seconds, best, enough = start, next(ways), 0.0, np.inf, 0.8 * options.tolerance

    def watch(iterate: DualPoint) -> bool:
        gap = iterate.gap(r, ridge)
        progress(way.name, gap)
        if checkpoint:
            checkpoint.save(r, ridge, iterate.u, iterate.iterations)
        return gap <= enough

    for refinement in range(1, REFINEMENTS + 2):
        used[f"{way.name} with {way.means}"] = None
        reached = way.go(state, limit - state.iterations, watch)
        begin = time.perf_counter()
        state = problem.at(reached.u, problem.gram(reached.u), reached.iterations)
        certificate = _certificate(problem, state, start_norm, options, refinement)
        seconds += time.perf_counter() - begin
        gap = certificate.duality_gap
        progress("certificate", gap)
        if certificate.met or state.iterations >= limit:
            break
        enough *= 0.3  # the products' own estimate was too optimistic
        if gap > (0.01 if gap > 10 * options.tolerance else 0.5) * best:  # limited by rounding
            other = next(ways, None)
            if other is None and gap > 0.5 * best:
                break
            way = other or way
        best = gap
    if ridge > 0 or certificate.met or state.iterations >= limit:
        return Certified(state.u, certificate, seconds, tuple(used))
    least = _least_squares(problem, options.tolerance, limit - state.iterations, state.iterations)
    second = _certificate(problem, least, start_norm, options, certificate.steps + 1)
    if second.duality_gap < certificate.duality_gap:
        return Certified(least.u, second, seconds, (*used, "least squares in the inner product of K"))
    return Certified(state.u, certificate, seconds, tuple(used))


def _certificate(
    problem: SquareProblem, state: DualPoint, start_norm: float, options: NewtonOptions, steps: int
) -> Certificate:
    ridge, primal = problem.ridge, state.objective(problem.r, problem.ridge)
    slope = float(problem.jacobian.squared_norm(state.residual[None])[0])
    gradient = np.sqrt(slope) / start_norm if start_norm > 0 else 0.0
    dual, gap = float("nan"), gradient
    if ridge > 0:
        distance = min(0.5 * state.squared_residual, slope / (2 * ridge))
        dual, gap = primal - distance, distance / max(primal, 1e-300)
    return Certificate(
        result=Result.MET if gap <= options.tolerance else Result.MISSED,
        tolerance=options.tolerance,
        primal=primal,
        dual=dual,
        duality_gap=float(gap),
        relative_residual=float(gradient),
        condition=float("nan"),
        steps=steps,
        iterations=state.iterations,
    )


def _least_squares(problem: SquareProblem, tolerance: float, limit: int, before: int) -> DualPoint:
    """The least ½‖Ku − r‖² if Ku = r has no solution, by conjugate gradients in the inner product of K."""
    system = NewtonSystem(_Plain(problem.jacobian), None, np.zeros(1))
    with jax.enable_x64(True):
        u, iterations = conjugate_gradients(system, problem.r[None], np.array([0.3 * tolerance]), limit)
    return problem.at(u[0], problem.gram(u[0]), before + int(iterations[0]))


@dataclass(frozen=True, eq=False)
class _Plain(KernelOperator):
    """K by float64 sweeps, and no preconditioner."""

    jacobian: Jacobian

    def gram(self, u: Float[Any, "c n k"]) -> Float[Any, "c n k"]:
        return self.jacobian.gram(u)

    def prepare(self, curvature: Any, ridge: Float[Any, "c"]) -> None:
        return None

    def precondition(self, u: Float[Any, "c n k"], prepared: None) -> Float[Any, "c n k"]:
        return u

    def spectrum_bounds(self) -> tuple[float, float]:
        return extreme_eigenvalues(self.gram, (self.jacobian.examples, self.jacobian.outputs_per_example))
