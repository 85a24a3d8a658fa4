"""The gate that every claim has: is either side better than guessing? Where both guess, "equally good" says nothing."""

from __future__ import annotations

from collections.abc import Callable

from ticketlab.claims.headroom import LEAST, share
from ticketlab.evidence.tables import Table
from ticketlab.laws.formulae import Gate, Tables
from ticketlab.laws.rules import ALPHA

__all__ = ["skill_gate"]


def skill_gate(examples_of: Callable[[Tables], Table], columns: tuple[str, ...]) -> Gate:
    """Is the better side better than guessing, by a tenth of the headroom above guessing, at the one-sided 2.5 % level?

    Arguments:
        examples_of: the test examples, from a study's tables, with the columns "guess", "seed" and "id".
        columns: the sides that are compared; or the trained network alone.

    A single seed passes: nothing is decided by one seed anyway, and the reading should say so.
    """

    def passed(tables: Tables) -> str | None:
        of = examples_of(tables)
        gains = [share(of, column, "guess") for column in columns]
        best = max(gains, key=lambda gain: gain.lower(ALPHA))
        if not best.decidable or best.lower(ALPHA) > LEAST:
            return None
        who, it = (
            ("Neither side is", "the better one gains")
            if len(columns) > 1
            else ("The trained network is not", "it gains")
        )
        least = f"{100 * LEAST:g} %"
        return (
            f"{who} better than guessing: of what guessing leaves to be gained {it} {_percent(best.mean)} (at least "
            f"{_percent(best.lower(ALPHA))}), and {least} is required."
        )

    opens = "More training examples, or a network that learns this task, would make it a question."
    return Gate("skill", "better than guessing", passed, opens)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace("-", "−")
