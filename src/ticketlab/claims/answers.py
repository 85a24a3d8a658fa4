"""From the answers to a claim's formula and its side questions to the study's verdicts: the claim as a whole comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ticketlab.laws.formulae import (
    Answer,
    Formula,
    Question,
    Tables,
    answer,
    verdict_of,
    whole_outlook,
)
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["claim_verdict", "concerned", "verdicts_of", "with_outlook"]


def verdicts_of(
    claim: Verdict, found: Answer, sides: Sequence[Formula], tables: Tables, levels: Levels
) -> tuple[Verdict, ...]:
    """The claim's verdict, then its questions in order, then the side questions, each with a level of its own."""
    beside = [q for side in sides for q in answer(side, tables, levels).questions()]
    return (
        claim,
        *(verdict_of(q, tables) for q in found.questions()),
        *(verdict_of(q, tables, headline=False) for q in beside),
    )


def claim_verdict(found: Answer, rule: str, says: Mapping[Outcome, str]) -> Verdict:
    """The claim as a whole.

    Arguments:
        found: the answer to its formula.
        rule: what happens for each outcome, a sentence each.
        says: the conclusion for each outcome, a sentence. Where a part fails or is undecided it is named after it.
    """
    return with_outlook(
        Verdict("", found.outcome, rule, None, None, "", _reading(found, says[found.outcome]), key="claim"),
        found,
    )


def with_outlook(claim: Verdict, found: Answer) -> Verdict:
    """The claim's verdict with what would decide it, where its formula does not."""
    coming = whole_outlook(found)
    return replace(claim, would_decide=coming.words, enough_seeds=coming.seeds)


def concerned(found: Answer, outcome: Outcome) -> list[str]:
    """The titles of the questions with this outcome."""
    titles = [
        q.formula.title for q in found.questions() if q.outcome is outcome and isinstance(q.formula, Question)
    ]
    return list(dict.fromkeys(titles))


def _reading(found: Answer, said: str) -> str:
    if found.outcome is Outcome.HOLDS:
        return said
    if found.outcome is Outcome.FAILS:
        return f"{said} What fails: {'; '.join(concerned(found, Outcome.FAILS))}."
    closed = dict.fromkeys(reason for q in found.questions() for reason in q.closed)
    if closed:
        return f"{said} {' '.join(closed)}"
    return f"{said} What is undecided: {'; '.join(concerned(found, Outcome.UNDECIDED))}."
