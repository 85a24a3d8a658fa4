"""Comma-, semicolon- or tab-separated text, with or without a first row of names.

The separator is the most frequent one in the first line. The first row holds names if any of its cells is not a number;
otherwise columns are named `column0`, `column1`, …
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Kind
from ticketlab.tasks.formats.files import file_bytes
from ticketlab.tasks.formats.tables import table_dataset, target_column

__all__ = ["csv_dataset"]


def csv_dataset(path: Path, target: str = "", kind: Kind | None = None) -> Dataset:
    """The data set in a text table.

    Arguments:
        path: the file, plain or gzip, in UTF-8.
        target: the column to predict; empty for one with a usual name (label, target, class, y), else the last.
        kind: classification or regression; None guesses from the target.

    Raises: UserError for ragged rows, missing values and text where numbers belong, with row and column.
    """
    header, rows, lines = _rows(path)
    target = target_column(header, target, path.name)
    columns = {
        name: _numbers(values, name, lines, path) if name != target else _target(values)
        for name, values in zip(header, zip(*rows, strict=True), strict=True)
    }
    return table_dataset(columns, target, path.name, kind=kind)


def _rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """The names of the columns, the cells, and the line of each row in the file; all rows have the same length."""
    try:
        text = file_bytes(path, "a CSV file").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"bytes that are not UTF-8 text at position {error.start} of {path}",
            "a CSV file in UTF-8",
            "Save it in that encoding.",
        ) from error
    first = text.lstrip().split("\n", 1)[0]
    separator = max(",;\t", key=first.count)  # a comma when there is none
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    try:
        numbered = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except csv.Error as error:
        raise UserError(
            f"line {reader.line_num} of {path} ({error})", "a row of a CSV file", "Correct it."
        ) from error
    if not numbered:
        raise UserError(f"no rows in {path}", "a CSV file with one row for each example", "Add the examples.")
    width = len(numbered[0][1])
    ragged = [(line, len(row)) for line, row in numbered if len(row) != width]
    if ragged:
        line, cells = ragged[0]
        raise UserError(
            f"{counted(len(ragged), 'ragged row')} in {path}, the first on line {line} with {cells} cells",
            f"{width} cells separated by {separator!r}, as in the first row",
            "Complete or remove them, and quote cells that contain the separator.",
        )
    header = numbered[0][1]
    if all(_is_number(cell) for cell in header):
        header = [f"column{i}" for i in range(width)]
    else:
        numbered = numbered[1:]
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise UserError(
            f"more than one column named {sorted(twice)[0]!r} in {path}",
            "different names",
            "Rename one of them.",
        )
    if not numbered:
        raise UserError(
            f"a row of names and no examples in {path}", "one row for each example", "Add the examples."
        )
    return header, [row for _, row in numbered], [line for line, _ in numbered]


def _numbers(values: tuple[str, ...], name: str, lines: list[int], path: Path) -> np.ndarray:
    try:
        return np.array([float(cell) for cell in values])
    except ValueError:
        bad = [i for i, cell in enumerate(values) if not _is_number(cell)]
    kind = "missing cell" if all(values[i] == "" for i in bad) else "non-numeric cell"
    raise UserError(
        f"{counted(len(bad), kind)} in column {name!r} of {path}, "
        f"the first ({values[bad[0]]!r}) on line {lines[bad[0]]}",
        "numbers in every column except the target",
        "Fill in or remove those rows; encode categories as numbers, with one column for each category.",
    )


def _target(values: tuple[str, ...]) -> np.ndarray:
    """Numbers if all cells are numbers, otherwise text."""
    if all(_is_number(cell) for cell in values):
        return np.array([float(cell) for cell in values])
    return np.array(values)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
