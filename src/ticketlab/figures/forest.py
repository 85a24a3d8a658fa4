"""The verdict as a picture: one table with every question's effect and intervals, next to the answer.

This is the forest plot of medicine. It needs verdicts only, so every claim has it; a claim that has single measurements, and
words for the two sides of zero, adds them. Questions on different scales are in groups, each with an axis of its own. The
shaded part of a row is where its rule says *holds*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from ticketlab.figures.axes import Axis, linear_axis
from ticketlab.figures.figure import Figure, Panel, Point
from ticketlab.figures.html import prose
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, axis_cell, bar_cell, drawn, region_of
from ticketlab.figures.wording import decimals, estimate, listed, plural, quantity, span
from ticketlab.laws.rules import confidence
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["SYMBOLS", "VERBS", "Asked", "Forest", "badge", "forest", "in_words"]

SYMBOLS = {Outcome.HOLDS: "✓", Outcome.FAILS: "✗", Outcome.UNDECIDED: "?"}
VERBS = {  # of one question, and of several
    Outcome.HOLDS: ("holds", "hold"),
    Outcome.FAILS: ("fails", "fail"),
    Outcome.UNDECIDED: ("is undecided", "are undecided"),
}
MARKS = {
    Outcome.HOLDS: Mark("holds", LIGHT.blue, "circle"),
    Outcome.FAILS: Mark("fails", LIGHT.vermilion, "diamond"),
    Outcome.UNDECIDED: Mark("undecided", LIGHT.soft, "square"),
}
ZERO = Mark("zero", LIGHT.soft, line=True)
MANY = 20  # questions, beyond which what was found is folded, but where a question fails
Interval = tuple[float, float]


@dataclass(frozen=True)
class Asked:
    """How a kind of question is drawn.

    Arguments:
        effect: what the axis shows ("Newton step minus trained network"); by default the unit alone.
        sides: what lies below zero, and above; None where zero has no meaning of its own.
        dots: the single measurements of a verdict, in its unit.
    """

    effect: str = ""
    sides: tuple[str, str] | None = None
    dots: Callable[[Verdict], Sequence[float]] | None = None


def badge(outcome: Outcome) -> str:
    """An outcome as a sign and a word."""
    return (
        f'<span class="badge {outcome}"><span aria-hidden="true">{SYMBOLS[outcome]}</span> {outcome}</span>'
    )


def forest(verdicts: Sequence[Verdict], asked: Mapping[str, Asked] | None = None) -> Figure | None:
    """Every question with its answer; None without questions. `asked` says how the questions of a key are drawn."""
    if not verdicts:
        return None
    table = Forest(tuple(verdicts), asked or {})
    return Figure("verdict", _title(verdicts), _caption(table), (Panel("", table),))


@dataclass(frozen=True)
class Forest:
    """The questions of a claim, in groups that share what is measured."""

    verdicts: tuple[Verdict, ...]
    asked: Mapping[str, Asked] = field(default_factory=dict)
    head: str = "Question"

    def marks(self) -> Iterator[Mark]:
        yield from (
            m for o, m in MARKS.items() if any(v.outcome is o and v.effect is not None for v in self.verdicts)
        )

    def points(self) -> Iterator[Point]:
        for v in self.verdicts:
            yield from drawn(v.question, self.series(v))

    def how(self, v: Verdict) -> Asked:
        return self.asked.get(v.key, Asked())

    def series(self, v: Verdict) -> Series:
        how = self.how(v)
        dots = tuple(how.dots(v)) if how.dots else ()
        return Series(MARKS[v.outcome], dots, v.effect, _known(v.interval), _known(v.deciding))

    def groups(self) -> list[tuple[str, str, list[Verdict]]]:
        """By what is measured and its unit, in the order of the questions; those that count come first.

        Side questions have axes of their own, one a kind, so that none makes the bars that count too short to read.
        """
        found: dict[tuple[str, str, str | None], list[Verdict]] = {}
        for v in sorted(self.verdicts, key=lambda v: not v.headline):
            found.setdefault((self.how(v).effect, v.unit, None if v.headline else v.key), []).append(v)
        return [(effect, unit, of) for (effect, unit, _), of in found.items()]

    def html(self, label: str, described_by: str) -> str:
        heads = "".join(f'<th scope="col">{h}</th>' for h in (self.head, "Effect", "95 % interval", "Answer"))
        before, body = None, ""
        for what, unit, of in self.groups():
            head = (f"{what}, {unit}" if what else unit, self.how(of[0]).sides)
            body += self._group(*head, of, again=head == before)
            before = head
        return (
            f'<table class="bars forest" aria-label="{escape(label)}" aria-describedby="{described_by}">'
            f"<thead><tr>{heads}</tr></thead>{body}</table>"
        )

    def _group(self, title: str, sides: tuple[str, str] | None, of: Sequence[Verdict], again: bool) -> str:
        """A group under its axis; `again` where the head of the group before says the same, so that only the ticks are new."""
        axis = self._axis(title, of)
        rows = "".join(self._row(v, axis) for v in of)
        if axis is None:
            return f"<tbody>{rows}</tbody>"
        named = (
            '<td class="what"></td>'
            if again or not title
            else f'<th class="what" scope="colgroup">{escape(title)}</th>'
        )
        head = f"{named}{axis_cell(axis, None if again else sides, title=False)}<td></td><td></td>"
        return f'<tbody><tr class="axis">{head}</tr>{rows}</tbody>'

    def _axis(self, title: str, of: Sequence[Verdict]) -> Axis | None:
        """Holds all intervals, zero, and the limits of the rules."""
        ends = [e for v in of for e in self.series(v).ends]
        if not ends:
            return None
        limits = [e for v in of for e in (v.region or ()) if math.isfinite(e)]
        return linear_axis(title, [*ends, *limits, 0.0])

    def _row(self, v: Verdict, axis: Axis | None) -> str:
        side = "" if v.headline else ' <small class="note">(side question)</small>'
        question = f'<th scope="row">{self._asked(v, f"<b>{prose(v.question)}</b>{side}")}</th>'
        answer = f'<td class="answer-cell">{badge(v.outcome)}</td>'
        if axis is None or v.effect is None:
            return f'<tr>{question}<td class="bar"></td><td class="number">–</td>{answer}</tr>'
        how = self.how(v)
        sign = how.sides is not None or not how.effect  # a share or a size is written without one
        bar = bar_cell(Row(v.question, (self.series(v),)), axis, {0.0: ZERO}, region_of(axis, v.region))
        return f'<tr>{question}{bar}<td class="number">{_numbers(v, sign)}</td>{answer}</tr>'

    def _asked(self, v: Verdict, title: str) -> str:
        """A question with what was found, which is folded where there are many."""
        said = f'<span class="said">{prose(in_words(v))}</span>'
        if len(self.verdicts) <= MANY:
            return title + said
        opened = " open" if v.outcome is Outcome.FAILS else ""
        return f'<details class="paper"{opened}><summary>{title}</summary>{said}</details>'


def in_words(v: Verdict) -> str:
    """What was found, and what would decide it where it is undecided."""
    return " ".join(filter(None, (v.reading, v.would_decide)))


def _numbers(v: Verdict, sign: bool) -> str:
    """The effect with its interval, and the interval that decides where that is another one."""
    interval = _known(v.interval)
    shown = estimate(v.effect, interval, sign=sign, least=1)
    if v.deciding is None:
        return shown
    places = max(1, decimals((v.deciding[1] - v.deciding[0]) / 2)) if _known(v.deciding) else 1
    words = span(_known(v.deciding), places, sign=sign)
    return f'{shown}<small class="decides">{confidence(v.level)}: {words}</small>' if words else shown


def _known(interval: Interval | None) -> Interval | None:
    """None for an interval that reaches to infinity, which says that nothing is known (one seed)."""
    return interval if interval and all(map(math.isfinite, interval)) else None


def _title(verdicts: Sequence[Verdict]) -> str:
    """ "2 questions: 1 holds, 1 fails; 3 side questions: 2 hold, 1 is undecided"."""
    count, beyond = ([v for v in verdicts if v.headline is which] for which in (True, False))
    kinds = [(of, noun) for of, noun in ((count, "question"), (beyond, "side question")) if of]
    return "; ".join(f"{plural(len(of), noun)}: {', '.join(_outcomes(of))}" for of, noun in kinds)


def _outcomes(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for outcome, (one, several) in VERBS.items():
        if number := sum(v.outcome is outcome for v in verdicts):
            yield f"{quantity(number)} {one if number == 1 else several}"


def _caption(table: Forest) -> str:
    sentences = ["Signs are estimates, bars their 95 % intervals."]
    if any(len(table.series(v).dots) > 1 for v in table.verdicts):
        sentences.append("Open signs are single seeds.")
    if any(v.region for v in table.verdicts):
        sentences.append(
            "The shaded part of a row is where its question holds; its edges were fixed before the runs."
        )
    wider = [v for v in table.verdicts if v.deciding]
    if wider:
        sentences.append(
            "Several questions are asked at once, so some answers must be surer than 95 %, or the claim is wrong too often. For "
            "these the wider intervals decide, drawn as thin bars with their numbers under the others; the rules "
            "below say for which."
        )
    differ = [v.question for v in wider if _reads_otherwise(v)]
    if differ:
        sentences.append(
            f"Of {listed([f'“{q}”' for q in differ])} the 95 % interval lies on one side of an edge, and the wider one does not."
        )
    return " ".join(sentences)


def _reads_otherwise(v: Verdict) -> bool:
    """Whether the 95 % interval lies on one side of an edge that the deciding one crosses."""
    if v.region is None or v.outcome is not Outcome.UNDECIDED or not v.interval or not v.deciding:
        return False

    def decided(i: Interval) -> bool:
        low, high = v.region or (0.0, 0.0)
        return (low <= i[0] and i[1] <= high) or i[1] < low or i[0] > high

    return decided(v.interval) and not decided(v.deciding)
