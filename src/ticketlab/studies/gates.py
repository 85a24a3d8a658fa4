"""A gate that every claim has: is either side better than guessing?"""

from __future__ import annotations

from collections.abc import Callable

from ticketlab.laws.formulae import Gate, Tables
from ticketlab.laws.rules import ALPHA
from ticketlab.studies.evidence import Table
from ticketlab.studies.headroom import LEAST, share

__all__ = ["skill_gate"]


def skill_gate(examples_of: Callable[[Tables], Table], columns: tuple[str, ...]) -> Gate:
    """Is the best of some columns better than guessing, by a tenth of the headroom above it?"""

    def passed(tables: Tables) -> str | None:
        of = examples_of(tables)
        gains = [share(of, column, "guess") for column in columns]
        if not gains[0].decidable or any(gain.lower(ALPHA) > LEAST for gain in gains):
            return None
        return "Neither side is better than guessing by a tenth of the headroom above guessing."

    return Gate("skill", "better than guessing", passed)
