"""How fast something falls with size: the exponent of a power law, and how sure it is.

v = c·width^(−α) is a line in logarithms. Each seed gives a line of its own, by least squares over its widths; the seeds'
exponents are independent repetitions, so that their mean has Student's interval. What widths of one seed share (the split) is
then no source of false certainty, and a curve that is not a power law shows in the residuals: `misfit`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ticketlab.laws.difference import Difference, of_seeds

__all__ = ["PowerLaw", "power_law"]

SMALLEST = 1e-16  # below is rounding


@dataclass(frozen=True)
class PowerLaw:
    """v ≈ c·width^(−α).

    Arguments:
        exponent: α, over seeds: its mean, standard error and intervals.
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
        width, value: positive; values below 1e-16 are taken as that.
        seed: the repetition to which an entry belongs. Each has at least two widths.
    """
    slopes, constants, residuals = [], [], []
    for s in np.unique(seed):
        x, y = np.log(width[seed == s]), np.log(np.maximum(value[seed == s], SMALLEST))
        slope, constant = np.polyfit(x, y, 1)
        slopes.append(-float(slope))
        constants.append(float(constant))
        residuals.append(y - slope * x - constant)
    exponent = of_seeds(np.array(slopes))
    misfit = float(np.sqrt(np.mean(np.concatenate(residuals) ** 2)))
    return PowerLaw(exponent, tuple(slopes), float(np.exp(np.mean(constants))), misfit)
