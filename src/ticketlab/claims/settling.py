"""When a run is trained to its end, from its validation curves alone.

Its highest validation score, which chooses its point, and its lowest validation loss both lie inside the run. A cross-entropy has
its minimum while the score still rises, so the loss alone does not end a run. A square loss without noise can fall for ever, ever
more slowly; so it is enough, too, if the run's second half has lowered the loss by less than a tenth. The start itself counts for
nothing: with a large step size the loss may jump above it first.
"""

from __future__ import annotations

import numpy as np

__all__ = ["LATE", "past_its_highest", "past_its_minimum", "settled"]

LATE = 0.8  # a best point after this part of the run may still move
GAIN = 0.1  # a second half that lowers the validation loss by less has brought nothing


def settled(losses: np.ndarray, scores: np.ndarray) -> bool:
    """Whether a run was trained to the end.

    Arguments:
        losses, scores: on validation data, evaluated once an epoch, from the start.
    """
    loss = _finite(losses[1:])
    half = (len(losses) + 1) // 2 - 1
    slow = float(np.min(loss, initial=np.inf)) >= (1 - GAIN) * float(np.min(loss[:half], initial=np.inf))
    learnt = bool(np.isfinite(loss).any())
    return learnt and past_its_highest(scores) and (past_its_minimum(losses) or slow)


def past_its_minimum(losses: np.ndarray) -> bool:
    """Whether the lowest validation loss lies inside the run: not at its start, below which a run that jumps may never come."""
    return 0 < int(np.argmin(_finite(losses))) <= LATE * (len(losses) - 1)


def past_its_highest(scores: np.ndarray) -> bool:
    """Whether the highest validation score, by which the point of a run is chosen, lies inside the run."""
    return int(np.argmax(-_finite(-scores))) <= LATE * (len(scores) - 1)


def _finite(values: np.ndarray) -> np.ndarray:
    """With infinity for what is not a number."""
    return np.where(np.isfinite(values), values, np.inf)
