"""The pages of the claims `untrained-subnetwork` and `multi-prize`: their figures and their tables of numbers.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from ticketlab.claims.learned.page.arms import kinds, memory, prizes
from ticketlab.claims.learned.page.summary import arm_table, check_table, time_table
from ticketlab.claims.learned.page.sweeps import densities, training, widths
from ticketlab.evidence.record import Record
from ticketlab.figures.forest import forest
from ticketlab.figures.presentation import Presentation, filled_tables, maker
from ticketlab.laws.verdict import Verdict

__all__ = ["present_multi_prize", "present_untrained_subnetwork"]

COMPARED = ("score", "mask", "binarised")


def present_untrained_subnetwork(record: Record) -> Presentation:
    """What the page shows of a run of `untrained-subnetwork`."""
    made = maker(filled_tables(record))
    compared = _compared(record)
    return Presentation(
        figures=(
            *made(lambda: forest(compared, effect="ticket against the other")),
            *made(densities, "arms"),
            *made(widths, "arms"),
            *made(kinds, "arms"),
            *made(memory, "arms"),
            *made(training, "curves"),
        ),
        summaries=(*made(arm_table, "arms"), *made(time_table, "timings")),
        certificate_tables=tuple(made(check_table, "checks")),
    )


def present_multi_prize(record: Record) -> Presentation:
    """What the page shows of a run of `multi-prize`."""
    made = maker(filled_tables(record))
    compared = _compared(record)
    return Presentation(
        figures=(
            *made(lambda: forest(compared, effect="ticket against the other")),
            *made(prizes, "arms"),
            *made(memory, "arms"),
            *made(training, "curves"),
        ),
        summaries=(*made(arm_table, "arms"), *made(time_table, "timings")),
        certificate_tables=tuple(made(check_table, "checks")),
    )


def _compared(record: Record) -> list[Verdict]:
    """The comparisons in points. Those with controls are far beyond them; the table of questions has all."""
    return [q for q in record.questions if q.key in COMPARED]
