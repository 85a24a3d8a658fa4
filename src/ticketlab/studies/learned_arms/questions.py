"""The questions that are asked of learned masks, each with its rule: from differences paired by seed and example to verdicts.

A rule is fixed before the runs and printed word for word. The studies say which questions they ask, of which columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ticketlab.laws.equivalence import Difference, all_of, exceeds, paired_difference
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.studies.evidence import Table
from ticketlab.studies.skill import least_skill, least_skill_in_words
from ticketlab.studies.wording import corrected, in_points, points, sentence

__all__ = ["GUESSING", "LABELS", "WIDER", "Questions", "claim_of"]

GUESSING = "better than guessing"
LABELS = "nothing is learnt from permuted labels"
WIDER = "more accurate with width"


@dataclass(frozen=True)
class Questions:
    """What was fixed before the runs, and how many things are asked.

    Arguments:
        margin: the difference in test score that still counts as equal.
        asked: the number of questions, for which a failure is corrected.
    """

    margin: float
    asked: int

    def guessing(self, examples: Table, ticket: str) -> Verdict:
        """Has the ticket learnt the task?"""
        gain = _gain(examples, ticket, "guess")
        said = {
            Outcome.HOLDS: "it does the task",
            Outcome.FAILS: "it does not do the task",
            Outcome.UNDECIDED: "the data do not decide whether it does the task",
        }
        outcome = exceeds(gain, least_skill(examples), self.asked)
        rule = (
            f"({GUESSING}) Holds when the 95 % interval of the difference lies above "
            f"{least_skill_in_words(examples)}; fails when {corrected(self.asked)} lies below; undecided otherwise."
        )
        reading = (
            f"The ticket scores {points(gain.mean)} points more than always guessing what is most frequent: "
            f"{said[outcome]}."
        )
        return in_points(GUESSING, outcome, rule, gain, reading)

    def better(self, examples: Table, ticket: str, other: str, what: str) -> Verdict:
        """Is the ticket better than a control, by more than the margin?"""
        gain, question = _gain(examples, ticket, other), f"better than {what}"
        outcome = exceeds(gain, self.margin, self.asked)
        said = {
            Outcome.HOLDS: "the ticket is better",
            Outcome.FAILS: f"the ticket is not better by {100 * self.margin:g} points",
            Outcome.UNDECIDED: "the data do not decide whether the ticket is better",
        }
        rule = (
            f"({question}) Holds when the 95 % interval of the difference in test score lies above {100 * self.margin:g} points; "
            f"fails when {corrected(self.asked)} lies below; undecided otherwise."
        )
        reading = (
            f"{sentence(what)} scores {_score(examples, other)}, the ticket {points(gain.mean)} points more: "
            f"{said[outcome]}."
        )
        return in_points(question, outcome, rule, gain, reading)

    def as_good(
        self,
        examples: Table,
        ticket: str,
        other: str,
        what: str,
        *,
        question: str = "",
        headline: bool = True,
    ) -> Verdict:
        """Is the ticket at most the margin worse?"""
        gain = _gain(examples, ticket, other)
        question = question or f"as accurate as {what}"
        outcome = exceeds(gain, -self.margin, self.asked)
        said = {
            Outcome.HOLDS: "it is as accurate",
            Outcome.FAILS: "it is less accurate",
            Outcome.UNDECIDED: "the data do not decide whether it is as accurate",
        }
        rule = (
            f"({question}) Holds when the 95 % interval of the difference in test score lies above −{100 * self.margin:g} "
            f"points; fails when {corrected(self.asked)} lies below; undecided otherwise."
        )
        reading = (
            f"The ticket scores {_score(examples, ticket)} on test data and {what} {_score(examples, other)}, a difference of "
            f"{points(gain.mean)} points: up to the margin of {100 * self.margin:g}, {said[outcome]}."
        )
        return in_points(question, outcome, rule, gain, reading, headline=headline)

    def labels(self, permuted: Table, ticket: str, memorised: float) -> Verdict:
        """The control that must learn nothing: the same search over permuted labels.

        Arguments:
            memorised: its training score on these labels.
        """
        gain, least = _gain(permuted, ticket, "guess"), least_skill(permuted)
        high, low = gain.interval()[1], gain.interval(1 - 0.05 / self.asked)[0]
        outcome = Outcome.HOLDS if high < least else Outcome.FAILS if low > least else Outcome.UNDECIDED
        said = {
            Outcome.HOLDS: "as it must, it is guessing",
            Outcome.FAILS: "that is more than guessing, so that something other than the labels' order was learnt",
            Outcome.UNDECIDED: "the data do not decide whether that is guessing",
        }
        rule = (
            f"({LABELS}) Holds when the 95 % interval of the difference from guessing, on the true labels, lies below "
            f"{least_skill_in_words(permuted)}; fails when {corrected(self.asked)} lies above; undecided otherwise."
        )
        reading = (
            f"Over permuted labels the same search fits {100 * memorised:.1f} % of the training labels, and on the true "
            f"labels of the test data scores {points(gain.mean)} points more than guessing: {said[outcome]}."
        )
        return in_points(LABELS, outcome, rule, gain, reading)

    def wider(self, examples: Table, ticket: str) -> Verdict:
        """Does the score rise with width? The slope of a line in log₂ width, of every seed's score on every test example."""
        sizes = np.log2(examples["size"])
        different = np.unique(sizes)
        centred = sizes - different.mean()
        slope = len(different) * centred / np.sum((different - different.mean()) ** 2)
        gain = paired_difference(slope * examples[ticket], examples["seed"], examples["id"])
        outcome = exceeds(gain, 0.0, self.asked)
        said = {
            Outcome.HOLDS: "wider networks hold better tickets",
            Outcome.FAILS: "wider networks hold worse tickets",
            Outcome.UNDECIDED: "the data do not decide whether wider networks hold better tickets",
        }
        rule = (
            f"({WIDER}) Holds when the 95 % interval of the slope of the test score in log₂ width lies above zero; fails when "
            f"{corrected(self.asked)} lies below; undecided otherwise."
        )
        ends = [float(size) for size in (np.min(examples["size"]), np.max(examples["size"]))]
        scores = [100 * float(np.mean(examples.where(size=size)[ticket])) for size in ends]
        reading = (
            f"From {ends[0]:g} to {ends[1]:g} times the width the ticket's score goes from {scores[0]:.1f} to "
            f"{scores[1]:.1f} %, {points(gain.mean)} points a doubling: {said[outcome]}."
        )
        unit = "points of test score a doubling"
        return in_points(WIDER, outcome, rule, gain, reading, unit=unit, headline=False)


def claim_of(questions: Sequence[Verdict], rule: str, words: Mapping[Outcome, str]) -> Verdict:
    """The claim as a whole: that every question which counts holds."""
    counted = [q for q in questions if q.headline]
    outcome = all_of([q.outcome for q in counted])
    concerned = "; ".join(q.question for q in counted if q.outcome is outcome)
    return Verdict("", outcome, rule, None, None, "", words[outcome].format(concerned=concerned))


def _gain(examples: Table, ticket: str, other: str) -> Difference:
    return paired_difference(examples[ticket] - examples[other], examples["seed"], examples["id"])


def _score(examples: Table, arm: str) -> str:
    return f"{100 * float(np.mean(examples[arm])):.1f} %"
