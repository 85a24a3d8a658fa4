"""The page of the claim `newton-step`: its figures, its tables of numbers, and what shows that training and steps arrived.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from typing import Any

from ticketlab.report.newton_step.arrival import arrival, certificate_table, training
from ticketlab.report.newton_step.distance import parameters, unexplained, verdict
from ticketlab.report.newton_step.flow import along_the_flow, score_along_the_flow
from ticketlab.report.newton_step.summary import arm_table, time_table
from ticketlab.report.presentation import Presentation
from ticketlab.report.record import Record
from ticketlab.studies.evidence import Table

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `newton-step`."""
    filled = {name: table for name, table in record.evidence.tables.items() if len(table)}

    def made(make: Any, *names: str) -> list[Any]:
        """What `make` makes of the named tables, or nothing if one is missing."""
        tables: list[Table] = [filled[name] for name in names if name in filled]
        result = make(*tables) if len(tables) == len(names) else None
        return [] if result is None else [result]

    margin = 100 * record.plan["margin"] if "margin" in record.plan else None
    return Presentation(
        figures=(
            *made(lambda: verdict(record.questions, filled.get("examples"), margin)),
            *made(unexplained, "arms"),
            *made(along_the_flow, "arms", "path"),
            *made(score_along_the_flow, "arms", "path"),
            *made(parameters, "arms"),
            *made(training, "curves"),
        ),
        summaries=(*made(arm_table, "arms"), *made(time_table, "timings")),
        certificates=tuple(made(arrival, "certificates")),
        certificate_tables=tuple(made(certificate_table, "certificates")),
    )
