"""A ratio of two mean differences, with the interval of Fieller: all ratios ρ for which a − ρb may be zero.

The delta method takes the ratio for a mean, with an interval that is symmetric and always finite. If the denominator is not known
well, the interval of a ratio is neither. A ratio ρ belongs to it if the mean a − ρb is within its own half-width,

    (a − ρb)² ≤ h²(ρ),      h²(ρ) = h_a² − ρ(h_a² + h_b² − h_{a−b}²) + ρ²h_b²,

with the half-widths of numerator, denominator and their difference. The bounds are the roots of a quadratic equation. If b is not
larger than its own half-width, no bound is known.

Source: Fieller 1954, Some problems in interval estimation. Journal of the Royal Statistical Society B 16.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ticketlab.laws.difference import Difference

__all__ = ["Ratio"]


@dataclass(frozen=True)
class Ratio:
    """a/b.

    Arguments:
        above, below: the mean differences a and b, of the same seeds and test examples.
        apart: a − b, from which their covariance follows.
    """

    above: Difference
    below: Difference
    apart: Difference

    @property
    def mean(self) -> float:
        return self.above.mean / self.below.mean if self.below.mean else float("nan")

    @property
    def decidable(self) -> bool:
        return self.above.decidable

    @property
    def seeds(self) -> int:
        return self.above.seeds

    def lower(self, level: float) -> float:
        return self._bounds(level)[0]

    def upper(self, level: float) -> float:
        return self._bounds(level)[1]

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The two-sided interval with this coverage; infinite on both sides if the denominator may be zero."""
        return self._bounds((1 - level) / 2)

    def of_size(self, seeds: int | None = None, examples: int | None = None) -> Ratio:
        """The same estimate with other numbers of seeds and test examples."""
        return Ratio(*(part.of_size(seeds, examples) for part in (self.above, self.below, self.apart)))

    def _bounds(self, level: float) -> tuple[float, float]:
        a, b = self.above.mean, self.below.mean
        above, below, apart = (part.half_width(level) ** 2 for part in (self.above, self.below, self.apart))
        square = b**2 - below
        if not (self.decidable and square > 0 and b > 0):
            return float("-inf"), float("inf")
        most = np.sqrt(above * below)  # variances are estimated one by one, and a correlation has to stay one
        middle = a * b - np.clip((above + below - apart) / 2, -most, most)
        root = np.sqrt(max(middle**2 - square * (a**2 - above), 0.0))  # below 0 by rounding alone
        return float((middle - root) / square), float((middle + root) / square)
