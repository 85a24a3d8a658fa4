"""The rule of the study `linear-mode`: from what is decided at each rewind step to a verdict on each question, and on the claim.

"Only when stable" is a statement of logic at each k,

    works ⇒ stable,

which a ticket that works and is not stable refutes, and which is true in an empty way of tickets that do not work. So it counts
as shown only if it was true at every k and could have been false: both a ticket that works and one that is unstable were seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ticketlab.laws.equivalence import all_of, any_of, negation, side
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.studies.evidence import Table
from ticketlab.studies.mode_arms.steps import (
    DENSE,
    RANDOM,
    TICKET,
    Rule,
    Step,
    barrier_of,
    complete_steps,
    gain,
    stable,
    steps,
)
from ticketlab.studies.wording import corrected, in_points, points

__all__ = ["ALL_MASKS", "CONVERSE", "TITLES", "verdicts"]

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


def verdicts(rule: Rule, tables: Mapping[str, Table]) -> tuple[Verdict, ...]:
    """On the claim, then step by step on the ticket's three questions and its controls' stability; then what does not count."""
    known = complete_steps(rule, tables)
    found = steps(rule, tables)
    each = [verdict for k in known for verdict in _step_verdicts(rule, tables, k)]
    complete = len(known) == len(rule.rewind_steps)
    beside = [_converse(found, complete)]
    if rule.controls:
        beside.append(_of_all_masks(rule, tables, known, complete))
    return (_claim(rule, found, complete), *each, *beside)


def _step_verdicts(rule: Rule, tables: Mapping[str, Table], k: int) -> list[Verdict]:
    found = [_stability(rule, tables, k, TICKET), _accuracy(rule, tables, k)]
    if rule.compared:
        found.append(_better(rule, tables, k))
    controls = [DENSE, *([RANDOM] if rule.compared else [])]
    return [*found, *(_stability(rule, tables, k, arm) for arm in controls)]


def _stability(rule: Rule, tables: Mapping[str, Table], k: int, arm: str) -> Verdict:
    found = barrier_of(tables, k, arm)
    outcome = stable(rule, found, rule.asked)
    said = {Outcome.HOLDS: "stable", Outcome.FAILS: "not stable"}.get(
        outcome, "the data do not decide whether it is stable"
    )
    limit = f"{100 * rule.stable:g} points"
    return in_points(
        f"k = {k}: {TITLES[arm]} is stable",
        outcome,
        f"(stable) Holds when {corrected(rule.asked)} of the error barrier lies below {limit}; fails when it lies above; "
        "undecided otherwise.",
        found,
        f"From step {k} on, error on the line between copies of {TITLES[arm]} rises by {100 * found.mean:.2f} points: {said}.",
        unit="points of test error",
        headline=arm == TICKET,
    )


def _accuracy(rule: Rule, tables: Mapping[str, Table], k: int) -> Verdict:
    found = gain(tables, k, TICKET, DENSE)
    outcome = side(found, -rule.margin, rule.asked)
    said = {Outcome.HOLDS: "as accurate", Outcome.FAILS: "less accurate"}.get(
        outcome, "the data do not decide"
    )
    return in_points(
        f"k = {k}: the ticket is as accurate as the dense network",
        outcome,
        f"(as accurate) Holds when {corrected(rule.asked)} of the difference in test score lies above "
        f"−{100 * rule.margin:g} points; fails when it lies below; undecided otherwise.",
        found,
        f"Rewound to step {k} the ticket scores {_score(tables, k, TICKET)} %, the dense network {_score(tables, k, DENSE)} %, "
        f"a difference of {points(found.mean)} points: up to the margin of {100 * rule.margin:g}, {said}.",
    )


def _better(rule: Rule, tables: Mapping[str, Table], k: int) -> Verdict:
    found = gain(tables, k, TICKET, RANDOM)
    outcome = side(found, 0.0, rule.asked)
    said = {Outcome.HOLDS: "more accurate", Outcome.FAILS: "less accurate"}.get(
        outcome, "the data do not decide"
    )
    return in_points(
        f"k = {k}: the ticket is more accurate than a random mask",
        outcome,
        f"(more accurate than a random mask) Holds when {corrected(rule.asked)} of the difference in test score lies above zero; "
        "fails when it lies below; undecided otherwise.",
        found,
        f"From step {k} a random mask of as many weights reaches {_score(tables, k, RANDOM)} %, the ticket "
        f"{points(found.mean)} points more: {said}.",
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
        "is stable or does not work, at one at least it is stable and works, and at one at least it is neither stable nor as "
        "accurate as the dense network. It is undecided otherwise, also without a random mask. All intervals have one level, "
        f"1 − 0.05/{rule.asked}, for the {rule.asked} questions that are asked, so that all that they decide is right together.",
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
    if all(s.stable is Outcome.HOLDS for s in found):
        idle = [s for s in found if s.works is Outcome.FAILS]
        also = f"; that is not enough to work, which they do not at {at(idle)}" if idle else ""
        return f"Tickets are stable at every k{also}. So these runs cannot say what becomes of tickets that are not stable."
    open_ = [s for s in found if s.only_when_stable is Outcome.UNDECIDED]
    if open_:
        return f"The data do not decide whether the ticket is stable, or whether it works, at {at(open_)}."
    if not both:
        return "No ticket was found to work, so that there is nothing that stability could be needed for."
    return (
        "No ticket was found that is neither stable nor accurate, so that the claim was not put to the test."
    )


def _converse(found: list[Step], complete: bool) -> Verdict:
    outcome = all_of([step.whenever_stable for step in found])
    if outcome is Outcome.HOLDS and not (any(step.both for step in found) and complete):
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
    asked, found = rule.asked_of_masks, []
    for k in known:
        for arm in rule.masks:
            is_stable = stable(rule, barrier_of(tables, k, arm), asked)
            accurate = side(gain(tables, k, arm, DENSE), -rule.margin, asked)
            found.append((f"{TITLES[arm]} at k = {k}", is_stable, accurate))
    each = [(name, any_of([negation(accurate), is_stable])) for name, is_stable, accurate in found]
    both, neither = (
        sum(is_stable is o and accurate is o for _, is_stable, accurate in found)
        for o in (Outcome.HOLDS, Outcome.FAILS)
    )
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


def _score(tables: Mapping[str, Table], k: int, arm: str) -> str:
    rows = tables["examples"].where(rewind_step=k)
    return f"{100 * float(np.mean(rows[f'{arm}_score'])):.1f}"
