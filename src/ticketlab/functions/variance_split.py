"""Where predictions get their variance from: two crossed sources of chance, such as θ₀ and the order of the data.

For a prediction y_ij with level i of the first source and level j of the second, without repetitions,

    y_ij = μ + a_i + b_j + e_ij,

with independent random a, b and e. The mean squares between rows, between columns and of the rest give the three variances:

    E MS_rows = B σ_a² + σ_e²,    E MS_columns = A σ_b² + σ_e²,    E MS_rest = σ_e²,

for A rows and B columns.

σ_e² is what belongs to neither source alone: their interaction. Estimates are means over held-out examples. Each is unbiased, so
a source without effect may come out a little below zero.

Source: Searle, Casella, McCulloch 1992, "Variance Components", on balanced two-way crossed classifications.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from ticketlab.errors import UserError

__all__ = ["VarianceSplit", "variance_split"]


@dataclass(frozen=True)
class VarianceSplit:
    """Variances of a prediction, means over held-out examples.

    Arguments:
        rows, columns: of the first and of the second source alone.
        rest: of their interaction.
    """

    rows: float
    columns: float
    rest: float

    @property
    def total(self) -> float:
        return self.rows + self.columns + self.rest

    def shares(self) -> tuple[float, float, float]:
        """Of rows, columns and the rest; zero where nothing varies."""
        total = self.total
        parts = (self.rows, self.columns, self.rest)
        return tuple(part / total if total > 0 else 0.0 for part in parts)  # type: ignore[return-value]


def variance_split(predictions: Shaped[np.ndarray, "a b m"]) -> VarianceSplit:
    """The variances of predictions by two crossed sources of chance.

    Arguments:
        predictions: labels or outputs on m held-out examples, for every pair of levels; at least two of each.
    """
    y = np.asarray(predictions, np.float64)
    a, b, _ = y.shape
    if min(a, b) < 2:
        raise UserError(f"{a} × {b} levels", "at least two of each source")
    mean = y.mean(axis=(0, 1))
    rows, columns = y.mean(axis=1) - mean, y.mean(axis=0) - mean
    rest = y - mean - rows[:, None] - columns[None]
    of_rows = b * float(np.mean(np.sum(rows**2, axis=0))) / (a - 1)
    of_columns = a * float(np.mean(np.sum(columns**2, axis=0))) / (b - 1)
    of_rest = float(np.mean(np.sum(rest**2, axis=(0, 1)))) / ((a - 1) * (b - 1))
    return VarianceSplit((of_rows - of_rest) / b, (of_columns - of_rest) / a, of_rest)
