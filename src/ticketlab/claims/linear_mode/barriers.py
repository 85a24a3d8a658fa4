"""Each test example's part in the barrier on a line, estimated twice: once too high, and once not.

    part_n = wrong_n(α*) − ½ (wrong_n(0) + wrong_n(1)),   α* where the line is highest; its mean over n is the barrier

The maximum of a noisy line is biased upwards. *Split*: α* is where the line is highest on the other half of the examples (even
and odd places), so that chance which makes a value the highest has no part in what is measured there.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped

__all__ = ["barrier_parts"]


def barrier_parts(
    wrong: Shaped[np.ndarray, "L A n"],
) -> tuple[Float[np.ndarray, "L n"], Float[np.ndarray, "L n"], Float[np.ndarray, "L n"]]:
    """Of every example whether it is wrong at the line's highest point; the same, split; and the mean of both ends.

    Arguments:
        wrong: of every line, value of α and test example whether it is wrong; or of a mean of lines, how often.
    """
    found = wrong.astype(np.float32)
    top = _at(found, _peak(found))
    split = np.empty_like(top)
    for half in (0, 1):
        split[:, half::2] = _at(found[:, :, half::2], _peak(found[:, :, 1 - half :: 2]))
    return top, split, (found[:, 0] + found[:, -1]) / 2


def _peak(wrong: np.ndarray) -> np.ndarray:
    """Where the mean error is highest; the first of several."""
    return np.argmax(wrong.mean(axis=-1), axis=-1)


def _at(wrong: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.take_along_axis(wrong, alpha[:, None, None], axis=1)[:, 0]
