"""Verdicts: a rule fixed before the runs, an effect with its interval, and a plain sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Outcome", "Verdict"]


class Outcome(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Verdict:
    """The answer to one question of a study.

    Arguments:
        question: a short phrase ("square loss, f₀ kept"); empty for the claim as a whole. It is for people; programs read `key`
            and `facets`.
        outcome: holds, fails or undecided.
        rule: the decision rule in words, fixed before the runs.
        effect: the estimate, in `unit`; None if the claim as a whole has no single number.
        interval: its 95 % interval, or None.
        unit: the effect's unit ("points of test accuracy").
        reading: one plain sentence for a newcomer.
        headline: whether it counts for the claim as a whole (side questions do not).
        key: identifies the question within the study ("score"); "claim" for the claim as a whole.
        facets: what the question is about ({"loss": "square", "offset": "kept"}).
        deciding: the interval that decided, if it differs from the 95 % one; else None.
        level: the two-sided confidence of `deciding`.
        region: where the question holds, in `unit`, infinite at an open end; None if it is not known.
        would_decide: of an undecided one, what would decide it, in words.
        enough_seeds: how many seeds would; None if no number of them would, or it is not known.
    """

    question: str
    outcome: Outcome
    rule: str
    effect: float | None
    interval: tuple[float, float] | None
    unit: str
    reading: str
    headline: bool = True
    key: str = ""
    facets: Mapping[str, str] = field(default_factory=dict)
    deciding: tuple[float, float] | None = None
    level: float = 0.95
    region: tuple[float, float] | None = None
    would_decide: str = ""
    enough_seeds: int | None = None
