"""A fair search: every side's choice lies inside its grid, and what is trained is trained to the end; validation chooses.

Grids extend themselves where a choice is at an edge. A run is trained until it has settled (`claims.settling`); the others are
taken up to twice their epochs, again and again, until the chosen one has settled too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import jax
import numpy as np

from ticketlab.claims.start import Outputs, parts
from ticketlab.tangent.solution import Solution
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Split, Task
from ticketlab.units import Logistic, Parts, Probe, Ridge, probe

__all__ = [
    "Candidate", "Scored", "best", "edges", "inputs_of", "inside", "labels_of", "scored", "tuned_probe", "wider",
]  # fmt: skip

FLAT = 1e-3  # relative difference of validation losses at the limit of a grid
LESS = 0.5  # the change there is at most this share of a change elsewhere
FACTOR = 10**0.5  # between the candidates of a grid of one


@dataclass(frozen=True)
class Candidate:
    """One candidate of an arm: a function on all parts of the data, with what it is and how it came about."""

    setting: float
    setting_name: str
    outputs: Outputs  # empty where it diverged
    motion: float
    stop_step: int = 0
    outcome: str = "minimum reached"
    solution: Solution | None = None


@dataclass(frozen=True)
class Scored:
    """A candidate with its scores and losses on each part."""

    candidate: Candidate
    score: dict[str, float]
    loss: dict[str, float]

    def rank(self) -> tuple[float, float]:
        """Larger is better: validation score, then lower validation loss."""
        return self.score["validation"], -self.loss["validation"]


def scored(task: Task, loss: ConvexLoss, candidate: Candidate) -> Scored:
    """A candidate's mean score and mean loss on each part; where it diverged, NaN and infinite."""
    score, losses = {}, {}
    for name, part in parts(task).items():
        outputs = candidate.outputs.get(name)
        score[name] = float(np.mean(task.scores(outputs, part))) if outputs is not None else float("nan")
        losses[name] = _mean_loss(loss, outputs, part) if outputs is not None else float("inf")
    return Scored(candidate, score, losses)


def _mean_loss(loss: ConvexLoss, outputs: np.ndarray, part: Split) -> float:
    with jax.enable_x64(True):
        values = loss.values(np.asarray(outputs, np.float64), np.asarray(part.targets, np.float64))
        return float(np.mean(values))


def best(candidates: Sequence[Scored]) -> Scored:
    """The candidate of the highest validation score, of equals that with the lowest validation loss."""
    usable = [s for s in candidates if s.candidate.outputs]
    return max(usable or candidates, key=Scored.rank)


def inside(candidates: Sequence[Scored]) -> bool:
    """Whether the best candidate lies between others, or at the limit of the grid, and not all are as good."""
    return not edges(candidates)


def edges(candidates: Sequence[Scored]) -> set[int]:
    """Towards which ends a grid has to be extended: −1 to smaller candidates, +1 to larger ones, none where it is wide enough.

    At an edge, a neighbour that is as good as the best candidate shows the limit of the grid, if losses change more elsewhere:
    towards a limit they change less and less. Where all candidates are as good, the grid has shown no difference at all, and is
    too narrow at both ends.
    """
    ordered = sorted(candidates, key=lambda s: s.candidate.setting)
    chosen = best(ordered)
    if not chosen.candidate.outputs:
        return {-1}
    if all(_as_good(chosen, s) for s in ordered):
        return {-1, 1}
    at = ordered.index(chosen)
    found = set()
    if at == 0 and not _limit(ordered):
        found.add(-1)
    if at == len(ordered) - 1 and not _limit(ordered[::-1]):
        found.add(1)
    return found


def _limit(ordered: Sequence[Scored]) -> bool:
    """Whether the first candidate, the best one, is as good as the next, and there is a larger change further on."""
    changes = [abs(a.loss["validation"] - b.loss["validation"]) for a, b in pairwise(ordered)]
    return len(ordered) > 1 and _as_good(*ordered[:2]) and any(changes[0] <= LESS * c for c in changes[1:])


def _as_good(chosen: Scored, other: Scored) -> bool:
    """Whether the other's validation score is the same, and its validation loss to a thousandth."""
    apart = abs(other.loss["validation"] - chosen.loss["validation"])
    return (
        other.score["validation"] == chosen.score["validation"] and apart <= FLAT * chosen.loss["validation"]
    )


def wider(grid: Sequence[float], towards: set[int], count: int) -> list[float]:
    """So many candidates more, at each of the given ends in turn; at the upper end where none is given."""
    ordered = sorted(grid)
    new: list[float] = []
    ends = sorted(towards) or [1]
    for i in range(count):
        ratio = ordered[1] / ordered[0] if len(ordered) > 1 else FACTOR
        if ends[i % len(ends)] < 0:
            new.append(ordered[0] / ratio)
        else:
            new.append(ordered[-1] * (ordered[-1] / ordered[-2] if len(ordered) > 1 else FACTOR))
        ordered = sorted([*ordered, new[-1]])
    return new


def inputs_of(task: Task) -> Parts:
    """The inputs of all parts of the data."""
    return Parts(*(part.x for part in parts(task).values()))


def labels_of(task: Task) -> Parts:
    """The labels of all parts of the data."""
    return Parts(*(np.asarray(part.labels) for part in parts(task).values()))


def tuned_probe(
    features: Parts,
    labels: Parts,
    penalties: Sequence[float],
    extensions: int,
    kind: type[Ridge] | type[Logistic] = Ridge,
) -> tuple[Probe, int]:
    """A linear read-out whose grid is extended while the choice lies at its edge; and the number of candidates.

    Arguments:
        kind: ridge or logistic regression.
    """
    grid = list(penalties)
    found = probe(features, labels, kind(tuple(grid)))
    for _ in range(extensions):
        if found.inside:
            break
        grid += wider(grid, {-1 if found.penalty == min(grid) else 1}, 2)
        found = probe(features, labels, kind(tuple(grid)))
    return found, len(grid)
