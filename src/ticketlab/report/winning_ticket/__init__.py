"""The page of the claim `winning-ticket`: its figures and its tables of numbers.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from typing import Any

from ticketlab.report.forest import forest
from ticketlab.report.presentation import Presentation
from ticketlab.report.record import Record
from ticketlab.report.winning_ticket.levels import accuracy, dynamic, early_stop, layers, training
from ticketlab.report.winning_ticket.summary import check_table, level_table, time_table
from ticketlab.studies.evidence import Table
from ticketlab.studies.ticket_arms.questions import GUESSING

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `winning-ticket`."""
    filled = {name: table for name, table in record.evidence.tables.items() if len(table)}

    def made(make: Any, *names: str) -> list[Any]:
        """What `make` makes of the named tables, or nothing if one is missing or it makes nothing."""
        tables: list[Table] = [filled[name] for name in names if name in filled]
        result = make(*tables) if len(tables) == len(names) else None
        return [] if result is None else [result]

    # So far beyond all other differences that they could not be seen beside it; the list of questions has it.
    compared = [question for question in record.questions if question.question != GUESSING]
    return Presentation(
        figures=(
            *made(lambda: forest(compared, effect="ticket against the other")),
            *made(accuracy, "levels"),
            *made(early_stop, "levels"),
            *made(dynamic, "levels"),
            *made(training, "curves"),
            *made(layers, "layers", "levels"),
        ),
        summaries=(*made(level_table, "levels"), *made(time_table, "timings")),
        certificate_tables=tuple(made(check_table, "checks")),
    )
