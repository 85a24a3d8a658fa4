"""Tables as text: which columns, in which digits, under which caption; and their HTML.

Tables of evidence are shown as they are, long ones only at their head with the count of what is left out. Summaries are
made by the studies' own pages and arrive here as text already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ticketlab.evidence.tables import Column, Table
from ticketlab.figures.wording import power, quantity

__all__ = ["TextTable", "html_table", "shown"]

LONGEST = 60


@dataclass(frozen=True)
class TextTable:
    """A table of text: a caption, the heads, and rows of which the first `labels` cells name the row.

    `groups` are headings over runs of rows: (index of the first row, heading). `meanings` explain columns: (head, words).
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    groups: tuple[tuple[int, str], ...] = ()
    meanings: tuple[tuple[str, str], ...] = ()


def shown(table: Table, longest: int = LONGEST) -> TextTable:
    """An evidence table as text: its first `longest` rows, in readable digits."""
    count = len(table)
    head = tuple(f"{c.name.replace('_', ' ')}{f' [{c.unit}]' if c.unit else ''}" for c in table.columns)
    columns = [[_cell(v) for v in c.values[:longest].tolist()] for c in table.columns]
    left_out = f" The first {longest} are shown; the run folder has them all." if count > longest else ""
    times = " Measured times differ from run to run." if table.measured else ""
    caption = f"{table.name}: {quantity(count)} row{'s' * (count != 1)}.{left_out}{times}"
    meanings = tuple((h, c.meaning) for h, c in zip(head, table.columns, strict=True) if c.meaning)
    rows = tuple(zip(*columns, strict=True))
    return TextTable(caption, head, rows, _labels(table.columns), meanings=meanings)


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
    """The table as HTML, scrolling sideways where the page is too narrow."""
    head = "".join(
        f'<th scope="col"{_side(i, table.labels)}>{escape(h)}</th>' for i, h in enumerate(table.head)
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
    meanings = "; ".join(f"<b>{escape(h)}</b> {escape(words)}" for h, words in table.meanings)
    explained = f'<p class="meanings">{meanings}.</p>' if meanings else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption)}"><table>'
        f"<caption>{escape(table.caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{explained}"
    )


def _side(column: int, labels: int) -> str:
    return ' class="label"' if column < labels else ""
