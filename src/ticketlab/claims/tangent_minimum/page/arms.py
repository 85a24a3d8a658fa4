"""The words and signs that all figures of this claim share: its arms, and errors in per cent.

An arm is one way to get a predictor. Errors are shown instead of scores, in per cent: the share of test examples that are
classified wrongly, or of the variance that is left unexplained.
"""

from __future__ import annotations

import numpy as np

from ticketlab.evidence.tables import Table
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.setting import percent
from ticketlab.figures.spread import Spread, spread

__all__ = [
    "ARMS",
    "DESCENT",
    "LIMIT",
    "SHIFTED",
    "TANGENT",
    "arms_in",
    "errors",
]

DESCENT, TANGENT, LIMIT = "gradient descent", "tangent minimum", "minimum-norm limit"
SHIFTED = "network at θ₀ + Δθ"  # the same Δθ as the tangent minimum
ARMS = {
    DESCENT: Mark(DESCENT, LIGHT.ink, "circle"),
    TANGENT: Mark(TANGENT, LIGHT.blue, "diamond"),
    LIMIT: Mark(LIMIT, LIGHT.vermilion, "square"),
    SHIFTED: Mark(SHIFTED, LIGHT.green, "triangle-up"),
    "read-out layer": Mark("read-out layer", LIGHT.orange, "cross"),
    "linear model": Mark("linear model", LIGHT.purple, "x"),
}


def arms_in(table: Table) -> list[str]:
    """The arms of a table in the order of `ARMS`."""
    present = set(table["arm"].tolist())
    return [arm for arm in ARMS if arm in present]


def errors(table: Table, score: str = "test_score") -> dict[str, Spread]:
    """Each arm's error in per cent over the rows of a table; arms without a number are left out."""
    spreads = {arm: spread(percent(table.where(arm=arm)[score])) for arm in arms_in(table)}
    return {arm: s for arm, s in spreads.items() if s.values}


def error_of(arms: Table) -> str:
    """What an error is a share of: examples for classes (which have agreement of predictions), variance for numbers."""
    return "examples" if np.isfinite(arms["agreement"]).any() else "variance"
