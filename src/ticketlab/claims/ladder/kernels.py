"""Rungs of infinitely many parameters: kernel regression with the two kernels of infinite width, and their control.

An infinitely wide network whose read-out alone is trained is regression with the NNGP kernel. One of which all parameters are
trained, in its tangent space, is regression with the tangent kernel. Their control is the Gaussian kernel of the input,

    k(x, x′) = exp(−‖x − x′‖² / 2s²),

the limit of infinitely many random Fourier features. Validation chooses the ridge, relative to the mean diagonal of the kernel,
and for the control its width s too, in units of the median distance between training examples. Both grids are extended while the
choice lies at an edge.

Sources: Lee et al. 2018, arXiv 1711.00165 (NNGP); Jacot et al. 2018 (tangent kernel); Rahimi & Recht 2008 (random features).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.spatial.distance import cdist, pdist

from ticketlab.claims.fair_search import Candidate, Scored, best, edges, scored, wider
from ticketlab.claims.ladder import formula
from ticketlab.claims.ladder.rung import Rung, Start, of_candidates
from ticketlab.claims.start import parts
from ticketlab.errors import UserError
from ticketlab.infinite import kernels, posterior
from ticketlab.tasks.losses import SQUARE

__all__ = ["gaussian_rung", "kernel_rung", "kernel_rungs"]

Blocks = dict[str, np.ndarray]
"""A kernel of every part with the training part."""
WIDTHS = (0.25, 0.5, 1.0)  # of the Gaussian kernel, at first


def kernel_rungs(at: Start) -> dict[str, Rung]:
    """The two kernels of infinite width; none for a network that has no such limit."""
    train = np.asarray(at.task.train.x, np.float64)
    try:
        found = {
            name: kernels(at.network, np.asarray(part.x, np.float64), train)
            for name, part in parts(at.task).items()
        }
    except UserError:
        return {}
    return {
        rung: kernel_rung(at, {name: getattr(of, which) for name, of in found.items()})
        for rung, which in ((formula.NNGP, "nngp"), (formula.NTK, "ntk"))
    }


def gaussian_rung(at: Start) -> Rung:
    """The Gaussian kernel of the input, at the width that validation prefers."""
    flat = {
        name: np.asarray(part.x, np.float64).reshape(len(part), -1) for name, part in parts(at.task).items()
    }
    usual = float(np.median(pdist(flat["train"])))
    apart = {name: cdist(of, flat["train"], "sqeuclidean") for name, of in flat.items()}
    of_width: dict[float, list[Scored]] = {}

    def at_width(width: float) -> Scored:
        blocks = {name: np.exp(-of / (2 * (width * usual) ** 2)) for name, of in apart.items()}
        chosen = best(of_width.setdefault(width, _of_ridges(at, blocks)))
        return replace(chosen, candidate=replace(chosen.candidate, setting=width))

    widths = _extended(WIDTHS, at.plan.extensions, at_width)
    rung = of_candidates(at.task, of_width[best(widths).candidate.setting], 0, "ridge")
    tried = sum(len(found) for found in of_width.values())
    return replace(rung, candidates=tried, inside=rung.inside and not edges(widths))


def kernel_rung(at: Start, blocks: Blocks) -> Rung:
    """Regression with a kernel, at the ridge that validation prefers."""
    return of_candidates(at.task, _of_ridges(at, blocks), 0, "ridge")


def _of_ridges(at: Start, blocks: Blocks) -> list[Scored]:
    unit = float(np.mean(np.diag(blocks["train"])))
    return _extended(at.plan.ridges, at.plan.extensions, partial(_candidate, at, blocks, unit))


def _extended(grid: Sequence[float], extensions: int, candidate: Callable[[float], Scored]) -> list[Scored]:
    """The candidates of a grid, which is extended while the choice lies at its edge."""
    found: list[Scored] = []
    new = list(grid)
    for _ in range(1 + extensions):
        found += [candidate(setting) for setting in new]
        towards = edges(found)
        if not towards:
            break
        new = wider([s.candidate.setting for s in found], towards, len(towards))
    return found


def _candidate(at: Start, blocks: Blocks, unit: float, ridge: float) -> Scored:
    kernel = (blocks["train"] + blocks["train"].T) / 2  # rounding may differ between the two sides
    of = posterior(kernel, at.task.train.targets, noise=ridge * unit)
    outputs = {name: of.mean(rows) for name, rows in blocks.items()}
    return scored(at.task, SQUARE, Candidate(ridge, "ridge", outputs, 0.0))
