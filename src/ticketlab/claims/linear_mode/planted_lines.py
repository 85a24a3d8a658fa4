"""A planted line between two networks, whose error has a bump of a known height, flat on top.

    error_s(α) = 1 − accuracy + a_s + (bump + b_s) min(3 min(α, 1 − α), 1)

a_s and b_s differ between seeds and have mean 0, so that the barrier is the bump on average; on the probit scale they spread by
σ/3 and σ/6, so that hardly any bump is negative. An example keeps most of its place
from one α to the next: which examples are wrong wanders by chance, and the maximum of a line that was seen lies above the truth.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from ticketlab.claims.linear_mode.barriers import barrier_parts
from ticketlab.laws.calibration import Sample

__all__ = ["planted_barrier"]


def planted_barrier(
    bump: float, sample: Sample, ids: np.ndarray, rng: np.random.Generator, points: int, memory: float
) -> tuple[np.ndarray, np.ndarray]:
    """Each example's part in the barrier of its seed's line: chosen on the other half, and at the maximum.

    Arguments:
        ids: the example of each row, rows by seed.
        points: values of α.
        memory: the correlation of an example's place from one α to the next.
    """
    shape, normal = (sample.seeds, sample.examples), rng.standard_normal
    shared = normal(int(ids.max()) + 1, np.float32)[ids.reshape(shape)]
    alpha = np.arange(points) / (points - 1)
    slope = sample.spread * np.exp(-(ndtri(sample.accuracy) ** 2) / 2) / np.sqrt(2 * np.pi)
    level, more = slope / 3 * normal((sample.seeds, 1)), slope / 6 * normal((sample.seeds, 1))
    error = 1 - sample.accuracy + level + (bump + more) * np.minimum(3 * np.minimum(alpha, 1 - alpha), 1)
    limits, place = ndtri(np.clip(error, 0.0, 1.0)), normal(shape, np.float32)
    wrong = np.empty((sample.seeds, points, sample.examples), bool)
    for i in range(points):
        seen = np.sqrt(sample.shared) * shared + np.sqrt(1 - sample.shared) * place
        wrong[:, i] = seen < limits[:, i, None]
        place = memory * place + np.sqrt(1 - memory**2) * normal(shape, np.float32)
    top, split, ends = barrier_parts(wrong)
    return (split - ends).ravel(), (top - ends).ravel()
