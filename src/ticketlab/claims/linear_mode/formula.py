"""What the claim `linear-mode` says, as a formula: at every rewind step k, a ticket that works is stable.

    works ⇒ stable,   works = as accurate as the dense network, and more accurate than a random mask

A ticket that works and is not stable refutes it. Of tickets that do not work it is true in an empty way. So the claim holds only
if it is true at every k and could have been false: at one k the ticket is stable and works, at one it is neither stable nor
accurate.

The barrier is the maximum of a noisy line, which is biased upwards. It is bracketed by two estimates. The higher is that maximum.
The lower chooses α on one half of the test examples and measures on the other, and so cannot be too high. *Stable* needs the
higher one below the limit, *not stable* the lower one above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ticketlab.claims.gates import skill_gate
from ticketlab.claims.wording import points
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Bracket, Difference, paired_difference
from ticketlab.laws.formulae import (
    All,
    Answer,
    Any,
    Formula,
    Gated,
    Not,
    Question,
    Tables,
    answer,
    verdict_of,
)
from ticketlab.laws.rules import Above, Below, Levels
from ticketlab.laws.scale import POINTS, Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "DENSE",
    "LOGIC",
    "RANDOM",
    "RULE",
    "TICKET",
    "TITLES",
    "Terms",
    "decided",
    "formula",
    "side_questions",
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
    if found.outcome is not Outcome.HOLDS:
        return found.outcome, found
    return _outcome(found, _Seen.of(terms, steps, tables), True), found


def verdicts(terms: Terms, tables: Mapping[str, Table]) -> tuple[Verdict, ...]:
    """On the claim, then step by step on the ticket's three questions and its controls' stability; then what does not count."""
    there = set(tables["examples"]["rewind_step"].tolist())
    known = [k for k in terms.rewind_steps if k in there]
    compared = RANDOM in terms.controls
    found = answer(formula(terms, known), tables, _share(terms, known)) if compared else None
    seen = _Seen.of(terms, known, tables) if compared else _Seen((), (), (), ())
    complete = len(known) == len(terms.rewind_steps)
    each = [verdict for k in known for verdict in _step(terms, k, found, tables)]
    side = [_converse(terms, known, seen, complete, tables)] if compared else []
    masks = [_of_all_masks(terms, known, complete, tables)] if terms.controls else []
    return (_claim(terms, found, seen, complete, tables), *each, *side, *masks)


def _share(terms: Terms, known: Sequence[int]) -> Levels:
    """The levels of those steps that have been run: each has its share of the claim's, whether or not the others are there."""
    usual = Levels()
    return Levels(usual.holds, usual.fails * len(known) / len(terms.rewind_steps))


# --- parts ---


def _gated(terms: Terms, steps: Sequence[int], part: Formula) -> Formula:
    """Provided that the dense network has learnt the task."""
    gates = tuple(skill_gate(partial(_rows, k), (f"{DENSE}_score",)) for k in steps)
    return Gated(gates, part)


def _implied(terms: Terms, k: int) -> Formula:
    return Any((Not(_works(terms, k)), _stable(terms, k, TICKET)), f"k={k}")


def _works(terms: Terms, k: int) -> Formula:
    return All((_accurate(terms, k, TICKET), _better(k)), "works")


def _rows(k: int, tables: Tables) -> Table:
    found: Table = tables["examples"].where(rewind_step=k)
    return found


def _gain(k: int, arm: str, other: str, tables: Tables) -> Difference:
    """How much better an arm's test score is, paired by seed and test example."""
    rows = _rows(k, tables)
    return paired_difference(rows[f"{arm}_score"] - rows[f"{other}_score"], rows["seed"], rows["id"])


def _barrier(k: int, arm: str, tables: Tables) -> Bracket:
    """The error barrier between an arm's copies, mean over lines, by seed and test example."""
    rows = _rows(k, tables)
    low, high = (
        paired_difference(rows[f"{arm}_{name}"], rows["seed"], rows["id"])
        for name in ("barrier_split", "barrier")
    )
    return Bracket(low, high)


def _score(k: int, arm: str, tables: Tables) -> str:
    return f"{100 * float(np.mean(_rows(k, tables)[f'{arm}_score'])):.1f} %"


# --- questions ---


def _stable(terms: Terms, k: int, arm: str) -> Question:
    def reading(tables: Tables) -> str:
        found = _barrier(k, arm, tables)
        ends = sorted((100 * found.low.mean, 100 * found.high.mean))
        between = f"{ends[0]:.2f} to {ends[1]:.2f}".replace("-", "−")
        return (
            f"From step {k} on, error on the line between copies of {TITLES[arm]} rises by {between} points"
        )

    return _question(
        "stable",
        f"k = {k}: {TITLES[arm]} is stable",
        k,
        arm,
        partial(_barrier, k, arm),
        Below(terms.stable),
        f"the error barrier between copies of {TITLES[arm]}",
        ERROR,
        reading,
        ("stable", "not stable", "the data do not decide whether it is stable"),
    )


def _accurate(terms: Terms, k: int, arm: str) -> Question:
    def reading(tables: Tables) -> str:
        gain = points(_gain(k, arm, DENSE, tables).mean)
        return (
            f"From step {k} on, {TITLES[arm]} reaches {_score(k, arm, tables)} and the dense network {_score(k, DENSE, tables)}, "
            f"a difference of {gain} points"
        )

    return _question(
        "accurate",
        f"k = {k}: {TITLES[arm]} is as accurate as the dense network",
        k,
        arm,
        partial(_gain, k, arm, DENSE),
        Above(-terms.margin),
        f"the difference in test score, {TITLES[arm]} minus dense network,",
        POINTS,
        reading,
        ("as accurate", "less accurate", "the data do not decide whether it is as accurate"),
    )


def _better(k: int) -> Question:
    def reading(tables: Tables) -> str:
        gain = points(_gain(k, TICKET, RANDOM, tables).mean)
        return (
            f"From step {k} on, a random mask with equally many weights reaches {_score(k, RANDOM, tables)}, the ticket {gain} "
            "points more"
        )

    return _question(
        "better",
        f"k = {k}: the ticket is more accurate than a random mask",
        k,
        TICKET,
        partial(_gain, k, TICKET, RANDOM),
        Above(0.0),
        "the difference in test score, ticket minus random mask,",
        POINTS,
        reading,
        ("more accurate", "not more accurate", "the data do not decide whether it is more accurate"),
    )


def _question(
    key: str,
    title: str,
    k: int,
    arm: str,
    effect: Callable[[Tables], Difference | Bracket],
    rule: Above | Below,
    what: str,
    scale: Scale,
    reading: Callable[[Tables], str],
    says: tuple[str, str, str],
) -> Question:
    words = dict(zip((Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED), says, strict=True))
    facets = {"rewind_step": str(k), "arm": arm}
    return Question(key, title, effect, rule, what, scale, reading, words, facets)


def _step(terms: Terms, k: int, found: Answer | None, tables: Tables) -> list[Verdict]:
    """The ticket's questions at one step, which count; and the stability of its controls, which does not."""
    at = str(k)
    if found is None:
        counted = []
        beside = [_stable(terms, k, TICKET), _accurate(terms, k, TICKET), _stable(terms, k, DENSE)]
    else:
        keys = ("stable", "accurate", "better")
        counted = [verdict_of(found.find(key, rewind_step=at, arm=TICKET), tables) for key in keys]
        beside = [_stable(terms, k, arm) for arm in (DENSE, RANDOM)]
    return counted + [verdict_of(answer(q, tables), tables, headline=False) for q in beside]


# --- the claim ---

RULE = (
    "The ticket works at a step k if it is as accurate as the dense network, up to the margin, and more accurate than a "
    "random mask. The claim holds if at every k the ticket is stable or does not work, at one k at least it is stable and "
    "works, and at one k at least it is neither stable nor as accurate as the dense network. It fails if at some k the "
    "ticket works and is not stable. Otherwise it is undecided; and always without a random mask, or if the dense network "
    "is not better than guessing."
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

    The claim holds only if one step is of the first kind and one of the second. That is asked beside the formula and not in it:
    if neither was seen the claim was not put to the test, which is no failure.
    """

    both: tuple[int, ...]
    neither: tuple[int, ...]
    idle: tuple[int, ...]
    stable: tuple[int, ...]

    @staticmethod
    def of(terms: Terms, known: Sequence[int], tables: Tables) -> _Seen:
        share = Levels().holds / len(terms.rewind_steps)

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


def _outcome(found: Answer, seen: _Seen, complete: bool) -> Outcome:
    put_to_the_test = bool(seen.both and seen.neither and complete)
    return found.outcome if put_to_the_test or found.outcome is not Outcome.HOLDS else Outcome.UNDECIDED


def _claim(terms: Terms, found: Answer | None, seen: _Seen, complete: bool, tables: Tables) -> Verdict:
    outcome = Outcome.UNDECIDED if found is None else _outcome(found, seen, complete)
    return Verdict(
        question="",
        outcome=outcome,
        rule=RULE,
        effect=None,
        interval=None,
        unit="",
        reading=_whole(terms, found, seen, outcome, complete),
        key="claim",
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
        return f"These runs decide nothing. {' '.join(dict.fromkeys(inner.closed))}"
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


def _converse(terms: Terms, known: Sequence[int], seen: _Seen, complete: bool, tables: Tables) -> Verdict:
    parts = tuple(Any((Not(_stable(terms, k, TICKET)), _works(terms, k))) for k in known)
    outcome = answer(_gated(terms, known, All(parts)), tables, _share(terms, known)).outcome
    if outcome is Outcome.HOLDS and not (seen.both and complete):
        outcome = Outcome.UNDECIDED
    reading = {
        Outcome.HOLDS: "Wherever the ticket is stable it works.",
        Outcome.FAILS: f"At {_at(seen.idle)} the ticket is stable and does not work: stability is not enough."
        if seen.idle
        else "At some k the ticket is stable and does not work: stability is not enough.",
        Outcome.UNDECIDED: "The data do not decide whether stability is enough to work.",
    }[outcome]
    return replace(_beside("converse", "stable tickets work", outcome, CONVERSE), reading=reading)


def _of_all_masks(terms: Terms, known: Sequence[int], complete: bool, tables: Tables) -> Verdict:
    """Accurate ⇒ stable, for every mask at every step."""
    each = [(arm, k) for k in known for arm in terms.masks]
    parts = tuple(
        Any((Not(_accurate(terms, k, arm)), _stable(terms, k, arm)), f"{arm}@{k}") for arm, k in each
    )
    found = answer(_gated(terms, known, All(parts)), tables, _share(terms, known))
    share = Levels().holds / (len(terms.masks) * len(terms.rewind_steps))
    counts = [0, 0]
    for arm, k in each:
        stable, accurate = _stable(terms, k, arm), _accurate(terms, k, arm)
        for i, kind in enumerate((All((stable, accurate)), All((Not(stable), Not(accurate))))):
            counts[i] += (
                answer(_gated(terms, [k], kind), tables, Levels(share, share)).outcome is Outcome.HOLDS
            )
    outcome = found.outcome
    if outcome is Outcome.HOLDS and not (all(counts) and complete):
        outcome = Outcome.UNDECIDED
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
    title = "of all masks at this density, the accurate ones are stable"
    return replace(_beside("all-masks", title, outcome, ALL_MASKS), reading=reading)


def _beside(key: str, title: str, outcome: Outcome, rule: str) -> Verdict:
    """A side question without a number of its own."""
    return Verdict(title, outcome, rule, None, None, "", "", headline=False, key=key)
