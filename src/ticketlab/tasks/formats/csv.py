"""Text tables as programs write them: separated by commas, semicolons, tabs, bars or spaces, with or without names.

The separator is the one that gives most rows the same number of cells, and most cells a number. The first row holds names
unless it looks like the rows below. It is an example if its numbers are above numbers and its words occur again below. A
first row that counts the columns (0, 1, 2, …) holds names too. Commas within numbers are decimal commas if commas are not
the separator and no number has a point. Numbers are written as in all programs, without underscores; True and False are 1
and 0. A note reports every guess.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import MISSING, Kind
from ticketlab.tasks.formats.files import file_bytes
from ticketlab.tasks.formats.tables import table_dataset, target_column

__all__ = ["csv_dataset"]

NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity)", re.IGNORECASE)
COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
LOOKED_AT = 100  # rows, to choose a separator
MOST_CELLS = 2**24  # as Python objects they take about 1 GiB
MOST_CHARACTERS = 2**27


@dataclass(frozen=True)
class _Row:
    line: int
    cells: list[str]


@dataclass(frozen=True)
class _Text:
    """The cells of a file, all rows of one length, under the columns' names."""

    path: Path
    header: list[str]
    rows: list[_Row]
    notes: tuple[str, ...]


def csv_dataset(path: Path, target: str = "", kind: Kind | None = None) -> Dataset:
    """The data set in a text table.

    Arguments:
        path: the file, plain or gzip, in UTF-8.
        target: the column to predict; empty for one with a usual name (label, target, class, y), else the last.
        kind: classification or regression; None guesses from the target.

    Raises: UserError for ragged rows, missing values and text where numbers belong, with row and column.
    """
    rows, separator = _rows(path)
    rows, notes = _with_points(rows)
    if separator not in ",;\t":
        notes = (f"Cells are separated by {SEPARATORS[separator]}.", *notes)
    text = _with_names(path, rows, notes)
    chosen = target_column(text.header, target, path.name)
    columns = {
        name: _target(cells, text, kind, name) if name == chosen else _numbers(cells, text, name)
        for name, cells in zip(text.header, zip(*(row.cells for row in text.rows), strict=True), strict=True)
    }
    return table_dataset(columns, target, path.name, kind=kind, notes=text.notes)


def _rows(path: Path) -> tuple[list[_Row], str]:
    """The rows, all of one length, and the separator between their cells."""
    try:
        text = file_bytes(path, "a CSV file").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"bytes that are not UTF-8 text at position {error.start} of {path}",
            "a CSV file in UTF-8",
            "Save it in that encoding.",
        ) from error
    separator = max(SEPARATORS, key=lambda s: _fit(text, s))  # a comma when nothing separates
    if len(text) > MOST_CHARACTERS or text.count(separator) + text.count("\n") > MOST_CELLS:
        raise UserError(
            f"{path}, which has {len(text):,} characters",
            f"at most {MOST_CHARACTERS:,}, and {MOST_CELLS:,} cells",
            "Save large tables as Parquet or NPZ.",
        )
    reader = _reader(text, separator)
    try:
        rows = list(_cells(reader))
    except csv.Error as error:
        raise UserError(
            f"line {reader.line_num} of {path} ({error})", "a row of a CSV file", "Correct it."
        ) from error
    if not rows:
        raise UserError(f"no rows in {path}", "a CSV file with one row for each example", "Add the examples.")
    width = len(rows[0].cells)
    ragged = [row for row in rows if len(row.cells) != width]
    if ragged:
        raise UserError(
            f"{counted(len(ragged), 'ragged row')} in {path}, "
            f"the first on line {ragged[0].line} with {counted(len(ragged[0].cells), 'cell')}",
            f"{width} cells separated by {SEPARATORS[separator]}, as in the first row",
            "Complete or remove them, and quote cells that contain the separator.",
        )
    return rows, separator


def _reader(text: str, separator: str) -> csv._reader:
    if separator == " ":  # runs of spaces and tabs are one separator, except at the ends
        text = re.sub(
            r"[ \t]+", " ", re.sub(r"(?:^|(?<=\r))[ \t]+|[ \t]+(?=[\r\n]|\Z)", "", text, flags=re.MULTILINE)
        )
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)


def _cells(reader: csv._reader) -> Iterator[_Row]:
    for row in reader:
        if row:
            yield _Row(reader.line_num, [cell.strip() for cell in row])


def _fit(text: str, separator: str) -> tuple[float, float]:
    """How well a separator fits the first rows: the share with the usual number of cells, and the share of numeric cells."""
    rows: list[list[str]] = []
    try:
        for row in _cells(_reader(text[: 1 << 16], separator)):
            rows.append(row.cells)
            if len(rows) == LOOKED_AT:
                break
    except csv.Error:
        pass  # from a truncated last row, or from quotes that belong to another separator
    if not rows:
        return 0.0, 0.0
    width, count = Counter(map(len, rows)).most_common(1)[0]
    if width == 1:
        return 0.0, 0.0
    cells = [cell for row in rows for cell in row]
    numbers = sum(_is_number(cell) or bool(COMMA.fullmatch(cell)) for cell in cells) / len(cells)
    return count / len(rows) * (1 + numbers), float(width) if separator != " " else 0.0


def _with_points(rows: list[_Row]) -> tuple[list[_Row], tuple[str, ...]]:
    """The rows with points for decimal commas, and a note if there are any.

    Commas can be decimal only if some are not thousands separators and no number has a point.
    """
    cells = [cell for row in rows for cell in row.cells]
    commas = [cell for cell in cells if "," in cell and COMMA.fullmatch(cell)]
    if all(map(THOUSANDS.fullmatch, commas)):
        return rows, ()
    if any("." in cell and (_is_number(cell) or THOUSANDS.fullmatch(cell)) for cell in cells):
        return rows, ()
    below = list(zip(*(row.cells for row in rows[1:]), strict=True)) or [()] * len(rows[0].cells)
    numbers = [all(_is_number(_pointed(cell)) for cell in column) for column in below]
    changed = [
        _Row(row.line, [_pointed(c) if n else c for c, n in zip(row.cells, numbers, strict=True)])
        for row in rows
    ]
    return changed, ("Commas in numbers are read as decimal points.",)


def _pointed(cell: str) -> str:
    return cell.replace(",", ".") if "," in cell and COMMA.fullmatch(cell) else cell


def _with_names(path: Path, rows: list[_Row], notes: tuple[str, ...]) -> _Text:
    """The rows under their names; a note says where names were guessed."""
    first, below = rows[0].cells, rows[1:]
    shown = ", ".join(first[:5]) + (", …" if len(first) > 5 else "")
    if _counts(first) and _has_fractions(below):
        notes += (f"The first line ({shown}) counts the columns, and is read as their names.",)
    elif _is_example(first, below):
        first, below = [f"column{i}" for i in range(len(first))], rows
        notes += (f"No row of names: the first line ({shown}) is read as an example.",)
    elif any(map(_is_number, first)):
        notes += (
            f"The first line ({shown}) has numbers, and is read as names: add names if it is an example.",
        )
    twice = [name for name, count in Counter(first).items() if count > 1]
    if twice:
        raise UserError(
            f"more than one column named {min(twice)!r} in {path}", "different names", "Rename one of them."
        )
    if not below:
        raise UserError(
            f"a row of names and no examples in {path}", "one row for each example", "Add the examples."
        )
    return _Text(path, first, below, notes)


def _counts(cells: list[str]) -> bool:
    """Whether a row is 0, 1, 2, … or 1, 2, 3, …"""
    return any(cells == [str(i + start) for i in range(len(cells))] for start in (0, 1))


def _has_fractions(rows: Sequence[_Row]) -> bool:
    return any(
        not cell.lstrip("+-").isdigit() for row in rows[:LOOKED_AT] for cell in row.cells if _is_number(cell)
    )


def _is_example(first: list[str], below: Sequence[_Row]) -> bool:
    """Whether the first row is like the rows below: numbers above numbers, and words that occur again."""
    if not any(map(_is_number, first)):
        return False
    columns = zip(*(row.cells for row in below), strict=True) if below else ([] for _ in first)
    return all(
        _is_number(cell)
        if all(map(_is_number, column))
        else cell != "" and (_is_number(cell) or cell in column)
        for cell, column in zip(first, columns, strict=True)
    )


def _numbers(cells: Sequence[str], text: _Text, name: str) -> np.ndarray:
    bad = [i for i, cell in enumerate(cells) if not _is_number(cell)]
    if not bad:
        return np.array([float(cell) for cell in cells])
    if all(cell.lower() in ("true", "false") for cell in cells):
        return np.array([float(cell.lower() == "true") for cell in cells])
    kind = "missing cell" if all(cells[i] in MISSING for i in bad) else "non-numeric cell"
    raise UserError(
        f"{counted(len(bad), kind)} in column {name!r} of {text.path}, "
        f"the first ({cells[bad[0]]!r}) on line {text.rows[bad[0]].line}",
        "numbers in every column except the target",
        "Fill in or remove those rows; encode categories as numbers, with one column for each category; "
        "or name the column to predict, target=….",
    )


def _target(cells: Sequence[str], text: _Text, kind: Kind | None, name: str) -> np.ndarray:
    """Numbers if all cells are numbers, else text; refuses missing cells, and a few cells of text among numbers."""
    bad = [i for i, cell in enumerate(cells) if not _is_number(cell)]
    if not bad:
        return np.array([float(cell) for cell in cells])
    missing = [i for i in bad if cells[i] in MISSING and (cells[i] == "" or kind != "classification")]
    alike = len(cells) - len(bad) + sum(bool(THOUSANDS.fullmatch(cells[i])) for i in bad)
    place = missing or bad
    first = f"the first ({cells[place[0]]!r}) on line {text.rows[place[0]].line}"
    classes = "pass kind=classification if they are names of classes."
    if missing:
        raise UserError(
            f"{counted(len(missing), 'missing value')} of target {name!r} in {text.path}, {first}",
            "a value in every row",
            f"Fill in or remove those rows, or {classes}",
        )
    if kind == "regression" or (kind is None and 2 * alike > len(cells)):
        raise UserError(
            f"{counted(len(bad), 'non-numeric cell')} of target {name!r} in {text.path}, {first}",
            "numbers, as in most of its cells" if kind is None else "numbers, for regression",
            "Correct those cells, without thousands separators, or " + classes,
        )
    return np.array(cells, object)


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None
