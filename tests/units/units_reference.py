"""Slow, obvious computations of what a scan does, one unit and one class at a time."""

import numpy as np
from scipy.stats import rankdata, tiecorrect


def z_score(response, member):
    """The rank-sum statistic with the correction for ties, as in textbooks."""
    n, ones = len(response), member.sum()
    ranks = rankdata(response)
    mean = ones * (n + 1) / 2
    variance = ones * (n - ones) * (n + 1) / 12 * tiecorrect(ranks)
    return (ranks[member].sum() - mean) / np.sqrt(variance) if variance > 0 else 0.0


def held_out_youden(response, member, chosen, scored):
    """J on `scored` at the threshold and in the direction with the largest |J| on `chosen`; the first of equal ones."""

    def youden(on, of):
        return np.mean(on[of & member]) - np.mean(on[of & ~member])

    found = [(youden(response > t, chosen), t) for t in np.unique(response)]
    best = max(abs(j) for j, _ in found)
    j, threshold = next(pair for pair in found if abs(pair[0]) > best - 1e-6)
    return np.sign(j) * youden(response > threshold, scored)
