"""What a figure is here: a finding, small charts side by side, a key to their signs, and the same in words.

Small charts instead of one large one, because they flow into one column on a telephone and two on paper. Each has its own axes,
with ranges shared on purpose by whoever makes them. The key is text of the page, so it prints and is read aloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from ticketlab.figures.palette import LIGHT, Mark

__all__ = ["OUTLINE", "Figure", "Panel", "chart"]

OUTLINE = {"width": 1.5, "color": LIGHT.paper}  # sets a sign off from the lines under it
FONT = '"Segoe UI", Roboto, "Noto Sans", "Liberation Sans", system-ui, sans-serif'


@dataclass(frozen=True)
class Panel:
    """One chart.

    Arguments:
        name: what sets it apart from its neighbours ("square loss, f₀ kept"); empty when it stands alone.
        chart: as plotly draws it.
        words: what it shows, with the numbers, for those who do not see it.
    """

    name: str
    chart: go.Figure
    words: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """Charts that show one finding.

    Arguments:
        key: file-safe and unique on the page ("test-error").
        title: the finding, computed from the data, a sentence without its full stop.
        caption: what is drawn and how to read it.
        panels: the charts.
        marks: the key to their signs.
    """

    key: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    marks: tuple[Mark, ...] = ()


def chart(
    traces: Sequence[Any],
    *,
    x: dict[str, Any],
    y: dict[str, Any],
    height: int,
    shapes: Sequence[dict[str, Any]] = (),
    annotations: Sequence[dict[str, Any]] = (),
) -> go.Figure:
    """A chart in the style of the page, as wide as the space it is given."""
    layout = go.Layout(
        template=go.layout.Template(),
        height=height,
        xaxis=x,
        yaxis=y,
        shapes=shapes,
        annotations=annotations,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        font={"family": FONT, "size": 12, "color": LIGHT.ink},
        paper_bgcolor=LIGHT.paper,
        plot_bgcolor=LIGHT.paper,
        showlegend=False,
        hovermode="closest",
        dragmode=False,
        hoverlabel={
            "bgcolor": LIGHT.wash,
            "bordercolor": LIGHT.rule,
            "font": {"color": LIGHT.ink, "size": 12},
        },
    )
    return go.Figure(traces, layout)
