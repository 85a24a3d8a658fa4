"""Power laws: how fast a quantity falls with size, with the uncertainty of the exponent.

v = c·width^(−α) is a line in logarithms. Each seed gives its own line, by least squares over its widths. The exponents of
seeds are independent, so their mean has Student's interval. What the widths of one seed share (the split) then causes no false
certainty. A curve that is not a power law shows in the residuals: `misfit`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ticketlab.laws.difference import Difference, of_seeds

__all__ = ["SMALLEST", "PowerLaw", "power_law"]

SMALLEST = 1e-16  # smaller values are rounding


@dataclass(frozen=True)
class PowerLaw:
    """v ≈ c·width^(−α).

    Arguments:
        exponent: α over seeds: mean, standard error and intervals.
        each: α of each seed.
        level: c, the geometric mean over seeds.
        misfit: root mean square of the residuals in natural logarithms.
    """

    exponent: Difference
    each: tuple[float, ...]
    level: float
    misfit: float

    def at(self, width: float) -> float:
        """The law's value."""
        return self.level * width ** (-self.exponent.mean)


def power_law(
    width: Float[np.ndarray, "n"], value: Float[np.ndarray, "n"], seed: Int[np.ndarray, "n"]
) -> PowerLaw:
    """Fits a power law to values at several widths, seed by seed.

    Arguments:
        width, value: positive; values below 1e-16 count as 1e-16.
        seed: the repetition of each entry. Each has at least two widths.
    """
    _, of = np.unique(seed, return_inverse=True)
    count = np.bincount(of)

    def centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each seed's mean, and what is left of the values without it."""
        mean = np.bincount(of, weights=values) / count
        return mean, values - mean[of]

    (x, dx), (y, dy) = centred(np.log(width)), centred(np.log(np.maximum(value, SMALLEST)))
    slopes = np.bincount(of, weights=dx * dy) / np.bincount(of, weights=dx * dx)
    return PowerLaw(
        of_seeds(-slopes),
        tuple((-slopes).tolist()),
        float(np.exp(np.mean(y - slopes * x))),
        float(np.sqrt(np.mean((dy - slopes[of] * dx) ** 2))),
    )
