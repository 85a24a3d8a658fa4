"""The rungs in tangent space: the exact minimum in the space of one layer, of all layers but the last, and of all.

The loss is the square loss on one-hot labels. Validation chooses the ridge, and whether f(x, θ₀) is kept or centred away. The Δθ
that is compared with training's keeps it, because training does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import numpy as np

from ticketlab.claims.fair_search import Candidate, Scored, best, edges, scored, wider
from ticketlab.claims.ladder.rung import OFFSETS, Rung, Start, best_rung, of_candidates
from ticketlab.claims.start import parts
from ticketlab.networks.network import Params
from ticketlab.tangent.minimise import Relative, ridge_path
from ticketlab.tangent.newton import NewtonOptions
from ticketlab.tangent.selection import AllParameters, Layers, Selection
from ticketlab.tangent.solution import Solution, predict_all
from ticketlab.tasks.losses import SQUARE

__all__ = ["cosine", "permuted_units", "tangent_minimum"]


def tangent_minimum(at: Start, names: Sequence[str], progress: Callable[[str, float], None]) -> Rung:
    """The minimum in the tangent space of some layers, all of them if all are named.

    The certificate is that of the chosen solution; `step` is Δθ of the best minimum with f₀ kept.
    """
    selection: Selection = AllParameters() if len(names) == len(at.network.layers) else Layers(tuple(names))
    found: dict[str, list[tuple[Scored, Solution]]] = {offset: [] for offset in OFFSETS}
    grid: list[float] = []
    new = list(at.plan.ridges)
    for _ in range(1 + at.plan.extensions):
        grid += new
        for offset, of in _path(at, selection, new, progress).items():
            found[offset] += of
        towards = set().union(*(edges([s for s, _ in of]) for of in found.values()))
        if not towards:
            break
        new = wider(grid, towards, len(towards))
    count = sum(int(np.prod(leaf.shape)) for name in names for leaf in jax.tree.leaves(at.params[name]))
    rungs = [replace(_rung(at, of, count), offset=offset) for offset, of in found.items()]
    return replace(best_rung(rungs), step=rungs[0].step, inside=all(rung.inside for rung in rungs))


def _path(
    at: Start, selection: Selection, ridges: Sequence[float], progress: Callable[[str, float], None]
) -> dict[str, list[tuple[Scored, Solution]]]:
    solutions = ridge_path(
        at.network,
        at.params,
        at.task,
        loss=SQUARE,
        ridges=[Relative(ridge) for ridge in ridges],
        selection=selection,
        centred=[offset == "centred" for offset in OFFSETS],
        options=NewtonOptions(tolerance=at.plan.tolerance),
        devices=at.devices,
        progress=progress,
    )
    outputs = {name: predict_all(solutions, part.x) for name, part in parts(at.task).items()}
    pairs = [
        (
            scored(at.task, SQUARE, Candidate(ridge, "ridge", _at(outputs, i), solution.relative_motion)),
            solution,
        )
        for i, (ridge, solution) in enumerate(zip([*ridges] * len(OFFSETS), solutions, strict=True))
    ]
    return {offset: pairs[i * len(ridges) : (i + 1) * len(ridges)] for i, offset in enumerate(OFFSETS)}


def _at(outputs: dict[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
    return {name: values[i] for name, values in outputs.items()}


def _rung(at: Start, found: Sequence[tuple[Scored, Solution]], parameters: int) -> Rung:
    candidates = [s for s, _ in found]
    chosen = next(solution for s, solution in found if s is best(candidates))
    rung = of_candidates(at.task, candidates, parameters, "ridge")
    return replace(rung, certificate=chosen.certificate, step=chosen.delta)


# --- two steps compared, layer by layer ---


def cosine(one: Params, other: Params) -> float:
    """⟨Δ, Δ'⟩ / (‖Δ‖ ‖Δ'‖) over all leaves; 0 where one of them is zero."""
    a, b = (
        np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(of)])
        for of in (one, other)
    )
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else 0.0


def permuted_units(step: Params, rng: np.random.Generator) -> Params:
    """A layer's step with its units (the last axis of every leaf) in another order, the same in all leaves."""
    count = int(jax.tree.leaves(step)[0].shape[-1])
    order = rng.permutation(count)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[..., order], step)
