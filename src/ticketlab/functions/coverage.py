"""How much of a law its sample has not seen: the probability of all functions that were never drawn.

Good's estimate from N draws, of which n₁ functions were drawn once and n₂ twice, with Esty's standard error, is

    M₀ = n₁/N,    sd(M₀) = √( n₁(1 − n₁/N) + 2n₂ ) / N.

Where M₀ is large, most draws are functions that will not be met again, and nothing can be said about the probabilities of single
functions. Draws have to be independent. Those of a chain are nearly so if they are far enough apart (`effective_draws`).

Sources: Good 1953, "The population frequencies of species and the estimation of population parameters", Biometrika 40; Esty 1983,
"A normal limit law for a nonparametric estimator of the coverage of a random sample", Annals of Statistics 11.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ticketlab.functions.counting import Counts

__all__ = ["UnseenMass", "repeat_probability", "unseen_mass"]


@dataclass(frozen=True)
class UnseenMass:
    """The probability of what was not drawn.

    Arguments:
        mass: M₀.
        standard_error: by Esty.
    """

    mass: float
    standard_error: float


def unseen_mass(counts: Counts) -> UnseenMass:
    """M₀ with its standard error; 1 without any draw."""
    n, total = counts.draws, counts.total
    if not n:
        return UnseenMass(1.0, 0.0)
    once, twice = int((total == 1).sum()), int((total == 2).sum())
    return UnseenMass(once / n, math.sqrt(once * (1 - once / n) + 2 * twice) / n)


def repeat_probability(counts: Counts) -> float:
    """Σ_f p_f², the probability that two draws are the same function, without bias; NaN for fewer than two draws.

    It is large where a law has few functions, and 2^−m for the uniform law.
    """
    n, total = counts.draws, counts.total
    return float((total * (total - 1)).sum()) / (n * (n - 1)) if n > 1 else math.nan
