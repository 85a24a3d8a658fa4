"""Rows of a study's tables while its cell runs: plain values, so that a draft can keep them, as bytes, with its arrays.

Tables are made of them once, when the cell is done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from ticketlab.evidence.tables import Column, Table
from ticketlab.training import LearningCurves

__all__ = ["Rows", "curve_rows", "made", "read_rows", "rows_of", "tables_of", "timings", "written_rows"]

Rows: TypeAlias = dict[str, list[dict[str, Any]]]
"""Rows by table."""


def written_rows(rows: Rows) -> np.ndarray:
    """The rows as bytes."""
    return np.frombuffer(json.dumps(rows).encode(), np.uint8)


def read_rows(array: np.ndarray) -> Rows:
    """The rows that were written."""
    return json.loads(array.tobytes())


def made(name: str, columns: Mapping[str, np.ndarray], meanings: Mapping[str, str]) -> Table:
    """A table of columns, with what they mean."""
    return Table(name, tuple(Column(n, values, meaning=meanings.get(n, "")) for n, values in columns.items()))


def rows_of(columns: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Columns of one length as rows."""
    values = (np.asarray(column).tolist() for column in columns.values())
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def curve_rows(curves: LearningCurves, replica: int, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """A replica's learning curve, a row a look; `columns` says under which name a row has which of the curves' measurements."""
    values = {column: getattr(curves, name)[:, replica] for column, name in columns.items()}
    return rows_of({"step": curves.steps, **{column: of.astype(float) for column, of in values.items()}})


def tables_of(rows: Mapping[str, list[dict[str, Any]]], meanings: Mapping[str, str]) -> dict[str, Table]:
    """Tables of rows, by name; "timings" is the measured one."""
    meanings = {"guess": "the score of always giving the most frequent class", **meanings}
    return {
        name: Table.from_rows(name, of, units={"seconds": "s"}, meanings=meanings, measured=name == "timings")
        for name, of in rows.items()
    }


def timings(rows: Rows, by: str, meanings: Mapping[str, str], **about: Any) -> Table:
    """Seconds of training and network-steps, summed over pieces that have a column in common.

    Arguments:
        by: that column.
        about: columns with the same value in every row, which come first.
    """
    found: dict[Any, tuple[int, float]] = {}
    for row in rows["timings"]:
        steps, seconds = found.get(row[by], (0, 0.0))
        found[row[by]] = (steps + row["network_steps"], seconds + row["seconds"])
    return Table.from_rows(
        "timings",
        [{**about, by: name, "network_steps": n, "seconds": s} for name, (n, s) in found.items()],
        units={"seconds": "s"},
        meanings=meanings,
        measured=True,
    )
