"""The gradient step at its best size: the alternative that the claim denies has to be as near to training as it can be.

As a tangent function F_η = f₀ + ηD, the step's squared distance from the trained network is quadratic in its size η. So the best
of all sizes is known,

    η* = Σ D·g / Σ‖D‖²,    g = f_T − f₀, summed over validation examples;    0 if this is negative

As a network the step has no such formula. The plan's sizes are extended at an end while the best of them lies there; then the
steps from the best to its neighbours are halved. Size 0, the start itself, is always among them: nothing is smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import jax
import numpy as np

from ticketlab.claims.fair_search import wider
from ticketlab.claims.newton_step.arms import Candidate, Candidates, Sides, Start, flat
from ticketlab.claims.newton_step.formula import GRADIENT
from ticketlab.claims.start import Outputs
from ticketlab.tangent.point import TangentPoint

__all__ = ["best_size", "gradient_steps", "searched"]

HALVINGS = 4  # of the steps around the best: where they begin at its own size, it is then known to 3 %
SIZE = "step size"


def gradient_steps(sides: Sides) -> Candidates:
    """Δθ = −η Jᵀ∇L(f₀) for every size η that was tried, as a tangent function and as a network."""
    downhill = _downhill(sides.at, sides.offset)
    return {
        (GRADIENT, "tangent"): _functions(sides, downhill),
        (GRADIENT, "network"): _networks(sides, downhill),
    }


def _downhill(at: Start, offset: str) -> list[np.ndarray]:
    """The Δθ of size 1, the inverse of the loss's largest curvature."""
    start = at.outputs(offset)["train"]
    with jax.enable_x64(True):
        slope = np.asarray(at.loss.gradient(start, at.targets)) / len(start)
    return [-at.unit * np.asarray(leaf) for leaf in at.kernel.jacobian.pull_back(slope[None])[0]]


# --- as a tangent function ---


def _functions(sides: Sides, downhill: list[np.ndarray]) -> list[Candidate]:
    """The best of all sizes, and those of the plan."""
    at, start = sides.at, sides.at.outputs(sides.offset)
    point = TangentPoint(at.kernel.jacobian, downhill, keeps_offset=False)
    (moved,) = at.tangent_outputs([point])
    best, delta = best_size(sides, moved), flat(point.delta)
    return [
        Candidate(
            {name: start[name] + size * moved[name] for name in start},
            size * delta,
            size,
            SIZE,
            exact=size == best,
        )
        for size in (best, *at.plan.gradient_steps)
    ]


def best_size(sides: Sides, moved: Outputs) -> float:
    """η* on validation examples.

    Arguments:
        moved: D, what a step of size 1 changes.
    """
    change = sides.trained.outputs["validation"] - sides.at.outputs(sides.offset)["validation"]
    seen, wanted = sides.seen(moved["validation"]), sides.seen(change)
    square = float(np.sum(seen**2))
    return max(float(np.sum(seen * wanted)) / square, 0.0) if square > 0 else 0.0


# --- as a network ---


def _networks(sides: Sides, downhill: list[np.ndarray]) -> list[Candidate]:
    at = sides.at
    found: dict[float, Candidate] = {}

    def gap(size: float) -> float:
        point = TangentPoint(at.kernel.jacobian, [size * leaf for leaf in downhill])
        found[size] = Candidate(at.moved_outputs(point, sides.offset), flat(point.delta), size, SIZE)
        return sides.unexplained(found[size].outputs, "validation")

    return [found[size] for size in searched(gap, at.plan.gradient_steps, at.plan.extensions)]


def searched(gap: Callable[[float], float], sizes: Sequence[float], extensions: int) -> list[float]:
    """The sizes that were tried for the least gap, in order: 0, those given, more at an end, and more around the best.

    Arguments:
        gap: of one size.
        extensions: how many sizes may be added beyond those given.
    """
    tried = {size: gap(size) for size in (0.0, *sizes)}
    for _ in range(extensions):
        ends = _ends(tried)
        if not ends:
            break
        (more,) = wider([size for size in tried if size > 0], ends, 1)
        tried[more] = gap(more)
    for _ in range(HALVINGS):
        for size in _between(tried):
            tried[size] = gap(size)
    return sorted(tried)


def _ends(tried: Mapping[float, float]) -> set[int]:
    """Where more sizes are needed: +1 above the largest, −1 between 0 and the smallest other one; none if the best is between."""
    at, last = _best(tried), len(tried) - 1
    return {1} if at == last else {-1} if at <= 1 else set()


def _between(tried: Mapping[float, float]) -> list[float]:
    """The sizes halfway from the best to its neighbours."""
    ordered, at = sorted(tried), _best(tried)
    near = ordered[max(at - 1, 0) : at + 2]
    return [(low + high) / 2 for low, high in pairwise(near)]


def _best(tried: Mapping[float, float]) -> int:
    """The rank of the size with the least gap."""
    return sorted(tried).index(min(tried, key=lambda size: tried[size]))
