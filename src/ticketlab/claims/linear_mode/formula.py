"""What the claim `linear-mode` says, as a formula: at every rewind step k, a ticket that works is stable.

    works ⇒ stable,   works = as accurate as the dense network, and more accurate than a random mask, by more than the margin

Where any mask does nearly as well, there is nothing to explain. A ticket that works and is not stable refutes it. Of tickets that
do not work it is true in an empty way. So the claim holds only if it is true at every k and could have been false: at one k the
ticket is stable and works, at one it is neither stable nor accurate.

A seed's barrier is the maximum of the mean of its lines, which noise biases upwards. It is bracketed by two estimates. The higher
is that maximum. The lower chooses α on one half of the test examples and measures on the other, and so cannot be too high.
*Stable* needs the higher one below the limit, *not stable* the lower one above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ticketlab.claims.answers import closed, with_outlook
from ticketlab.claims.asking import scores, three
from ticketlab.claims.gates import barrier_gate, skill_gate
from ticketlab.claims.learned.questions import converged
from ticketlab.claims.wording import margin_words
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Bracket, paired_difference
from ticketlab.laws.formulae import (
    All,
    Answer,
    Any,
    Formula,
    Gate,
    Gated,
    Not,
    Question,
    Tables,
    answer,
    verdict_of,
)
from ticketlab.laws.rules import USUAL, Above, Below, Levels, Rule
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "DENSE", "LOGIC", "RANDOM", "RULE", "TICKET", "TITLES", "Terms", "decided", "formula", "side_questions", "verdicts",
]  # fmt: skip

DENSE, TICKET, RANDOM = "dense", "ticket", "random"
TITLES: Mapping[str, str] = {
    TICKET: "the ticket",
    DENSE: "the dense network",
    RANDOM: "a random mask",
    "shuffled": "the ticket's mask, shuffled",
    "reinitialised": "the ticket's mask over new weights",
    "both": "a shuffled mask over new weights",
}
ERROR = Scale("points of test error", 100.0, bounds=(-100.0, 100.0))


@dataclass(frozen=True)
class Terms:
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
    def masks(self) -> tuple[str, ...]:
        """All subnetworks of one density."""
        return (TICKET, *self.controls)


def formula(terms: Terms, steps: Sequence[int]) -> Formula:
    """Works ⇒ stable, at the given steps."""
    return _gated(terms, steps, All(tuple(_implied(terms, k) for k in steps), "only-when-stable"))


def side_questions(terms: Terms) -> tuple[Formula, ...]:
    """At every step, whether the dense network and the random mask are stable."""
    return tuple(_stable(terms, k, arm) for k in terms.rewind_steps for arm in (DENSE, RANDOM))


def decided(terms: Terms, tables: Tables) -> tuple[Outcome, Answer]:
    """The outcome of the claim, and the answer to its formula, where all rewind steps have been run and compared."""
    steps = terms.rewind_steps
    found = answer(formula(terms, steps), tables)
    if found.outcome is not Outcome.HOLDS:  # what was seen need not be asked
        return found.outcome, found
    return _outcome(found, _Seen.of(terms, steps, tables, USUAL), True), found


OTHER_STEPS = (
    "Other --rewind-steps would: one where tickets are stable and accurate, and one where they are neither."
)
NO_MASK = "A random mask among the --controls would make it a question."


def verdicts(terms: Terms, tables: Mapping[str, Table], levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """On the claim, then step by step on the ticket's three questions and its controls' stability; then what does not count."""
    there = set(tables["examples"]["rewind_step"].tolist())
    known = [k for k in terms.rewind_steps if k in there]
    compared = RANDOM in terms.controls
    found = answer(formula(terms, known), tables, _share(terms, known, levels)) if compared else None
    seen = _Seen.of(terms, known, tables, levels) if compared else _Seen((), (), (), ())
    complete = len(known) == len(terms.rewind_steps)
    each = [verdict for k in known for verdict in _step(terms, k, found, tables, levels)]
    side = [_converse(terms, known, seen, complete, tables, levels)] if compared else []
    masks = [_of_all_masks(terms, known, complete, tables, levels)] if terms.controls else []
    claim = _claim(terms, found, seen, complete)
    if found is not None:
        claim = with_outlook(claim, found)
    if claim.outcome is Outcome.UNDECIDED and not claim.would_decide:
        claim = replace(claim, would_decide=NO_MASK if found is None else OTHER_STEPS)
    return (claim, *each, *side, *masks)


def _share(terms: Terms, known: Sequence[int], levels: Levels) -> Levels:
    """The levels of those steps that have been run: each has its share of the claim's, whether or not the others are there."""
    return Levels(levels.holds, levels.fails * len(known) / len(terms.rewind_steps))


# --- parts ---


def _gated(terms: Terms, steps: Sequence[int], part: Formula) -> Formula:
    """Provided that the dense network has learnt the task, and its training labels."""
    skilled = tuple(skill_gate(partial(_rows, k), (f"{DENSE}_score",)) for k in steps)
    return Gated((*skilled, _trained(terms, steps)), part)


def _trained(terms: Terms, steps: Sequence[int]) -> Gate:
    """The dense copies fit all their training labels but the margin: a poorly trained network is soon equalled.

    Cells do not look half-way, so no change since then can open the gate.
    """

    def copies(tables: Tables) -> Table:
        dense: Table = tables["copies"].where(arm=DENSE)
        rows = dense.taken(np.isin(dense["rewind_step"], steps))
        return rows.adding(setting=np.array([f"from step {k}" for k in rows["rewind_step"]]))

    what, guess = "the training of the dense network", partial(_rows, steps[0])
    return converged("trained", what, copies, guess, terms.margin)


def _implied(terms: Terms, k: int) -> Formula:
    return Any((Not(_works(terms, k)), _stable(terms, k, TICKET)), f"k={k}")


def _works(terms: Terms, k: int) -> Formula:
    return All((_accurate(terms, k, TICKET), _better(terms, k)), "works")


def _rows(k: int, tables: Tables) -> Table:
    found: Table = tables["examples"].where(rewind_step=k)
    return found


def _stable(terms: Terms, k: int, arm: str) -> Gated:
    """Of the error barrier between an arm's copies, of the mean of a seed's lines, by seed and test example."""

    def effect(tables: Tables) -> Bracket:
        rows = _rows(k, tables)
        low, high = (
            paired_difference(rows[f"{arm}_{name}"], rows["seed"], rows["id"])
            for name in ("barrier_split", "barrier")
        )
        return Bracket(low, high)

    def reading(tables: Tables) -> str:
        found = effect(tables)
        ends = sorted((100 * found.low.mean, 100 * found.high.mean))
        between = " to ".join(dict.fromkeys(f"{end:z.2f}".replace("-", "−") for end in ends))
        return (
            f"From step {k} on, error on the line between copies of {TITLES[arm]} rises by {between} points"
        )

    question = Question(
        key="stable",
        title=f"k = {k}: {TITLES[arm]} is stable",
        effect=effect,
        rule=Below(terms.stable),
        what=f"the error barrier between copies of {TITLES[arm]}",
        scale=ERROR,
        reading=reading,
        says=three("stable", "not stable", "whether it is stable"),
        facets={"rewind_step": str(k), "arm": arm},
    )
    copies = (f"{arm}_score", f"copies of {TITLES[arm]}")
    return Gated((barrier_gate(partial(_rows, k), copies, effect, terms.stable, skilled=False),), question)


def _accurate(terms: Terms, k: int, arm: str) -> Question:
    says = three("as accurate", "less accurate", "whether it is as accurate")
    return _scored("accurate", "as accurate as", k, arm, DENSE, Above(-terms.margin), says)


def _better(terms: Terms, k: int) -> Question:
    more = f"more accurate by more than {margin_words(terms.margin)}"
    says = three(more, f"not {more}", f"whether it is {more}")
    return _scored("better", "more accurate than", k, TICKET, RANDOM, Above(terms.margin), says)


def _scored(
    key: str, than: str, k: int, arm: str, other: str, rule: Rule, says: Mapping[Outcome, str]
) -> Question:
    return scores(
        key,
        f"k = {k}: {TITLES[arm]} is {than} {TITLES[other]}",
        partial(_rows, k),
        (f"{arm}_score", TITLES[arm]),
        (f"{other}_score", TITLES[other]),
        rule,
        says,
        facets={"rewind_step": str(k), "arm": arm},
        before=f"from step {k} on, ",
    )


def _step(terms: Terms, k: int, found: Answer | None, tables: Tables, levels: Levels) -> list[Verdict]:
    """The ticket's questions at one step, which count; and the stability of its controls, which does not."""
    sides: Sequence[Formula]
    if found is None:
        counted = []
        sides = [_stable(terms, k, TICKET), _accurate(terms, k, TICKET), _stable(terms, k, DENSE)]
    else:
        keys = ("stable", "accurate", "better")
        asked = [found.find(key, rewind_step=str(k), arm=TICKET) for key in keys]
        counted = [verdict_of(q, tables) for q in asked]
        sides = [_stable(terms, k, arm) for arm in (DENSE, RANDOM)]
    found_sides = [next(answer(side, tables, levels).questions()) for side in sides]
    return counted + [verdict_of(side, tables, headline=False) for side in found_sides]


# --- the claim ---

RULE = (
    "The ticket works at a step k if it is as accurate as the dense network, up to the margin, and more accurate than a "
    "random mask, by more than the margin. The claim holds if at every k the ticket is stable or does not work, at one k at "
    "least it is stable and works, and at one k at least it is neither stable nor as accurate as the dense network. It fails "
    "if at some k the ticket works and is not stable. Otherwise it is undecided; and always without a random mask, if the dense "
    "network is not better than guessing, or if it has not converged: its copies miss more of their training labels than the "
    "margin. Networks are called stable only if they gain twice the limit over guessing; with less, no barrier could be high."
)
CONVERSE = (
    "Holds if at every k the ticket works or is not stable, and at one k at least it is stable and works. Fails "
    "if at some k it is stable and does not work. Otherwise it is undecided. It does not count for the claim."
)
ALL_MASKS = (
    "Asked of the ticket and of every control, each at every k. Holds if each is stable or less accurate than "
    "the dense network, one at least is stable and as accurate, and one at least is neither. Fails if one is as accurate as "
    "the dense network, up to the margin, and not stable. Otherwise it is undecided. It does not count for the claim, which "
    "is about tickets."
)
LOGIC = (
    ("stable tickets work", CONVERSE),
    ("of all masks at this density, the accurate ones are stable", ALL_MASKS),
)


@dataclass(frozen=True)
class _Seen:
    """At which steps the ticket was seen to be what, each at the claim's own level.

    The claim holds only if one step is of the first kind and one of the second. That is asked apart from the formula:
    if neither was seen the claim was not put to the test, which is no failure.
    """

    both: tuple[int, ...]
    neither: tuple[int, ...]
    idle: tuple[int, ...]
    stable: tuple[int, ...]

    @staticmethod
    def of(terms: Terms, known: Sequence[int], tables: Tables, levels: Levels) -> _Seen:
        share = levels.holds / len(terms.rewind_steps)

        def at(kind: Callable[[int], Formula]) -> tuple[int, ...]:
            one = Levels(share, share)
            return tuple(
                k for k in known if answer(_gated(terms, [k], kind(k)), tables, one).outcome is Outcome.HOLDS
            )

        stable = partial(_stable, terms, arm=TICKET)
        return _Seen(
            both=at(lambda k: All((stable(k), _works(terms, k)))),
            neither=at(lambda k: All((Not(stable(k)), Not(_accurate(terms, k, TICKET))))),
            idle=at(lambda k: All((stable(k), Not(_works(terms, k))))),
            stable=at(stable),
        )


def _tested(outcome: Outcome, *tests: object) -> Outcome:
    """What holds, but was not put to the test, is undecided."""
    return Outcome.UNDECIDED if outcome is Outcome.HOLDS and not all(tests) else outcome


def _outcome(found: Answer, seen: _Seen, complete: bool) -> Outcome:
    return _tested(found.outcome, seen.both, seen.neither, complete)


def _claim(terms: Terms, found: Answer | None, seen: _Seen, complete: bool) -> Verdict:
    outcome = Outcome.UNDECIDED if found is None else _outcome(found, seen, complete)
    return Verdict(
        "", outcome, RULE, None, None, "", _whole(terms, found, seen, outcome, complete), key="claim"
    )


def _whole(terms: Terms, found: Answer | None, seen: _Seen, outcome: Outcome, complete: bool) -> str:
    if found is None:
        return "Without a random mask at the same density nothing says whether the ticket does better than any mask would."
    inner = found.parts[0]
    of = {
        o: [part.formula.key.removeprefix("k=") for part in inner.parts if part.outcome is o] for o in Outcome
    }
    if outcome is Outcome.FAILS:
        return f"At {_at(of[Outcome.FAILS])} the ticket works and is not stable: it does not need to be."
    if outcome is Outcome.HOLDS:
        return f"Tickets work only when they are stable: at {_at(seen.both)} they are both, at {_at(seen.neither)} neither."
    if inner.closed:
        return f"These runs decide nothing. {' '.join(closed(found))}"
    if not complete:
        return "Not all rewind steps have been run."
    if set(seen.stable) == set(terms.rewind_steps):
        also = f"; that is not enough to work, which they do not at {_at(seen.idle)}" if seen.idle else ""
        return f"Tickets are stable at every k{also}. So these runs cannot say what becomes of tickets that are not stable."
    if of[Outcome.UNDECIDED]:
        return f"The data do not decide whether the ticket is stable, or whether it works, at {_at(of[Outcome.UNDECIDED])}."
    if not seen.both:
        return "No ticket was found to work, so there is nothing for which stability could be needed."
    return "No ticket was found that is neither stable nor accurate, so the claim was not put to the test."


def _at(steps: Sequence[int | str]) -> str:
    return f"k = {', '.join(map(str, steps))}"


def _converse(
    terms: Terms, known: Sequence[int], seen: _Seen, complete: bool, tables: Tables, levels: Levels
) -> Verdict:
    parts = tuple(Any((Not(_stable(terms, k, TICKET)), _works(terms, k))) for k in known)
    outcome = answer(_gated(terms, known, All(parts)), tables, _share(terms, known, levels)).outcome
    outcome = _tested(outcome, seen.both, complete)
    reading = {
        Outcome.HOLDS: "Wherever the ticket is stable it works.",
        Outcome.FAILS: f"At {_at(seen.idle) if seen.idle else 'some k'} the ticket is stable and does not work: stability is not "
        "enough.",
        Outcome.UNDECIDED: "The data do not decide whether stability is enough to work.",
    }[outcome]
    return _side_verdict("converse", LOGIC[0][0], outcome, CONVERSE, reading)


def _of_all_masks(
    terms: Terms, known: Sequence[int], complete: bool, tables: Tables, levels: Levels
) -> Verdict:
    """Accurate ⇒ stable, for every mask at every step."""
    each = [(arm, k) for k in known for arm in terms.masks]
    parts = tuple(
        Any((Not(_accurate(terms, k, arm)), _stable(terms, k, arm)), f"{arm}@{k}") for arm, k in each
    )
    found = answer(_gated(terms, known, All(parts)), tables, _share(terms, known, levels))
    share = levels.holds / (len(terms.masks) * len(terms.rewind_steps))
    counts = [0, 0]
    for arm, k in each:
        stable, accurate = _stable(terms, k, arm), _accurate(terms, k, arm)
        for i, kind in enumerate((All((stable, accurate)), All((Not(stable), Not(accurate))))):
            counts[i] += (
                answer(_gated(terms, [k], kind), tables, Levels(share, share)).outcome is Outcome.HOLDS
            )
    outcome = _tested(found.outcome, *counts, complete)
    against = [
        f"{TITLES[arm]} at k = {k}"
        for (arm, k), part in zip(each, found.parts[0].parts, strict=True)
        if part.outcome is Outcome.FAILS
    ]
    reading = {
        Outcome.HOLDS: f"Of {len(each)} subnetworks {counts[0]} are stable and as accurate as the dense network, {counts[1]} are "
        "neither, and none is as accurate without being stable.",
        Outcome.FAILS: f"As accurate as the dense network, and not stable: {', '.join(against)}.",
        Outcome.UNDECIDED: f"Of {len(each)} subnetworks {counts[0]} are seen to be stable and as accurate as the dense network, "
        f"and {counts[1]} to be neither. Of the others the data do not say enough.",
    }[outcome]
    return _side_verdict("all-masks", LOGIC[1][0], outcome, ALL_MASKS, reading)


def _side_verdict(key: str, title: str, outcome: Outcome, rule: str, reading: str) -> Verdict:
    """A side question without a number of its own."""
    return Verdict(title, outcome, rule, None, None, "", reading, headline=False, key=key)
