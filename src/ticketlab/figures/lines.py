"""Curves and signs on them, in the style of the page, with the label that is shown where the pointer is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ticketlab.figures.figure import OUTLINE
from ticketlab.figures.palette import Mark
from ticketlab.figures.spread import Spread

__all__ = ["line", "short", "signs", "with_intervals"]


def signs(x: np.ndarray, y: np.ndarray, mark: Mark, labels: list[str]) -> go.Scatter:
    return go.Scatter(
        x=[short(v) for v in x.tolist()],
        y=[short(v) for v in y.tolist()],
        mode="markers",
        marker={"symbol": mark.symbol, "size": 9, "color": mark.colour, "line": OUTLINE},
        text=labels,
        hovertemplate="%{text}: %{y:.3g} at %{x:.3g}<extra></extra>",
    )


def line(
    x: np.ndarray, y: np.ndarray, mark: Mark, label: str, *, width: float, opacity: float = 1.0
) -> go.Scatter:
    return go.Scatter(
        x=[short(v) for v in x.tolist()],
        y=[short(v) for v in y.tolist()],
        mode="lines",
        opacity=opacity,
        line={"color": mark.colour, "width": width, "dash": mark.dash},
        hovertemplate=f"{label}: %{{y:.3g}} at %{{x:.3g}}<extra></extra>",
    )


def with_intervals(x: Sequence[float], each: Sequence[Spread], mark: Mark, unit: str = "") -> go.Scatter:
    """Means joined by a line, with bars for their intervals; `unit` is that of x."""
    half = [0.0 if s.interval is None else (s.interval[1] - s.interval[0]) / 2 for s in each]
    return go.Scatter(
        x=[short(v) for v in x],
        y=[short(s.mean) for s in each],
        error_y={"array": [short(h) for h in half], "color": mark.colour, "thickness": 1.2, "width": 3},
        mode="lines+markers",
        line={"color": mark.colour, "width": 1.5, "dash": mark.dash},
        marker={"symbol": mark.symbol, "size": 7, "color": mark.colour},
        hovertemplate=f"{mark.label}: %{{y:.4g}} at %{{x:.3g}}{unit}<extra></extra>",
    )


def short(value: float) -> float | None:
    """Four digits are more than a screen shows, and keep the page small."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
