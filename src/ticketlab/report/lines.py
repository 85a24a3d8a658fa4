"""Curves and signs on them, in the style of the page, with the label that is shown where the pointer is."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ticketlab.report.figure import OUTLINE
from ticketlab.report.palette import Mark

__all__ = ["line", "short", "signs"]


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


def short(value: float) -> float | None:
    """Four digits are more than a screen shows, and keep the page small."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
