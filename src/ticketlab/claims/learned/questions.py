"""The questions that are asked of learned masks, and the gate that asks whether a search or a training has converged.

Each function makes one question, of the columns that a study names. Two limits are used: the margin, which is a difference in
test score that still counts as equal; and a tenth of the headroom above guessing, which is the least that counts as better.

**Converged.** Step sizes fall to zero along half a cosine, so every curve is flat at its end, whether or not anything is
left to be learnt. What counts is what would still be gained. A search, or a training, has converged if at most the margin is
left to be gained on the labels that it learnt from, by either of two measures:

    1 − score at the end                                            it fits all of them but the margin
    (score at the end − half-way) · Σ all steps / Σ second half's   another run as long would gain less than the margin

The steps' sizes in the second half sum to 18 % of all, so that the factor is 5.5. The second measure counts only where the
training score has risen by a tenth of the headroom above guessing: a search that has not begun is flat too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ticketlab.claims.headroom import HEADROOM, LEAST, difference, percent, share
from ticketlab.claims.wording import points, sentence
from ticketlab.evidence.tables import Table
from ticketlab.laws.formulae import Gate, Question, Tables
from ticketlab.laws.rules import Above, Below
from ticketlab.laws.scale import POINTS
from ticketlab.laws.verdict import Outcome

__all__ = ["AGAIN", "HALFWAY", "as_accurate", "better", "converged", "no_skill"]

HALFWAY = "halfway_train_score"
AGAIN = 0.5 / (
    0.25 - 1 / (2 * math.pi)
)  # step sizes of all steps over those of the second half, along half a cosine

Part = Callable[[Tables], Table]
"""The part of a study's tables that a question is about."""


def as_accurate(
    key: str,
    examples: Part,
    other: str,
    whom: str,
    margin: float,
    *,
    title: str = "",
    facets: Mapping[str, str] | None = None,
) -> Question:
    """Is the ticket at most the margin less accurate?

    Arguments:
        examples: test scores by seed and example, with the columns "ticket" and `other`.
        whom: what it is compared with, in words.
    """

    def reading(tables: Tables) -> str:
        of = examples(tables)
        gain = points(difference(of, "ticket", other).mean)
        return (
            f"The ticket scores {percent(of, 'ticket')} on test data and {whom} {percent(of, other)}, a difference of {gain} "
            "points"
        )

    return Question(
        key=key,
        title=title or f"as accurate as {whom}",
        effect=lambda tables: difference(examples(tables), "ticket", other),
        rule=Above(-margin),
        what=f"the difference in test score, ticket minus {whom},",
        scale=POINTS,
        reading=reading,
        says={
            Outcome.HOLDS: f"within the margin of {100 * margin:g} points it is as accurate",
            Outcome.FAILS: f"it is less accurate by more than the margin of {100 * margin:g} points",
            Outcome.UNDECIDED: f"the data do not decide whether this is within the margin of {100 * margin:g} points",
        },
        facets=facets or {},
    )


def better(
    key: str,
    examples: Part,
    other: str,
    whom: str,
    *,
    title: str = "",
    facets: Mapping[str, str] | None = None,
) -> Question:
    """Is the ticket better than a control, by a tenth of the headroom above guessing?"""

    def reading(tables: Tables) -> str:
        of = examples(tables)
        gain = points(difference(of, "ticket", other).mean)
        return f"{sentence(whom)} scores {percent(of, other)} on test data, the ticket {gain} points more"

    return Question(
        key=key,
        title=title or f"better than {whom}",
        effect=lambda tables: share(examples(tables), "ticket", other),
        rule=Above(LEAST),
        what=f"the difference in test score, ticket minus {whom},",
        scale=HEADROOM,
        reading=reading,
        says={
            Outcome.HOLDS: "the ticket is better",
            Outcome.FAILS: "the ticket is not better by a tenth of the headroom above guessing",
            Outcome.UNDECIDED: "the data do not decide whether the ticket is better by a tenth of the headroom above guessing",
        },
        facets=facets or {},
    )


def no_skill(
    permuted: Part, arms: Part, *, title: str = "", facets: Mapping[str, str] | None = None
) -> Question:
    """The control that must learn nothing: the same search over permuted labels, scored on true labels.

    Arguments:
        permuted: test scores with the column "permuted".
        arms: the control's rows, with its training score on the permuted labels.
    """

    def reading(tables: Tables) -> str:
        of, memorised = permuted(tables), float(np.mean(arms(tables)["train_score"]))
        gain = points(difference(of, "permuted", "guess").mean)
        return (
            f"Over permuted labels the same search fits {100 * memorised:.1f} % of the training labels. On test data with true "
            f"labels it scores {gain} points more than guessing"
        )

    return Question(
        key="control",
        title=title or "nothing is learnt from permuted labels",
        effect=lambda tables: share(permuted(tables), "permuted", "guess"),
        rule=Below(LEAST),
        what="the difference in test score, search over permuted labels minus guessing,",
        scale=HEADROOM,
        reading=reading,
        says={
            Outcome.HOLDS: "as it must, it guesses",
            Outcome.FAILS: "that is better than guessing, so the search learns something that is not in the labels",
            Outcome.UNDECIDED: "the data do not decide whether that is guessing",
        },
        facets=facets or {},
    )


def converged(key: str, what: str, arms: Part, guess: Part, margin: float) -> Gate:
    """Is at most the margin left to be gained on the labels that were learnt from, in every setting?

    Arguments:
        what: "the search", "the training of the dense network".
        arms: the rows to be judged, of one arm, in one setting or in several.
        guess: test examples with the score of guessing.
    """

    def passed(tables: Tables) -> str | None:
        of = arms(tables)
        room = 1.0 - float(np.mean(guess(tables)["guess"]))
        settings = list(dict.fromkeys(of["setting"].tolist())) if "setting" in _names(of) else [None]
        parts = {s: of if s is None else of.where(setting=s) for s in settings}
        open_ = {s: part for s, part in parts.items() if _left(part, room) > margin}
        if not open_:
            return None
        return _reason(what, open_, several=len(parts) > 1)

    opens = "More --steps of search and training would open the question."
    return Gate(key, f"{what} has converged", passed, opens)


def _left(rows: Table, room: float) -> float:
    """What is left to be gained in training score, by the smaller of the two measures."""
    found = float(np.mean(rows["train_score"]))
    rise = _second_half(rows)
    begun = found - (1.0 - room) >= LEAST * room
    return min(1.0 - found, AGAIN * rise if begun and np.isfinite(rise) else np.inf)


def _second_half(rows: Table) -> float:
    """By how much the training score rose in the second half of the steps; NaN for runs that did not look."""
    if HALFWAY not in _names(rows):
        return float("nan")
    return float(np.mean(rows["train_score"] - rows[HALFWAY]))


def _reason(what: str, rows: Mapping[str | None, Table], *, several: bool) -> str:
    said = []
    for setting, part in rows.items():
        rise = _second_half(part)
        at = f" ({setting})" if several else ""
        late = f", {points(rise)} points of that in the second half of its steps" if np.isfinite(rise) else ""
        said.append(f"{100 * float(np.mean(part['train_score'])):.1f} % of its training labels{at}{late}")
    return f"{sentence(what)} has not converged: it fits {_listed(said)}."


def _listed(words: Sequence[str]) -> str:
    return "; ".join(words)


def _names(table: Table) -> set[str]:
    return {column.name for column in table.columns}
