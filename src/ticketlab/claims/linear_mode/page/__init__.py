"""The page of the claim `linear-mode`: its figures and its tables of numbers.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from ticketlab.claims.linear_mode.page.paths import paths
from ticketlab.claims.linear_mode.page.steps import accuracy, barriers, relation
from ticketlab.claims.linear_mode.page.summary import arm_table, check_table, time_table
from ticketlab.evidence.record import Record
from ticketlab.figures.presentation import Presentation, filled_tables, maker

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `linear-mode`."""
    made = maker(filled_tables(record))
    stable, margin = (
        100 * record.plan.get(name, usual) for name, usual in (("stable", 0.02), ("margin", 0.01))
    )
    return Presentation(
        figures=(
            *made(lambda table: barriers(table, stable), "barriers"),
            *made(lambda copies, table: relation(copies, table, stable, margin), "copies", "barriers"),
            *made(lambda table: accuracy(table, margin), "copies"),
            *made(paths, "lines"),
        ),
        summaries=(*made(arm_table, "copies", "barriers", "networks"), *made(time_table, "timings")),
        certificate_tables=tuple(made(check_table, "checks")),
    )
