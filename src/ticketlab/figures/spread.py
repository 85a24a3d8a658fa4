"""How far repeated measurements lie apart: their mean, and where the mean would lie if everything were drawn again.

The interval is Student's, over repetitions that are independent (seeds that redraw network, split and order). It describes
the figures; verdicts come from the study's own rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

__all__ = ["Spread", "spread"]


@dataclass(frozen=True)
class Spread:
    """`mean` and `interval` (95 %, None from fewer than two values) of `values`, those that are numbers."""

    values: tuple[float, ...]
    mean: float
    interval: tuple[float, float] | None


def spread(values: Float[np.ndarray, " n"]) -> Spread:
    """Mean and 95 % interval of independent repetitions: x̄ ± t₀.₉₇₅(n−1) s/√n; missing values (NaN) are left out."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    n = len(known)
    if n == 0:
        return Spread((), float("nan"), None)
    mean = float(known.mean())
    if n == 1:
        return Spread((mean,), mean, None)
    half = float(stdtrit(n - 1, 0.975) * known.std(ddof=1) / np.sqrt(n))
    return Spread(tuple(known.tolist()), mean, (mean - half, mean + half))
