"""The record of a run: everything that its page says, as plain values, with nothing to look up.

The page is a pure function of a `Record`, so the same stored run always gives the same bytes. The plan and the environment are
as stored, and the evidence as the study returned it. The texts are those of the study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Evidence
from ticketlab.laws.verdict import Verdict

__all__ = ["Record"]


@dataclass(frozen=True)
class Record:
    """One run of one study, ready to be shown.

    Arguments:
        claim: the study's identifier ("tangent-minimum").
        statement: the claim as people put it, one sentence.
        question: what the study asks, one sentence.
        method: paragraphs of plain words; "[key]" cites the source with that key.
        sources: the publications the study builds on.
        plan: the stored plan as nested tables of plain values.
        plan_text: the same plan as a file (TOML), with which the run can be repeated.
        facts: what a reader wants to know first, by name ("Data" → "digits, 1 797 examples").
        environment: versions and device, by name.
        commands: the commands that repeat this run.
        evidence: tables and verdicts.
    """

    claim: str
    statement: str
    question: str
    method: tuple[str, ...]
    sources: tuple[Source, ...]
    plan: Mapping[str, Any]
    plan_text: str
    facts: Mapping[str, str]
    environment: Mapping[str, str]
    commands: tuple[str, ...]
    evidence: Evidence

    @property
    def whole(self) -> Verdict | None:
        """The verdict on the claim as a whole, if there is one yet."""
        return next((v for v in self.evidence.verdicts if not v.question), None)

    @property
    def questions(self) -> tuple[Verdict, ...]:
        """The verdicts on single questions."""
        return tuple(v for v in self.evidence.verdicts if v.question)
