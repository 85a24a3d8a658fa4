"""The rule of the study `linear-mode`: from the tables of all rewind steps to a verdict on each question, and on the claim.

At every step k three things are asked of the ticket: is it stable, is it as accurate as the dense network, is it more accurate
than a random mask? It *works* when both of the last hold. "Only when stable" is then a statement of logic at each k,

    works ⇒ stable,

which a ticket that works and is not stable refutes, and which is true in an empty way of tickets that do not work. So it counts
as shown only if it was true at every k and could have been false: both a ticket that works and one that is unstable were seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ticketlab.laws.equivalence import Difference, all_of, any_of, negation, paired_difference, side
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.studies.evidence import Table

__all__ = [
    "CONVERSE",
    "DENSE",
    "RANDOM",
    "TICKET",
    "TITLES",
    "Rule",
    "Step",
    "complete_steps",
    "steps",
    "verdicts",
]

DENSE, TICKET, RANDOM = "dense", "ticket", "random"
TITLES: Mapping[str, str] = {
    TICKET: "the ticket",
    DENSE: "the dense network",
    RANDOM: "a random mask",
    "shuffled": "the ticket's mask, shuffled",
    "reinitialised": "the ticket's mask over new weights",
    "both": "a shuffled mask over new weights",
}
CONVERSE = "stable tickets work"
ALL_MASKS = "of all masks at this density, the accurate ones are stable"


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
        return self.stable is Outcome.FAILS and self.works is Outcome.FAILS


def verdicts(rule: Rule, tables: Mapping[str, Table]) -> tuple[Verdict, ...]:
    """On the claim, then step by step on the ticket's three questions and its controls' stability; then what does not count."""
    known = complete_steps(rule, tables)
    found = steps(rule, tables)
    each = [verdict for k in known for verdict in _step_verdicts(rule, tables, k)]
    complete = len(known) == len(rule.rewind_steps)
    beside = [_converse(found)]
    if rule.controls:
        beside.append(_of_all_masks(rule, tables, known, complete))
    return (_claim(rule, found, complete), *each, *beside)


def complete_steps(rule: Rule, tables: Mapping[str, Table]) -> list[int]:
    """The plan's rewind steps whose cells have been run."""
    there = set(tables["examples"]["rewind_step"].tolist())
    return [k for k in rule.rewind_steps if k in there]


def steps(rule: Rule, tables: Mapping[str, Table]) -> list[Step]:
    """What is decided at each rewind step."""
    return [
        Step(
            k,
            stable=_stable(rule, barrier_of(tables, k, TICKET), rule.asked),
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


def _stable(rule: Rule, found: Difference, asked: int) -> Outcome:
    return negation(side(found, rule.stable, asked))


def _step_verdicts(rule: Rule, tables: Mapping[str, Table], k: int) -> list[Verdict]:
    found = [_stability(rule, tables, k, TICKET), _accuracy(rule, tables, k)]
    if rule.compared:
        found.append(_better(rule, tables, k))
    controls = [DENSE, *([RANDOM] if rule.compared else [])]
    return [*found, *(_stability(rule, tables, k, arm) for arm in controls)]


def _stability(rule: Rule, tables: Mapping[str, Table], k: int, arm: str) -> Verdict:
    found = barrier_of(tables, k, arm)
    outcome = _stable(rule, found, rule.asked)
    said = {Outcome.HOLDS: "stable", Outcome.FAILS: "not stable"}.get(
        outcome, "the data do not decide whether it is stable"
    )
    limit = f"{100 * rule.stable:g} points"
    return _verdict(
        f"k = {k}: {TITLES[arm]} is stable",
        outcome,
        f"(stable) Holds when {_corrected(rule)} of the error barrier lies below {limit}; fails when it lies above; undecided "
        "otherwise.",
        found,
        "points of test error",
        f"From step {k} on, error on the line between copies of {TITLES[arm]} rises by {100 * found.mean:.2f} points: {said}.",
        headline=arm == TICKET,
    )


def _accuracy(rule: Rule, tables: Mapping[str, Table], k: int) -> Verdict:
    found = gain(tables, k, TICKET, DENSE)
    outcome = side(found, -rule.margin, rule.asked)
    said = {Outcome.HOLDS: "as accurate", Outcome.FAILS: "less accurate"}.get(
        outcome, "the data do not decide"
    )
    return _verdict(
        f"k = {k}: the ticket is as accurate as the dense network",
        outcome,
        f"(as accurate) Holds when {_corrected(rule)} of the difference in test score lies above −{100 * rule.margin:g} points; "
        "fails when it lies below; undecided otherwise.",
        found,
        "points of test score",
        f"Rewound to step {k} the ticket scores {_score(tables, k, TICKET)} %, the dense network {_score(tables, k, DENSE)} %, "
        f"a difference of {_points(found.mean)} points: up to the margin of {100 * rule.margin:g}, {said}.",
    )


def _better(rule: Rule, tables: Mapping[str, Table], k: int) -> Verdict:
    found = gain(tables, k, TICKET, RANDOM)
    outcome = side(found, 0.0, rule.asked)
    said = {Outcome.HOLDS: "more accurate", Outcome.FAILS: "less accurate"}.get(
        outcome, "the data do not decide"
    )
    return _verdict(
        f"k = {k}: the ticket is more accurate than a random mask",
        outcome,
        f"(more accurate than a random mask) Holds when {_corrected(rule)} of the difference in test score lies above zero; "
        "fails when it lies below; undecided otherwise.",
        found,
        "points of test score",
        f"From step {k} a random mask of as many weights reaches {_score(tables, k, RANDOM)} %, the ticket "
        f"{_points(found.mean)} points more: {said}.",
    )


def _claim(rule: Rule, found: list[Step], complete: bool) -> Verdict:
    outcome = all_of([step.only_when_stable for step in found])
    seen = any(step.both for step in found) and any(step.neither for step in found)
    if outcome is Outcome.HOLDS and not (seen and complete):
        outcome = Outcome.UNDECIDED
    return Verdict(
        question="",
        outcome=outcome,
        rule="The ticket works at a step k when it is as accurate as the dense network, up to the margin, and more accurate than "
        "a random mask. The claim fails when at some k the ticket works and is not stable. It holds when at every k the ticket "
        "is stable or does not work, at one at least it is stable and works, and at one at least it is neither. It is undecided "
        f"otherwise, also without a random mask. All intervals have one level, 1 − 0.05/{rule.asked}, for the {rule.asked} "
        "questions that are asked, so that all that they decide is right together.",
        effect=None,
        interval=None,
        unit="",
        reading=_whole(rule, found, outcome),
    )


def _whole(rule: Rule, found: list[Step], outcome: Outcome) -> str:
    def at(chosen: list[Step]) -> str:
        return f"k = {', '.join(str(step.k) for step in chosen)}"

    both, neither = ([s for s in found if s.both], [s for s in found if s.neither])
    against = [s for s in found if s.only_when_stable is Outcome.FAILS]
    if against:
        return f"At {at(against)} the ticket works and is not stable: it does not need to be."
    if outcome is Outcome.HOLDS:
        return (
            f"Tickets work only when they are stable: at {at(both)} they are both, at {at(neither)} neither."
        )
    if not rule.compared:
        return "Without a random mask at the same density nothing says whether the ticket does better than any mask would."
    if len(found) < len(rule.rewind_steps):
        return "Not all rewind steps have been run."
    stable = [s for s in found if s.stable is Outcome.HOLDS]
    if len(stable) == len(found):
        idle = [s for s in found if s.works is Outcome.FAILS]
        also = f"; that is not enough to work, which they do not at {at(idle)}" if idle else ""
        return f"Tickets are stable at every k{also}. So these runs cannot say what becomes of tickets that are not stable."
    open_ = [s for s in found if s.only_when_stable is Outcome.UNDECIDED]
    if open_:
        return f"The data do not decide whether the ticket is stable, or whether it works, at {at(open_)}."
    if not both:
        return "No ticket was found to work, so that there is nothing that stability could be needed for."
    return "No ticket was found that is neither stable nor works, so that the claim was not put to the test."


def _converse(found: list[Step]) -> Verdict:
    outcome = all_of([step.whenever_stable for step in found])
    if outcome is Outcome.HOLDS and not any(step.both for step in found):
        outcome = Outcome.UNDECIDED
    idle = ", ".join(str(s.k) for s in found if s.whenever_stable is Outcome.FAILS)
    reading = {
        Outcome.HOLDS: "Wherever the ticket is stable it works.",
        Outcome.FAILS: f"At k = {idle} the ticket is stable and does not work: stability is not enough.",
        Outcome.UNDECIDED: "The data do not decide whether stability is enough to work.",
    }[outcome]
    return Verdict(
        question=CONVERSE,
        outcome=outcome,
        rule="(converse) Fails when at some k the ticket is stable and does not work; holds when at every k it works or is not "
        "stable, and at one at least it is stable and works; undecided otherwise. It does not count for the claim.",
        effect=None,
        interval=None,
        unit="",
        reading=reading,
        headline=False,
    )


def _of_all_masks(rule: Rule, tables: Mapping[str, Table], known: list[int], complete: bool) -> Verdict:
    """accurate ⇒ stable, for every mask at every step."""
    found = []
    for k in known:
        for arm in rule.masks:
            stable = _stable(rule, barrier_of(tables, k, arm), rule.asked_of_masks)
            accurate = side(gain(tables, k, arm, DENSE), -rule.margin, rule.asked_of_masks)
            found.append((f"{TITLES[arm]} at k = {k}", stable, accurate))
    each = [(name, any_of([negation(accurate), stable])) for name, stable, accurate in found]
    both = sum(stable is Outcome.HOLDS and accurate is Outcome.HOLDS for _, stable, accurate in found)
    neither = sum(stable is Outcome.FAILS and accurate is Outcome.FAILS for _, stable, accurate in found)
    outcome = all_of([o for _, o in each])
    if outcome is Outcome.HOLDS and not (both and neither and complete):
        outcome = Outcome.UNDECIDED
    against = ", ".join(name for name, o in each if o is Outcome.FAILS)
    reading = {
        Outcome.HOLDS: f"Of {len(found)} subnetworks {both} are stable and as accurate as the dense network, {neither} are "
        "neither, and none is as accurate without being stable.",
        Outcome.FAILS: f"As accurate as the dense network, and not stable: {against}.",
        Outcome.UNDECIDED: f"Of {len(found)} subnetworks {both} are seen to be stable and as accurate as the dense network, and "
        f"{neither} to be neither; of the others the data do not say enough.",
    }[outcome]
    return Verdict(
        question=ALL_MASKS,
        outcome=outcome,
        rule="(all masks) Asked of the ticket and of every control, each at every k. Fails when one is as accurate as the dense "
        "network, up to the margin, and not stable; holds when each is stable or less accurate, one at least is stable and as "
        "accurate, and one at least is neither; undecided otherwise. Intervals are at a level corrected for the "
        f"{rule.asked_of_masks} questions. It does not count for the claim, which is about tickets.",
        effect=None,
        interval=None,
        unit="",
        reading=reading,
        headline=False,
    )


def _verdict(
    question: str,
    outcome: Outcome,
    rule: str,
    found: Difference,
    unit: str,
    reading: str,
    headline: bool = True,
) -> Verdict:
    low, high = found.interval()
    if found.freedom < 1:
        reading = f"{reading.rpartition(':')[0]}; one seed is not enough to say how sure this is."
    return Verdict(
        question, outcome, rule, 100 * found.mean, (100 * low, 100 * high), unit, reading, headline
    )


def _score(tables: Mapping[str, Table], k: int, arm: str) -> str:
    rows = tables["examples"].where(rewind_step=k)
    return f"{100 * float(np.mean(rows[f'{arm}_score'])):.1f}"


def _corrected(rule: Rule) -> str:
    return f"the interval, at a level corrected for the {rule.asked} questions asked,"


def _points(fraction: float) -> str:
    """In points, with a typographic minus."""
    return f"{100 * fraction:+.2f}".replace("-", "−")
