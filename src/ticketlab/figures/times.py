"""How long things took, as a table: measured times, which differ from run to run."""

from __future__ import annotations

from collections.abc import Iterable

from ticketlab.evidence.tables import Table
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.wording import extent, measure

__all__ = ["seconds_table", "time_table"]


def seconds_table(
    names: tuple[str, str], groups: Iterable[tuple[tuple[str, str], Table]], more: str = ""
) -> TextTable:
    """Mean and range of `seconds` over runs.

    Arguments:
        names: what the two labels of a row are.
        groups: the labels, and the rows of the timings that belong to them.
        more: what else is to be said of these times, from its punctuation mark on.
    """
    rows = []
    for labels, of in groups:
        seconds = spread(of["seconds"])
        rows.append((*labels, measure(seconds.mean), extent(seconds.values, measure)))
    caption = f"Seconds by {' and '.join(names)}: mean and range over runs. Measured times differ from run to run{more}."
    return TextTable(caption, (*names, "mean, s", "range, s"), tuple(rows), 2)


def time_table(timings: Table, what: str) -> TextTable:
    """Seconds by loss and by `what`, a column of the timings, over seeds."""
    pairs = dict.fromkeys(zip(timings["loss"].tolist(), timings[what].tolist(), strict=True))
    groups = (((f"{loss} loss", part), timings.where(**{"loss": loss, what: part})) for loss, part in pairs)
    return seconds_table(("loss", what), groups)
