"""What shows that a computation did what it says: defects with their tolerance, and counts of what should be exactly zero.

Tables of certificates have a column "met"; those of checks count what was looked at, and what of it was not zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import above_zero
from ticketlab.figures.palette import Mark
from ticketlab.figures.rows import Row, Series
from ticketlab.figures.text_tables import TextTable, summary, total
from ticketlab.figures.wording import plural, power, quantity

__all__ = ["all_met", "check_table", "met", "proof", "worst"]

CHECKED = {  # columns of a table of checks, and what their heads say
    "networks": "networks",
    "pruned": "pruned",
    "removed": "removed",
    "parameters_left": "not zero at the end",
    "best": "at the early stop",
    "moments": "moments",
}


def all_met(table: Table, noun: str) -> str:
    """ "All 12 checks met the tolerance"."""
    reached, total = int(table["met"].sum()), len(table)
    return (
        f"{'All' if reached == total else f'{quantity(reached)} of'} {plural(total, noun)} met the tolerance"
    )


def met(rows: Table) -> str:
    """ "11 of 12"."""
    return f"{int(rows['met'].sum())} of {len(rows)}"


def worst(values: np.ndarray) -> float:
    """The largest size of those that are numbers."""
    known = values[np.isfinite(values)].astype(float)
    return float(np.abs(known).max()) if len(known) else float("nan")


def proof(label: str, measured: Mapping[Mark, np.ndarray]) -> Row:
    """A row with the size of every measurement of a defect, and the largest in digits."""
    drawn = tuple(Series(mark, above_zero(np.abs(values))) for mark, values in measured.items())
    return Row(label, drawn, f"at most {power(worst(np.concatenate(list(measured.values()))))}")


def check_table(caption: str, checks: Table, by: Mapping[str, str]) -> TextTable:
    """What the checks found that prove that removed weights took no part in training."""
    there = {column.name for column in checks.columns}
    cells = {head: total(column) for column, head in CHECKED.items() if column in there}
    return summary(caption, checks, by, cells, name="checks-summary")
