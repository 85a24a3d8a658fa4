"""Masking compared with training: in bits, in distance, and in direction.

A mask is one of Π_l C(n_l, k_l) masks with the same counts, so specifying it takes
    bits = Σ_l log₂ C(n_l, k_l).
A random mask takes equally many bits. A chosen mask is special only if few random masks do equally well. Specifying a motion
w → w + Δ up to the standard deviation σ_l of a layer's draw costs the divergence of N(w + Δ, σ²) from N(w, σ²),
    Σ_l ‖Δ_l‖² / (2 σ_l² ln 2).
Setting weights to zero is a motion too, Δ = −(1 − m) ⊙ w. So masking and training can be compared: by their distance relative
to ‖w‖, by their cost, and by the cosine of their directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from ticketlab.tickets.masks import Mask

__all__ = ["Motion", "bits", "cosine", "motion"]

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Motion:
    """A motion of all weights.

    Arguments:
        distance: ‖Δ‖ / ‖w‖; NaN for weights that are all zero.
        bits: Σ_l ‖Δ_l‖² / (2 σ_l² ln 2), σ_l² the mean square of the layer's weights; layers of zeros are left out.
    """

    distance: float
    bits: float


def bits(mask: Mask) -> float:
    """Σ_l log₂ C(n_l, k_l)."""
    total = 0.0
    for array in mask.values():
        n, k = array.size, int(np.count_nonzero(array))
        total += float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
    return total / float(np.log(2))


def motion(start: Weights, end: Weights) -> Motion:
    """The motion from one to the other."""
    squares = [(_squared(end[n] - w), _squared(w), w.size) for n, w in start.items()]
    moved, whole = sum(s[0] for s in squares), sum(s[1] for s in squares)
    cost = sum(d * size / (2 * w * np.log(2)) for d, w, size in squares if w > 0)
    return Motion(float(np.sqrt(moved / whole)) if whole > 0 else float("nan"), float(cost))


def cosine(start: Weights, one: Weights, other: Weights) -> float:
    """The cosine of two motions from the same start; NaN if one is zero."""
    a, b = (
        np.concatenate([(to[n] - w).ravel() for n, w in start.items()]).astype(float) for to in (one, other)
    )
    sizes = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / sizes if sizes > 0 else float("nan")


def _squared(array: np.ndarray) -> float:
    return float(np.sum(np.square(array, dtype=np.float64)))
