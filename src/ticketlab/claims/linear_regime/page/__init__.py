"""The page of the claim `linear-regime`: its figures and its tables of numbers, for every loss and depth of the plan.

A table that the evidence lacks (a run not finished, an older run) leaves its figures out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ticketlab.claims.linear_regime.formula import Setting
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
from ticketlab.claims.wording import sentence
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.figure import Figure
from ticketlab.figures.presentation import Presentation, filled_tables, maker
from ticketlab.figures.text_tables import TextTable

__all__ = ["present"]


def present(record: Record) -> Presentation:
    """What the page shows of a run of `linear-regime`."""
    filled = filled_tables(record)
    made = maker(filled)
    settings = _settings(filled)
    parts = [_of(at, filled, alone=len(settings) == 1) for at in settings]
    return Presentation(
        figures=(
            *made(lambda: sizes(record.questions)),
            *made(lambda: verdict(record.questions, filled.get("widths"), record.plan.get("least"))),
            *(figure for part in parts for figure in part.figures),
        ),
        summaries=tuple(table for part in parts for table in part.summaries),
        certificates=tuple(figure for part in parts for figure in part.certificates),
    )


def _settings(tables: Mapping[str, Table]) -> list[Setting]:
    """The losses and depths that were run, in the order of the tables."""
    found: dict[Setting, None] = {}
    for table in tables.values():
        if {"loss", "depth"} <= {column.name for column in table.columns}:
            pairs = zip(table["loss"].tolist(), table["depth"].tolist(), strict=True)
            found |= dict.fromkeys(Setting(loss, depth) for loss, depth in pairs)
    return list(found)


def _of(at: Setting, tables: Mapping[str, Table], *, alone: bool) -> Presentation:
    """What is shown of one loss and depth."""
    made = maker({name: of for name, table in tables.items() if len(of := table.where(**at.where()))})

    def named(figure: Figure) -> Figure:
        title = f"{sentence(at.title)}: {figure.title}"
        return figure if alone else replace(figure, key=f"{figure.key}-{at.loss}-{at.depth}", title=title)

    def captioned(table: TextTable) -> TextTable:
        return table if alone else replace(table, caption=f"{sentence(at.title)}. {table.caption}")

    figures = (
        *made(measures, "widths", "fits"),
        *made(kernels, "widths"),
        *made(training, "curves"),
        *made(scores, "widths"),
    )
    summaries = (*made(fit_table, "fits"), *made(width_table, "widths"), *made(time_table, "timings"))
    return Presentation(
        tuple(map(named, figures)),
        tuple(map(captioned, summaries)),
        tuple(map(named, made(defects, "widths"))),
    )
