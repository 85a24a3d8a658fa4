"""From the answers to a claim's formula and its side questions to the study's verdicts: the claim as a whole comes first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from ticketlab.laws.formulae import All, Answer, Formula, Question, Tables, answer, verdict_of, whole_outlook
from ticketlab.laws.rules import USUAL, Levels
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["claim_verdict", "closed", "concerned", "headline", "side_verdicts", "verdicts_of", "with_outlook"]


def verdicts_of(
    claim: Verdict, found: Answer, sides: Iterable[Formula], tables: Tables, levels: Levels = USUAL
) -> tuple[Verdict, ...]:
    """The claim's verdict, then its questions in order, then the side questions, each with a level of its own."""
    return (claim, *(verdict_of(q, tables) for q in found.questions()), *side_verdicts(sides, tables, levels))


def headline(
    parts: Mapping[str, Formula], complete: Collection[str], tables: Tables, levels: Levels = USUAL
) -> tuple[Answer | None, dict[str, list[Verdict]]]:
    """A claim that says the same of several things, of which some may not be run yet.

    Each has its share of the level, whether or not the others are there, so that its answer stays what it is.

    Arguments:
        parts: what is asked of each, under *all*.
        complete: those whose cells have all been run.
        levels: of the claim as a whole.

    Returns:
        The answer to the whole once all are complete; and of those that are, the verdicts on their questions.
    """
    whole = None
    if set(parts) <= set(complete):
        whole = answer(All(tuple(parts.values())), tables, levels)
        found = dict(zip(parts, whole.parts, strict=True))
    else:
        share = Levels(levels.holds, levels.fails / len(parts))
        found = {name: answer(part, tables, share) for name, part in parts.items() if name in complete}
    return whole, {name: [verdict_of(q, tables) for q in of.questions()] for name, of in found.items()}


def side_verdicts(sides: Iterable[Formula], tables: Tables, levels: Levels = USUAL) -> list[Verdict]:
    """The answers to side questions, each with a level of its own."""
    asked = [q for side in sides for q in answer(side, tables, levels).questions()]
    return [verdict_of(q, tables, headline=False) for q in asked]


def claim_verdict(
    found: Answer, rule: str, says: Mapping[Outcome, str], inner: Callable[[Answer], str] | None = None
) -> Verdict:
    """The claim as a whole.

    Arguments:
        found: the answer to its formula.
        rule: what happens for each outcome, a sentence each.
        says: the conclusion for each outcome, a sentence or several.
        inner: what the conclusion comes from, a sentence, where a part fails or is undecided; by default the titles of the
            questions. Where a gate is closed its reason takes the place.
    """
    said, reasons = says[found.outcome], closed(found)
    if found.outcome is Outcome.UNDECIDED and reasons:
        said = f"{said} {' '.join(reasons)}"
    elif found.outcome is not Outcome.HOLDS:
        said = f"{said} {(inner or _titles)(found)}"
    return with_outlook(Verdict("", found.outcome, rule, None, None, "", said.rstrip(), key="claim"), found)


def with_outlook(claim: Verdict, found: Answer) -> Verdict:
    """The claim's verdict with what would decide it, where its formula does not."""
    coming = whole_outlook(found)
    return replace(claim, would_decide=coming.words, enough_seeds=coming.seeds)


def closed(found: Answer) -> list[str]:
    """The reasons of all gates that are not passed, each once."""
    return list(dict.fromkeys(reason for q in found.questions() for reason in q.closed))


def concerned(found: Answer, outcome: Outcome | None = None) -> list[Question]:
    """The questions with this outcome; without one, all of them."""
    return [
        q.formula
        for q in found.questions()
        if outcome in (None, q.outcome) and isinstance(q.formula, Question)
    ]


def _titles(found: Answer) -> str:
    titles = dict.fromkeys(question.title for question in concerned(found, found.outcome))
    what = "What fails" if found.outcome is Outcome.FAILS else "What is undecided"
    return f"{what}: {'; '.join(titles)}."
