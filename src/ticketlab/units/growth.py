"""How the best unit grows with width, predicted from single units.

Given the layer below, units of a random layer are independent draws of one law. The best of w then follows from that law
alone. From the scores g₁ ≤ … ≤ g_m of m single units, without any model of the tail,

    P(best of w ≤ g_i) = C(i, w)/C(m, w),    E[best of w] = Σ_i g_i · C(i − 1, w − 1)/C(m, w)

is the mean over all choices of w among the m units. At infinite width the law is known where the kernel is: pre-activations
on n examples are Gaussian with the covariance Σ that the layers below leave (NNGP). So units can be drawn without a
network, and the best of a width be predicted before it is built.

Sources: Hoeffding 1948, doi:10.1214/aoms/1177730196 (means over all choices); Lee et al. 2018, arXiv 1711.00165 (NNGP).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh
from scipy.special import gammaln

from ticketlab.errors import UserError
from ticketlab.units.reading import Group, Responses

__all__ = ["BestOf", "LimitUnits", "best_of"]

NEGATIVE = 1e-6  # of the largest eigenvalue: a smaller negative one is rounding


@dataclass(frozen=True)
class BestOf:
    """The best of several units.

    Arguments:
        count: w.
        mean: E[best of w].
        interval: that holds the best of a new layer of w units with 95 %.
    """

    count: int
    mean: float
    interval: tuple[float, float]


def best_of(scores: Float[np.ndarray, "m"], count: int) -> BestOf:
    """The best of `count` units, from the scores of m single ones.

    Arguments:
        scores: of independent units, larger is better (an AUC, in the better direction).
        count: w ≤ m. The interval needs m several times as large.

    Raises:
        UserError: for more units than were scored.
    Cost: O(m log m).
    """
    m = len(scores)
    if not 1 <= count <= m:
        raise UserError(
            f"the best of {count} units from {m} scores", f"1 to {m} units", "Draw more single units."
        )
    g, i = np.sort(scores), np.arange(1, m + 1)
    below = np.where(
        i >= count, np.exp(_log_choose(np.maximum(i, count), count) - _log_choose(m, count)), 0.0
    )
    at = np.minimum(np.searchsorted(below, (0.025, 0.975)), m - 1)
    mean = float(np.diff(below, prepend=0.0) @ g)  # C(i, w) − C(i − 1, w) = C(i − 1, w − 1)
    return BestOf(count, mean, (float(g[at[0]]), float(g[at[1]])))


def _log_choose(n: np.ndarray | int, k: int) -> np.ndarray:
    return np.asarray(gammaln(np.add(n, 1)) - gammaln(k + 1) - gammaln(np.subtract(n, k) + 1))


@dataclass(frozen=True, eq=False)
class LimitUnits(Responses):
    """Units of a layer below which the network is infinitely wide: z ~ N(0, Σ) on the examples, then max(z, 0).

    Arguments:
        covariance: Σ `[n, n]` of pre-activations.
        count: the number of units.
        seed: of the draws; unit i is the same for every number of units and every block.
        rectified: whether to rectify; an AUC in the better direction changes by it, because of ties.

    Raises:
        UserError: for a matrix that is not a covariance.
    Cost: one eigendecomposition, O(n³), and n² for each unit.
    """

    covariance: Float[np.ndarray, "n n"]
    count: int
    seed: int
    rectified: bool = True
    groups: tuple[Group, ...] = field(init=False)
    examples: int = field(init=False)
    root: Float[np.ndarray, "n n"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        values, vectors = eigh(self.covariance.astype(np.float64))
        asymmetry = float(np.abs(self.covariance - self.covariance.T).max())
        if min(values[0], -asymmetry) < -NEGATIVE * values[-1]:
            raise UserError(
                f"a covariance with the eigenvalue {values[0]:.3g} and asymmetry {asymmetry:.3g}",
                "a symmetric matrix without negative eigenvalues",
            )
        object.__setattr__(self, "root", vectors * np.sqrt(np.maximum(values, 0)))
        object.__setattr__(self, "groups", (Group("units of the limit", self.count),))
        object.__setattr__(self, "examples", len(self.covariance))

    def read(self, start: int, stop: int) -> Float[np.ndarray, "units n"]:
        drawn = [
            np.random.default_rng([self.seed, i]).standard_normal(self.examples) for i in range(start, stop)
        ]
        z = np.array(drawn) @ self.root.T
        return (np.maximum(z, 0) if self.rectified else z).astype(np.float32)
