"""The chart that most findings need: one row a thing that is compared, its label above, its numbers at the right.

Each row shows single measurements as small open signs, their mean as a filled one, and the interval of the mean as a bar. A wider
interval is a thin bar behind it. Labels are above the row instead of next to the axis, so that a long name costs no width and a
telephone still shows the whole chart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Any

import plotly.graph_objects as go

from ticketlab.figures.axes import axis
from ticketlab.figures.figure import OUTLINE, chart
from ticketlab.figures.palette import LIGHT, Mark

__all__ = ["Row", "Series", "row_chart"]

ROW_HEIGHT = 46
THIN = {"width": 1.2}
SEEDS = 0.20  # how far below the mean, in rows, single measurements are drawn


@dataclass(frozen=True)
class Series:
    """Measurements of one kind in a row: single `dots`, and where known the `centre`, its `interval` and a wider `outer` one."""

    mark: Mark
    dots: tuple[float, ...] = ()
    centre: float | None = None
    interval: tuple[float, float] | None = None
    outer: tuple[float, float] | None = None


@dataclass(frozen=True)
class Row:
    """A row: its label at the left, a note (its numbers in digits) at the right, and what is drawn."""

    label: str
    series: tuple[Series, ...]
    note: str = ""


def row_chart(
    rows: Sequence[Row],
    *,
    x: dict[str, Any],
    limits: Mapping[float, Mark] = MappingProxyType({}),
    band: float | None = None,
    sides: tuple[str, str] | None = None,
) -> go.Figure:
    """Rows from top to bottom over one horizontal axis.

    Arguments:
        rows: what is compared.
        x: the axis they share.
        limits: upright lines by where they stand; they are broken where a row has its label.
        band: half the width of a shaded band around zero.
        sides: what values below and above zero mean, in a line above the first row.
    """
    signs = [t for i, row in enumerate(rows) for s in row.series for t in _signs(s, -i, escape(row.label))]
    texts = [t for i, row in enumerate(rows) for t in _texts(row, -i)]
    rules = [_rule(-i + 0.5) for i in range(len(rows) + 1)]
    top = 1.0 if sides else 0.5
    return chart(
        [*(_limit(at, mark, len(rows)) for at, mark in limits.items()), *signs],
        x=x,
        y=axis("", visible=False, range=[0.5 - len(rows), top]),
        height=round(ROW_HEIGHT * (len(rows) - 0.5 + top)) + 58,
        shapes=[*rules, *([] if band is None else [_band(band)])],
        annotations=[*texts, *([] if sides is None else _sides(*sides))],
    )


def _limit(at: float, mark: Mark, rows: int) -> go.Scatter:
    upright = [y for i in range(rows) for y in (0.12 - i, -0.5 - i, None)]
    return go.Scatter(
        x=[at] * len(upright),
        y=upright,
        mode="lines",
        line={"color": mark.colour, "width": 1.2, "dash": mark.dash},
        hovertemplate=f"{mark.label} %{{x:.3g}}<extra></extra>",
    )


def _band(half: float) -> dict[str, Any]:
    place = {"x0": -half, "x1": half, "yref": "paper", "y0": 0, "y1": 1}
    return {"type": "rect", **place, "fillcolor": LIGHT.band, "line": {"width": 0}, "layer": "below"}


def _sides(below: str, above: str) -> list[dict[str, Any]]:
    common = {"x": 0, "y": 0.72, "showarrow": False, "font": {"size": 12, "color": LIGHT.soft}}
    return [
        {**common, "xanchor": "right", "text": f"◂ {escape(below)} "},
        {**common, "xanchor": "left", "text": f" {escape(above)} ▸"},
    ]


def _signs(series: Series, y: float, label: str) -> list[Any]:
    mark, at = series.mark, y - 0.08
    signs: list[Any] = []
    for ends, width in ((series.outer, 1), (series.interval, 3)):
        if ends is not None:
            line = {"color": mark.colour, "width": width}
            signs.append(go.Scatter(x=list(ends), y=[at, at], mode="lines", line=line, hoverinfo="skip"))
    if series.dots:
        signs.append(
            go.Scatter(
                x=list(series.dots),
                y=[at - (SEEDS if series.centre is not None else 0)] * len(series.dots),
                mode="markers",
                marker={"symbol": f"{mark.symbol}-open", "size": 7, "color": mark.colour, "line": THIN},
                hovertemplate=f"{label}: %{{x:.4g}}<extra></extra>",
            )
        )
    if series.centre is not None:
        marker = {"symbol": mark.symbol, "size": 11, "color": mark.colour, "line": OUTLINE}
        hover = f"{label}, mean: %{{x:.4g}}<extra></extra>"
        signs.append(
            go.Scatter(x=[series.centre], y=[at], mode="markers", marker=marker, hovertemplate=hover)
        )
    return signs


def _texts(row: Row, y: float) -> list[dict[str, Any]]:
    common = {"xref": "paper", "y": y + 0.29, "showarrow": False, "font": {"size": 12, "color": LIGHT.ink}}
    left = {**common, "x": 0, "xanchor": "left", "xshift": -8, "text": escape(row.label)}
    right = {**common, "x": 1, "xanchor": "right", "xshift": 8, "text": escape(row.note)}
    return [left, right] if row.note else [left]


def _rule(y: float) -> dict[str, Any]:
    place = {"xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y}
    return {"type": "line", **place, "line": {"color": LIGHT.faint, "width": 1}, "layer": "below"}
