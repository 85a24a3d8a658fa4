"""The questions that are asked of learned masks, and the gate that asks whether a search or a training has converged.

Each function makes one question, of the columns that a study names. Two limits are used: the margin, which is a difference in
test score that still counts as equal; and a tenth of the headroom above guessing, which is the least that counts as better.

**Converged.** Step sizes fall to zero along half a cosine, so every curve is flat at its end, whether or not anything is
left to be learnt. What counts is what would still change. A search, or a training, has converged if at most the margin is
left on the labels that it learnt from, by either of two measures:

    1 − score at the end                              it fits all of them but the margin
    mean |score at the end − half-way| · again(t)     another run as long would change the score by less than the margin

The mean is over runs, and takes sizes: a score that falls has not converged either, and one that falls does not make up for
others that rise. `halfway` derives again(t), which is 5.5 after half of the steps. The second measure counts only where the
training score has risen by a tenth of the headroom above guessing: a search that has not begun is flat too. Above that the gate
cannot see a network that is stuck on a plateau: it is flat, and passes as if nothing were left to be learnt.

**Not behind.** A trained network that contains the ticket can fit as many training labels. If it fits fewer, by more than the
margin and in any setting, it was not trained to what it can do, flat or not. Where both are stuck on the same plateau this cannot
be seen either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ticketlab.claims.asking import Part, columns, scores, three
from ticketlab.claims.gates import margin_gate, skill_gate
from ticketlab.claims.headroom import LEAST, difference, share
from ticketlab.claims.learned.halfway import HALFWAY, NOTED, again
from ticketlab.claims.wording import margin_words, more_points, sentence
from ticketlab.evidence.tables import Table
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables
from ticketlab.laws.rules import USUAL, Above, Levels

__all__ = ["KEPT_BACK", "TICKET", "Asked", "converged", "found", "not_behind"]

TICKET = ("ticket", "the ticket")

_CONVERGED = (
    "Converged means that at most the margin is left to be gained in training score: all labels but the margin are fitted, or "
    "the change in the second half of the steps, up or down, shows that another run as long would change the score by less than "
    "the margin."
)
_BEHIND = "if the trained network fits fewer of the training labels than the ticket, by more than the margin"
_SMALL = (
    "A ticket within the margin is as accurate only if it is shown to gain at least half of what the trained network gains over "
    "guessing."
)
_CONTROL = (
    "if the search over permuted labels is not shown to guess on true labels, that is, to be better than guessing by less than "
    f"{100 * LEAST:g} % of the headroom above it"
)
KEPT_BACK = f"{_BEHIND}, or {_CONTROL}. {_SMALL} {_CONVERGED}"  # the end of the rule of both claims
TENTH = three(
    "the ticket is better",
    "the ticket is not better by a tenth of the headroom above guessing",
    "whether the ticket is better by a tenth of the headroom above guessing",
)


@dataclass(frozen=True)
class Asked:
    """Of which ticket the questions are asked.

    Arguments:
        examples: test scores by seed and example, with the columns "ticket", "random" and "guess".
        permuted: those of the same search over permuted labels, column "permuted".
        arm: the rows of an arm, by its name, with training scores.
        dense: the column of the trained network and its name.
        random: what the random mask is called.
        margin: the difference in test score that still counts as equal.
        before: begins every title.
        facets: of every question.
    """

    examples: Part
    permuted: Part
    arm: Callable[[str], Part]
    dense: tuple[str, str]
    random: str
    margin: float
    before: str = ""
    facets: Mapping[str, str] = field(default_factory=dict)

    def as_accurate(self, key: str, other: tuple[str, str]) -> Gated:
        """At most the margin less accurate than something else, whose column and name are given; if that margin is a small part
        of what is gained over guessing."""
        margin = f"the margin of {margin_words(self.margin)}"
        title, rule = f"{self.before}as accurate as {other[1]}", Above(-self.margin)
        says = three(
            f"it is at least as accurate, to within {margin}",
            f"it is less accurate by more than {margin}",
            f"whether it is less accurate by more than {margin}",
        )
        gate = margin_gate(self.examples, TICKET, other, self.margin)
        return Gated(
            (gate,), scores(key, title, self.examples, TICKET, other, rule, says, facets=self.facets)
        )

    def better(self, key: str, examples: Part, other: tuple[str, str], title: str = "") -> Question:
        """Better than a control, by a tenth of the headroom above guessing."""
        words = f"{self.before}better than {title or other[1]}"
        return scores(
            key, words, examples, TICKET, other, Above(LEAST), TENTH, facets=self.facets, headroom=True
        )

    def no_skill(self) -> Gate:
        """The control that must learn nothing: the same search over permuted labels, scored on true labels.

        It is passed where the control is shown to guess, up to a tenth of the headroom. A control that is better says that what
        is compared leaks, which is no finding about the ticket. A single seed passes, as in the gate of skill.
        """

        def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
            gain = share(self.permuted(tables), "permuted", "guess")
            if not gain.decidable or gain.upper(levels.smaller) < LEAST:
                return None
            fitted = float(np.mean(self.arm("permuted")(tables)["train_score"]))
            more = more_points(difference(self.permuted(tables), "permuted", "guess").mean)
            return sentence(
                f"{self.before}over permuted labels the same search fits {100 * fitted:.1f} % of the training labels, and on "
                f"test data with true labels it scores {more} than guessing. It must guess: of what guessing leaves to be "
                f"gained it may gain up to {100 * gain.upper(levels.smaller):.1f} %, and less than {100 * LEAST:g} % is required."
            )

        opens = "More seeds or test examples would tell whether the control guesses; one that does not is a fault to be found."
        return Gate(
            "control", f"{self.before}nothing is learnt from permuted labels", passed, opens, shows=True
        )

    def with_permuted(self, tables: Tables) -> Table:
        """The test scores, with those of the search over permuted labels."""
        return self.examples(tables).adding(permuted=self.permuted(tables)["permuted"])


def found(asked: Asked, gates: tuple[Gate, ...], key: str = "", title: str = "") -> Formula:
    """A subnetwork was found: as accurate as the trained network, and better than everything that knows nothing.

    Arguments:
        gates: beyond those of skill and of the control.
    """
    questions = (
        asked.as_accurate("score", asked.dense),
        asked.better(
            "guessing", asked.examples, ("guess", "always guessing what is most frequent"), title="guessing"
        ),
        asked.better("random", asked.examples, ("random", asked.random)),
        asked.better("labels", asked.with_permuted, ("permuted", "the same search over permuted labels")),
    )
    skill = skill_gate(asked.examples, ("ticket", asked.dense[0]))
    return Gated((skill, *gates, asked.no_skill()), All(questions), key=key, title=title)


def converged(key: str, what: str, arms: Part, guess: Part, margin: float) -> Gate:
    """Is at most the margin left to be gained on the labels that were learnt from, in every setting?

    It cannot see a network that is stuck on a plateau above a tenth of the headroom: its score does not change, and it passes.

    Arguments:
        what: "the search", "the training of the dense network".
        arms: the rows to be judged, of one arm, in one setting or in several.
        guess: test examples with the score of guessing.
    """

    def passed(tables: Tables) -> str | None:
        parts = _settings(arms(tables))
        room = 1.0 - float(np.mean(guess(tables)["guess"]))
        open_ = {s: part for s, part in parts.items() if _left(part, room) > margin}
        if not open_:
            return None
        return _reason(what, open_, several=len(parts) > 1)

    opens = "More --steps of search and training would open the question."
    return Gate(key, f"{what} has converged", passed, opens)


def not_behind(
    dense: Part,
    ticket: Part,
    margin: float,
    found: str = "the ticket, which it contains,",
    so: str = "its training did not find what it can do",
) -> Gate:
    """Does the trained network fit as many training labels as the ticket, but the margin, in every setting?

    Arguments:
        dense, ticket: their rows, in the same settings.
        found: what the ticket is called.
        so: what follows if the trained network falls behind.
    """

    def passed(tables: Tables) -> str | None:
        trained, ours = (_fits(part(tables)) for part in (dense, ticket))
        behind = [s for s in ours if ours[s] - trained[s] > margin]
        if not behind:
            return None
        said = [
            f"{100 * trained[s]:.1f} % of its training labels and {found} {100 * ours[s]:.1f} %"
            f"{f' ({s})' if len(ours) > 1 else ''}"
            for s in behind
        ]
        return f"The trained network fits {'; '.join(said)}. So {so}."

    opens = "Another optimiser, step size or number of --steps for dense training would open the question."
    return Gate("behind", "the trained network does not fall behind the ticket", passed, opens)


def _settings(rows: Table) -> dict[str, Table]:
    return {setting: part for (setting,), part in rows.by("setting").items()}


def _fits(rows: Table) -> dict[str, float]:
    """The mean training score, by setting."""
    return {setting: float(np.mean(part["train_score"])) for setting, part in _settings(rows).items()}


def _left(rows: Table, room: float) -> float:
    """What is left to be gained in training score, by the smaller of the two measures."""
    found = float(np.mean(rows["train_score"]))
    change = float(np.mean(again(_known(rows, NOTED)) * _moved(rows)))
    begun = found - (1.0 - room) >= LEAST * room
    return min(1.0 - found, change if begun and np.isfinite(change) else np.inf)


def _moved(rows: Table) -> np.ndarray:
    """By how much each run's training score changed since half-way, up or down; NaN for runs that did not look."""
    return np.abs(rows["train_score"] - _known(rows, HALFWAY))


def _known(rows: Table, column: str) -> np.ndarray:
    """A column, or NaN where there is none."""
    return rows[column] if column in columns(rows) else np.full(len(rows), np.nan)


def _reason(what: str, rows: Mapping[str, Table], *, several: bool) -> str:
    said = []
    for setting, part in rows.items():
        fits = f"{100 * float(np.mean(part['train_score'])):.1f} % of its training labels"
        said.append(f"{fits}{f' ({setting})' if several else ''}{_since(part)}")
    return f"{sentence(what)} has not converged: it fits {'; '.join(said)}."


def _since(rows: Table) -> str:
    """How far scores are from those half-way, in words."""
    moved = float(np.mean(_moved(rows)))
    if not np.isfinite(moved):
        return ""
    known = np.isfinite(_known(rows, NOTED)).all()
    when = "" if known else " (it is not judged, because this older record does not say when that was)"
    return f", on average {100 * moved:.2f} points from its score half-way{when}"
