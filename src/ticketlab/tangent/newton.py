"""The minimum in tangent space by inexact Newton steps in function space, for every convex loss and a whole ridge path.

With Δ = Jᵀu the outputs on the training set are F = f₀ + K u, and the objective is Σ ℓ(F) + ½λ uᵀKu. Its gradient Jᵀg has the
coefficients g = ∇ℓ(F) + λu. A step solves (HK + λI) d = −g by conjugate gradients and goes along d as far as the objective
falls. A fast operator (a float32 matrix, say) finds directions; an exact one (float64, without the matrix) evaluates the
point reached. For the square loss H = I, and the loop *is* iterative refinement. The duality gap costs nothing extra: with the
dual point v = ∇ℓ(F) it is

    gap = Σ ℓ(F) + ½λ‖Δ‖² + Σ ℓ*(v) − ⟨v, f₀⟩ + ‖Jᵀv‖²/2λ = ‖Jᵀg‖² / 2λ ≥ 0,

by the Fenchel–Young equality ℓ(F) + ℓ*(v) = ⟨v, F⟩. The sum of squares is computed, so there is no cancellation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from ticketlab.tangent.krylov import NewtonSystem, conjugate_gradients
from ticketlab.tangent.line_search import line_search
from ticketlab.tangent.operators import KernelOperator
from ticketlab.tasks.losses import ConvexLoss

__all__ = [
    "Directions",
    "FunctionSpaceProblem",
    "Iterate",
    "NewtonOptions",
    "Progress",
    "Standing",
    "krylov_directions",
    "newton",
    "newton_path",
]


@dataclass(frozen=True)
class FunctionSpaceProblem:
    """c problems that share examples, loss and kernel.

    Arguments:
        loss: convex in the outputs.
        targets: y `[n, k]`, or what else the loss takes for each example.
        offsets: f₀ `[c, n, k]`, the functions at the origins of the tangent spaces.
        ridges: λ `[c]` ≥ 0; 0 selects the minimum-norm solution of the square loss.
    """

    loss: ConvexLoss
    targets: Float[np.ndarray, "n targets"]
    offsets: Float[np.ndarray, "c n k"]
    ridges: Float[np.ndarray, "c"]

    def look(self, outputs: Float[Any, "c n k"]) -> tuple[Float[np.ndarray, "c"], Float[np.ndarray, "c n k"]]:
        """Σ ℓ(F) and ∇ℓ(F)."""
        with jax.enable_x64(True):
            value, gradient = self.loss.look(outputs, self.targets)
            return np.asarray(value), np.asarray(gradient)


@dataclass(frozen=True)
class NewtonOptions:
    """When to stop.

    Arguments:
        tolerance: on the relative duality gap, gap / |objective|; for λ = 0 on the relative gradient norm
            ‖Jᵀg‖ / ‖Jᵀg₀‖ instead.
        steps: most Newton steps.
        inner_limit: most conjugate-gradient iterations per step.
        forcing: relative accuracy of a step's linear system far from the solution; tightened as the gap falls.
    """

    tolerance: float = 1e-8
    steps: int = 40
    inner_limit: int = 1000
    forcing: float = 0.1


@dataclass(frozen=True)
class Iterate:
    """The state of the c problems.

    `u`, `ku` = K u, `objective` = Σ ℓ + ½λuᵀKu, `gap` (absolute duality gap; NaN for λ = 0), `gradient` = ‖Jᵀg‖ relative to its
    value at Δ = 0, `met`, iterations of both loops, and `start_norm` = ‖Jᵀ∇ℓ(f₀)‖.
    """

    u: Float[np.ndarray, "c n k"]
    ku: Float[np.ndarray, "c n k"]
    objective: np.ndarray
    gap: np.ndarray
    gradient: np.ndarray
    met: np.ndarray
    steps: np.ndarray
    iterations: np.ndarray
    start_norm: np.ndarray


@dataclass(frozen=True)
class Standing:
    """The progress of c problems, from which a solve can resume.

    Arguments:
        u: of each problem; 0 if it has not begun.
        begun: whether each has begun.
        steps, iterations: taken by each.
    """

    u: Float[np.ndarray, "c n k"]
    begun: Bool[np.ndarray, "c"]
    steps: Int[np.ndarray, "c"]
    iterations: Int[np.ndarray, "c"]

    @staticmethod
    def nothing(problem: FunctionSpaceProblem) -> Standing:
        """Before the first step."""
        c = len(problem.ridges)
        return Standing(np.zeros_like(problem.offsets), np.zeros(c, bool), np.zeros(c, int), np.zeros(c, int))

    def moved(self, chosen: np.ndarray, u: np.ndarray, steps: np.ndarray, iterations: np.ndarray) -> Standing:
        """The same with the chosen problems at u, after more steps and iterations."""
        moved = Standing(*(getattr(self, f.name).copy() for f in fields(self)))
        moved.u[chosen], moved.begun[chosen] = u, True
        moved.steps[chosen] += steps
        moved.iterations[chosen] += iterations
        return moved


Gram = Callable[[Any], Any]


Directions = Callable[
    [FunctionSpaceProblem, np.ndarray, np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]
]
"""`directions(problem, g, ku, wanted, limit)`: d `[c, n, k]` with (HK + λI) d ≈ −g, and the iterations of each problem.

`wanted` `[c]` is the factor by which to reduce the residual; a problem with 1 or more needs no direction."""


def newton(
    problem: FunctionSpaceProblem,
    exact: Gram,
    directions: Directions,
    options: NewtonOptions,
    *,
    start: Float[np.ndarray, "c n k"] | None = None,
    start_norm: Float[np.ndarray, "c"] | None = None,
    squared_norm: Callable[[np.ndarray], np.ndarray] | None = None,
    progress: Callable[[float], None] = lambda relative_gap: None,
    watch: Callable[[np.ndarray, np.ndarray, np.ndarray], None] = lambda u, steps, iterations: None,
) -> Iterate:
    """Minimise c problems to the tolerance, judged by the `exact` operator.

    Arguments:
        problem: what to minimise; arrays in float64. Between products functions are small NumPy arrays, with nothing to compile.
        exact: u ↦ K u.
        directions: finds directions; poor ones cost steps, never correctness.
        options: when to stop.
        start: u to start from (default 0).
        start_norm: ‖Jᵀ∇ℓ(f₀)‖, if already known.
        squared_norm: g ↦ ‖Jᵀg‖² as a sum of squares, if available; else gᵀKg, which is only as good as rounding in K if K
            is singular and g is not small in its null space.
        progress: called with the largest relative gap after every step.
        watch: called after every step with u and the steps and iterations so far.

    Cost: a step takes two exact products and a few tens of fast ones, for all c at once.
    """

    def product(v: np.ndarray) -> np.ndarray:
        return np.asarray(exact(v))

    def size(g: np.ndarray) -> np.ndarray:
        return squared_norm(g) if squared_norm else np.maximum(np.sum(g * product(g), axis=(1, 2)), 0.0)

    f0, ridges = problem.offsets, problem.ridges
    with jax.enable_x64(True):
        zero = np.zeros_like(f0)
        u = zero if start is None else start
        ku = zero if start is None else product(u)
        if start_norm is None:
            start_norm = np.sqrt(size(problem.look(f0)[1]))
        c = u.shape[0]
        tolerance = np.where(ridges > 0, options.tolerance, options.tolerance**2)
        steps, iterations = np.zeros(c, int), np.zeros(c, int)
        progressing = Progress(c)
        while True:
            fit, slope = problem.look(f0 + ku)
            g = slope + ridges[:, None, None] * u
            gkg = size(g)
            objective = fit + 0.5 * ridges * np.sum(u * ku, axis=(1, 2))
            with np.errstate(divide="ignore", invalid="ignore"):
                gap = np.where(ridges > 0, gkg / (2 * ridges), np.nan)
                gradient = np.sqrt(gkg) / np.where(start_norm > 0, start_norm, 1.0)
                relative = np.where(ridges > 0, gap / np.abs(objective), gradient**2)
            relative = np.where(np.isfinite(relative), relative, np.where(gkg == 0, 0.0, np.inf))
            met = relative <= tolerance
            progress(float(np.max(relative)))
            stalled = progressing.stalled(gkg, objective)
            if np.all(met | stalled) or int(steps.max(initial=0)) >= options.steps:
                return Iterate(u, ku, objective, gap, gradient, met, steps, iterations, start_norm)
            going = ~(met | stalled)
            wanted = np.where(
                going, _forcing(relative, tolerance, options.forcing, problem.loss.quadratic), 2.0
            )
            d, inner = directions(problem, g, ku, wanted, options.inner_limit)
            kd = product(d)
            along, bend = ridges * np.sum(d * ku, axis=(1, 2)), ridges * np.sum(d * kd, axis=(1, 2))
            t = line_search(problem.look, f0 + ku, kd, along, bend)
            t = np.where(going, t, 0.0)[:, None, None]
            u, ku = u + t * d, ku + t * kd
            steps, iterations = steps + going, iterations + inner
            watch(u, steps, iterations)


def newton_path(
    problem: FunctionSpaceProblem,
    series: Int[np.ndarray, "c"],
    exact: Gram,
    directions: Directions,
    options: NewtonOptions,
    progress: Callable[[float, float], None] = lambda done, relative_gap: None,
    *,
    start: Standing | None = None,
    watch: Callable[[Standing], None] = lambda standing: None,
) -> Iterate:
    """Minimise c problems; for a loss that is not quadratic, by continuation from the largest ridge to the smallest.

    Newton steps far from the solution are short, and the solution for a larger ridge is a close starting point.

    Arguments:
        series: problems with the same number differ only in their ridge; each starts from the previous one in its series.
        progress: called with the fraction of ridges done, and the largest relative gap of the current ones.
        start: the progress to resume from (not for a quadratic loss); default: the beginning. Earlier steps are included in
            the totals but not in the limits.
        watch: called with the progress after every step.
        Others as for `newton`.
    """
    if problem.loss.quadratic:
        return newton(problem, exact, directions, options, progress=lambda gap: progress(0.0, gap))
    standing = start or Standing.nothing(problem)
    with jax.enable_x64(True):
        last = {number: np.zeros_like(problem.offsets[0]) for number in series.tolist()}
        parts: list[tuple[np.ndarray, Iterate]] = []
        values = np.unique(problem.ridges)[::-1]
        for i, ridge in enumerate(values):
            chosen = np.flatnonzero(problem.ridges == ridge)
            part = newton(
                replace(problem, offsets=problem.offsets[chosen], ridges=problem.ridges[chosen]),
                exact,
                directions,
                options,
                start=np.stack([standing.u[j] if standing.begun[j] else last[series[j]] for j in chosen]),
                progress=partial(progress, i / len(values)),
                watch=lambda *moved, before=standing, chosen=chosen: watch(before.moved(chosen, *moved)),
            )
            standing = standing.moved(chosen, part.u, part.steps, part.iterations)
            last |= dict(zip(series[chosen].tolist(), part.u, strict=True))
            parts.append((chosen, part))
        order = np.argsort(np.concatenate([chosen for chosen, _ in parts]))
        whole = Iterate(
            *(np.concatenate([getattr(part, f.name) for _, part in parts])[order] for f in fields(Iterate))
        )
        return replace(whole, steps=standing.steps, iterations=standing.iterations)


class Progress:
    """Detects descents that have stalled at rounding.

    Near a minimum the gradient shrinks while the objective no longer changes its digits. Far from it, with a loss whose
    curvature jumps, the objective falls while the gradient does not. A descent has stalled if neither falls for six steps.
    """

    def __init__(self, c: int) -> None:
        self.gradient, self.objective = np.full(c, np.inf), np.full(c, np.inf)
        self.waiting = np.zeros(c, int)

    def stalled(self, gradient: Float[np.ndarray, "c"], objective: Float[np.ndarray, "c"]) -> np.ndarray:
        """Updates the state after a step to a point with this squared gradient norm and objective."""
        fallen = objective < self.objective - 1e-6 * np.abs(objective)
        better = (gradient < 0.5 * self.gradient) | fallen
        self.waiting = np.where(better, 0, self.waiting + 1)
        self.gradient = np.minimum(self.gradient, gradient)
        self.objective = np.minimum(self.objective, objective)
        return self.waiting >= 6


def _forcing(relative: np.ndarray, tolerance: np.ndarray, most: float, quadratic: bool) -> np.ndarray:
    """The accuracy of each step's linear system: just enough for the remaining gap (Eisenstat & Walker 1996).

    The gap scales with the square of the residual. One step is enough for the square loss. For other losses the linear model
    is accurate only to about the square root of the relative gap.
    """
    enough = (0.05 if quadratic else 0.3) * np.sqrt(tolerance / np.maximum(relative, tolerance))
    worthwhile = np.zeros_like(relative) if quadratic else 0.5 * np.sqrt(np.minimum(relative, 1.0))
    return np.clip(np.maximum(enough, worthwhile), 1e-10, most)


def krylov_directions(fast: KernelOperator) -> Directions:
    """Directions by preconditioned conjugate gradients on K as a matrix, for all problems at once."""
    return partial(_by_krylov, fast)


def _by_krylov(
    fast: KernelOperator,
    problem: FunctionSpaceProblem,
    g: np.ndarray,
    ku: np.ndarray,
    wanted: np.ndarray,
    limit: int,
) -> tuple[np.ndarray, np.ndarray]:
    d, iterations = np.zeros_like(g), np.zeros(len(wanted), int)
    for batch in fast.batches(problem.ridges):
        chosen = batch[wanted[batch] < 1]
        if len(chosen) == 0:
            continue
        curvature = None
        if not problem.loss.quadratic:
            outputs = problem.offsets[chosen] + ku[chosen]
            curvature = np.asarray(problem.loss.curvature(outputs, problem.targets))
        system = NewtonSystem(fast, curvature, problem.ridges[chosen])
        d[chosen], iterations[chosen] = conjugate_gradients(system, -g[chosen], wanted[chosen], limit)
    return d, iterations
