"""The page of the claim `newton-step`: its figures, its tables of numbers, and what shows that training and steps arrived.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from functools import partial

from ticketlab.claims.newton_step.page.arrival import arrival, certificate_table, training
from ticketlab.claims.newton_step.page.distance import parameters, unexplained, verdict
from ticketlab.claims.newton_step.page.flow import along_the_flow, score_along_the_flow
from ticketlab.claims.newton_step.page.summary import arm_table
from ticketlab.evidence.record import Record
from ticketlab.figures.presentation import Presentation, filled_tables, maker, margin_in_points
from ticketlab.figures.times import time_table

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `newton-step`."""
    filled = filled_tables(record)
    made = maker(filled)
    margin = margin_in_points(record)
    return Presentation(
        figures=(
            *made(lambda: verdict(record.questions, filled.get("examples"), margin)),
            *made(unexplained, "arms"),
            *made(along_the_flow, "arms", "path"),
            *made(score_along_the_flow, "arms", "path"),
            *made(parameters, "arms"),
            *made(training, "curves", "training"),
        ),
        summaries=(*made(arm_table, "arms"), *made(partial(time_table, what="part"), "timings")),
        certificates=tuple(made(arrival, "certificates")),
        certificate_tables=tuple(made(certificate_table, "certificates")),
    )
