"""The page of the claim `tangent-minimum`: its figures, its tables of numbers, and the certificates of its solves.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from functools import partial

from ticketlab.claims.tangent_minimum.page.certificates import certificate_table, certificates
from ticketlab.claims.tangent_minimum.page.comparison import agreement, motion, test_error, verdict
from ticketlab.claims.tangent_minimum.page.summary import arm_table
from ticketlab.claims.tangent_minimum.page.tuning import learning_curves, ridge_path
from ticketlab.evidence.record import Record
from ticketlab.figures.presentation import Presentation, filled_tables, maker, margin_in_points
from ticketlab.figures.times import time_table

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `tangent-minimum`."""
    filled = filled_tables(record)
    made = maker(filled)
    margin = margin_in_points(record)
    return Presentation(
        figures=(
            *made(lambda: verdict(record.questions, record.evidence.tables.get("arms"), margin)),
            *made(test_error, "arms"),
            *made(ridge_path, "arms", "tuning"),
            *made(learning_curves, "arms", "tuning", "curves"),
            *made(motion, "arms"),
            *made(agreement, "arms"),
        ),
        summaries=(*made(arm_table, "arms"), *made(partial(time_table, what="arm"), "timings")),
        certificates=tuple(made(certificates, "certificates")),
        certificate_tables=tuple(made(certificate_table, "certificates")),
    )
