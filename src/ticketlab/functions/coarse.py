"""What can be compared of two laws even where no function is drawn twice: labels one at a time, errors, and a distance of laws.

The energy distance of two laws with a metric d is

    E = E d(A, B) − ½ E d(A, A′) − ½ E d(B, B′) ≥ 0,

each estimated without pairs of a draw with itself, so that the estimate is unbiased. With the Hamming distance itself E would be
Σ_i (p_i − q_i)²: it sees the laws of single labels and nothing else. With its square root, E = 0 only for equal laws, since the
Hamming distance is a squared Euclidean one.

Source: Székely & Rizzo 2013, "Energy statistics: a class of statistics based on distances".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from ticketlab.errors import UserError
from ticketlab.functions.counting import Counts
from ticketlab.functions.label_strings import differences, distances, unpacked

__all__ = [
    "Marginals",
    "energy_distance",
    "error_spectrum",
    "marginals",
    "mean_errors",
    "same_labels",
    "spectrum_distance",
]

MOST = 2000  # draws of each law whose distances are computed


@dataclass(frozen=True)
class Marginals:
    """Two laws, label by label.

    Arguments:
        rms: √ mean_i (p_i − q_i)², the differences of P(label i = 1).
        correlation: of p and q over the held-out examples; NaN if one of them does not vary.
    """

    rms: float
    correlation: float


def marginals(counts: Counts) -> Float[np.ndarray, "m"]:
    """P(label i = 1) for each held-out example."""
    if not counts.draws:
        raise UserError("no draws", "at least one")
    return counts.total @ unpacked(counts.functions, counts.examples) / counts.draws


def same_labels(one: Counts, other: Counts) -> Marginals:
    """How far single labels have the same probability."""
    p, q = marginals(one), marginals(other)
    varied = min(np.ptp(p), np.ptp(q)) > 0
    correlation = float(np.corrcoef(p, q)[0, 1]) if varied else math.nan
    return Marginals(float(np.sqrt(np.mean((p - q) ** 2))), correlation)


def error_spectrum(counts: Counts, target: UInt8[np.ndarray, "bytes"]) -> Float[np.ndarray, "k"]:
    """P(a function makes e errors), for e = 0 … m."""
    errors = differences(counts.functions, target)
    return np.bincount(errors, weights=counts.total, minlength=counts.examples + 1) / counts.draws


def mean_errors(counts: Counts, target: UInt8[np.ndarray, "bytes"]) -> float:
    """The mean share of held-out examples on which functions err."""
    spectrum = error_spectrum(counts, target)
    return float(spectrum @ np.arange(len(spectrum))) / counts.examples


def spectrum_distance(one: Counts, other: Counts, target: UInt8[np.ndarray, "bytes"]) -> float:
    """The largest difference between the two distribution functions of the number of errors (Kolmogorov)."""
    both = (np.cumsum(error_spectrum(counts, target)) for counts in (one, other))
    return float(np.max(np.abs(np.subtract(*both))))


def energy_distance(one: Counts, other: Counts, rng: np.random.Generator, most: int = MOST) -> float:
    """E with d the square root of the Hamming distance, from at most this number of draws of each law; unbiased.

    Cost: 4 · most² comparisons of bytes.
    """
    a, b = (_some(counts, rng, most) for counts in (one, other))
    if min(len(a), len(b)) < 2:
        raise UserError(f"{len(a)} and {len(b)} draws", "at least two of each law")

    def mean(x: np.ndarray, y: np.ndarray, pairs: int) -> float:
        return float(np.sqrt(distances(x, y)).sum()) / pairs

    own = [mean(x, x, len(x) * (len(x) - 1)) for x in (a, b)]  # a draw's distance from itself is 0
    return mean(a, b, len(a) * len(b)) - sum(own) / 2


def _some(counts: Counts, rng: np.random.Generator, most: int) -> UInt8[np.ndarray, "n bytes"]:
    """Draws of a table, without replacement."""
    n = min(counts.draws, most)
    number = np.sort(rng.choice(counts.draws, n, replace=False))
    return counts.functions[np.searchsorted(np.cumsum(counts.total), number, side="right")]
