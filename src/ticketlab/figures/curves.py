"""Curves with intervals, and one thing against another: what plotly draws, so that it can be zoomed.

A curve is a mark with places, values and perhaps an interval at each; where it has a symbol and no line it is a scatter. Levels
are straight lines across the chart: a limit, a reference, the place at which the question is decided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import Axis
from ticketlab.figures.figure import Panel, Point
from ticketlab.figures.html import json_text
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.spread import Spread

__all__ = ["Curve", "Level", "Plot", "curve", "each_seed", "mean_curve", "plots", "points", "runs"]

FONT = '"Segoe UI", Roboto, "Noto Sans", "Liberation Sans", system-ui, sans-serif'
HEIGHT = 280


@dataclass(frozen=True)
class Curve:
    """A series.

    Arguments:
        mark: colour, and symbol or dash.
        x, y: places and values.
        intervals: of the values, where there are any.
        label: what it is, where the pointer is; by default the mark's.
        thin: whether it is a single seed's, drawn lightly.
        strong: whether it is emphasised.
        joined: whether a line joins the values.
        signed: whether each value has a symbol.
        texts: what each value is, where the pointer is and in the table.
    """

    mark: Mark
    x: Sequence[float]
    y: Sequence[float]
    intervals: Sequence[tuple[float, float] | None] = ()
    label: str = ""
    thin: bool = False
    strong: bool = False
    joined: bool = True
    signed: bool = False
    texts: Sequence[str] = ()

    @property
    def ends(self) -> Iterator[float]:
        """All that the upright axis has to hold."""
        yield from (float(v) for ends in (self.y, *filter(None, self.intervals)) for v in ends)

    def plotly(self) -> dict[str, Any]:
        what = "+".join(n for n, yes in (("lines", self.joined), ("markers", self.signed)) if yes)
        colour, edge = self.mark.colour, {"width": 1, "color": LIGHT.paper}
        width = 1 if self.thin else 2.5 if self.strong else 1.8
        trace: dict[str, Any] = {
            "type": "scatter",
            "x": _short(self.x),
            "y": _short(self.y),
            "mode": what,
            "meta": self.mark.label,
            "opacity": 0.4 if self.thin else 1.0,
            "line": {"color": colour, "width": width, "dash": self.mark.dash},
            "marker": {"symbol": self.mark.symbol, "size": 8, "color": colour, "line": edge},
            "hovertemplate": f"{escape(self.label or self.mark.label)}: %{{y:.4g}} at %{{x:.4g}}<extra></extra>",
        }
        if self.texts:
            trace |= {"text": list(self.texts)}
            trace["hovertemplate"] = (
                f"{escape(self.mark.label)}, %{{text}}: %{{y:.4g}} at %{{x:.4g}}<extra></extra>"
            )
        if any(self.intervals):
            ends = [i or (v, v) for i, v in zip(self.intervals, self.y, strict=True)]
            trace["error_y"] = {
                "array": _short([max(high - v, 0.0) for (_, high), v in zip(ends, self.y, strict=True)]),
                "arrayminus": _short([max(v - low, 0.0) for (low, _), v in zip(ends, self.y, strict=True)]),
                **{"type": "data", "symmetric": False, "color": colour, "thickness": 1.2, "width": 3},
            }
        return trace


def curve(mark: Mark, x: Sequence[float], spreads: Sequence[Spread], **how: Any) -> Curve:
    """Means over seeds with their intervals, joined by a line."""
    how = {"signed": True, **how}
    return Curve(mark, x, [s.mean for s in spreads], [s.interval for s in spreads], **how)


def each_seed(mark: Mark, rows: Table, x: str, y: str) -> list[Curve]:
    """A thin curve a seed, and their mean as a thick one where all have the same places."""
    single = runs(mark, rows, x, y, thin=True)
    if len({tuple(c.x) for c in single}) != 1:
        return single
    mean = np.mean([c.y for c in single], axis=0)
    return [*single, Curve(mark, single[0].x, mean.tolist(), label=f"{mark.label}, mean", strong=True)]


def mean_curve(mark: Mark, rows: Table, x: str, y: str, factor: float = 1.0, **how: Any) -> Curve:
    """The mean of a column over the rows at each place."""
    each = rows.along(x)
    means = [factor * float(np.mean(of[y])) for _, of in each]
    return Curve(mark, [float(place) for place, _ in each], means, **how)


def points(mark: Mark, rows: Table, x: str, y: str, **how: Any) -> Curve:
    """A sign a row."""
    return Curve(mark, rows[x].astype(float).tolist(), rows[y].tolist(), joined=False, signed=True, **how)


def runs(mark: Mark, rows: Table, x: str, y: str, factor: float = 1.0, **how: Any) -> list[Curve]:
    """A curve a seed, from the lowest place on."""
    each = {seed: of.taken(np.argsort(of[x], kind="stable")) for (seed,), of in rows.by("seed").items()}
    return [
        Curve(mark, of[x].tolist(), (factor * of[y]).tolist(), label=f"{mark.label}, seed {seed}", **how)
        for seed, of in each.items()
    ]


@dataclass(frozen=True)
class Level:
    """A straight line across the chart, upright (`x`) or level (`y`); none where that is no number."""

    mark: Mark
    x: float | None = None
    y: float | None = None

    @property
    def known(self) -> bool:
        """Whether it can be drawn."""
        return any(v is not None and math.isfinite(v) for v in (self.x, self.y))

    def plotly(self) -> dict[str, Any]:
        line = {"color": self.mark.colour, "width": 1.6, "dash": self.mark.dash}
        at, across = (self.x, "x") if self.x is not None else (self.y, "y")
        other = "y" if across == "x" else "x"
        place = {f"{across}0": at, f"{across}1": at, f"{other}ref": "paper", f"{other}0": 0, f"{other}1": 1}
        return {"type": "line", **place, "line": line, "layer": "below"}


@dataclass(frozen=True)
class Plot:
    """Curves over shared axes."""

    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    levels: tuple[Level, ...] = ()
    height: int = HEIGHT

    def marks(self) -> Iterator[Mark]:
        for c in self.curves:
            yield c.mark
        for level in self.levels:
            yield level.mark

    def points(self) -> Iterator[Point]:
        for c in self.curves:
            name = c.label or c.mark.label
            for i, (x, y) in enumerate(zip(c.x, c.y, strict=True)):
                low, high = (c.intervals[i] if c.intervals else None) or (None, None)
                yield Point(
                    f"{name}, {c.texts[i]}" if c.texts else name, float(x), float(y), low, high, c.thin
                )
        for level in self.levels:
            if level.y is not None:
                yield Point(level.mark.label, "", level.y)
            elif level.x is not None:
                yield Point(level.mark.label, level.x, math.nan)

    def html(self, label: str, described_by: str) -> str:
        figure = json_text(self.plotly())
        return (
            f'<div class="chart" role="img" aria-label="{escape(label)}" aria-describedby="{described_by}" '
            f'style="height: {self.height}px"></div><script type="application/json">{figure}</script>'
        )

    def plotly(self) -> dict[str, Any]:
        """A chart in the style of the page, as wide as the space it is given."""
        hover = {"color": LIGHT.ink, "size": 12}
        layout = {
            "height": self.height,
            "xaxis": self.x.plotly(),
            "yaxis": self.y.plotly(),
            "shapes": [level.plotly() for level in self.levels if level.known],
            "margin": {"l": 8, "r": 14, "t": 8, "b": 8},
            "font": {"family": FONT, "size": 12, "color": LIGHT.ink},
            "paper_bgcolor": LIGHT.paper,
            "plot_bgcolor": LIGHT.paper,
            "showlegend": False,
            "hovermode": "closest",
            "dragmode": False,
            "hoverlabel": {"bgcolor": LIGHT.wash, "bordercolor": LIGHT.rule, "font": hover},
        }
        return {"data": [c.plotly() for c in self.curves], "layout": layout}


def plots(
    panels: Mapping[str, Iterable[Curve]],
    x: Axis,
    y: Axis | Callable[[list[float]], Axis],
    levels: Iterable[Level] | Mapping[str, Iterable[Level]] = (),
    height: int = HEIGHT,
) -> tuple[Panel, ...]:
    """Curves in panels by name, over shared axes.

    Arguments:
        y: the upright axis, or what makes it of all that it has to hold.
        levels: of each panel by its name, or of all.
    """
    curves = {name: tuple(of) for name, of in panels.items()}
    lines = {n: tuple(levels[n] if isinstance(levels, Mapping) else levels) for n in curves}
    if not isinstance(y, Axis):
        ends = [e for of in curves.values() for c in of for e in c.ends]
        y = y([*ends, *(level.y for of in lines.values() for level in of if level.y is not None)])
    return tuple(Panel(name, Plot(x, y, of, lines[name], height)) for name, of in curves.items())


def _short(values: Iterable[float]) -> list[float | None]:
    """Four digits are more than a screen shows, and keep the page small."""
    return [float(f"{v:.4g}") if math.isfinite(v) else None for v in map(float, values)]
