"""What a page shows of a run beyond its verdicts and raw tables. A claim may have its own; any claim has the plain one.

The plain one needs no knowledge of the study: the verdicts as a forest plot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.figure import Figure
from ticketlab.figures.forest import forest
from ticketlab.figures.text_tables import TextTable

__all__ = ["Presentation", "filled_tables", "maker", "margin_in_points", "plain"]


@dataclass(frozen=True)
class Presentation:
    """Figures, summary tables, and the certificates' figures and tables, each in the order of the page."""

    figures: tuple[Figure, ...] = ()
    summaries: tuple[TextTable, ...] = ()
    certificates: tuple[Figure, ...] = ()
    certificate_tables: tuple[TextTable, ...] = ()


def plain(record: Record) -> Presentation:
    """The verdicts as a forest plot, which any study has."""
    figure = forest(record.questions)
    return Presentation(figures=(figure,) if figure else ())


def filled_tables(record: Record) -> dict[str, Table]:
    """A run's tables that have rows, by name."""
    return {name: table for name, table in record.evidence.tables.items() if len(table)}


def maker(tables: Mapping[str, Table]) -> Callable[..., list[Any]]:
    """`made(make, *names)`: what `make` makes of the named tables, in a list, which is empty where a table is missing."""

    def made(make: Callable[..., Any], *names: str) -> list[Any]:
        named = [tables[name] for name in names if name in tables]
        result = make(*named) if len(named) == len(names) else None
        return [] if result is None else [result]

    return made


def margin_in_points(record: Record) -> float | None:
    """The plan's margin, a fraction, in points; None for a plan that has none."""
    return 100 * record.plan["margin"] if "margin" in record.plan else None
