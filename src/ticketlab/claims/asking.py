"""Questions that several claims ask alike: what follows from each outcome, two test scores compared, and a gate that counts.

A claim says which columns of which table are compared, what they are called, and by which rule. The sentences are made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ticketlab.claims.headroom import HEADROOM, difference, percent, share
from ticketlab.claims.wording import points, sentence
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference
from ticketlab.laws.formulae import Gate, Question, Tables
from ticketlab.laws.rules import Rule
from ticketlab.laws.scale import POINTS
from ticketlab.laws.verdict import Outcome

__all__ = ["Part", "columns", "no_misses", "scores", "three"]

Part = Callable[[Tables], Table]
"""The part of a study's tables that a question is about."""


def three(holds: str, fails: str, whether: str) -> dict[Outcome, str]:
    """What follows if a question holds, if it fails, and what the data do not decide."""
    return {
        Outcome.HOLDS: holds,
        Outcome.FAILS: fails,
        Outcome.UNDECIDED: f"the data do not decide {whether}",
    }


def scores(
    key: str,
    title: str,
    examples: Part,
    one: tuple[str, str],
    other: tuple[str, str],
    rule: Rule,
    says: Mapping[Outcome, str],
    *,
    facets: Mapping[str, str] | None = None,
    headroom: bool = False,
    before: str = "",
    part: str = "test",
) -> Question:
    """The difference between two test scores, paired by seed and test example.

    Arguments:
        examples: test scores by seed and example, a column a method.
        one, other: the column, and its name with an article ("the ticket").
        headroom: whether the rule is about the difference as a share of the headroom above guessing.
        before: begins the reading ("With the square loss, ").
        part: of the data, if the scores are not those of test examples ("training").
    """
    (first, who), (second, whom) = one, other

    def reading(tables: Tables) -> str:
        of = examples(tables)
        gain = points(difference(of, first, second).mean)
        said = f"{who} scores {percent(of, first)} on {part} data and {whom} {percent(of, second)}"
        return f"{sentence(before + said)}, a difference of {gain} points"

    def effect(tables: Tables) -> Difference:
        return (share if headroom else difference)(examples(tables), first, second)

    return Question(
        key=key,
        title=title,
        effect=effect,
        rule=rule,
        what=f"the difference in {part} score, {_bare(who)} minus {_bare(whom)},",
        scale=(HEADROOM if second == "guess" else HEADROOM.unbounded) if headroom else POINTS,
        reading=reading,
        says=says,
        facets=facets or {},
    )


def no_misses(key: str, title: str, rows: Part, column: str, reason: str, opens: str) -> Gate:
    """Every row of a table has a property.

    Arguments:
        column: whether the row has it.
        reason: a sentence, with {} in the place of "3 of 10".
        opens: what would open the gate, a sentence.
    """

    def passed(tables: Tables) -> str | None:
        of = rows(tables)
        missed = int(np.sum(~of[column]))
        return reason.format(f"{missed} of {len(of)}") if missed else None

    return Gate(key, title, passed, opens)


def columns(table: Table) -> set[str]:
    """The names of a table's columns."""
    return {column.name for column in table.columns}


def _bare(name: str) -> str:
    return name.removeprefix("the ")
