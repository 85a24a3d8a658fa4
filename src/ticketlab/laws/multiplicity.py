"""Many claims at once: how sure each verdict is, and which remain if the rate of wrong ones among all is controlled.

The p-value of a verdict is the smallest level at which its claim would still be decided the same way, times two, because a
claim can be decided wrongly on one of two sides. It is found from the formula itself, whatever its shape. Claims on one data
set and one network depend on each other in unknown ways. The procedure of Benjamini and Yekutieli holds for any dependence:

    adjusted p₍ᵢ₎ = min over j ≥ i of p₍ⱼ₎ · m · (1 + ½ + … + 1/m) / j.

With all verdicts kept whose adjusted p is at most q, the expected share of wrong ones among them is at most q.

Source: Benjamini & Yekutieli 2001, The control of the false discovery rate in multiple testing under dependency. Annals of
Statistics 29(4), theorem 1.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Outcome

__all__ = ["adjusted", "p_value"]

LEAST = 1e-6  # the smallest level that is tried
STEPS = 12  # halvings of the logarithm of the level, from LEAST to ½: within half a per cent of it


def p_value(outcome: Callable[[Levels], Outcome | None]) -> float:
    """Twice the smallest one-sided level at which a claim is decided; 1 if it is not decided even by its estimates alone.

    Arguments:
        outcome: of the claim, with these probabilities of a wrong *holds* and a wrong *fails*.

    Cost: up to 14 conclusions.
    """
    high, low = 0.5, LEAST
    decided = outcome(Levels(high, high))
    if decided not in (Outcome.HOLDS, Outcome.FAILS):
        return 1.0
    if outcome(Levels(low, low)) is decided:
        return 2 * low
    for _ in range(STEPS):
        middle = float(np.sqrt(low * high))
        if outcome(Levels(middle, middle)) is decided:
            high = middle
        else:
            low = middle
    return 2 * high


def adjusted(p: Sequence[float]) -> Float[np.ndarray, "m"]:
    """The p-values adjusted by Benjamini and Yekutieli's procedure, in the given order; at most 1."""
    values = np.asarray(p, float)
    m = len(values)
    order = np.argsort(values, kind="stable")
    factor = m * np.sum(1 / np.arange(1, m + 1))
    stepped = values[order] * factor / np.arange(1, m + 1)
    found = np.empty(m)
    found[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return found
