"""What errors alone explain of a law: the law with the same errors in which functions with equally many are equally probable.

    P̄(f) = P(e errors) / C(m, e),    e the errors of f.

A law that is no more than this picks among C(m, e) functions by chance. Two such laws agree as soon as their errors do, so
agreement is a finding about functions only where a law is far from its own P̄, or where ranks agree among functions with equally
many errors.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.special import gammaln
from scipy.stats import rankdata

from ticketlab.errors import UserError
from ticketlab.functions.coarse import error_spectrum
from ticketlab.functions.counting import Counts, tables_of_both
from ticketlab.functions.label_strings import differences

__all__ = ["matched_lower_bound", "matched_probability", "rank_within_errors"]


def matched_probability(
    spectrum: Float[np.ndarray, "k"], errors: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """P̄ of functions with these numbers of errors.

    Arguments:
        spectrum: P(e errors) for e = 0 … m, as `error_spectrum` gives it.
    """
    m = len(spectrum) - 1
    many = gammaln(m + 1) - gammaln(errors + 1) - gammaln(m - errors + 1)  # log C(m, e)
    found: np.ndarray = spectrum[errors] * np.exp(-many)
    return found


def matched_lower_bound(counts: Counts, target: UInt8[np.ndarray, "bytes"]) -> float:
    """An estimate of the total variation between a law and its P̄ whose mean is at most the truth.

    One half of the draws chooses the functions that are more frequent than P̄ says; the other half measures P and P̄ of this set.
    """
    halves = counts.halves()
    if not all(half.draws for half in halves):
        raise UserError(f"{[half.draws for half in halves]} draws in two halves", "at least one in each")
    errors = differences(counts.functions, target)
    own = [half.total / half.draws for half in halves]
    matched = [matched_probability(error_spectrum(half, target), errors) for half in halves]
    chosen = own[0] > matched[0]
    return float(own[1][chosen].sum() - matched[1][chosen].sum())


def rank_within_errors(one: Counts, other: Counts, target: UInt8[np.ndarray, "bytes"]) -> float:
    """Spearman's correlation of counts among functions with equally many errors, all such groups together.

    Counts are ranked over all functions that either sampler drew at least twice. From each rank the mean over functions with
    equally many errors is subtracted. NaN where nothing varies. If errors alone decide, its mean is 0 where functions are drawn
    often, and below 0 where they are drawn a few times: of two small counts, the larger one is at least 2 by choice.
    """
    functions, a, b = tables_of_both(one, other)
    a, b = a.sum(axis=1), b.sum(axis=1)
    often = np.maximum(a, b) >= 2
    errors = differences(functions[often], target)
    ranks = np.stack([rankdata(counts[often]) for counts in (a, b)])
    if not ranks.size:
        return math.nan
    groups = np.bincount(errors)
    means = np.stack([np.bincount(errors, weights=r) / np.maximum(groups, 1) for r in ranks])
    left = ranks - means[:, errors]
    size = math.sqrt(float((left[0] ** 2).sum() * (left[1] ** 2).sum()))
    return float(left[0] @ left[1]) / size if size else math.nan
