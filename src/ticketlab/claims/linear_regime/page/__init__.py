"""The page of the claim `linear-regime`: its figures and its tables of numbers.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from ticketlab.claims.linear_regime.page.summary import fit_table, time_table, width_table
from ticketlab.claims.linear_regime.page.widths import (
    defects,
    kernels,
    measures,
    scores,
    sizes,
    training,
    verdict,
)
from ticketlab.evidence.record import Record
from ticketlab.figures.presentation import Presentation, filled_tables, maker

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `linear-regime`."""
    filled = filled_tables(record)
    made = maker(filled)
    least = record.plan.get("least")
    return Presentation(
        figures=(
            *made(measures, "widths", "fits"),
            *made(lambda: sizes(record.questions)),
            *made(lambda: verdict(record.questions, filled.get("widths"), least)),
            *made(kernels, "widths"),
            *made(training, "curves"),
            *made(scores, "widths"),
        ),
        summaries=(*made(fit_table, "fits"), *made(width_table, "widths"), *made(time_table, "timings")),
        certificates=tuple(made(defects, "widths")),
    )
