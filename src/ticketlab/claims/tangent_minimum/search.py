"""A fair search: each side's choice lies inside its grid, and gradient descent is trained to the end.

Grids extend themselves where a choice is at an edge, and the other side then gets equally many candidates more, so that both end
with the same number. A candidate of gradient descent is trained until its validation loss has its minimum inside the run; the
others are taken up to twice their epochs, again and again, until the chosen one has too. A square loss without noise can fall for
ever, ever more slowly; so training has an end, too, where its highest validation score lies inside the run, and its second half
has lowered the validation loss by less than a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ticketlab.claims.tangent_minimum.start import Scored, best

__all__ = ["edges", "inside", "past_its_minimum", "settled", "wider"]

LATE = 0.8  # a best point after this part of the run may still move
GAIN = 0.1  # a second half that lowers the validation loss by less has brought nothing
FLAT = 1e-3  # relative difference of validation losses at the limit of a grid
FACTOR = 10**0.5  # between the candidates of a grid of one


def settled(losses: np.ndarray, scores: np.ndarray) -> bool:
    """Whether a run was trained to the end.

    Arguments:
        losses, scores: on validation data, evaluated once an epoch, from the start.
    """
    if past_its_minimum(losses):
        return True
    known = np.isfinite(losses)
    if len(losses) < 2 or not known.any():
        return False
    loss = np.where(known, losses, np.inf)
    half = (len(loss) + 1) // 2
    score_inside = int(np.nanargmax(scores)) <= LATE * (len(scores) - 1)
    return score_inside and float(np.min(loss)) >= (1 - GAIN) * float(np.min(loss[:half]))


def past_its_minimum(losses: np.ndarray) -> bool:
    """Whether the lowest validation loss lies inside the run; not with a step size too small to have learnt anything yet."""
    known = np.isfinite(losses)
    if len(losses) < 2 or not known.any():
        return False
    return int(np.argmin(np.where(known, losses, np.inf))) <= LATE * (len(losses) - 1)


def inside(candidates: Sequence[Scored]) -> bool:
    """Whether the best candidate lies between two others, or next to one that is as good to a thousandth."""
    return not edges(candidates)


def edges(candidates: Sequence[Scored]) -> set[int]:
    """Towards which ends a grid has to be extended: −1 to smaller candidates, +1 to larger ones, none where it is wide enough."""
    ordered = sorted(candidates, key=lambda s: s.candidate.setting)
    chosen = best(ordered)
    if not chosen.candidate.outputs:
        return {-1}
    at = ordered.index(chosen)
    found = set()
    if at == 0 and not _as_good(chosen, ordered[1:2]):
        found.add(-1)
    if at == len(ordered) - 1 and not _as_good(chosen, ordered[-2:-1]):
        found.add(1)
    return found


def _as_good(chosen: Scored, neighbour: Sequence[Scored]) -> bool:
    """Whether the neighbour's validation loss is the same to a thousandth: the limit of the grid is reached."""
    return any(
        s.score["validation"] == chosen.score["validation"]
        and abs(s.loss["validation"] - chosen.loss["validation"]) <= FLAT * chosen.loss["validation"]
        for s in neighbour
    )


def wider(grid: Sequence[float], towards: set[int], count: int) -> list[float]:
    """So many candidates more, at each of the given ends in turn; at the upper end where none is given."""
    ordered = sorted(grid)
    new: list[float] = []
    ends = sorted(towards) or [1]
    for i in range(count):
        if ends[i % len(ends)] < 0:
            ratio = ordered[1] / ordered[0] if len(ordered) > 1 else FACTOR
            ordered.insert(0, ordered[0] / ratio)
            new.append(ordered[0])
        else:
            ratio = ordered[-1] / ordered[-2] if len(ordered) > 1 else FACTOR
            ordered.append(ordered[-1] * ratio)
            new.append(ordered[-1])
    return new
