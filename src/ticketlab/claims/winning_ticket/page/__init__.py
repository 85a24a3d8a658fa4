"""The page of the claim `winning-ticket`: its figures and its tables of numbers.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from ticketlab.claims.winning_ticket.page.levels import accuracy, dynamic, early_stop, layers, training
from ticketlab.claims.winning_ticket.page.summary import check_table, level_table, time_table
from ticketlab.evidence.record import Record
from ticketlab.figures.forest import forest
from ticketlab.figures.presentation import Presentation, filled_tables, maker

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `winning-ticket`."""
    made = maker(filled_tables(record))
    return Presentation(
        figures=(
            *made(lambda: forest(record.questions, effect="ticket against the other")),
            *made(accuracy, "levels"),
            *made(early_stop, "levels"),
            *made(dynamic, "levels"),
            *made(training, "curves"),
            *made(layers, "layers", "levels"),
        ),
        summaries=(*made(level_table, "levels"), *made(time_table, "timings")),
        certificate_tables=tuple(made(check_table, "checks")),
    )
