"""The rungs in tangent space: the exact minimum in the space of one layer, of all layers but the last, and of all.

The loss is the square loss on one-hot labels. Validation chooses the ridge, and whether f(x, θ₀) is kept or centred away. The Δθ
that is compared with training's keeps it, because training does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from ticketlab.claims.fair_search import Scored, best, edges, wider
from ticketlab.claims.ladder.rung import OFFSETS, Rung, Start, best_rung, of_candidates
from ticketlab.claims.tangent_candidates import tangent_candidates
from ticketlab.networks.network import Params
from ticketlab.tangent.selection import AllParameters, Layers, Selection
from ticketlab.tasks.losses import SQUARE

__all__ = ["cosine", "permuted_units", "tangent_minimum"]


def tangent_minimum(at: Start, names: Sequence[str], progress: Callable[[str, float], None]) -> Rung:
    """The minimum in the tangent space of some layers, all of them if all are named.

    The certificate is that of the chosen solution; `step` is Δθ of the best minimum with f₀ kept.
    """
    selection: Selection = AllParameters() if len(names) == len(at.network.layers) else Layers(tuple(names))
    found: dict[bool, list[Scored]] = {False: [], True: []}
    grid: list[float] = []
    new = list(at.plan.ridges)
    how: dict[str, Any] = {
        "selection": selection,
        "tolerance": at.plan.tolerance,
        "devices": at.devices,
        "progress": progress,
    }
    for _ in range(1 + at.plan.extensions):
        grid += new
        for centred, of in tangent_candidates(at.network, at.params, at.task, SQUARE, new, **how).items():
            found[centred] += of
        towards = set().union(*map(edges, found.values()))
        if not towards:
            break
        new = wider(grid, towards, len(towards))
    count = sum(int(np.prod(leaf.shape)) for name in names for leaf in jax.tree.leaves(at.params[name]))
    rungs = [
        replace(_rung(at, of, count), offset=offset)
        for offset, of in zip(OFFSETS, found.values(), strict=True)
    ]
    return replace(best_rung(rungs), step=rungs[0].step, inside=all(rung.inside for rung in rungs))


def _rung(at: Start, found: Sequence[Scored], parameters: int) -> Rung:
    solution = best(found).candidate.solution
    assert solution is not None
    rung = of_candidates(at.task, found, parameters, "ridge")
    return replace(rung, certificate=solution.certificate, step=solution.delta)


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
