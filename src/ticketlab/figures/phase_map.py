"""A map of verdicts over a grid: colour and sign of a cell say the outcome, its number the effect; contours join equal effects.

The cells are equally large whatever the values of the axes, and contours are drawn as if the effect were linear between the
middles of neighbouring cells. The edges of the rule are drawn as heavy contours: beyond them the estimate alone would decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Float

from ticketlab.figures.axes import linear_axis
from ticketlab.figures.contours import Segment, contour
from ticketlab.figures.figure import Point
from ticketlab.figures.forest import SYMBOLS
from ticketlab.figures.palette import LIGHT, Mark, variable
from ticketlab.figures.wording import decimals, quantity, signed
from ticketlab.laws.verdict import Outcome

__all__ = ["PhaseMap", "Spot"]

CELL = (74, 54)  # least width, and height, in pixels
LETTER = 8  # pixels of a value's letter
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a contour's segment, where its level may be written
Box = tuple[float, float, float, float]
LEFT, BELOW = 62, 46  # at least, for the values of the axes and their names
FILLS = {Outcome.HOLDS: LIGHT.blue, Outcome.FAILS: LIGHT.vermilion, Outcome.UNDECIDED: LIGHT.soft}
STRENGTH = {Outcome.HOLDS: 0.26, Outcome.FAILS: 0.26, Outcome.UNDECIDED: 0.1}


@dataclass(frozen=True)
class Spot:
    """What was found at one place.

    Arguments:
        outcome: None if there is no answer.
        effect, interval: its number, if there is one.
        words: what was found, one sentence.
        link: where it is explained.
    """

    outcome: Outcome | None
    effect: float | None = None
    interval: tuple[float, float] | None = None
    words: str = ""
    link: str = ""


@dataclass(frozen=True)
class PhaseMap:
    """The map.

    Arguments:
        across, up: the name and the values of each axis, from left to right and from below; `up` of one value has no name.
        spots: by the numbers of the values, across and up. A place without one is left empty.
        unit: of the effects.
        region: where the rule says that it holds.
    """

    across: tuple[str, tuple[str, ...]]
    up: tuple[str, tuple[str, ...]]
    spots: Mapping[tuple[int, int], Spot]
    unit: str = ""
    region: tuple[float, float] | None = None

    def marks(self) -> Iterable[Mark]:
        return ()

    def points(self) -> Iterator[Point]:
        for (i, j), spot in self.spots.items():
            if spot.effect is not None:
                at = f"{self.across[0]} {self.across[1][i]}"
                at += f", {self.up[0]} {self.up[1][j]}" if self.up[0] else ""
                low, high = spot.interval or (None, None)
                yield Point(str(spot.outcome or "no verdict"), at, spot.effect, low, high)

    def html(self, label: str, described_by: str) -> str:
        columns, rows = len(self.across[1]), len(self.up[1])
        left = self._left if self.up[0] else 4
        width, height = left + columns * self._cell + 4, rows * CELL[1] + BELOW + 4
        inner = "".join([*self._cells(), *self._contours(), *self._numbers(), *self._axes()])
        return (
            f'<div class="phase"><svg viewBox="{-left} -2 {width} {height}" role="group" aria-label="{escape(label)}" '
            f'aria-describedby="{described_by}" style="max-width: {1.35 * width:.0f}px; min-width: {0.7 * width:.0f}px">'
            f"{inner}</svg></div>"
        )

    @property
    def _cell(self) -> int:
        """The width of a cell, which holds the longest value below it."""
        return max(CELL[0], LETTER * max(map(len, self.across[1])) + 8)

    @property
    def _left(self) -> int:
        """The room for the values at the left, and for their name."""
        return max(LEFT, LETTER * max(map(len, self.up[1])) + 22)

    def _corner(self, i: float, j: float) -> tuple[float, float]:
        """The upper left corner of a cell; the first row is the lowest."""
        return i * self._cell, (len(self.up[1]) - 1 - j) * CELL[1]

    def _cells(self) -> Iterator[str]:
        for i in range(len(self.across[1])):
            for j in range(len(self.up[1])):
                x, y = self._corner(i, j)
                spot = self.spots.get((i, j), Spot(None))
                box = f'x="{x + 1}" y="{y + 1}" width="{self._cell - 2}" height="{CELL[1] - 2}" rx="3"'
                if spot.outcome is None:
                    yield f'<rect {box} fill="none" stroke="var(--rule)" stroke-dasharray="4 4"/>'
                else:
                    colour = variable(FILLS[spot.outcome])
                    yield f'<rect {box} fill="{colour}" fill-opacity="{STRENGTH[spot.outcome]}"/>'

    def _numbers(self) -> Iterator[str]:
        """The sign and the effect of each cell, over the contours, with its words on hovering and a link."""
        halo = "paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round"
        for (i, j), spot in self.spots.items():
            x, y = self._corner(i, j)
            colour = variable(FILLS[spot.outcome]) if spot.outcome else "var(--soft)"
            sign = SYMBOLS[spot.outcome] if spot.outcome else "–"
            middle = f'x="{x + self._cell / 2}" text-anchor="middle"'
            drawn = f'<text {middle} y="{y + 22}" style="font-size: 14px; font-weight: 700; fill: {colour}; {halo}">{sign}</text>'
            if spot.effect is not None:
                drawn += (
                    f'<text {middle} y="{y + 41}" style="font-size: 13px; fill: var(--ink); {halo}">'
                    f"{_effect(spot)}</text>"
                )
            area = f'<rect x="{x}" y="{y}" width="{self._cell}" height="{CELL[1]}" fill="transparent"/>'
            inner = f"<g><title>{escape(spot.words)}</title>{area}{drawn}</g>"
            yield (
                f'<a href="{escape(spot.link)}" aria-label="{escape(spot.words)}">{inner}</a>'
                if spot.link
                else inner
            )

    def _axes(self) -> Iterator[str]:
        bottom = len(self.up[1]) * CELL[1]
        small, named = "font-size: 13px; fill: var(--ink)", "font-size: 13px; fill: var(--soft)"
        for i, value in enumerate(self.across[1]):
            at = f'x="{(i + 0.5) * self._cell}" y="{bottom + 17}"'
            yield f'<text {at} text-anchor="middle" style="{small}">{escape(value)}</text>'
        middle = f'x="{len(self.across[1]) * self._cell / 2}" y="{bottom + 38}"'
        yield f'<text {middle} text-anchor="middle" style="{named}">{escape(self.across[0])}</text>'
        if not self.up[0]:
            return
        for j, value in enumerate(self.up[1]):
            y = self._corner(0, j)[1] + CELL[1] / 2 + 5
            yield f'<text x="-8" y="{y}" text-anchor="end" style="{small}">{escape(value)}</text>'
        turn = f'transform="translate({12 - self._left} {bottom / 2}) rotate(-90)"'
        yield f'<text {turn} text-anchor="middle" style="{named}">{escape(self.up[0])}</text>'

    # --- contours ---

    def _contours(self) -> Iterator[str]:
        values = self._values()
        known = values[np.isfinite(values)]
        if len(known) < 4:
            return
        edges = [e for e in self.region or () if math.isfinite(e)]
        taken = [self._written(i, j) for i, j in self.spots]
        for edge in edges:
            heavy = 'stroke="var(--ink)" stroke-width="2.2" stroke-dasharray="6 4"'
            words = f"{'−' if edge < 0 else ''}{quantity(abs(edge))}"
            yield self._line(contour(values, edge), words, heavy, taken)
        for level, text in linear_axis("", known.tolist()).ticks:
            between = len(edges) == 2 and edges[0] <= level <= edges[1]  # whose lines would hide each other
            if not between and not any(math.isclose(level, edge, abs_tol=1e-9) for edge in edges):
                thin = 'stroke="var(--soft)" stroke-width="1"'
                yield self._line(contour(values, level), text, thin, taken)

    def _written(self, i: int, j: int) -> Box:
        """Where the sign and the number of a cell are."""
        x, y = self._corner(i, j)
        return x + self._cell / 2 - 24, y + 9, x + self._cell / 2 + 24, y + 45

    def _values(self) -> Float[np.ndarray, "rows columns"]:
        values = np.full((len(self.up[1]), len(self.across[1])), np.nan)
        for (i, j), spot in self.spots.items():
            if spot.effect is not None:
                values[j, i] = spot.effect
        return values

    def _line(self, segments: list[Segment], text: str, pen: str, taken: list[Box]) -> str:
        """One contour as a path, with its level where there is room for it."""
        lines = [(self._at(*one), self._at(*other)) for one, other in segments]
        path = "".join(f"M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" for (x0, y0), (x1, y1) in lines)
        label = ""
        places = [(x0 + s * (x1 - x0), y0 + s * (y1 - y0)) for (x0, y0), (x1, y1) in lines for s in SHARES]
        half = 4 * len(text) + 3
        boxes = ((x - half, y - 7, x + half, y + 7) for x, y in places)
        if (
            box := next((box for box in boxes if not any(_meet(box, other) for other in taken)), None)
        ) is not None:
            taken.append(box)
            label = (
                f'<text x="{box[0] + half:.1f}" y="{box[1] + 11:.1f}" text-anchor="middle" style="font-size: 11px; '
                f'fill: var(--soft); paint-order: stroke; stroke: var(--paper); stroke-width: 3px">{escape(text)}</text>'
            )
        return f'<path d="{path}" fill="none" stroke-linecap="round" {pen}/>{label}' if lines else ""

    def _at(self, column: float, row: float) -> tuple[float, float]:
        x, y = self._corner(column, row)
        return x + self._cell / 2, y + CELL[1] / 2


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _effect(spot: Spot) -> str:
    assert spot.effect is not None
    ends = spot.interval
    known = ends is not None and all(map(math.isfinite, ends))
    return signed(spot.effect, min(2, decimals((ends[1] - ends[0]) / 2)) if known and ends else 2)
