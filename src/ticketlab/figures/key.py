"""The signs of a figure, and the key to them as text: it wraps, prints, can be read aloud, and hides a series."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ticketlab.figures.palette import Mark, variable

__all__ = ["html_key", "sign"]

SHAPES = {
    "circle": '<circle r="4.5"/>',
    "square": '<rect x="-4" y="-4" width="8" height="8"/>',
    "diamond": '<path d="M0-5.5 5.5 0 0 5.5-5.5 0Z"/>',
    "triangle-up": '<path d="M0-5 5.5 4.5H-5.5Z"/>',
    "cross": '<path d="M-1.8-5h3.6v3.2H5v3.6H1.8V5H-1.8V1.8H-5V-1.8H-1.8Z"/>',
    "x": '<path d="M-3.1-5.4 0-2.3 3.1-5.4 5.4-3.1 2.3 0 5.4 3.1 3.1 5.4 0 2.3-3.1 5.4-5.4 3.1-2.3 0-5.4-3.1Z"/>',
}
DASHES = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3"}


def html_key(marks: Sequence[Mark]) -> str:
    """One list item a mark, a button that hides its series: its drawing, and its label."""
    items = "".join(
        f'<li><button type="button" aria-pressed="true" data-mark="{escape(m.label)}">{_drawing(m)}'
        f"{escape(m.label)}</button></li>"
        for m in marks
    )
    return f'<ul class="key" aria-label="Key">{items}</ul>' if items else ""


def sign(mark: Mark, *, open: bool = False) -> str:
    """A mark's symbol around the origin; open ones are smaller, and drawn in outline."""
    colour = variable(mark.colour)
    if open:
        return f'<g transform="scale(0.62)" fill="none" stroke="{colour}" stroke-width="1.8">{SHAPES[mark.symbol]}</g>'
    return f'<g fill="{colour}" stroke="var(--paper)" stroke-width="1">{SHAPES[mark.symbol]}</g>'


def _drawing(mark: Mark) -> str:
    if mark.line:
        dash = f' stroke-dasharray="{DASHES[mark.dash]}"' if DASHES[mark.dash] else ""
        path = f'<path d="M0 7H28" stroke="{variable(mark.colour)}" stroke-width="2.5"{dash}/>'
        return f'<svg width="28" height="14" aria-hidden="true">{path}</svg>'
    return (
        f'<svg width="14" height="14" aria-hidden="true"><g transform="translate(7 7)">{sign(mark)}</g></svg>'
    )
