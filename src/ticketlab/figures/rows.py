"""Rows with intervals: a table whose rows draw their bars inside a cell, as meta-analyses print a forest.

Each row has its label, its bar and its numbers. Single measurements are small open signs, their mean a filled one, and the
interval of the mean a bar; a wider interval is a thin bar behind it. Being a table, it prints, wraps, follows light and dark
and is read aloud without any script; on a narrow screen the bar goes under its label. Places are per cent of the cell's width,
so that nothing has to be drawn again when the width changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ticketlab.figures.axes import Axis, linear_axis, logarithmic_axis
from ticketlab.figures.figure import Panel, Point
from ticketlab.figures.key import DASHES, sign
from ticketlab.figures.palette import Mark, variable
from ticketlab.figures.spread import Spread
from ticketlab.figures.wording import estimate

__all__ = [
    "Row", "Rows", "Series", "axis_cell", "bar_cell", "bars", "drawn", "region_of", "row_panels", "series",
]  # fmt: skip

LANE = 15  # pixels between series of one row
SEEDS = 8  # how far below the mean single measurements are drawn
REGION = "band"


@dataclass(frozen=True)
class Series:
    """Measurements of one kind in a row: single `dots`, and where known the `centre`, its `interval` and a wider `outer` one."""

    mark: Mark
    dots: tuple[float, ...] = ()
    centre: float | None = None
    interval: tuple[float, float] | None = None
    outer: tuple[float, float] | None = None

    @property
    def ends(self) -> tuple[float, ...]:
        """All that an axis has to hold."""
        found = (
            *self.dots,
            *(self.interval or ()),
            *(self.outer or ()),
            *([] if self.centre is None else [self.centre]),
        )
        return tuple(v for v in found if math.isfinite(v))


def series(mark: Mark, s: Spread, *, dots: bool = True) -> Series:
    """Mean, interval and, unless there are too many, the single measurements."""
    return Series(mark, s.values if dots else (), s.mean if s.values else None, s.interval)


@dataclass(frozen=True)
class Row:
    """A row: its label, what is drawn, and its numbers in digits, by default the means with their intervals and their unit."""

    label: str
    series: tuple[Series, ...]
    note: str = ""
    unit: str = ""

    def numbers(self) -> str:
        known = [s for s in self.series if s.centre is not None]
        return self.note or " · ".join(f"{estimate(s.centre, s.interval)}{self.unit}" for s in known)


@dataclass(frozen=True)
class Rows:
    """Rows from top to bottom over one axis; `limits` are upright lines by where they are."""

    rows: tuple[Row, ...]
    axis: Axis
    limits: Mapping[float, Mark] = field(default_factory=dict)

    def marks(self) -> Iterator[Mark]:
        yield from dict.fromkeys(s.mark for row in self.rows for s in row.series)
        yield from self.limits.values()

    def points(self) -> Iterator[Point]:
        for row in self.rows:
            for s in row.series:
                yield from drawn(row.label, s)
        for at, mark in self.limits.items():
            yield Point(mark.label, "", at)

    def html(self, label: str, described_by: str) -> str:
        rows = "".join(
            f'<tr><th scope="row">{escape(row.label)}</th>{bar_cell(row, self.axis, self.limits)}'
            f'<td class="number">{escape(row.numbers())}</td></tr>'
            for row in self.rows
        )
        head = f'<thead><tr class="axis"><td></td>{axis_cell(self.axis)}<td></td></tr></thead>'
        about = f'aria-label="{escape(label)}" aria-describedby="{described_by}"'
        return f'<table class="bars" {about}>{head}<tbody>{rows}</tbody></table>'


def row_panels(
    title: str,
    panels: Mapping[str, Iterable[Row]],
    limits: Mapping[str, Mapping[float, Mark]] | None = None,
    *,
    also: Sequence[float] = (),
    include: float | None = None,
    logarithmic: bool = False,
) -> tuple[Panel, ...]:
    """Rows in panels by name, with the limits of each, over one axis that holds all that is drawn, and `also` what is given."""
    rows = {name: tuple(of) for name, of in panels.items()}
    ends = [*also, *(e for of in rows.values() for r in of for s in r.series for e in s.ends)]
    axis = logarithmic_axis(title, ends) if logarithmic else linear_axis(title, ends, include=include)
    return tuple(Panel(name, Rows(of, axis, (limits or {}).get(name, {}))) for name, of in rows.items())


def bars(
    title: str,
    panels: Mapping[str, Mapping[str, Mapping[Mark, Spread]]],
    limits: Mapping[str, Mapping[float, Mark]] | None = None,
    *,
    note: Callable[[str, Sequence[Spread]], str] = lambda label, spreads: "",
    unit: str = "",
    dots: bool = True,
    **axis: Any,
) -> tuple[Panel, ...]:
    """Means with their intervals, by panel, row and series; what was not measured is left out.

    Arguments:
        limits: upright lines, by panel.
        note: the numbers of a row, of its label and what it shows, by default the means with their intervals, each with its unit.
        axis: as `row_panels` takes it.
    """
    rows = {
        name: [
            Row(
                label,
                tuple(series(m, s, dots=dots) for m, s in known.items()),
                note(label, [*known.values()]),
                unit,
            )
            for label, of in labelled.items()
            if (known := {m: s for m, s in of.items() if s.values})
        ]
        for name, labelled in panels.items()
    }
    return row_panels(title, rows, limits, **axis)


def drawn(label: str, s: Series) -> Iterator[Point]:
    """The numbers of a series."""
    if s.centre is not None:
        low, high = s.interval or (None, None)
        yield Point(s.mark.label, label, s.centre, low, high)
        if s.outer is not None:
            yield Point(f"{s.mark.label}, wider interval", label, s.centre, *s.outer)
    for dot in s.dots:
        yield Point(s.mark.label, label, dot, single=s.centre is not None)


def axis_cell(axis: Axis, sides: tuple[str, str] | None = None, *, title: bool = True) -> str:
    """The head of the column of bars: what is drawn, and its ticks; `sides` says what lies below and above zero."""
    ticks = "".join(
        f'<svg x="{axis.place(v):.2f}%" y="100%" overflow="visible"><text y="-4" text-anchor="{_anchor(axis.place(v))}">'
        f"{escape(text)}</text></svg>"
        for v, text in axis.ticks
    )
    meant = (
        f'<span class="sides"><span>◂\u00a0{escape(sides[0])}</span> <span>{escape(sides[1])}\u00a0▸</span></span>'
        if sides
        else ""
    )
    what = f'<span class="what">{escape(axis.title)}</span>' if title else ""
    cell = 'th scope="col"' if (axis.title and title) or sides else "td"
    return (
        f'<{cell} class="bar">{what}{meant}<svg class="ticks" aria-hidden="true">{ticks}</svg></{cell[:2]}>'
    )


def _anchor(place: float) -> str:
    return "start" if place < 5 else "end" if place > 95 else "middle"


def region_of(axis: Axis, ends: tuple[float, float] | None) -> str:
    """A shaded region, as wide as the axis where an end is infinite, with a line at each end."""
    if ends is None:
        return ""
    left, right = (0.0 if v == -math.inf else 100.0 if v == math.inf else axis.place(v) for v in ends)
    edges = "".join(
        f'<line x1="{at:.2f}%" x2="{at:.2f}%" y1="0" y2="100%" stroke="var(--edge)" stroke-width="1"/>'
        for at, v in zip((left, right), ends, strict=True)
        if math.isfinite(v)
    )
    return f'<rect x="{left:.2f}%" width="{right - left:.2f}%" height="100%" fill="var(--{REGION})"/>{edges}'


def bar_cell(row: Row, axis: Axis, limits: Mapping[float, Mark], region: str = "") -> str:
    """The cell in which a row draws its bars."""
    lanes = [LANE + (SEEDS if s.dots and s.centre is not None else 0) for s in row.series]
    height = sum(lanes) + 10
    grid = "".join(_upright(axis.place(v), "var(--faint)") for v, _ in axis.ticks)
    lines = "".join(
        _upright(axis.place(at), variable(m.colour), m.dash, m.label)
        for at, m in limits.items()
        if math.isfinite(at)
    )
    top, signs = -sum(lanes) / 2, []
    for s, lane in zip(row.series, lanes, strict=True):
        signs.append(_signs(s, axis, top + LANE / 2, row.label))
        top += lane
    return (
        f'<td class="bar" style="--height: {height}px"><svg aria-hidden="true">{region}{grid}{lines}'
        f'<svg y="50%" overflow="visible">{"".join(signs)}</svg></svg></td>'
    )


def _upright(at: float, colour: str, dash: str = "solid", label: str = "") -> str:
    dashes = f' stroke-dasharray="{DASHES[dash]}"' if DASHES[dash] else ""
    mark = f' data-mark="{escape(label)}"' if label else ""
    return f'<line x1="{at:.2f}%" x2="{at:.2f}%" y1="0" y2="100%" stroke="{colour}"{dashes}{mark}/>'


def _signs(s: Series, axis: Axis, y: float, label: str) -> str:
    parts = []
    for ends, width in ((s.outer, 1.2), (s.interval, 3.2)):
        if ends is not None and all(map(math.isfinite, ends)):
            left, right = (axis.place(v) for v in ends)
            parts.append(
                f'<line x1="{left:.2f}%" x2="{right:.2f}%" y1="{y:g}" y2="{y:g}" stroke="{variable(s.mark.colour)}" '
                f'stroke-width="{width}"/>'
            )
    below = y + (SEEDS if s.centre is not None else 0)
    parts += [_at(axis.place(v), below, sign(s.mark, open=True), f"{label}: {v:.4g}") for v in _known(s.dots)]
    if s.centre is not None and math.isfinite(s.centre):
        parts.append(_at(axis.place(s.centre), y, sign(s.mark), f"{label}, {s.mark.label}: {s.centre:.4g}"))
    return f'<g data-mark="{escape(s.mark.label)}">{"".join(parts)}</g>'


def _at(place: float, y: float, drawing: str, title: str) -> str:
    return f'<svg x="{place:.2f}%" y="{y:g}" overflow="visible"><title>{escape(title)}</title>{drawing}</svg>'


def _known(values: Sequence[float] | Iterable[float]) -> list[float]:
    return [v for v in values if math.isfinite(v)]
