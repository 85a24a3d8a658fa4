"""The rule of the study `masking-is-training`: from the scores of untrained networks to a verdict on each question, and on the
claim.

Everything is asked at one density, of one criterion with one action for each side of the mask, all fixed before the runs. Scores
are of untrained networks on true test labels, paired by seed and test example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ticketlab.laws.equivalence import Difference, all_of, beats, exceeds, paired_difference
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.studies.evidence import Table
from ticketlab.studies.skill import least_skill, least_skill_in_words
from ticketlab.studies.wording import corrected, in_points, points

__all__ = [
    "DRAWN",
    "GROWN",
    "GUESS",
    "MASK",
    "PERMUTED",
    "PREREGISTERED",
    "RANDOM",
    "SHRUNK",
    "Rule",
    "said",
    "verdicts",
]

PREREGISTERED = "large-final-same-sign"
MASK, RANDOM, GUESS, PERMUTED = "mask", "random", "guess", "permuted"
SHRUNK, GROWN, DRAWN = "shrunk", "grown", "drawn"
ASKED = 5
UNIT = "points of score"


@dataclass(frozen=True)
class Rule:
    """What was fixed before the runs.

    Arguments:
        margin: the difference in test score that still counts as none.
    """

    margin: float


def said(tables: Mapping[str, Table]) -> str:
    """The means on which the question turns, in a line."""
    examples = tables["examples"]
    means = {arm: float(np.mean(examples[arm])) for arm in (MASK, RANDOM, PERMUTED)}
    return (
        f"untrained test score {means[MASK]:.3f} under the chosen mask, {means[RANDOM]:.3f} under random ones, "
        f"{means[PERMUTED]:.3f} under one from permuted labels"
    )


def verdicts(rule: Rule, tables: Mapping[str, Table]) -> tuple[Verdict, ...]:
    """On the claim as a whole, then on each question; the last is a control that does not count."""
    examples = tables["examples"]
    found = [
        _skilled(examples, GUESS, "better than guessing", "guessing the most frequent class"),
        _skilled(
            examples, RANDOM, "better than random masks", "random masks with as many weights in every layer"
        ),
        _skilled(examples, PERMUTED, "better than from permuted labels", "the mask found on permuted labels"),
        _towards(
            rule, examples, DRAWN, "zeroing what shrank: better than nothing", "the network as it was drawn"
        ),
        _towards(
            rule, examples, GROWN, "zeroing what shrank: better than what grew", "zeroing only what grew"
        ),
    ]
    control = [_memorised(tables["memorised"])] if "memorised" in tables else []
    return (_claim(found, examples), *found, *control)


def _gain(examples: Table, one: str, other: str) -> Difference:
    return paired_difference(examples[one] - examples[other], examples["seed"], examples["id"])


def _skilled(examples: Table, other: str, question: str, whom: str) -> Verdict:
    gain, least = _gain(examples, MASK, other), least_skill_in_words(examples)
    outcome = exceeds(gain, least_skill(examples), ASKED)
    conclusion = {
        Outcome.HOLDS: "masking put the task into the network",
        Outcome.FAILS: f"that is not {least}",
        Outcome.UNDECIDED: f"the data do not decide whether it is more than {least}",
    }[outcome]
    score, else_ = (100 * float(np.mean(examples[arm])) for arm in (MASK, other))
    reading = (
        f"Untrained under the chosen mask the network scores {score:.1f} % on test data, {whom} {else_:.1f} %, a difference of "
        f"{points(gain.mean)} points: {conclusion}."
    )
    words = (
        f"(better than what knows nothing) Holds when the 95 % interval of the difference lies above {least}; "
        f"fails when {corrected(ASKED)} lies below; undecided otherwise."
    )
    return in_points(question, outcome, words, gain, reading, unit=UNIT)


def _towards(rule: Rule, examples: Table, other: str, question: str, whom: str) -> Verdict:
    gain = _gain(examples, SHRUNK, other)
    outcome = beats(gain, rule.margin, ASKED)
    conclusion = {
        Outcome.HOLDS: "putting weights where training moved them trains",
        Outcome.FAILS: f"it is not better, or by less than {100 * rule.margin:g} points",
        Outcome.UNDECIDED: "the data do not decide whether it is better",
    }[outcome]
    score, else_ = (100 * float(np.mean(examples[arm])) for arm in (SHRUNK, other))
    reading = (
        f"With zero for those removed weights that training made smaller, and all others as they were drawn, the untrained "
        f"network scores {score:.1f} %, {whom} {else_:.1f} %, a difference of {points(gain.mean)} points: {conclusion}."
    )
    words = (
        f"(towards zero) Holds when the 95 % interval of the difference lies above zero; fails when it does not and "
        f"{corrected(ASKED)} lies below {100 * rule.margin:g} points; undecided otherwise."
    )
    return in_points(question, outcome, words, gain, reading, unit=UNIT)


def _memorised(table: Table) -> Verdict:
    """Whether a mask found on permuted labels fits them, on the training data: a control, since it says what masks can do."""
    mask, random = (table.where(arm=arm) for arm in (MASK, RANDOM))
    gain = paired_difference(mask["train_score"] - random["train_score"], mask["seed"], mask["seed"])
    outcome = exceeds(gain, 0.0, ASKED)
    conclusion = {
        Outcome.HOLDS: "masks fit what means nothing, as training does",
        Outcome.FAILS: "masks do not fit what means nothing",
        Outcome.UNDECIDED: "the data do not decide whether masks fit what means nothing",
    }[outcome]
    reading = (
        f"The mask found on permuted labels fits {100 * float(np.mean(mask['train_score'])):.1f} % of these labels untrained, "
        f"random masks {100 * float(np.mean(random['train_score'])):.1f} %: {conclusion}."
    )
    words = (
        f"(a control: permuted labels fitted) Holds when the 95 % interval of the difference in training score lies above zero; "
        f"fails when {corrected(ASKED)} lies below; undecided otherwise."
    )
    return in_points(
        "fits permuted training labels", outcome, words, gain, reading, unit=UNIT, headline=False
    )


def _claim(found: list[Verdict], examples: Table) -> Verdict:
    outcome = all_of([v.outcome for v in found])
    concerned = "; ".join(v.question for v in found if v.outcome is outcome)
    score, random = (100 * float(np.mean(examples[arm])) for arm in (MASK, RANDOM))
    if outcome is Outcome.HOLDS:
        reading = (
            f"Masking is training: under a mask chosen by how training moved the weights, none of which it moves, the untrained "
            f"network scores {score:.1f} %, under random masks {random:.1f} %, and what it zeroes is what training was moving "
            "there."
        )
    elif found[0].outcome is Outcome.FAILS:
        reading = f"None found: under the chosen mask the untrained network scores {score:.1f} %, no better than guessing."
    elif outcome is Outcome.FAILS:
        reading = f"Masking is not training here: what the claim says does not hold of: {concerned}."
    else:
        reading = f"These runs do not decide whether masking is training: undecided is {concerned}."
    return Verdict(
        question="",
        outcome=outcome,
        rule="The claim holds when, at the density fixed beforehand and for the one criterion fixed beforehand, the untrained "
        "masked network is better than guessing, than random masks of equal layer counts and than the mask found on permuted "
        "labels, and when zeroing only those removed weights that training made smaller is better than changing nothing and "
        "better than zeroing only those that grew; it fails when one of these fails; and it is undecided otherwise.",
        effect=None,
        interval=None,
        unit="",
        reading=reading,
    )
