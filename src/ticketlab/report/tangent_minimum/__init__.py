"""The page of the claim `tangent-minimum`: its figures, its tables of numbers, and the certificates of its solves.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from typing import Any

from ticketlab.report.presentation import Presentation
from ticketlab.report.record import Record
from ticketlab.report.tangent_minimum.certificates import certificate_table, certificates
from ticketlab.report.tangent_minimum.comparison import agreement, motion, test_error, verdict
from ticketlab.report.tangent_minimum.summary import arm_table, time_table
from ticketlab.report.tangent_minimum.tuning import learning_curves, ridge_path
from ticketlab.studies.evidence import Table

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `tangent-minimum`."""
    filled = {name: table for name, table in record.evidence.tables.items() if len(table)}

    def made(make: Any, *names: str) -> list[Any]:
        """What `make` makes of the named tables, or nothing if one is missing."""
        tables: list[Table] = [filled[name] for name in names if name in filled]
        result = make(*tables) if len(tables) == len(names) else None
        return [] if result is None else [result]

    margin = (
        100 * record.plan["margin"] if "margin" in record.plan else None
    )  # a fraction in the plan, points here
    return Presentation(
        figures=(
            *made(lambda: verdict(record.questions, record.evidence.tables.get("arms"), margin)),
            *made(test_error, "arms"),
            *made(ridge_path, "arms", "tuning"),
            *made(learning_curves, "arms", "tuning", "curves"),
            *made(motion, "arms"),
            *made(agreement, "arms"),
        ),
        summaries=(*made(arm_table, "arms"), *made(time_table, "timings")),
        certificates=tuple(made(certificates, "certificates")),
        certificate_tables=tuple(made(certificate_table, "certificates")),
    )
