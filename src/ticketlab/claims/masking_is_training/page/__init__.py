"""The page of the claim `masking-is-training`: its figures and its tables of numbers.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from ticketlab.claims.masking_is_training.page.actions import actions
from ticketlab.claims.masking_is_training.page.criteria import by_criterion, by_density
from ticketlab.claims.masking_is_training.page.motion import direction, units
from ticketlab.claims.masking_is_training.page.summary import (
    action_table,
    check_table,
    mask_table,
    time_table,
)
from ticketlab.evidence.record import Record
from ticketlab.figures.forest import forest
from ticketlab.figures.presentation import Presentation, filled_tables, maker

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
