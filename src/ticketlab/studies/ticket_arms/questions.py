"""The rule of the study `winning-ticket`: from the tables of all levels to a verdict on each question, and on the claim.

Everything is asked at one density. Scores are paired by seed and test example, times by seed, as logarithms of their ratio.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ticketlab.laws.equivalence import Difference, all_of, any_of, beats, exceeds, paired_difference
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.studies.evidence import Table
from ticketlab.studies.skill import least_skill, least_skill_in_words
from ticketlab.studies.wording import corrected, in_points, points, sentence, sure

__all__ = ["DENSE", "GUESS", "GUESSING", "TICKET", "TITLES", "Rule", "sides", "verdicts"]

DENSE, TICKET, GUESS = "dense", "ticket", "guess"
TITLES: Mapping[str, str] = {
    "reinitialised": "its mask over new weights",
    "shuffled": "its weights under a shuffled mask",
    "both": "new weights under a shuffled mask",
    "equal-size": "a dense network of equal size",
    "random": "an Erdős–Rényi random mask",
}
GUESSING = "better than guessing"
WAYS = 2  # to be better than a control: more accurate, or sooner


@dataclass(frozen=True)
class Rule:
    """What was fixed before the runs.

    Arguments:
        margin: the difference in test score that still counts as equal.
        slower: the ratio of steps that still counts as a similar time.
        shortest: steps to the first look at the validation data; an early stop before counts as one there.
        longest: steps to the last look, at the end of training; an early stop there is a lower bound.
        controls: with which the ticket is compared.
    """

    margin: float
    slower: float
    shortest: int
    longest: int
    controls: tuple[str, ...]

    @property
    def asked(self) -> int:
        """How many questions."""
        return 3 + WAYS * len(self.controls)


def verdicts(rule: Rule, tables: Mapping[str, Table]) -> tuple[Verdict, ...]:
    """On the claim as a whole, then on each question: the dense network first, then the controls."""
    dense = [_guessing(rule, tables), _accuracy(rule, tables), _as_soon(rule, tables)]
    controls = {name: [_better(rule, tables, name), _sooner(rule, tables, name)] for name in rule.controls}
    claim = _claim(tables, dense, controls)
    return (claim, *dense, *(question for pair in controls.values() for question in pair))


@dataclass(frozen=True)
class Sides:
    """The means on which the question turns."""

    density: float
    ticket: float
    dense: float
    steps: float
    dense_steps: float


def sides(tables: Mapping[str, Table]) -> Sides:
    ticket, dense = (_decisive(tables, arm) for arm in (TICKET, DENSE))
    return Sides(
        float(np.mean(ticket["density"])),
        float(np.mean(ticket["test_score"])),
        float(np.mean(dense["test_score"])),
        float(np.mean(ticket["early_stop_step"])),
        float(np.mean(dense["early_stop_step"])),
    )


def _decisive(tables: Mapping[str, Table], arm: str) -> Table:
    """An arm's rows at the level at which the question is decided, one a seed; the dense networks stand at level 0."""
    rows = tables["levels"].where(arm=arm)
    return rows if arm == DENSE else rows.where(decisive=True)


def _gain(tables: Mapping[str, Table], other: str) -> Difference:
    """How much better the ticket's test score is, paired by seed and test example."""
    examples = tables["examples"]
    return paired_difference(examples[TICKET] - examples[other], examples["seed"], examples["id"])


def _speed(rule: Rule, tables: Mapping[str, Table], other: str) -> Difference:
    """The mean of log(steps of the other / steps of the ticket) to the early stop, over seeds."""
    steps = [np.maximum(_decisive(tables, arm)["early_stop_step"], rule.shortest) for arm in (other, TICKET)]
    seed = _decisive(tables, TICKET)["seed"]
    return paired_difference(np.log(steps[0] / steps[1]), seed, seed)


def _guessing(rule: Rule, tables: Mapping[str, Table]) -> Verdict:
    gain, examples = _gain(tables, GUESS), tables["examples"]
    outcome = exceeds(gain, least_skill(examples), rule.asked)
    said = {
        Outcome.HOLDS: "it has learnt the task",
        Outcome.FAILS: "it has not learnt the task",
        Outcome.UNDECIDED: "the data do not decide whether it has learnt the task",
    }[outcome]
    reading = f"The ticket scores {points(gain.mean)} points more than always guessing what is most frequent: {said}."
    words = (
        f"(better than guessing) Holds when the 95 % interval of the difference lies above "
        f"{least_skill_in_words(examples)}; fails when {corrected(rule.asked)} lies below; undecided otherwise."
    )
    return in_points(GUESSING, outcome, words, gain, reading)


def _accuracy(rule: Rule, tables: Mapping[str, Table]) -> Verdict:
    gain, means = _gain(tables, DENSE), sides(tables)
    outcome = exceeds(gain, -rule.margin, rule.asked)
    said = {
        Outcome.HOLDS: "it is as accurate",
        Outcome.FAILS: "it is less accurate",
        Outcome.UNDECIDED: "the data do not decide whether it is as accurate",
    }[outcome]
    reading = (
        f"With {100 * means.density:.1f} % of the weights the ticket scores {100 * means.ticket:.1f} % on test data and the "
        f"dense network {100 * means.dense:.1f} %, a difference of {points(gain.mean)} points: up to the margin of "
        f"{100 * rule.margin:g}, {said}."
    )
    words = (
        f"(as accurate) Holds when the 95 % interval of the difference in test score lies above −{100 * rule.margin:g} points; "
        f"fails when {corrected(rule.asked)} lies below; undecided otherwise."
    )
    return in_points("as accurate as the dense network", outcome, words, gain, reading)


def _better(rule: Rule, tables: Mapping[str, Table], name: str) -> Verdict:
    gain = _gain(tables, name)
    outcome = beats(gain, rule.margin, rule.asked, WAYS)
    score = 100 * float(np.mean(_decisive(tables, name)["test_score"]))
    said = {
        Outcome.HOLDS: "the ticket is more accurate",
        Outcome.FAILS: f"the ticket is not more accurate, or by less than {100 * rule.margin:g} points",
        Outcome.UNDECIDED: "the data do not decide whether the ticket is more accurate",
    }[outcome]
    reading = (
        f"{sentence(TITLES[name])} scores {score:.1f} %, the ticket {points(gain.mean)} points more: {said}."
    )
    words = (
        f"(more accurate than a control) Holds when the interval of the difference in test score, at a level corrected for the "
        f"{WAYS} ways to be better, lies above zero; fails when it does not and {corrected(rule.asked)} lies below "
        f"{100 * rule.margin:g} points; undecided otherwise."
    )
    return in_points(f"more accurate than {TITLES[name]}", outcome, words, gain, reading)


def _as_soon(rule: Rule, tables: Mapping[str, Table]) -> Verdict:
    speed = _speed(rule, tables, DENSE)
    outcome = _seen(rule, tables, DENSE, exceeds(speed, -np.log(rule.slower), rule.asked))
    said = {
        Outcome.HOLDS: "a similar time",
        Outcome.FAILS: "a longer time",
        Outcome.UNDECIDED: "the data do not decide whether that is a similar time",
    }[outcome]
    words = (
        f"(as soon) Holds when the 95 % interval of the ratio of steps to the early stop lies below {rule.slower:g}; fails when "
        f"{corrected(rule.asked)} lies above; undecided otherwise. {_bounds(rule)}"
    )
    return _in_time("as soon as the dense network", outcome, words, speed, _stops(rule, tables, DENSE, said))


def _sooner(rule: Rule, tables: Mapping[str, Table], name: str) -> Verdict:
    speed = _speed(rule, tables, name)
    outcome = _seen(rule, tables, name, beats(speed, np.log(rule.slower), rule.asked, WAYS))
    said = {
        Outcome.HOLDS: "the ticket is sooner",
        Outcome.FAILS: f"the ticket is not sooner, or by less than a factor of {rule.slower:g}",
        Outcome.UNDECIDED: "the data do not decide whether the ticket is sooner",
    }[outcome]
    words = (
        "(sooner than a control) Holds when the interval of the ratio of steps to the early stop, at a level corrected for the "
        f"{WAYS} ways to be better, lies below 1; fails when it does not and {corrected(rule.asked)} lies above "
        f"{1 / rule.slower:.2g}; undecided otherwise. {_bounds(rule)}"
    )
    return _in_time(f"sooner than {TITLES[name]}", outcome, words, speed, _stops(rule, tables, name, said))


def _at_the_end(rule: Rule, tables: Mapping[str, Table], arm: str) -> int:
    """How many of an arm's early stops are at the last step, where training was too short to see them."""
    return int(np.sum(_decisive(tables, arm)["early_stop_step"] >= rule.longest))


def _seen(rule: Rule, tables: Mapping[str, Table], other: str, outcome: Outcome) -> Outcome:
    """The outcome, unless it rests on early stops that were not seen.

    A ticket that stops at the last step may need longer than it seems: it cannot be found soon. If the other stops there, the
    ticket's share of its steps may be smaller than it seems: it cannot be found late. What is left is right all the same: it is
    true of the times cut at the last step, and would be more so of those that are not.
    """
    unseen = {Outcome.HOLDS: TICKET, Outcome.FAILS: other}.get(outcome)
    return Outcome.UNDECIDED if unseen and _at_the_end(rule, tables, unseen) else outcome


def _bounds(rule: Rule) -> str:
    return (
        f"An early stop at the last step, {rule.longest}, is a lower bound: with one of the ticket's there it does not hold, and "
        "with one of the other's it does not fail."
    )


def _stops(rule: Rule, tables: Mapping[str, Table], other: str, said: str) -> str:
    steps = [float(np.mean(_decisive(tables, arm)["early_stop_step"])) for arm in (TICKET, other)]
    whom = "the dense network" if other == DENSE else TITLES[other]
    late, later = (_at_the_end(rule, tables, arm) for arm in (TICKET, other))
    bound = f" ({late} and {later} of them at the last step, a lower bound)" if late or later else ""
    return f"The ticket's early stop is at step {steps[0]:.0f} on average, that of {whom} at {steps[1]:.0f}{bound}: {said}."


def _in_time(question: str, outcome: Outcome, words: str, speed: Difference, reading: str) -> Verdict:
    """As the share by which the ticket's steps exceed the other's."""
    low, high = speed.interval()
    more = [100 * float(np.expm1(-log)) for log in (speed.mean, high, low)]
    return Verdict(
        question, outcome, words, more[0], (more[1], more[2]), "% more steps", sure(speed, reading)
    )


def _claim(
    tables: Mapping[str, Table],
    dense: list[Verdict],
    controls: Mapping[str, list[Verdict]],
) -> Verdict:
    parts = {q.question: q.outcome for q in dense}
    parts |= {
        f"better than {TITLES[name]}": any_of([q.outcome for q in both]) for name, both in controls.items()
    }
    outcome = all_of(list(parts.values()))
    if outcome is Outcome.HOLDS and not controls:
        outcome = Outcome.UNDECIDED
    concerned = "; ".join(part for part, found in parts.items() if found is outcome)
    return Verdict(
        question="",
        outcome=outcome,
        rule="The claim holds when, at the density fixed beforehand, the ticket is better than guessing, as accurate as the "
        "dense network and as soon as it, and better than every control, that is more accurate or sooner; it fails when one of "
        "these fails, of a control both ways; and it is undecided otherwise, also without controls.",
        effect=None,
        interval=None,
        unit="",
        reading=_whole(
            outcome,
            dense[0].outcome,
            concerned,
            f"{100 * sides(tables).density:.1f} % of the weights",
            controls,
        ),
    )


def _matters(controls: Collection[str]) -> str:
    """What the ticket needs, by the controls that it was better than."""
    weights, mask = "reinitialised" in controls, not {"shuffled", "random"}.isdisjoint(controls)
    found = []
    if weights and mask:
        found.append("neither its mask nor its weights can be left to chance")
    elif weights or mask:
        found.append(f"its {'weights' if weights else 'mask'} cannot be left to chance")
    elif "both" in controls:
        found.append("its mask and its weights cannot both be left to chance")
    if "equal-size" in controls:
        found.append("a dense network of equal size does not do as well")
    return "; ".join(found)


def _whole(outcome: Outcome, guessing: Outcome, concerned: str, kept: str, controls: Collection[str]) -> str:
    if guessing is Outcome.FAILS:
        return f"No winning ticket was found: what pruning left, {kept}, does not do better than guessing."
    if outcome is Outcome.FAILS:
        return f"With {kept} no winning ticket was found: what pruning left is not {concerned}."
    if outcome is Outcome.HOLDS:
        return (
            f"The random network contains a subnetwork with {kept} that trains as well as the whole in similar time, and "
            f"{_matters(controls)}."
        )
    if concerned:
        return f"These runs do not decide whether there is a winning ticket with {kept}: undecided is whether it is {concerned}."
    return f"What pruning left, {kept}, does as well as the whole, but it was compared with no control."
