"""When the half-way score of a training is noted, and what a change since then says of another run as long.

Step sizes fall to zero along half a cosine. After the fraction t of the steps, what is left of the sum of all step sizes, ½, is

    ∫ₜ¹ ½ (1 + cos πx) dx = (1 − t)/2 − sin(πt)/(2π)

so another run as long moves again(t) = ½ / ((1 − t)/2 − sin(πt)/(2π)) times as far as the steps after t. At t = ½ that is 5.5.

Records say in a column what t is. Older ones do not. They noted the score at the first end of a piece of training (about a tenth
of the steps) from half of the steps on. Where that was exactly half of the steps, t is ½; elsewhere it is taken as not known.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ticketlab.claims.asking import columns
from ticketlab.evidence.tables import Table
from ticketlab.laws.formulae import Tables

__all__ = ["HALFWAY", "NOTED", "again", "noted_at_half", "rows_of_arms"]

HALFWAY, NOTED = "halfway_train_score", "halfway_at"


def again(t: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """All step sizes over those of the steps after the fraction t of them, along half a cosine."""
    left: Float[np.ndarray, "n"] = (1 - t) / 2 - np.sin(np.pi * t) / (2 * np.pi)
    return 0.5 / left


def rows_of_arms(tables: Tables) -> Table:
    """The table of arms with the column of t, which is NaN where an older record does not tell it."""
    arms: Table = tables["arms"]
    if NOTED in columns(arms):
        return arms
    steps = int(np.max(tables["curves"]["step"])) if "curves" in tables else 0
    return noted_at_half(arms) if _was_half(steps) else arms.adding(**{NOTED: np.full(len(arms), np.nan)})


def noted_at_half(rows: Table) -> Table:
    """Rows whose half-way score was noted after half of the steps, with the column that says so."""
    return rows.adding(**{NOTED: np.full(len(rows), 0.5)})


def _was_half(steps: int) -> bool:
    """Whether an older record of these steps noted its half-way score after exactly half of them."""
    looks = max(1, steps // 20)
    piece = looks * max(1, round(steps / looks / 10))
    return steps > 0 and steps % (2 * piece) == 0
