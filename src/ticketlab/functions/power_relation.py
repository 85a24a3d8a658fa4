"""Do two samplers rank functions alike, and by which power law? A fit that does not drop the functions that one of them missed.

Let a_f and b_f be how often two samplers drew function f, in N_A and N_B draws. The model is

    a_f ~ Poisson(N_A p_f),   b_f ~ Poisson(N_B q_f),   log p_f = α + β log q_f + s ε_f,   ε_f ~ N(0, 1),

with any distribution of log q over the functions, as weights on a grid (Kiefer & Wolfowitz 1956). A function that neither drew
is not in the table, so the likelihood is conditional on a_f + b_f > 0. Counts of zero enter with their probability. If only
functions that both drew were taken, rare ones would count only where chance made them frequent in both, and the line would be
bent. The scatter s is what is left after Poisson noise: by how much, in decades, probabilities differ from the line.

For each (α, β, s) of a simplex search the weights are found by expectation maximisation. Equal pairs (a, b) are computed once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp
from scipy.stats import spearmanr

from ticketlab.errors import UserError
from ticketlab.functions.counting import Counts, aligned

__all__ = ["Agreement", "LogLogFit", "agreement", "loglog_fit"]

GRID, NODES, STEPS = 64, 21, 40
SIMPLEX = np.array([[0.0, 1.0, -0.7], [0.5, 1.0, -0.7], [0.0, 1.2, -0.7], [0.0, 1.0, 0.0]])  # of α, β, log s
FEW = 10  # counts below this are Poisson, others log-normal


@dataclass(frozen=True)
class LogLogFit:
    """log p = α + β log q + s ε.

    Arguments:
        slope: β.
        intercept: α, with natural logarithms.
        scatter: s in decades.
        correlation: of log p and log q over the functions that were drawn, without Poisson noise.
        decades: from the least probable to the most probable function that B drew at least twice.
    """

    slope: float
    intercept: float
    scatter: float
    correlation: float
    decades: float


@dataclass(frozen=True)
class Agreement:
    """How two tables of counts agree, noise included; the same between halves of one sampler is the ceiling.

    Arguments:
        both: functions that both drew.
        correlation: of the logarithms of their counts.
        rank: Spearman's correlation of the counts of all functions that either drew at least twice.
    """

    both: int
    correlation: float
    rank: float


def agreement(one: Counts, other: Counts) -> Agreement:
    """Correlations of counts; NaN where fewer than three functions are to be compared."""
    a, b = (table.sum(axis=1) for table in aligned(one, other))
    seen, often = (a > 0) & (b > 0), np.maximum(a, b) >= 2
    correlation = rank = math.nan
    if seen.sum() >= 3 and min(np.ptp(a[seen]), np.ptp(b[seen])) > 0:
        correlation = float(np.corrcoef(np.log(a[seen]), np.log(b[seen]))[0, 1])
    if often.sum() >= 3 and min(np.ptp(a[often]), np.ptp(b[often])) > 0:
        rank = float(spearmanr(a[often], b[often]).statistic)
    return Agreement(int(seen.sum()), correlation, rank)


def loglog_fit(one: Counts, other: Counts) -> LogLogFit:
    """The fit of p, the law of `one`, to q, the law of `other`.

    Raises:
        UserError: if a sampler has no draws, or no two functions were drawn more than once.

    Cost: some seconds for a hundred thousand functions; it grows with the number of different pairs of counts.
    """
    a, b = (table.sum(axis=1) for table in aligned(one, other))
    often = b[b >= 2]
    if not (a.sum() and b.sum()) or len(often) < 2 or np.ptp(b) == 0:
        raise UserError(
            f"{int(a.sum())} and {int(b.sum())} draws, with {len(often)} functions that the second sampler drew twice",
            "at least two such functions",
            "Draw more functions.",
        )
    problem = _Problem.of(a, b)
    found = minimize(
        lambda at: -problem.profile(at),
        np.array([0.0, 1.0, math.log(0.5)]),
        method="Nelder-Mead",
        options={"xatol": 3e-3, "fatol": 0.02, "initial_simplex": SIMPLEX},
    )
    at = found.x
    intercept, slope, log_scatter = (float(v) for v in at)
    scatter = math.exp(log_scatter)
    spread = slope * problem.spread(problem.weights(at, 10 * STEPS))
    whole = math.hypot(spread, scatter)
    return LogLogFit(
        slope,
        intercept,
        scatter / math.log(10),
        spread / whole if whole else 0.0,
        float(np.log10(often.max() / often.min())),
    )


@dataclass(frozen=True)
class _Problem:
    """Different pairs of counts with their numbers, and the grid x of log q.

    Below ten a count is Poisson, and its mean over ε a Gauss–Hermite sum. From ten on, log a is normal with the additional
    variance 1/a, because the sums would have too few nodes. Likewise for b, with the width of the grid in addition.
    """

    a: Int[np.ndarray, "n"]
    count: Float[np.ndarray, "n"]
    draws: tuple[float, float]
    grid: Float[np.ndarray, "k"]
    of_b: Float[np.ndarray, "n k"]
    nodes: Float[np.ndarray, "s"]
    node_weights: Float[np.ndarray, "s"]

    @staticmethod
    def of(a: Int[np.ndarray, "n"], b: Int[np.ndarray, "n"]) -> _Problem:
        pairs, count = np.unique(np.stack([a, b], axis=1), axis=0, return_counts=True)
        nodes, node_weights = np.polynomial.hermite_e.hermegauss(NODES)
        draws = (float(a.sum()), float(b.sum()))
        # From a tenth of a draw to the most frequent function.
        grid = np.linspace(math.log(0.1 / draws[1]), math.log(b.max() / draws[1]) + 0.1, GRID)
        of_b = np.where(
            pairs[:, 1:] < FEW,
            _poisson(pairs[:, 1:], grid + math.log(draws[1])),
            _normal(pairs[:, 1:], grid + math.log(draws[1]), ((grid[1] - grid[0]) / 2) ** 2),
        )
        return _Problem(
            pairs[:, 0], count.astype(float), draws, grid, of_b, nodes, node_weights / node_weights.sum()
        )

    def terms(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log P(a, b | x) for pairs and grid, and log P(a + b > 0 | x)."""
        intercept, slope, scatter = at[0], at[1], math.exp(min(at[2], 5.0))
        middle = intercept + slope * self.grid + math.log(self.draws[0])
        log_rate = np.minimum(middle[:, None] + scatter * self.nodes, math.log(self.draws[0]))
        few = np.exp(_poisson(np.arange(FEW)[:, None, None], log_rate)) @ self.node_weights  # [FEW, grid]
        small = np.minimum(self.a, FEW - 1)
        with np.errstate(divide="ignore"):
            of_a = np.where(
                self.a[:, None] < FEW,
                np.log(few[small]),
                _normal(self.a[:, None], middle, scatter * scatter),
            )
        missed = few[0] * np.exp(-self.draws[1] * np.exp(self.grid))
        return of_a + self.of_b, np.log1p(-np.minimum(missed, 1 - 1e-12))

    def profile(self, at: np.ndarray) -> float:
        """The log-likelihood with the weights that are best for these (α, β, log s), but for the last steps towards them."""
        of_pairs, seen = self.terms(at)
        return float(
            self.count @ logsumexp(of_pairs - seen, b=self._maximised(of_pairs - seen, STEPS), axis=1)
        )

    def weights(self, at: np.ndarray, steps: int) -> np.ndarray:
        """The law of x among the functions that were drawn."""
        of_pairs, seen = self.terms(at)
        return self._maximised(of_pairs - seen, steps)

    def _maximised(self, log_terms: np.ndarray, steps: int) -> np.ndarray:
        """Expectation maximisation from equal weights."""
        likelihood = np.exp(log_terms - log_terms.max(axis=1, keepdims=True))
        weights = np.full(GRID, 1.0 / GRID)
        for _ in range(steps):
            weights = weights * ((self.count / (likelihood @ weights)) @ likelihood) / self.count.sum()
        return weights

    def spread(self, weights: np.ndarray) -> float:
        """The standard deviation of log q over the functions that were drawn."""
        mean = float(weights @ self.grid)
        return math.sqrt(float(weights @ (self.grid - mean) ** 2))


def _poisson(count: np.ndarray, log_rate: np.ndarray) -> np.ndarray:
    return count * log_rate - np.exp(log_rate) - gammaln(count + 1)


def _normal(count: np.ndarray, log_rate: np.ndarray, variance: float) -> np.ndarray:
    """The log density of log count, as a density of the count."""
    some = np.maximum(count, 1)
    whole = variance + 1 / some
    return -((np.log(some) - log_rate) ** 2) / (2 * whole) - 0.5 * np.log(2 * math.pi * whole) - np.log(some)
