"""What `tangent-minimum` asks, and how its answer follows: questions under a formula, from tables alone.

The claim is about the function with f₀ kept. What part f₀ plays is a side question, as are the read-out layer alone and the real
network at θ₀ + Δθ. But the claim's reading names the first two whenever they differ from the headline by more than the margin: in
what they score, or in how far that is from gradient descent.

The comparison is fair only if both sides were tuned and trained to the end. So the choice of each has to lie inside its grid, and
gradient descent has to be trained to the end: its highest validation score lies inside the run, and its validation loss has its
minimum there, or no longer falls by more than a little (`settling.settled`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, concerned, headline, side_verdicts
from ticketlab.claims.asking import columns, no_misses, scores, three
from ticketlab.claims.gates import margin_gate, skill_gate
from ticketlab.claims.headroom import difference, percent
from ticketlab.claims.wording import listed, margin_words
from ticketlab.evidence.tables import Table
from ticketlab.laws.formulae import All, Answer, Formula, Gate, Gated, Question, Tables
from ticketlab.laws.rules import USUAL, Levels, Within
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "ARMS", "DESCENT", "LIMIT", "LINEAR", "MOVED", "MOVED_SCORE", "OFFSETS", "READ_OUT", "READ_OUT_SCORE", "RULE",
    "SCORE", "TANGENT", "formula", "side_questions", "verdicts",
]  # fmt: skip

OFFSETS = ("kept", "centred")
DESCENT, TANGENT, LIMIT = "gradient descent", "tangent minimum", "minimum-norm limit"
MOVED, READ_OUT, LINEAR = "network at θ₀ + Δθ", "read-out layer", "linear model"
ARMS = (DESCENT, TANGENT, LIMIT, MOVED, READ_OUT, LINEAR)

SCORE, READ_OUT_SCORE, MOVED_SCORE = "score", "read-out", "moved"
COLUMNS = {SCORE: "tangent_score", READ_OUT_SCORE: "read_out_score", MOVED_SCORE: "moved_score"}
NAMES = {
    SCORE: "the tangent-space minimum",
    READ_OUT_SCORE: "the read-out layer alone",
    MOVED_SCORE: "the network at θ₀ + Δθ",
}
TITLED = {READ_OUT_SCORE: f": {READ_OUT}", MOVED_SCORE: f": {MOVED}"}


def formula(losses: Sequence[str], margin: float) -> Formula:
    """The claim, for every loss."""
    return All(tuple(_asked(SCORE, loss, "kept", margin) for loss in losses), key="claim")


def side_questions(loss: str, margin: float, tables: Tables | None = None) -> list[Formula]:
    """The side questions, each with a level of its own; a network without hidden layers has no read-out layer."""
    asked = [(SCORE, "centred"), (READ_OUT_SCORE, "kept"), (MOVED_SCORE, "kept")]
    measured = columns(tables["examples"]) if tables else set(COLUMNS.values())
    return [_asked(key, loss, offset, margin) for key, offset in asked if COLUMNS[key] in measured]


def verdicts(
    losses: Sequence[str], complete: Sequence[str], margin: float, tables: Tables, levels: Levels = USUAL
) -> list[Verdict]:
    """The claim, once every loss is complete, and the answers to all questions about the losses that are.

    Arguments:
        losses: of the plan.
        complete: those whose cells have all been run.
        margin: of the test score.
    """
    parts = {loss: _asked(SCORE, loss, "kept", margin) for loss in losses}
    whole, found = headline(parts, complete, tables, levels)
    claim = [_claim(whole, margin, tables)] if whole else []
    asked = [
        verdict
        for loss, counted in found.items()
        for verdict in (*counted, *side_verdicts(side_questions(loss, margin, tables), tables, levels))
    ]
    return claim + asked


def _asked(key: str, loss: str, offset: str, margin: float) -> Formula:
    sides = (COLUMNS[key], NAMES[key]), ("descent_score", "gradient descent")
    coarse = margin_gate(partial(_rows, loss, offset), *sides, margin)
    return Gated((*_gates(loss, offset), coarse), _question(key, loss, offset, margin))


def _question(key: str, loss: str, offset: str, margin: float) -> Question:
    within, centred = margin_words(margin), "" if offset == "kept" else " and f₀ centred away"
    says = three(
        f"they are about equally good, within {within}",
        f"they differ by more than {within}",
        f"whether they are equal within {within}",
    )
    return scores(
        key,
        f"{loss} loss, f₀ {offset}{TITLED.get(key, '')}",
        partial(_rows, loss, offset),
        (COLUMNS[key], NAMES[key]),
        ("descent_score", "gradient descent"),
        Within(margin),
        says,
        facets={"loss": loss, "offset": offset},
        before=f"with the {loss} loss{centred}, ",
    )


def _rows(loss: str, offset: str, tables: Tables) -> Table:
    found: Table = tables["examples"].where(loss=loss, offset=offset)
    return found


# --- gates ---


def _gates(loss: str, offset: str) -> tuple[Gate, ...]:
    about = f"with the {loss} loss and f₀ {offset}"

    def rows(table: str, arm: str, tables: Tables) -> Table:
        found: Table = tables[table].where(loss=loss, offset=offset, arm=arm)
        return found

    return (
        skill_gate(partial(_rows, loss, offset), ("tangent_score", "descent_score")),
        no_misses(
            "trained",
            "gradient descent is trained to the end",
            partial(rows, "choices", DESCENT),
            "settled",
            f"In {{}} runs {about}, gradient descent was still improving when training ended.",
            "More epochs would open the question: --epochs, or --doublings.",
        ),
        Gate("inside", "choices lie inside their grids", partial(_inside, loss, offset), _WIDER),
        no_misses(
            "certified",
            "minima are certified",
            partial(rows, "certificates", TANGENT),
            "met",
            f"{{}} tangent-space minima {about} missed their tolerance.",
            "Larger ridges or another --tolerance would open the question.",
        ),
    )


_WIDER = "A wider search would open the question: --extensions, or more --ridges and --step-sizes."


def _inside(loss: str, offset: str, tables: Tables) -> str | None:
    rows = tables["choices"].where(loss=loss, offset=offset)
    names = {DESCENT: "step size of gradient descent", TANGENT: "ridge of the tangent minimum"}
    at_edge = [name for arm, name in names.items() if not np.all(rows.where(arm=arm)["inside"])]
    if not at_edge:
        return None
    return (
        f"With the {loss} loss and f₀ {offset}, the {' and the '.join(at_edge)} that validation chose "
        f"{'are' if at_edge[1:] else 'is'} at the edge of what was tried: a wider search might do better."
    )


# --- the claim ---

RULE = (
    "The claim holds if the two test scores are equal within the margin for every loss, with f₀ kept. It fails if they "
    "differ by more than the margin for one loss. Otherwise it is undecided. It is also undecided if neither side is better "
    "than guessing, if gradient descent was not trained to the end, if a choice lies at the edge of its grid, or if a minimum "
    "missed its tolerance. And it does not hold, but is undecided, if the worse side is not shown to gain at least half of what "
    "the better one gains over guessing, or over a start from a file that is better than guessing. Everything else is a side "
    "question."
)


def _claim(whole: Answer, margin: float, tables: Tables) -> Verdict:
    losses = [question.facets["loss"] for question in concerned(whole, whole.outcome)]
    whom = f"gradient descent, with the {listed(losses)} loss{'es' * (len(losses) > 1)}."
    better = all(
        difference(_rows(loss, "kept", tables), COLUMNS[SCORE], "descent_score").mean > 0 for loss in losses
    )
    says = {
        Outcome.HOLDS: "The tangent-space minimum is about as good as gradient descent, with every loss tried.",
        Outcome.FAILS: f"The tangent-space minimum is {'better than' if better else 'not about as good as'} {whom}",
        Outcome.UNDECIDED: f"These runs do not decide whether the tangent-space minimum is about as good as {whom}",
    }
    claim = claim_verdict(whole, RULE, says, inner=lambda found: "")
    asked = [question.facets["loss"] for question in concerned(whole)]
    return replace(claim, reading=" ".join([claim.reading, *_what_f0_does(asked, margin, tables)]))


def _what_f0_does(losses: Sequence[str], margin: float, tables: Tables) -> list[str]:
    """Names f₀ centred away and the read-out layer where they differ from the headline by more than the margin."""
    sentences = []
    for loss in losses:
        kept, centred = (_rows(loss, offset, tables) for offset in OFFSETS)
        tangent, descent, read_out = COLUMNS[SCORE], "descent_score", COLUMNS[READ_OUT_SCORE]
        scored = np.mean(kept[tangent])
        apart = [difference(rows, tangent, descent).mean for rows in (kept, centred)]
        others = []
        if max(abs(np.mean(centred[tangent]) - scored), abs(apart[1] - apart[0])) > margin:
            others.append(
                f"with f₀ centred away they are {percent(centred, tangent)} and {percent(centred, descent)}"
            )
        if read_out in columns(kept) and abs(np.mean(kept[read_out]) - scored) > margin:
            others.append(f"the read-out layer alone scores {percent(kept, read_out)}")
        if others:
            sentences.append(
                f"With the {loss} loss the tangent-space minimum scores {percent(kept, tangent)} and gradient descent "
                f"{percent(kept, descent)}; {'; '.join(others)}."
            )
    return sentences
