"""Tables as text: which columns, in which digits, under which caption; and their HTML.

Tables of evidence are shown as they are, long ones only at their head with the count of what is left out. Summaries say by which
columns rows are put together, and what is shown of each: means with their intervals, ranges, sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ticketlab.evidence.tables import Column, Table
from ticketlab.figures.html import csv_text, json_text, prose
from ticketlab.figures.spread import Spread, positive, score, spread
from ticketlab.figures.wording import MISSING, extent, measure, percent, plus_minus, power, quantity

__all__ = [
    "Cell", "TextTable", "count", "distance", "html_table", "interval", "mean", "names", "of_spread", "ranged",
    "scored", "share", "shown", "summary", "total",
]  # fmt: skip

LONGEST = 60
LARGEST = 2000  # rows of a table that are kept in the page for its file
WORDY = 200  # characters; longer text, such as a picture, is not repeated in a table
Cell = Callable[[Table], str]
"""What a summary shows of the rows that belong together."""


@dataclass(frozen=True)
class TextTable:
    """A table of text: a caption, the heads, and rows of which the first `labels` cells name the row.

    `groups` are headings over runs of rows: (index of the first row, heading). `meanings` explain columns: (head, words). `full`
    is the table in full digits for its file, by default the text. `section` is that of a figure.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    groups: tuple[tuple[int, str], ...] = ()
    meanings: tuple[tuple[str, str], ...] = ()
    name: str = "table"
    full: str = ""
    section: str = ""

    def csv(self) -> str:
        """Comma-separated values, with the headings of groups as a first column."""
        if self.full or not self.groups:
            return self.full or csv_text(self.head, self.rows)
        starts = dict(self.groups)
        group, rows = "", []
        for i, row in enumerate(self.rows):
            group = starts.get(i, group)
            rows.append((group, *row))
        return csv_text(("group", *self.head), rows)


# --- summaries ---


def summary(
    caption: str,
    table: Table,
    by: Mapping[str, str],
    cells: Mapping[str, Cell],
    *,
    group: Sequence[str] = (),
    heading: Callable[..., str] = lambda *values: ", ".join(map(str, values)),
    titles: Mapping[str, str] | None = None,
    name: str = "summary",
) -> TextTable:
    """A row for each combination of values of some columns.

    Arguments:
        by: these columns, and what their heads say.
        cells: heads, and what is shown under them of the rows of a combination.
        group: columns whose values are headings over rows; `heading` puts them into words.
        titles: words for values of the columns `by`. Their order is that of the rows; values without words are left out.
    """
    rows: list[tuple[str, ...]] = []
    groups = []
    for values, of in table.by(*group).items() if group else [((), table)]:
        if group:
            groups.append((len(rows), heading(*values)))
        found = of.by(*by)
        if titles is not None:
            order = list(titles)
            known = [key for key in found if key[0] in titles]
            found = {key: found[key] for key in sorted(known, key=lambda key: order.index(key[0]))}
        for key, part in found.items():
            words = [(titles or {}).get(v, v if isinstance(v, str) else quantity(v)) for v in key]
            rows.append((*words, *(cell(part) for cell in cells.values())))
    return TextTable(caption, (*by.values(), *cells), tuple(rows), len(by), tuple(groups), name=name)


def of_spread(make: Callable[[Table], Spread]) -> Cell:
    """A mean with its interval."""

    def cell(rows: Table) -> str:
        s = make(rows)
        return plus_minus(s.mean, s.interval) if s.values else MISSING

    return cell


def scored(column: str) -> Cell:
    """The mean of shares in per cent, with its interval."""
    return of_spread(lambda rows: score(rows, column))


def distance(column: str, factor: float = 1.0) -> Cell:
    """The mean of numbers that are never negative, with its interval."""
    return of_spread(lambda rows: positive(rows, column, factor))


def interval(column: str, factor: float = 1.0, low: float = -np.inf, high: float = np.inf) -> Cell:
    """The mean with its interval, of numbers between `low` and `high`."""
    return of_spread(lambda rows: spread(factor * rows[column].astype(float), low, high))


def mean(column: str, factor: float = 1.0) -> Cell:
    return lambda rows: measure(spread(factor * rows[column].astype(float)).mean)


def share(column: str) -> Cell:
    """The mean of shares, in per cent to three digits."""
    return lambda rows: percent(float(np.mean(rows[column])))


def ranged(column: str) -> Cell:
    return lambda rows: extent(rows[column].tolist())


def total(column: str) -> Cell:
    return lambda rows: quantity(int(np.sum(rows[column])))


def count(column: str) -> Cell:
    """A whole number that is the same, or about the same, in all rows."""
    return lambda rows: quantity(round(float(np.mean(rows[column]))))


def names(column: str) -> Cell:
    """The different words of a column."""
    return lambda rows: ", ".join(sorted(set(rows[column].tolist()) - {""})) or MISSING


# --- evidence ---


def shown(table: Table, longest: int = LONGEST) -> TextTable:
    """An evidence table as text: its first `longest` rows, in readable digits."""
    count = len(table)
    head = tuple(f"{c.name.replace('_', ' ')}{f' [{c.unit}]' if c.unit else ''}" for c in table.columns)
    columns = [[_cell(v) for v in _short(c.values[:longest])] for c in table.columns]
    left_out = f" The first {longest} are shown; {_files(count)}." if count > longest else ""
    times = " Measured times differ from run to run." if table.measured else ""
    caption = f"{table.name}: {quantity(count)} row{'s' * (count != 1)}.{left_out}{times}"
    meanings = tuple((h, c.meaning) for h, c in zip(head, table.columns, strict=True) if c.meaning)
    rows = tuple(zip(*columns, strict=True))
    full = csv_text(
        [c.name for c in table.columns],
        zip(*(_short(c.values[:LARGEST]) for c in table.columns), strict=True),
    )
    return TextTable(
        caption, head, rows, _labels(table.columns), meanings=meanings, name=table.name, full=full
    )


def _short(values: np.ndarray) -> list[Any]:
    """The values, without long texts: the run folder has them."""
    return [
        f"({quantity(len(v))} characters, in the run folder)" if isinstance(v, str) and len(v) > WORDY else v
        for v in values.tolist()
    ]


def _files(count: int) -> str:
    return (
        "the CSV file has them all"
        if count <= LARGEST
        else f"the CSV file has {quantity(LARGEST)}, the run folder all"
    )


def _labels(columns: Sequence[Column]) -> int:
    """Leading columns that name a row: text, or whole numbers among them (seeds)."""
    count = 0
    for c in columns:
        if c.values.dtype.kind != "U" and c.name != "seed":
            break
        count += 1
    return count


def _cell(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return power(value)
        case int():
            return quantity(value)
        case _:
            return str(value)


def html_table(table: TextTable) -> str:
    """The table as HTML with a button for its file, scrolling sideways where the page is too narrow."""
    head = "".join(
        f'<th scope="col"{_side(i, table.labels)}>{escape(h)}</th>' if h else "<td></td>"
        for i, h in enumerate(table.head)
    )
    groups = dict(table.groups)
    body = []
    for i, row in enumerate(table.rows):
        if i in groups:
            body.append(
                f'<tr class="group"><th scope="colgroup" colspan="{len(table.head)}">{escape(groups[i])}</th></tr>'
            )
        cells = (
            f'<th scope="row">{escape(c)}</th>' if j < table.labels else f"<td>{escape(c)}</td>"
            for j, c in enumerate(row)
        )
        body.append(f"<tr>{''.join(cells)}</tr>")
    meanings = "; ".join(f"<b>{escape(h)}</b> {prose(words)}" for h, words in table.meanings)
    explained = f'<p class="meanings">{meanings}.</p>' if meanings else ""
    return (
        f'<div class="table"><div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption)}"><table>'
        f"<caption>{prose(table.caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{explained}"
        f"{save_buttons(table.name, table.csv(), ('csv',))}</div>"
    )


def save_buttons(name: str, csv: str, kinds: Iterable[str]) -> str:
    """Buttons that save a figure or a table as files."""
    buttons = "".join(
        f'<button type="button" class="save" data-kind="{k}">{k.upper()}</button>' for k in kinds
    )
    return (
        f'<p class="tools" data-name="{escape(name)}"><span>Save as</span> {buttons}'
        f'<script type="application/json">{json_text(csv)}</script></p>'
    )


def _side(column: int, labels: int) -> str:
    return ' class="label"' if column < labels else ""
