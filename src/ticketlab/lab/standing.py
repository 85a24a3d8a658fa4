"""How each part of the argument stands, given the verdicts of runs, which question decides it, and a sentence that says why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ticketlab.lab.argument import PARTS, Asked, Found, Part, Undercut
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["Standing", "standings"]

SAID = {
    Outcome.HOLDS: ("holds", "hold"),
    Outcome.FAILS: ("fails", "fail"),
    Outcome.UNDECIDED: ("is undecided", "are undecided"),
}


@dataclass(frozen=True)
class Standing:
    """How a part stands.

    Arguments:
        part: the part.
        outcome: None if nothing of it was measured.
        undercut: what takes its force away, if it holds.
        sentence: why, from the verdicts.
        claim, deciding: the first question with this outcome and an effect, among those that decide the part, and its claim;
            None if there is none.
    """

    part: Part
    outcome: Outcome | None
    undercut: tuple[Undercut, ...]
    sentence: str
    claim: str = ""
    deciding: Verdict | None = None

    @property
    def state(self) -> str:
        """In a word or two."""
        if self.outcome is None:
            return "not measured"
        return f"{self.outcome}, but undercut" if self.undercut else str(self.outcome)


def standings(found: Found, parts: Iterable[Part] = PARTS) -> list[Standing]:
    """The standing of each part."""
    return [_standing(part, found) for part in parts]


def _standing(part: Part, found: Found) -> Standing:
    outcome = part.support.outcome(found)
    holding = part.undercuts if outcome is Outcome.HOLDS else ()
    undercut = tuple(each for each in holding if each.by.outcome(found) is Outcome.HOLDS)
    claim, deciding = _deciding(part, outcome, found)
    return Standing(part, outcome, undercut, _sentence(part, found, undercut), claim, deciding)


def _deciding(part: Part, outcome: Outcome | None, found: Found) -> tuple[str, Verdict | None]:
    """The claim and the question."""
    for asked in part.support.asked():
        if asked.outcome(found) is outcome and (verdict := asked.deciding(found)) is not None:
            return asked.claim, verdict
    return "", None


def _sentence(part: Part, found: Found, undercut: Iterable[Undercut]) -> str:
    """ "tangent-minimum and newton-step hold; linear-regime is undecided." and what takes the force from it."""
    by_outcome: dict[Outcome | None, list[str]] = {}
    for asked in part.support.asked():
        by_outcome.setdefault(_plain(asked, found), []).append(_named(asked))
    clauses = [_clause(names, outcome) for outcome, names in by_outcome.items() if outcome is not None]
    if missing := by_outcome.get(None):
        clauses.append(f"{_listed(missing)} {'were' if len(missing) > 1 else 'was'} not measured")
    text = "; ".join(clauses)
    for each in undercut:
        names = _listed([asked.claim for asked in each.by.asked()])
        text += f". But {each.words} ({names})"
    return f"{text}."


def _plain(asked: Asked, found: Found) -> Outcome | None:
    """The outcome of the claim or question itself, not turned round."""
    return Asked(asked.claim, asked.key, asked.facets).outcome(found)


def _named(asked: Asked) -> str:
    return f"{asked.claim} ({asked.words})" if asked.words else asked.claim


def _clause(names: list[str], outcome: Outcome) -> str:
    return f"{_listed(names)} {SAID[outcome][len(names) > 1]}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
