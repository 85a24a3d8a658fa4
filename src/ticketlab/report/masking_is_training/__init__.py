"""The page of the claim `masking-is-training`: its figures and its tables of numbers.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from ticketlab.report.forest import forest
from ticketlab.report.masking_is_training.actions import actions
from ticketlab.report.masking_is_training.criteria import by_criterion, by_density
from ticketlab.report.masking_is_training.motion import direction, units
from ticketlab.report.masking_is_training.summary import action_table, check_table, mask_table, time_table
from ticketlab.report.presentation import Presentation, filled_tables, maker
from ticketlab.report.record import Record

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `masking-is-training`."""
    made = maker(filled_tables(record))
    return Presentation(
        figures=(
            *made(lambda: forest(record.questions, effect="chosen mask against the other")),
            *made(by_density, "arms"),
            *made(by_criterion, "arms", "dense"),
            *made(actions, "arms", "dense"),
            *made(units, "responses"),
            *made(direction, "masks", "dense"),
        ),
        summaries=(
            *made(mask_table, "masks", "dense", "surprise"),
            *made(action_table, "arms"),
            *made(time_table, "timings"),
        ),
        certificate_tables=tuple(made(check_table, "checks")),
    )
