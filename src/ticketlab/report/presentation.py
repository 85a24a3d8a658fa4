"""What a page shows of a run beyond its verdicts and raw tables; every claim may have its own, and any claim has the plain one.

The plain one needs no knowledge of the study: the verdicts as a forest plot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ticketlab.report.figure import Figure
from ticketlab.report.forest import forest
from ticketlab.report.record import Record
from ticketlab.report.tables import TextTable
from ticketlab.studies.evidence import Table

__all__ = ["Presentation", "filled_tables", "maker", "margin_in_points", "plain", "presentation"]


@dataclass(frozen=True)
class Presentation:
    """Figures, summary tables, and the certificates' figures and tables, each in the order of the page."""

    figures: tuple[Figure, ...] = ()
    summaries: tuple[TextTable, ...] = ()
    certificates: tuple[Figure, ...] = ()
    certificate_tables: tuple[TextTable, ...] = ()


def presentation(record: Record) -> Presentation:
    """The presentation of a record's claim."""
    match record.claim:
        case "tangent-minimum":
            from ticketlab.report.tangent_minimum import present

            return present(record)
        case "linear-regime":
            from ticketlab.report.linear_regime import present as present_linear_regime

            return present_linear_regime(record)
        case "newton-step":
            from ticketlab.report.newton_step import present as present_newton_step

            return present_newton_step(record)
        case "winning-ticket":
            from ticketlab.report.winning_ticket import present as present_winning_ticket

            return present_winning_ticket(record)
        case "masking-is-training":
            from ticketlab.report.masking_is_training import present as present_masking

            return present_masking(record)
        case "untrained-subnetwork":
            from ticketlab.report.learned_masks import present_untrained_subnetwork

            return present_untrained_subnetwork(record)
        case "multi-prize":
            from ticketlab.report.learned_masks import present_multi_prize

            return present_multi_prize(record)
        case "linear-mode":
            from ticketlab.report.linear_mode import present as present_linear_mode

            return present_linear_mode(record)
        case _:
            return plain(record)


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
