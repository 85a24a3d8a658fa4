"""What a page shows of a run beyond its verdicts and raw tables. A claim may have its own; any claim has the plain one.

Every table of a run may be missing (a run that is not finished, an older run). Then what is made from it is left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.figure import Figure
from ticketlab.figures.forest import Asked
from ticketlab.figures.text_tables import TextTable, mean, names, summary, total
from ticketlab.figures.wording import MISSING, extent, measure, quantity, setting

__all__ = ["Presentation", "by_setting", "choice", "in_order", "made", "rate_table", "seconds_table"]


@dataclass(frozen=True)
class Presentation:
    """Figures, summary tables, and the certificates' figures and tables, each in the order of the page.

    `published` are papers' numbers next to ours. `asked` says how the questions of each key are drawn in the forest of verdicts.
    """

    figures: tuple[Figure, ...] = ()
    summaries: tuple[TextTable, ...] = ()
    certificates: tuple[Figure, ...] = ()
    certificate_tables: tuple[TextTable, ...] = ()
    published: tuple[TextTable, ...] = ()
    asked: Mapping[str, Asked] = field(default_factory=dict)


def made(record: Record, *parts: Callable[..., Any], **given: Any) -> tuple[Any, ...]:
    """What is made of a run's tables.

    Arguments:
        parts: functions whose arguments are called as the tables that they take, or "record". A part whose tables are not all
            there, or are empty, is left out, and so is one that returns None.
        given: what else is an argument of some of them, by its name.
    """
    filled: dict[str, Any] = {"record": record, **given}
    filled |= {name: table for name, table in record.evidence.tables.items() if len(table)}
    each = [(part, _needed(part)) for part in parts]
    found = (part(*map(filled.get, names)) for part, names in each if set(names) <= set(filled))
    return tuple(result for result in found if result is not None)


def _needed(make: Callable[..., Any]) -> list[str]:
    """The names of the arguments without a default."""
    given = inspect.signature(make).parameters.values()
    return [p.name for p in given if p.default is p.empty and p.kind is not p.VAR_KEYWORD]


def in_order(table: Table, column: str, names: Iterable[str]) -> dict[str, Table]:
    """The rows of each of these values of a column that the table has, in this order."""
    return {name: of for name in names if len(of := table.where(**{column: name}))}


def by_setting(table: Table) -> dict[str, Table]:
    """The rows by loss and offset, under the words for both."""
    return {setting(*key): of for key, of in table.by("loss", "offset").items()}


def seconds_table(
    timings: Table, by: Mapping[str, str] = MappingProxyType({"part": "part"}), more: str = "", **how: Any
) -> TextTable:
    """Mean and range of `seconds` over runs, by some columns; `more` is what else is said of them, with its punctuation mark."""
    cells = {"mean, s": mean("seconds"), "range, s": lambda rows: extent(rows["seconds"].tolist(), measure)}
    caption = f"Seconds by {' and '.join(by.values())}: mean and range over runs. Measured times differ from run to run{more}."
    return summary(caption, timings, by, cells, name="seconds", **how)


def choice(rows: Table) -> str:
    """What validation chose, "ridge 0.001 to 0.01"; a dash where there was nothing to choose."""
    known = np.isfinite(rows["setting"]).any() and names("setting_name")(rows) != MISSING
    return f"{names('setting_name')(rows)} {extent(rows['setting'].tolist())}" if known else MISSING


def rate_table(timings: Table, by: Mapping[str, str]) -> TextTable:
    """Steps times networks, seconds, and network-steps a second, by some columns."""

    def seconds(rows: Table) -> float:
        return float(np.sum(rows["seconds"]))

    cells = {
        "network-steps": total("network_steps"),
        "seconds": lambda rows: measure(seconds(rows)),
        "a second": lambda rows: quantity(round(int(np.sum(rows["network_steps"])) / seconds(rows))),
    }
    return summary(
        "Training: steps times networks, seconds, and network-steps a second. Measured times differ from run to run, and include "
        "compiling.",
        timings,
        by,
        cells,
        name="rates",
    )
