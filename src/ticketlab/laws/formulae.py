"""Formulae: a claim as questions under `All`, `Any`, `Not` and `Gated`, decided at its own level.

Outcomes are Kleene's three values. *All* holds if all parts hold, and fails if one fails. *Any* holds if one part holds, and
fails if all fail. *Not* exchanges the two. The claim as a whole may be wrong with probability α when it says *holds*, and
with α when it says *fails*. These two levels go down the tree:

    All of m parts   (α_holds, α_fails/m) to each        an intersection–union test one way, Bonferroni the other
    Any of m parts   (α_holds/m, α_fails) to each
    Not              (α_fails, α_holds)

so the whole keeps its levels at any nesting, however its parts depend on each other (Berger 1982). No study counts its
questions by hand. Each rule moves only towards *undecided* as the error grows, so every formula does too.

A gate asks whether a measurement is good enough to decide anything: did training converge, is either side better than
guessing? Until it is passed, the questions under it are undecided, and the reading gives the reason. What a gate has to show
by a bound, it shows at the levels of what it keeps back. At a level of its own it would be passed by chance sooner or later,
if a run is looked at again and again.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ticketlab.laws.decide import SEEDS, Outlook, fewest, outlook, projected
from ticketlab.laws.difference import Effect
from ticketlab.laws.rules import USUAL, Levels, Rule
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "All",
    "Answer",
    "Any",
    "Formula",
    "Gate",
    "Gated",
    "Not",
    "Question",
    "answer",
    "rules_of",
    "verdict_of",
    "whole_outlook",
]

Tables: TypeAlias = Mapping[str, typing.Any]
"""The tables of a study by name."""


@dataclass(frozen=True)
class Question:
    """One question: a measured effect, and the rule that decides about it.

    Arguments:
        key: identifies the question within the study ("score").
        title: a short phrase for people ("square loss: test score").
        effect: computes the effect from the study's tables.
        rule: fixed before the runs.
        what: the effect in words, for the rule ("the difference in test score, tangent minimum minus gradient descent").
        scale: how the effect is shown.
        reading: the finding without the conclusion ("The ticket scores 95.7 % and the dense network 96.0 %").
        says: the conclusion for each outcome ("it is as accurate").
        facets: what the question is about, by name.
    """

    key: str
    title: str
    effect: Callable[[Tables], Effect]
    rule: Rule
    what: str
    scale: Scale
    reading: Callable[[Tables], str]
    says: Mapping[Outcome, str]
    facets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """A condition on the measurement.

    Arguments:
        key, title: as a question's.
        passed: from the study's tables: None if it is passed, else the reason why nothing is decided, a whole sentence.
        opens: what would open it, a whole sentence.
        shows: whether something has to be shown by a bound; then `passed` takes the levels too.
    """

    key: str
    title: str
    passed: Callable[..., str | None]
    opens: str = ""
    shows: bool = False

    def closed(self, tables: Tables, levels: Levels = USUAL) -> str | None:
        """The reason why nothing is decided, at the levels of what is kept back; None if it is passed."""
        return self.passed(tables, levels) if self.shows else self.passed(tables)


@dataclass(frozen=True)
class All:
    """Every part holds."""

    parts: tuple[Formula, ...]
    key: str = ""
    title: str = ""


@dataclass(frozen=True)
class Any:
    """At least one part holds."""

    parts: tuple[Formula, ...]
    key: str = ""
    title: str = ""


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Formula
    key: str = ""
    title: str = ""


@dataclass(frozen=True)
class Gated:
    """The part, if the gates are passed."""

    gates: tuple[Gate, ...]
    part: Formula
    key: str = ""
    title: str = ""


Formula: TypeAlias = Question | All | Any | Not | Gated


@dataclass(frozen=True)
class Answer:
    """The outcome of a formula and of its parts.

    Arguments:
        formula: the formula.
        outcome: holds, fails or undecided.
        levels: the levels at which it was decided.
        parts: the answers to its parts; none for a question.
        effect: what a question measured; None otherwise.
        closed: the reasons of gates that are not passed, its own and those above it.
        opens: what would open these gates.
    """

    formula: Formula
    outcome: Outcome
    levels: Levels
    parts: tuple[Answer, ...] = ()
    effect: Effect | None = None
    closed: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()

    def questions(self) -> Iterator[Answer]:
        """The answers to the questions under it, in order."""
        if isinstance(self.formula, Question):
            yield self
        for part in self.parts:
            yield from part.questions()

    def find(self, key: str, **facets: str) -> Answer:
        """The first answer, from this one down, with a key and facets."""
        for found in self._walk():
            asked = found.formula
            has = asked.facets if isinstance(asked, Question) else {}
            if asked.key == key and all(has.get(name) == value for name, value in facets.items()):
                return found
        raise KeyError(f"no question {key!r} with {facets}")

    def _walk(self) -> Iterator[Answer]:
        yield self
        for part in self.parts:
            yield from part._walk()


def answer(formula: Formula, tables: Tables, levels: Levels | None = None) -> Answer:
    """Decides a formula from a study's tables, the whole at the given levels."""
    return _answer(formula, tables, levels or Levels(), {})


def _answer(formula: Formula, tables: Tables, levels: Levels, shut: Mapping[str, str]) -> Answer:
    """`shut`: the reasons of the gates above that are not passed, each with what would open it."""
    closed, opens = tuple(shut), tuple(dict.fromkeys(filter(None, shut.values())))
    if isinstance(formula, Question):
        effect = formula.effect(tables)
        outcome = Outcome.UNDECIDED if closed else formula.rule.outcome(effect, levels)
        return Answer(formula, outcome, levels, (), effect, closed, opens)
    if isinstance(formula, Gated):
        reasons = {
            reason: gate.opens
            for gate in formula.gates
            if (reason := gate.closed(tables, levels)) is not None
        }
        inner = _answer(formula.part, tables, levels, {**shut, **reasons})
        return Answer(formula, inner.outcome, levels, (inner,), None, inner.closed, inner.opens)
    if isinstance(formula, Not):
        part = _answer(formula.part, tables, _below(formula, levels), shut)
        return Answer(formula, _combined(formula, [part.outcome]), levels, (part,), None, closed, opens)
    below = _below(formula, levels)
    parts = tuple(_answer(part, tables, below, shut) for part in formula.parts)
    whole = _combined(formula, [part.outcome for part in parts])
    return Answer(formula, whole, levels, parts, None, closed, opens)


def _combined(formula: Formula, outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a formula from those of its parts."""
    if isinstance(formula, Not):
        turned = {Outcome.HOLDS: Outcome.FAILS, Outcome.FAILS: Outcome.HOLDS}
        return turned.get(outcomes[0], outcomes[0])
    if isinstance(formula, Gated):
        return outcomes[0]
    one, rest = Outcome.HOLDS, Outcome.FAILS
    if isinstance(formula, All):
        one, rest = rest, one
    if one in outcomes:
        return one
    return rest if all(o is rest for o in outcomes) else Outcome.UNDECIDED


def whole_outlook(found: Answer) -> Outlook:
    """What would decide a formula that is not decided: how many seeds, or what would open its gates."""
    if found.outcome is not Outcome.UNDECIDED:
        return Outlook()
    questions = list(found.questions())
    have = max((getattr(q.effect, "seeds", 1) for q in questions), default=1)
    if have < 2:
        return Outlook("At least 2 seeds are needed.", 2)
    seeds = fewest(lambda s: _with_seeds(found, s) is not Outcome.UNDECIDED, have, SEEDS)
    if seeds:
        return Outlook(
            f"At the present estimates about {seeds} seeds would decide the claim as a whole.", seeds
        )
    opens = list(dict.fromkeys(words for q in questions for words in q.opens))
    if opens:
        return Outlook(" ".join(opens))
    return Outlook("More seeds alone cannot decide the claim as a whole.")


def _with_seeds(found: Answer, seeds: int) -> Outcome:
    """The outcome with this number of seeds at the present estimates."""
    if isinstance(found.formula, Question):
        if found.closed or found.effect is None:
            return Outcome.UNDECIDED
        return found.formula.rule.outcome(projected(found.effect, seeds=seeds), found.levels)
    return _combined(found.formula, [_with_seeds(part, seeds) for part in found.parts])


def _below(formula: Formula, levels: Levels) -> Levels:
    """The levels of a formula's parts."""
    match formula:
        case All(parts):
            return Levels(levels.holds, levels.fails / len(parts))
        case Any(parts):
            return Levels(levels.holds / len(parts), levels.fails)
        case Not():
            return Levels(levels.fails, levels.holds)
    return levels


def rules_of(formula: Formula, levels: Levels | None = None) -> Iterator[tuple[Question, str]]:
    """Every question of a formula with its rule in words, at the levels at which it will be decided."""
    levels = levels or Levels()
    if isinstance(formula, Question):
        yield formula, formula.rule.words(formula.what, formula.scale, levels)
        return
    for part in formula.parts if isinstance(formula, All | Any) else (formula.part,):
        yield from rules_of(part, _below(formula, levels))


def verdict_of(found: Answer, tables: Tables, *, headline: bool = True) -> Verdict:
    """The answer to a question as it is stored and shown."""
    asked, effect = found.formula, found.effect
    assert isinstance(asked, Question)
    assert effect is not None
    level = 1 - 2 * asked.rule.strictest(found.levels)
    low, high = effect.interval()
    known = low > float("-inf") or high < float("inf")
    scale = asked.scale.around(effect.mean)
    deciding = scale.interval(*effect.interval(level)) if known and level > 0.95 + 1e-9 else None
    said = asked.reading(tables).rstrip(".")
    coming = Outlook()
    if found.outcome is Outcome.UNDECIDED:
        closed = Outlook(" ".join(found.opens))
        coming = closed if found.closed else outlook(effect, asked.rule, found.levels)
    if found.closed:
        reading = f"{said}. Undecided: {' '.join(found.closed)}"
    elif math.isnan(effect.mean):
        reading = f"{said}. This could not be measured."
    elif not known and getattr(effect, "seeds", 1) >= 2:
        reading = f"{said}. What was measured bounds it on neither side."
    elif not known:
        reading = f"{said}. One seed is not enough to estimate the uncertainty."
    else:
        reading = f"{said}: {asked.says[found.outcome]}."
    return Verdict(
        question=asked.title,
        outcome=found.outcome,
        rule=asked.rule.words(asked.what, asked.scale, found.levels),
        effect=scale.shown(effect.mean),
        interval=scale.interval(low, high) if known else (low, high),
        unit=asked.scale.unit,
        reading=reading,
        headline=headline,
        key=asked.key,
        facets=dict(asked.facets),
        deciding=deciding,
        level=level if deciding else 0.95,
        region=asked.scale.region(*asked.rule.bounds()),
        would_decide=coming.words,
        enough_seeds=coming.seeds,
    )
