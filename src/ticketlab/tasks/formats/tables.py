"""Named columns of numbers with a target among them, shared by CSV, Parquet and tables of a hub.

Row numbers written by another program are not inputs, because they can reveal the answers if rows are sorted. A column
without a name, or with a usual name of an index, is left out if it numbers the rows. Any other column that counts the rows
is kept and named in a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from jaxtyping import Shaped

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Kind, read_answers

__all__ = ["table_dataset", "target_column"]

USUAL = ("label", "labels", "target", "class", "y", "fine_label")
NAMELESS = re.compile(r"|unnamed: ?\d+|__index_level_\d+__", re.IGNORECASE)  # as pandas and R leave them
INDEX = frozenset(
    ["id", "index", "idx", "row", "rowid", "row_id", "rownames", "no", "no.", "nr", "sno", "s.no"]
)
SHOWN = 40  # columns in a message
NAMED = 5  # columns of one kind, each with a note of its own


def target_column(columns: Iterable[str], target: str, name: str) -> str:
    """The column to predict: the one requested, else one with a usual name, else the last."""
    columns = list(columns)
    if target and target not in columns:
        shown = ", ".join(columns[:SHOWN]) + (f", … ({len(columns)} in all)" if len(columns) > SHOWN else "")
        raise UserError(f"target={target!r}", f"one of the columns of {name}: {shown}")
    if target:
        return target
    by_lower = {column.lower(): column for column in reversed(columns)}
    found = next((usual for usual in USUAL if usual in columns), None)
    return found or next((by_lower[usual] for usual in USUAL if usual in by_lower), columns[-1])


def table_dataset(
    columns: Mapping[str, Shaped[np.ndarray, "n"]],
    target: str,
    name: str,
    *,
    kind: Kind | None = None,
    classes: tuple[str, ...] = (),
    official_test: int = 0,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """The data set whose inputs are all columns except the target.

    Arguments:
        columns: by name, of equal length; inputs must be numbers or booleans.
        target: the column to predict; if empty, see `target_column`, and a note names it.
        name: for tables and messages.
        kind: classification or regression; None guesses from the target.
        classes: the names of the classes, if known; the values of the target are then class numbers.
        official_test: the number of rows, at the end, that form the official test part.
        notes: on guesses made while reading.
    """
    asked, target = target, target_column(columns, target, name)
    if not asked and target.lower() not in USUAL:
        notes += (f"The last column, {target!r}, is taken for the target.",)
    inputs = {column: values for column, values in columns.items() if column != target}
    if not inputs:
        raise UserError(
            f"one column only ({target!r}) in {name}",
            "a target and at least one input",
            "Add input columns.",
        )
    for column, values in inputs.items():
        if values.dtype.kind not in "biuf":
            raise UserError(
                f"column {column!r} of {name}, which holds {_sort(values)}",
                "numbers in every column except the target",
                "Encode it as numbers (one column for each category), remove it, or make it the target.",
            )
    inputs, more = _without_row_numbers(inputs)
    answers = read_answers(columns[target], target, name, kind=kind, classes=classes)
    return Dataset(
        name=name,
        x=np.stack([values.astype(np.float64) for values in inputs.values()], axis=1),
        classes=answers.classes,
        labels=answers.labels,
        targets=answers.targets,
        features=tuple(inputs),
        official_test=official_test,
        target=target,
        notes=answers.notes + notes + more,
    )


def _without_row_numbers(
    inputs: Mapping[str, Shaped[np.ndarray, "n"]],
) -> tuple[dict[str, Shaped[np.ndarray, "n"]], tuple[str, ...]]:
    """The inputs without row numbers, and notes that name those."""
    counting = {column for column, values in inputs.items() if _counts_rows(values)}
    other = {c for c in inputs if c not in counting and _may_number(c) and _are_numbers_of_rows(inputs[c])}
    out = {c for c in counting if _may_number(c)} | {c for c in other if NAMELESS.fullmatch(c)}
    if len(out) == len(inputs):
        out = set()
    measured = "if it is no measurement, remove it"
    notes = (
        *_noted(inputs, out, "is left out: it numbers the rows."),
        *_noted(inputs, other - out, f"has another number in every row: {measured}."),
        *_noted(inputs, counting - out, f"counts the rows: {measured} from the file."),
    )
    return {column: values for column, values in inputs.items() if column not in out}, notes


def _may_number(column: str) -> bool:
    return column.lower() in INDEX or NAMELESS.fullmatch(column) is not None


def _noted(inputs: Iterable[str], columns: set[str], what: str) -> Iterator[str]:
    """A note for each of these columns in order, for the first few by name."""
    found = [column for column in inputs if column in columns]
    yield from (f"Column {column!r} {what}" for column in found[:NAMED])
    if len(found) > NAMED:
        yield f"The same holds for {counted(len(found) - NAMED, 'further column')}, up to {found[-1]!r}."


def _counts_rows(values: Shaped[np.ndarray, "n"]) -> bool:
    """Whether values are 0, 1, 2, … or 1, 2, 3, … in the order of the rows."""
    return len(values) > 2 and any(np.array_equal(values, np.arange(len(values)) + s) for s in (0, 1))


def _are_numbers_of_rows(values: Shaped[np.ndarray, "n"]) -> bool:
    """Whether values are different whole numbers, as row numbers are after rows were sorted or drawn."""
    whole = values.dtype.kind in "iuf" and bool(np.all(values == np.round(values)))
    return whole and len(np.unique(values)) == len(values)


def _sort(values: np.ndarray) -> str:
    first = next((v for v in values.tolist() if v is not None), None)
    return f"values such as {first!r}" if values.dtype.kind in "OUS" else f"values of type {values.dtype}"
