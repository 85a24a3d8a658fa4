"""What a claim asks, before anything is measured: its formula and side questions, whose rules can be printed at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ticketlab.laws.formulae import All, Any, Formula, Gate, Gated, Not, rules_of

__all__ = ["Agenda"]


@dataclass(frozen=True)
class Agenda:
    """What a plan asks.

    Arguments:
        rule: of the claim as a whole, in words.
        claim: the formula that decides it.
        sides: side questions, each with a level of its own.
        logic: side questions that follow from several others, as title and rule.
    """

    rule: str
    claim: Formula
    sides: tuple[Formula, ...] = ()
    logic: tuple[tuple[str, str], ...] = ()

    def rules(self) -> list[tuple[str, str]]:
        """Title and rule of every question that counts for the claim."""
        return [(question.title, rule) for question, rule in rules_of(self.claim)]

    def side_rules(self) -> list[tuple[str, str]]:
        """Title and rule of every side question."""
        asked = [(question.title, rule) for side in self.sides for question, rule in rules_of(side)]
        return [*asked, *self.logic]

    def gates(self) -> list[str]:
        """The titles of the conditions without which the claim stays undecided."""
        return list(dict.fromkeys(gate.title for gate in _gates(self.claim)))


def _gates(formula: Formula) -> Iterator[Gate]:
    match formula:
        case Gated(gates, part):
            yield from gates
            yield from _gates(part)
        case All(parts) | Any(parts):
            for part in parts:
                yield from _gates(part)
        case Not(part):
            yield from _gates(part)
