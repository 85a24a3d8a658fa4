"""The argument drawn as a map: a box for each part, coloured by how it stands, and arrows for what speaks for or against what.

One drawing for wide pages. Where it is narrow, a list of the parts with their arrows in words takes its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ticketlab.figures.figure import Point
from ticketlab.figures.palette import LIGHT, Mark, variable
from ticketlab.figures.wording import estimate
from ticketlab.lab.argument import ARROWS, Arrow
from ticketlab.lab.standing import Standing
from ticketlab.laws.verdict import Outcome

__all__ = ["ArgumentMap", "effect_of", "question_of"]

PLACES: Mapping[str, tuple[int, int]] = {
    "A": (0, 0), "B": (1, 0), "C": (2, 0),
    "E": (0, 1), "D": (1, 1), "J": (2, 1),
    "H": (0, 2), "F": (1, 2), "I": (2, 2),
    "K": (0, 3), "L": (1, 3), "G": (2, 3),
}  # fmt: skip
"""Column and row of each part."""

BOX, GAP = (290, 112), (44, 40)  # width and height, in pixels
COLOURS = {
    Outcome.HOLDS: LIGHT.blue,
    Outcome.FAILS: LIGHT.vermilion,
    Outcome.UNDECIDED: LIGHT.soft,
    None: LIGHT.rule,
}
TITLE, EFFECT = 27, 41  # letters of a line in a box


@dataclass(frozen=True)
class ArgumentMap:
    """The map.

    Arguments:
        standings: of all parts.
        links: where each part is explained, by letter.
    """

    standings: Sequence[Standing]
    links: Mapping[str, str]

    def marks(self) -> Iterable[Mark]:
        return ()

    def points(self) -> Iterator[Point]:
        """1 holds, 0 undecided, −1 fails; parts that were not measured have none."""
        values = {Outcome.HOLDS: 1.0, Outcome.UNDECIDED: 0.0, Outcome.FAILS: -1.0}
        for each in self.standings:
            if each.outcome is not None:
                yield Point(each.state, f"{each.part.letter}. {each.part.title}", values[each.outcome])

    def html(self, label: str, described_by: str) -> str:
        width = 3 * BOX[0] + 2 * GAP[0] + 8
        height = 4 * BOX[1] + 3 * GAP[1] + 8
        holds = {each.part.letter: each.outcome is Outcome.HOLDS for each in self.standings}
        shown = [arrow for arrow in ARROWS if arrow.source in holds and arrow.target in holds]
        arrows = "".join(_arrow(arrow, holds[arrow.source]) for arrow in shown)
        boxes = "".join(self._box(each) for each in self.standings)
        return (
            f'<svg class="map" viewBox="-4 -4 {width} {height}" role="group" aria-label="{escape(label)}" '
            f'aria-describedby="{described_by}"><defs>{_head("for", LIGHT.ink)}{_head("against", LIGHT.vermilion)}</defs>'
            f'{arrows}{boxes}</svg><ul class="map-list">{"".join(self._item(each, shown) for each in self.standings)}</ul>'
        )

    def _box(self, each: Standing) -> str:
        x, y = _corner(each.part.letter)
        colour = variable(COLOURS[each.outcome])
        dash = ' stroke-dasharray="5 4"' if each.outcome in (None, Outcome.UNDECIDED) else ""
        title = _spans(x + 12, _wrapped(f"{each.part.letter}. {each.part.title}", TITLE), 18)
        effect = _spans(x + 12, _wrapped(effect_of(each), EFFECT), 15)
        asked = f"<title>{escape(question_of(each))}</title>" if each.deciding else ""
        return (
            f'<a href="#{self.links[each.part.letter]}">{asked}<rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="6" '
            f'fill="var(--paper)" stroke="{colour}" stroke-width="2"{dash}/>'
            f'<text x="{x + 12}" y="{y + 22}" style="font-size: 15px; font-weight: 600; fill: var(--ink)">{title}</text>'
            f'<text x="{x + 12}" y="{y + 65}" style="font-size: 13px; fill: {_ink(each.outcome)}">{escape(each.state)}</text>'
            f'<text x="{x + 12}" y="{y + 84}" style="font-size: 12px; fill: var(--soft)">{effect}</text></a>'
        )

    def _item(self, each: Standing, arrows: Sequence[Arrow]) -> str:
        letter = each.part.letter
        out = [
            f"{'speaks against' if a.against else 'supports'} {a.target}"
            for a in arrows
            if a.source == letter
        ]
        after = f' <span class="note">Where it holds it {_and(out)}.</span>' if out else ""
        title, state = escape(each.part.title), escape(each.state)
        effect = f" {escape(question_of(each))}: {escape(effect_of(each))}." if each.deciding else ""
        return (
            f'<li><a href="#{self.links[letter]}">{letter}. {title}</a>: '
            f'<b class="{each.outcome or "none"}">{state}</b>.{effect}{after}</li>'
        )


def question_of(each: Standing) -> str:
    """Which question decides the part, with its claim."""
    return f"{each.claim}, {each.deciding.question}" if each.deciding else ""


def effect_of(each: Standing) -> str:
    """The effect of that question, with its 95 % interval and its unit."""
    v = each.deciding
    if v is None:
        return ""
    known = v.interval if v.interval and all(map(math.isfinite, v.interval)) else None
    return f"{estimate(v.effect, known, least=1)} {v.unit}".strip()


def _spans(x: float, lines: Sequence[str], step: int) -> str:
    return "".join(
        f'<tspan x="{x}" dy="{step if i else 0}">{escape(line)}</tspan>' for i, line in enumerate(lines)
    )


def _ink(outcome: Outcome | None) -> str:
    return variable(LIGHT.soft if outcome is None else COLOURS[outcome])


def _corner(letter: str) -> tuple[int, int]:
    column, row = PLACES[letter]
    return column * (BOX[0] + GAP[0]), row * (BOX[1] + GAP[1])


def _arrow(arrow: Arrow, holds: bool) -> str:
    """From the edge of one box to the edge of another; faint where its source does not hold."""
    (x0, y0), (x1, y1) = (_middle(arrow.source), _middle(arrow.target))
    begin, end = _edge((x0, y0), (x1, y1), 2), _edge((x1, y1), (x0, y0), 6)
    colour = LIGHT.vermilion if arrow.against else LIGHT.ink
    name = "against" if arrow.against else "for"
    words = (
        f"{arrow.source} {'speaks against' if arrow.against else 'supports'} {arrow.target}: {arrow.words}"
    )
    return (
        f'<line x1="{begin[0]:.0f}" y1="{begin[1]:.0f}" x2="{end[0]:.0f}" y2="{end[1]:.0f}" stroke="{variable(colour)}" '
        f'stroke-width="{1.8 if holds else 1}" opacity="{1 if holds else 0.4}" marker-end="url(#{name})">'
        f"<title>{escape(words)}</title></line>"
    )


def _middle(letter: str) -> tuple[float, float]:
    x, y = _corner(letter)
    return x + BOX[0] / 2, y + BOX[1] / 2


def _edge(start: tuple[float, float], to: tuple[float, float], off: float) -> tuple[float, float]:
    """Where the line between two middles leaves the box around the first, a few pixels further."""
    dx, dy = to[0] - start[0], to[1] - start[1]
    share = min(BOX[0] / 2 / abs(dx) if dx else float("inf"), BOX[1] / 2 / abs(dy) if dy else float("inf"))
    share += off / max((dx**2 + dy**2) ** 0.5, 1.0)
    return start[0] + share * dx, start[1] + share * dy


def _head(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{variable(colour)}"/></marker>'
    )


def _wrapped(text: str, letters: int) -> list[str]:
    """Two lines at most are needed."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
