"""Axes with ranges and ticks chosen from the data, so that charts next to each other share them and never cut a sign in half.

An axis knows where a value lies on it, in per cent of its length. Rows that are drawn in a table's cells need no more; curves
hand the same axis to plotly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ticketlab.figures.palette import LIGHT
from ticketlab.figures.wording import fixed, quantity, tens

__all__ = ["SMALLEST", "Axis", "above_zero", "axis_at", "linear_axis", "logarithmic_axis"]

MOST_TICKS = 7
SMALLEST = 1e-18  # where a measure that is exactly zero is drawn on a logarithmic axis


@dataclass(frozen=True)
class Axis:
    """What is drawn along one direction.

    Arguments:
        title: the quantity with its unit.
        low, high: the values at the left (lower) and at the right (upper) end; `low` is the larger one if the axis is reversed.
        ticks: values and their texts.
        logarithmic: whether equal factors have equal lengths.
    """

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, in per cent from the low end; beyond the ends, at them."""
        low, high, at = (
            (math.log10(max(v, SMALLEST / 10)) for v in (self.low, self.high, value))
            if self.logarithmic
            else (self.low, self.high, value)
        )
        return min(100.0, max(0.0, 100.0 * (at - low) / (high - low)))

    def plotly(self) -> dict[str, Any]:
        """A quiet axis: hairline grid, no frame, its title in the soft ink."""
        ends = [math.log10(v) for v in (self.low, self.high)] if self.logarithmic else [self.low, self.high]
        quiet = {"color": LIGHT.soft, "size": 12}
        return {
            "title": {"text": self.title, "font": quiet, "standoff": 8},
            "type": "log" if self.logarithmic else "linear",
            "range": ends,
            "tickvals": [v for v, _ in self.ticks],
            "ticktext": [t for _, t in self.ticks],
            "gridcolor": LIGHT.faint,
            "linecolor": LIGHT.rule,
            "tickfont": quiet,
            "zeroline": False,
            "automargin": True,
            "fixedrange": True,
        }


def linear_axis(title: str, values: Iterable[float], *, include: float | None = None) -> Axis:
    """An axis that holds all finite values, with room at both ends; none beyond `include` if that is the outermost."""
    known = [v for v in values if math.isfinite(v)]
    ends = [*known, *([] if include is None else [include])] or [0.0, 1.0]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
    if low < high:
        low, high = (low if low == include else low - room), (high if high == include else high + room)
    else:  # all values are equal: room on both sides, but `include` stays an end
        low, high = (low if low == include else low - room), high + room
    return Axis(title, low, high, _round_ticks(low, high))


def _round_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """At most six round numbers; five where they are long, such as −0.04."""
    size = 10.0 ** math.floor(math.log10((high - low) / 5))
    most = 4.0 if low < 0 and size < 0.05 else 5.5
    step = next(m * size for m in (1, 2, 5, 10, 20) if (high - low) / (m * size) <= most)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = [round(n * step, places) for n in range(first, last + 1)]
    return tuple((v, quantity(v) if v == round(v) else fixed(v, places)) for v in ticks)


def logarithmic_axis(title: str, values: Iterable[float]) -> Axis:
    """A logarithmic axis with all positive values; ticks at powers of ten; where those are few, at 1, 2, 5 or equal steps."""
    known = [math.log10(v) for v in values if v > 0 and math.isfinite(v)] or [0.0, 1.0]
    room = max(0.05 * (max(known) - min(known)), 0.06)
    low, high = min(known) - room, max(known) + room
    exponents = range(math.ceil(low), math.floor(high) + 1)
    if len(exponents) >= 3:
        every = math.ceil(len(exponents) / MOST_TICKS)
        kept = [e for e in exponents if e % every == 0]
        plain = kept[0] >= -2 and kept[-1] <= 4
        ticks = [(10.0**e, quantity(10.0**e) if plain or e in (0, 1) else tens(e)) for e in kept]
    else:
        every_tick = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in (1, 2, 5)]
        ticks = [(t, quantity(t)) for t in every_tick if low <= math.log10(t) <= high]
        if len(ticks) < 3 and low > -2:
            ticks = list(_round_ticks(10.0**low, 10.0**high))
        elif not ticks:  # their texts are long
            ticks = list(_round_ticks(10.0**low, 10.0**high))[::2]
    return Axis(title, 10.0**low, 10.0**high, tuple(ticks), logarithmic=True)


def axis_at(title: str, values: Sequence[float], texts: Sequence[str] = (), *, reverse: bool = False) -> Axis:
    """A logarithmic axis with a tick at each of these values (widths, densities); reversed, from the largest to the smallest."""
    texts = texts or [quantity(v) for v in values]
    low, high = min(values) / 1.15, max(values) * 1.15
    ends = (high, low) if reverse else (low, high)
    return Axis(title, *ends, tuple(zip(values, texts, strict=True)), logarithmic=True)


def above_zero(values: Float[np.ndarray, " n"]) -> tuple[float, ...]:
    """Those that are numbers, as a logarithmic axis can show them: none below `SMALLEST`."""
    return tuple(np.maximum(values[np.isfinite(values)], SMALLEST).tolist())
