"""How rules and answers are worded: what the questions of several studies say alike.

A reading ends in its conclusion, after the last colon, so that it can be left out where there is only one seed.
"""

from __future__ import annotations

from ticketlab.laws.equivalence import Difference
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["corrected", "in_points", "points", "sentence", "sure"]


def in_points(
    question: str,
    outcome: Outcome,
    rule: str,
    found: Difference,
    reading: str,
    *,
    unit: str = "points of test score",
    headline: bool = True,
) -> Verdict:
    """The answer to a question about a difference of scores."""
    low, high = found.interval()
    interval = (100 * low, 100 * high)
    return Verdict(question, outcome, rule, 100 * found.mean, interval, unit, sure(found, reading), headline)


def sure(found: Difference, reading: str) -> str:
    """The reading, without its conclusion where there is only one seed."""
    if found.freedom >= 1:
        return reading
    return f"{reading.rpartition(':')[0]}; one seed is not enough to say how sure this is."


def corrected(asked: int) -> str:
    """The interval by which one of so many questions fails."""
    return f"the interval, at a level corrected for the {asked} questions asked,"


def sentence(words: str) -> str:
    """With a capital letter."""
    return words[0].upper() + words[1:]


def points(fraction: float) -> str:
    """In points, with a typographic minus."""
    return f"{100 * fraction:+.2f}".replace("-", "−")
