"""Axes with ranges and ticks chosen from the data, so that charts side by side share them and never cut a sign in half."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float

from ticketlab.figures.palette import LIGHT
from ticketlab.figures.wording import quantity, tens

__all__ = ["SMALLEST", "above_zero", "axis", "linear_axis", "logarithmic_axis"]

MOST_TICKS = 8
SMALLEST = 1e-18  # where a measure that is exactly zero is drawn on a logarithmic axis


def axis(title: str, **settings: Any) -> dict[str, Any]:
    """A quiet axis: hairline grid, no frame, its title in the soft ink."""
    return {
        "title": {"text": title, "font": {"color": LIGHT.soft, "size": 12}, "standoff": 8},
        "gridcolor": LIGHT.faint,
        "linecolor": LIGHT.rule,
        "tickcolor": LIGHT.rule,
        "tickfont": {"color": LIGHT.soft, "size": 12},
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
        **settings,
    }


def linear_axis(title: str, values: Iterable[float], *, include: float | None = None) -> dict[str, Any]:
    """An axis that holds all finite values, with room at both ends; none beyond `include` if that is the outermost."""
    known = [v for v in values if math.isfinite(v)]
    ends = [*known, *([] if include is None else [include])] or [0.0, 1.0]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
    bottom = low if low == include else low - room
    top = high if high == include else high + room
    return axis(title, range=[bottom, top])


def logarithmic_axis(title: str, values: Iterable[float]) -> dict[str, Any]:
    """A logarithmic axis that holds all positive values; ticks at powers of ten, or at 1, 2, 5 where those are few."""
    known = [math.log10(v) for v in values if v > 0 and math.isfinite(v)] or [0.0, 1.0]
    room = max(0.05 * (max(known) - min(known)), 0.06)
    low, high = min(known) - room, max(known) + room
    exponents = range(math.ceil(low), math.floor(high) + 1)
    if len(exponents) >= 3:
        every = math.ceil(len(exponents) / MOST_TICKS)
        kept = [e for e in exponents if e % every == 0]
        plain = kept[0] >= -2 and kept[-1] <= 4
        texts = [quantity(10.0**e) if plain or e in (0, 1) else tens(e) for e in kept]
        return axis(title, type="log", range=[low, high], tickvals=[10.0**e for e in kept], ticktext=texts)
    ticks = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in (1, 2, 5)]
    ticks = [t for t in ticks if low <= math.log10(t) <= high]
    return axis(title, type="log", range=[low, high], tickvals=ticks, ticktext=[quantity(t) for t in ticks])


def above_zero(values: Float[np.ndarray, " n"]) -> tuple[float, ...]:
    """Those that are numbers, as a logarithmic axis can show them: none below `SMALLEST`."""
    return tuple(np.maximum(values[np.isfinite(values)], SMALLEST).tolist())
