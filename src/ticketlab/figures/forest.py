"""The verdict as a picture: every question's effect with its interval, against the margin that was fixed beforehand.

This is the forest plot of medicine. It needs verdicts only, so every study has it; a study that knows its margin and its single
measurements adds them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ticketlab.figures.axes import axis
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.wording import estimate, listed, plural, quantity
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["SYMBOLS", "forest"]

SYMBOLS = {Outcome.HOLDS: "✓", Outcome.FAILS: "✗", Outcome.UNDECIDED: "?"}

MARKS = {
    Outcome.HOLDS: Mark("holds", LIGHT.blue, "circle"),
    Outcome.FAILS: Mark("fails", LIGHT.vermilion, "diamond"),
    Outcome.UNDECIDED: Mark("undecided", LIGHT.soft, "square"),
}


NONE = Mark("no effect:", LIGHT.soft, line=True)


def forest(
    verdicts: Sequence[Verdict],
    *,
    margin: float | None = None,
    dots: Mapping[str, Sequence[float]] | None = None,
    effect: str = "effect",
    sides: tuple[str, str] | None = None,
) -> Figure | None:
    """Effects with their 95 % intervals, one panel a unit; None if no verdict has a number.

    Arguments:
        verdicts: those on single questions.
        margin: half the width of the band in which an effect counts as none, in the verdicts' unit.
        dots: single measurements by question.
        effect: what the axis shows ("tangent minimum minus gradient descent").
        sides: what an effect below and above zero means.
    """
    shown = [v for v in verdicts if v.effect is not None]
    if not shown:
        return None
    dots = dots or {}
    units = list(dict.fromkeys(v.unit for v in shown))
    panels = []
    for unit in units:
        of = [v for v in shown if v.unit == unit]
        panels.append(
            Panel(unit if len(units) > 1 else "", _chart(of, margin, dots, effect, sides), _words(of, effect))
        )
    key = tuple(mark for outcome, mark in MARKS.items() if any(v.outcome is outcome for v in shown))
    wider = any(_known(v.deciding) for v in shown)
    caption = _caption(margin, any(len(d) > 1 for d in dots.values()), wider, units[0])
    return Figure("verdict", _title(shown), caption, tuple(panels), key)


def _chart(
    verdicts: Sequence[Verdict],
    margin: float | None,
    dots: Mapping[str, Sequence[float]],
    effect: str,
    sides: tuple[str, str] | None,
) -> go.Figure:
    rows = [
        Row(
            v.question + ("" if v.headline else " (side question)"),
            (
                Series(
                    MARKS[v.outcome],
                    tuple(dots.get(v.question, ())),
                    v.effect,
                    _known(v.interval),
                    _known(v.deciding),
                ),
            ),
            f"{estimate(v.effect, v.interval, sign=True, least=1)} {SYMBOLS[v.outcome]}",
        )
        for v in verdicts
    ]
    numbers = [
        n
        for row in rows
        for s in row.series
        for n in (*s.dots, *(s.outer or s.interval or ()), s.centre or 0.0)
    ]
    reach = 1.15 * max(*map(abs, numbers), 1.2 * (margin or 0.0), 1e-12)
    x = axis(f"{effect}, {verdicts[0].unit}", range=[-reach, reach])
    return row_chart(rows, x=x, limits={0.0: NONE}, band=margin, sides=sides)


def _known(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """None for an interval that reaches to infinity, which says that nothing is known (one seed)."""
    return interval if interval and all(map(math.isfinite, interval)) else None


def _title(verdicts: Sequence[Verdict]) -> str:
    counts = [(o, sum(v.outcome is o for v in verdicts)) for o in Outcome]
    parts = [f"{'is undecided' if o is Outcome.UNDECIDED else o} in {quantity(n)}" for o, n in counts if n]
    return f"The claim {listed(parts)} of {plural(len(verdicts), 'comparison')}"


def _caption(margin: float | None, dots: bool, wider: bool, unit: str) -> str:
    sentences = ["Bars are 95 % intervals, filled signs the estimates."]
    if wider:
        sentences.append(
            "Thin bars are the wider intervals by which a question of many is decided on one side, so that the claim as a whole "
            "is seldom wrong."
        )
    if dots:
        sentences.append("Open signs are single seeds.")
    if margin:
        sentences.append(
            f"The shaded band is the margin within which the two count as equally good, ±{quantity(margin)} {unit}; it was fixed "
            "before the runs."
        )
    return " ".join(sentences)


def _words(verdicts: Sequence[Verdict], effect: str) -> tuple[str, ...]:
    return tuple(
        f"{v.question}{'' if v.headline else ' (a side question)'}: {effect} is "
        f"{estimate(v.effect, v.interval, sign=True, least=1)} {v.unit}; {v.outcome}."
        for v in verdicts
    )
