"""What `ticket-tail` asks of each kind of ticket: does the best of n keep improving, tenfold by tenfold?

On the scale X = −log(L − E) steady returns are a straight line against log n. The tail of X has a shape ξ: with 0 every tenfold
buys the same, below 0 it buys less and there is an end, above 0 it buys more. A normal law, fitted above a threshold, has a shape
below 0 too, and its returns fall slowly and never end. It is the yardstick, at the same threshold and with equally many excesses:

    tail   ξ − ξ_normal above −0.05
    gain   r − r_normal above −0.15,   r = (B(n) − B(n/10))/(B(n/10) − B(n/100)), B(n) the mean best of n

Both are without the noise of the test set, and the second needs no fit. Returns are steady if both hold. If one fails the
tail is short: tickets pay less than a normal law's, and have an end. Each seed gives one number.

Nothing is said of a kind if the best of many is no better, held out, than for permuted targets; if more than a
twentieth of what differs between tickets is noise; if two estimators of ξ disagree; or if tickets tie.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from ticketlab.claims.answers import claim_verdict, headline, side_verdicts
from ticketlab.claims.asking import columns, three
from ticketlab.claims.ticket_tail.measures import LOG, top
from ticketlab.claims.wording import number, percent
from ticketlab.evidence.tables import Table
from ticketlab.figures.wording import fixed
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables
from ticketlab.laws.rules import USUAL, Above, Levels, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.tails.fit import AGREE
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "ALSO", "COVERED", "GAIN", "HEADLINE", "PREDICTED", "RULE", "STRAIGHT", "TAIL", "formula", "side_questions", "verdicts",
]  # fmt: skip

HEADLINE = ("unit", "network")
ALSO = ("mask", "read-out", "tangent direction", "probe")
TAIL, GAIN, STRAIGHT, PREDICTED, COVERED = "tail", "gain", "straight", "predicted", "covered"
ROOM, GAIN_ROOM, MISS, LEAST_COVERED = 0.05, 0.15, 0.5, 0.9
RELIABLE, DISTINCT = 0.95, 0.99
SHAPE = Scale("in ξ")
RATIO = Scale("% of the gain before", 100.0)
FORETOLD = Scale("% of the gain", 100.0)
COVERAGE = Scale("%", 100.0, bounds=(0.0, 100.0))


def formula(kinds: Sequence[str] = HEADLINE) -> Formula:
    """The claim: the returns of every kind are at least those of a normal law."""
    return All(tuple(_kind(kind) for kind in kinds), key="claim")


def side_questions(kinds: Sequence[str] = HEADLINE, also: Sequence[str] = ALSO) -> tuple[Formula, ...]:
    """Whether returns do not fall at all, whether few tickets foretell what many bring, and the other kinds."""
    sides: list[Formula] = []
    for kind in kinds:
        foretold = All((_predicted(kind), _covered(kind)))
        sides += [Gated(_gates(kind), _straight(kind)), Gated(_gates(kind), foretold)]
    return (*sides, *(_kind(kind) for kind in also))


def verdicts(
    kinds: Sequence[str],
    also: Sequence[str],
    complete: Collection[str],
    tables: Tables,
    levels: Levels = USUAL,
) -> tuple[Verdict, ...]:
    """The claim, once all its kinds are drawn, then the questions of each kind that is."""
    whole, found = headline({kind: _kind(kind) for kind in kinds}, complete, tables, levels)
    claim = [] if whole is None else [claim_verdict(whole, RULE, SAYS)]
    sides = side_questions([k for k in kinds if k in complete], [k for k in also if k in complete])
    return (*claim, *(v for of in found.values() for v in of), *side_verdicts(sides, tables, levels))


def _kind(kind: str) -> Formula:
    return Gated(_gates(kind), All((_tail(kind), _gain(kind))))


# --- questions ---


def _rows(kind: str, name: str, tables: Tables) -> Table:
    rows = tables[name].where(kind=kind)
    found: Table = (rows.where(scale=LOG) if name == "tails" else rows).by_seed()
    return found


def _asked(
    key: str, kind: str, title: str, effect: Callable[[str, Tables], Difference], **how: Any
) -> Question:
    return Question(
        key=key, title=f"{kind}: {title}", effect=partial(effect, kind), facets={"kind": kind}, **how
    )


def _tail(kind: str) -> Question:
    return _asked(
        TAIL,
        kind,
        "the tail is about as long as a normal law's, or longer",
        _longer,
        rule=Above(-ROOM),
        what=f"the shape of the tail of {_many(kind)}, minus a normal law's,",
        scale=SHAPE,
        reading=partial(_shape_read, kind),
        says=three(
            "the tail is about as long as a normal law's, or longer",
            "the tail is shorter than a normal law's, and has an end",
            "whether the tail is about as long as a normal law's",
        ),
    )


def _longer(kind: str, tables: Tables) -> Difference:
    rows = _rows(kind, "tails", tables)
    return of_seeds(rows["shape"] - rows["normal_shape"])


def _gain(kind: str) -> Question:
    return _asked(
        GAIN,
        kind,
        "gains fall about as slowly as under a normal law, or more slowly",
        _slower,
        rule=Above(-GAIN_ROOM),
        what=f"the gain by a tenfold of {_many(kind)}, minus a normal law's,",
        scale=RATIO,
        reading=partial(_gain_read, kind),
        says=three(
            "gains fall about as slowly as under a normal law, or more slowly",
            "gains fall faster than under a normal law",
            "whether gains fall about as slowly as under a normal law",
        ),
    )


def _slower(kind: str, tables: Tables) -> Difference:
    rows = _rows(kind, "gains", tables)
    return of_seeds(rows["last"] / rows["before"] - rows["normal_ratio"])


def _straight(kind: str) -> Question:
    return _asked(
        STRAIGHT,
        kind,
        "returns do not fall at all",
        lambda kind, tables: of_seeds(_rows(kind, "tails", tables)["shape"]),
        rule=Above(-ROOM),
        what=f"the shape of the tail of {_many(kind)}",
        scale=SHAPE,
        reading=partial(_shape_read, kind),
        says=three(
            "every tenfold buys about the same, or more",
            "every tenfold buys less than the one before",
            "whether every tenfold buys the same",
        ),
    )


def _predicted(kind: str) -> Question:
    return _asked(
        PREDICTED,
        kind,
        "the tail of a few foretells the best of many",
        _missed,
        rule=Within(MISS),
        what=f"the predicted best of more {_many(kind)} minus the best that was found, in what more of them gained,",
        scale=FORETOLD,
        reading=partial(_missed_read, kind),
        says=three(
            "the prediction comes true",
            "the prediction does not come true",
            "whether the prediction comes true",
        ),
    )


def _covered(kind: str) -> Question:
    return _asked(
        COVERED,
        kind,
        "intervals from a few hold the best of many",
        lambda kind, tables: _of_checked(kind, "covered", tables),
        rule=Above(LEAST_COVERED),
        what=f"the share of larger sets of {_many(kind)} whose best lies in its interval of 95 %",
        scale=COVERAGE,
        reading=partial(_prediction_read, kind),
        says=three(
            "the intervals hold as many as they have to",
            "the intervals are too narrow",
            "whether the intervals are wide enough",
        ),
    )


def _missed(kind: str, tables: Tables) -> Difference:
    return _of_checked(kind, "missed", tables)


def _of_checked(kind: str, column: str, tables: Tables) -> Difference:
    """Not known if every set was smaller than those that were fitted, or in older runs, which did not count it so."""
    rows = _checked(kind, tables)
    known = len(rows) and column in columns(rows)
    return of_seeds(rows[column].astype(float) if known else np.array([np.nan]))


def _checked(kind: str, tables: Tables) -> Table:
    """The best of sets that are larger than those that were fitted."""
    rows = _rows(kind, "predictions", tables)
    return rows.taken(np.flatnonzero((rows["blocks"] > 1) & (rows["count"] > rows["fitted"])))


def _many(kind: str) -> str:
    return f"random {kind}s"


def _shape_read(kind: str, tables: Tables) -> str:
    rows = _rows(kind, "tails", tables)
    shape, normal = (fixed(float(np.mean(rows[name])), 2) for name in ("shape", "normal_shape"))
    first = "best" if "best" in columns(rows) else "best_1"  # older runs have the tail's prediction of it
    best = [percent(float(np.mean(rows[name]))) for name in (first, "best_10", "best_100")]
    count = _grouped(int(rows["tickets"][0]))
    return (
        f"The tail of {_many(kind)} has the shape {shape}, a normal law's is {normal} there. The best of {count} explains "
        f"{best[0]} of the targets' variance. Ten times more would bring {best[1]}, a hundred times more {best[2]}"
    )


def _gain_read(kind: str, tables: Tables) -> str:
    rows = _rows(kind, "gains", tables)
    ratio, normal = float(np.mean(rows["last"] / rows["before"])), float(rows["normal_ratio"][0])
    return (
        f"Each tenfold of {_many(kind)} buys {fixed(ratio, 2)} times the gain of the one before, and {fixed(normal, 2)} under a "
        "normal law"
    )


def _missed_read(kind: str, tables: Tables) -> str:
    rows = _checked(kind, tables)
    if not len(rows) or "missed" not in columns(rows):
        return f"In this run no set of {_many(kind)} is larger than those that were fitted"
    few, many = (_grouped(int(rows[name][0])) for name in ("fitted", "count"))
    return (
        f"From the best of {few} {_many(kind)} to that of {many} the quality rises by {_three(float(np.mean(rows['gain'])))} on "
        f"the scale −log(loss − floor), and the best is predicted {_three(float(np.mean(rows['predicted'] - rows['seen'])))} "
        "higher than it is"
    )


def _prediction_read(kind: str, tables: Tables) -> str:
    rows, all_rows = _checked(kind, tables), _rows(kind, "predictions", tables)
    if not len(rows):
        return f"In this run no set of {_many(kind)} is larger than those that were fitted"
    last = all_rows.taken(np.flatnonzero(all_rows["blocks"] == 1))
    first, *counts = (_grouped(int(of[0])) for of in (rows["fitted"], rows["count"], last["count"]))
    covered, of_last = (f"{100 * float(np.mean(of['covered'])):.0f} %" for of in (rows, last))
    return (
        f"Fits to {first} {_many(kind)} have intervals of 95 % for the best of {counts[0]} others, which hold {covered} of "
        f"them. Those for the best of {counts[1]} others hold it in {of_last} of the fits"
    )


def _three(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


# --- gates ---


def _gates(kind: str) -> tuple[Gate, ...]:
    return (
        Gate(
            "skill",
            "better than with permuted targets",
            partial(_skill, kind),
            "More seeds, more tickets, or another task would open the question.",
            shows=True,
        ),
        Gate(
            "noise",
            "little noise of the test set",
            partial(_noise, kind),
            "More test examples would open the question.",
        ),
        Gate(
            "agreement",
            "estimators of the shape agree",
            partial(_agreement, kind),
            "More tickets would open the question.",
        ),
        Gate(
            "ties",
            "tickets do not tie",
            partial(_ties, kind),
            "A task with more test examples would open the question.",
        ),
    )


def _skill(kind: str, tables: Tables, levels: Levels = USUAL) -> str | None:
    count = top(int(_rows(kind, "tails", tables)["tickets"][0]))
    rows = tables["curves"].where(kind=kind, count=count).by_seed()
    gain = of_seeds(rows["held_out"] - rows["permuted"])
    if not gain.decidable or gain.lower(levels.smaller) > 0:
        return None
    return (
        f"Held out, the best {kind} explains {percent(float(np.mean(rows['held_out'])))} of the targets' variance, and "
        f"{percent(float(np.mean(rows['permuted'])))} of permuted targets: {'not for certain' if gain.mean > 0 else 'no'} more "
        "than chance."
    )


def _noise(kind: str, tables: Tables) -> str | None:
    ratio = float(np.mean(_rows(kind, "tails", tables)["reliability"]))
    if ratio >= RELIABLE:
        return None
    return f"Of what differs between {_many(kind)}, {percent(1 - ratio)} is noise of the test set, and at most 5 % may be."


def _agreement(kind: str, tables: Tables) -> str | None:
    rows = _rows(kind, "tails", tables)
    moments = float(np.mean(np.abs(rows["moments_shape"] - rows["raw_shape"])))
    apart = max(float(np.max(rows["apart"])), moments)
    if apart <= AGREE:
        return None
    return f"Two estimators of the shape of {_many(kind)} differ by {number(apart)}, and by {AGREE:g} at most they may."


def _ties(kind: str, tables: Tables) -> str | None:
    distinct = float(np.min(_rows(kind, "tails", tables)["distinct"]))
    if distinct >= DISTINCT:
        return None
    return f"Of the best {_many(kind)} only {percent(distinct)} have a quality of their own: a tail needs a continuous one."


# --- the claim ---

RULE = (
    "The claim holds if, for every kind of ticket that it is about, the tail is about as long as a normal law's, or longer, and "
    "gains fall about as slowly, or more slowly. It fails if, for one of them, the tail is shorter or gains fall faster. "
    "Otherwise it is undecided. It is also undecided for a kind that is no better than with permuted targets, too noisy, tied, "
    "or fitted differently by two estimators. Everything else is a side question."
)
SAYS = {
    Outcome.HOLDS: "More random tickets keep paying: every tenfold buys about as much as under a normal law, or more.",
    Outcome.FAILS: "More random tickets do not keep paying for every kind.",
    Outcome.UNDECIDED: "These runs do not decide whether more random tickets keep paying.",
}
