"""The key to a figure's signs, as text with small drawings: it wraps on narrow screens, prints, and can be read aloud."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ticketlab.figures.palette import LIGHT, Mark

__all__ = ["html_key"]

SHAPES = {
    "circle": '<circle cx="7" cy="7" r="4.5"/>',
    "square": '<rect x="3" y="3" width="8" height="8"/>',
    "diamond": '<path d="M7 1.5 12.5 7 7 12.5 1.5 7Z"/>',
    "triangle-up": '<path d="M7 2 12.5 11.5H1.5Z"/>',
    "cross": '<path d="M5.2 2h3.6v3.2H12v3.6H8.8V12H5.2V8.8H2V5.2h3.2Z"/>',
    "x": '<path d="M3.9 1.6 7 4.7 10.1 1.6 12.4 3.9 9.3 7 12.4 10.1 10.1 12.4 7 9.3 3.9 12.4 1.6 10.1 4.7 7 1.6 3.9Z"/>',
}
DASHES = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3"}


def html_key(marks: Sequence[Mark]) -> str:
    """One list item a mark: its drawing, and its label."""
    if not marks:
        return ""
    items = "".join(f"<li>{_drawing(m)}{escape(m.label)}</li>" for m in marks)
    return f'<ul class="key" aria-label="Key">{items}</ul>'


def _drawing(mark: Mark) -> str:
    names = {colour: name for name, colour in LIGHT.named().items()}
    colour = f"var(--{names[mark.colour]})"  # a property, so that it follows light and dark
    if mark.line:
        path = (
            f'<path d="M0 7H28" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{DASHES[mark.dash]}"/>'
        )
        return f'<svg width="28" height="14" aria-hidden="true">{path}</svg>'
    return f'<svg width="14" height="14" fill="{colour}" aria-hidden="true">{SHAPES[mark.symbol]}</svg>'
