"""What is decided at each rewind step, for the study `linear-mode`: three questions of the ticket, each decided or open.

Is the ticket stable, is it as accurate as the dense network, is it more accurate than a random mask? It *works* when both of the
last hold. All intervals have one level, corrected for the number of questions, so that what they decide is right together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ticketlab.laws.equivalence import Difference, all_of, any_of, negation, paired_difference, side
from ticketlab.laws.verdict import Outcome
from ticketlab.studies.evidence import Table

__all__ = [
    "DENSE",
    "RANDOM",
    "TICKET",
    "Rule",
    "Step",
    "barrier_of",
    "complete_steps",
    "gain",
    "stable",
    "steps",
]

DENSE, TICKET, RANDOM = "dense", "ticket", "random"


@dataclass(frozen=True)
class Rule:
    """What was fixed before the runs.

    Arguments:
        stable: the barrier below which a network is stable.
        margin: the difference in test score that still counts as equal.
        rewind_steps: at which the questions are asked.
        controls: masks that are compared with the ticket's; without a random one nothing is decided.
    """

    stable: float
    margin: float
    rewind_steps: tuple[int, ...]
    controls: tuple[str, ...] = (RANDOM,)

    @property
    def compared(self) -> bool:
        return RANDOM in self.controls

    @property
    def asked(self) -> int:
        """How many questions the claim rests on."""
        return 3 * len(self.rewind_steps)

    @property
    def masks(self) -> tuple[str, ...]:
        """All subnetworks of one density."""
        return (TICKET, *self.controls)

    @property
    def asked_of_masks(self) -> int:
        """How many questions are asked of all subnetworks together."""
        return 2 * len(self.masks) * len(self.rewind_steps)


@dataclass(frozen=True)
class Step:
    """What was found of the ticket at one rewind step."""

    k: int
    stable: Outcome
    accurate: Outcome
    better: Outcome

    @property
    def works(self) -> Outcome:
        return all_of([self.accurate, self.better])

    @property
    def only_when_stable(self) -> Outcome:
        """works ⇒ stable."""
        return any_of([negation(self.works), self.stable])

    @property
    def whenever_stable(self) -> Outcome:
        """stable ⇒ works."""
        return any_of([negation(self.stable), self.works])

    @property
    def both(self) -> bool:
        """Stable, and works."""
        return self.stable is Outcome.HOLDS and self.works is Outcome.HOLDS

    @property
    def neither(self) -> bool:
        """Neither stable nor as accurate as the dense network."""
        return self.stable is Outcome.FAILS and self.accurate is Outcome.FAILS


def complete_steps(rule: Rule, tables: Mapping[str, Table]) -> list[int]:
    """The plan's rewind steps whose cells have been run."""
    there = set(tables["examples"]["rewind_step"].tolist())
    return [k for k in rule.rewind_steps if k in there]


def steps(rule: Rule, tables: Mapping[str, Table]) -> list[Step]:
    """What is decided at each rewind step."""
    return [
        Step(
            k,
            stable=stable(rule, barrier_of(tables, k, TICKET), rule.asked),
            accurate=side(gain(tables, k, TICKET, DENSE), -rule.margin, rule.asked),
            better=side(gain(tables, k, TICKET, RANDOM), 0.0, rule.asked)
            if rule.compared
            else Outcome.UNDECIDED,
        )
        for k in complete_steps(rule, tables)
    ]


def barrier_of(tables: Mapping[str, Table], k: int, arm: str) -> Difference:
    """The error barrier between an arm's copies, mean over lines, by seed and test example."""
    rows = tables["examples"].where(rewind_step=k)
    return paired_difference(rows[f"{arm}_barrier"], rows["seed"], rows["id"])


def gain(tables: Mapping[str, Table], k: int, arm: str, other: str) -> Difference:
    """How much better an arm's test score is, paired by seed and test example."""
    rows = tables["examples"].where(rewind_step=k)
    return paired_difference(rows[f"{arm}_score"] - rows[f"{other}_score"], rows["seed"], rows["id"])


def stable(rule: Rule, found: Difference, asked: int) -> Outcome:
    """Whether a barrier is below the limit, where so many questions are asked."""
    return negation(side(found, rule.stable, asked))
