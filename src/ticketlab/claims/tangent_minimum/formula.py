"""What `tangent-minimum` asks, and how its answer follows: questions under a formula, from tables alone.

The claim is about the function with f₀ kept. What part f₀ plays is a side question, as are the read-out layer alone and the real
network at θ₀ + Δθ; but the claim's reading names the first two whenever they differ from the headline by more than the margin.

The comparison is fair only if both sides were tuned and trained to the end. So the choice of each has to lie inside its grid, and
gradient descent has to be trained to the end: its validation loss has its minimum inside the run, or no longer falls by more than
a little (`tangent_arms.search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ticketlab.claims.gates import skill_gate
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, paired_difference
from ticketlab.laws.formulae import All, Answer, Formula, Gate, Gated, Question, Tables, answer, verdict_of
from ticketlab.laws.rules import Levels, Within
from ticketlab.laws.scale import POINTS
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "ARMS",
    "DESCENT",
    "LIMIT",
    "LINEAR",
    "MOVED",
    "MOVED_SCORE",
    "OFFSETS",
    "READ_OUT",
    "READ_OUT_SCORE",
    "RULE",
    "SCORE",
    "TANGENT",
    "formula",
    "side_questions",
    "verdicts",
]

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


def formula(losses: Sequence[str], margin: float) -> Formula:
    """The claim, for every loss."""
    return All(tuple(_asked(SCORE, loss, "kept", margin) for loss in losses), key="claim")


def side_questions(loss: str, margin: float, tables: Tables | None = None) -> list[Formula]:
    """What is asked besides, each with a level of its own; a network without hidden layers has no read-out layer."""
    asked = [(SCORE, "centred"), (READ_OUT_SCORE, "kept"), (MOVED_SCORE, "kept")]
    measured = {c.name for c in tables["examples"].columns} if tables else set(COLUMNS.values())
    return [_asked(key, loss, offset, margin) for key, offset in asked if COLUMNS[key] in measured]


def verdicts(losses: Sequence[str], complete: Sequence[str], margin: float, tables: Tables) -> list[Verdict]:
    """The claim, once every loss is complete, and the answers to all questions about the losses that are.

    Arguments:
        losses: of the plan.
        complete: those whose cells have all been run.
        margin: of the test score.
    """
    sides = {loss: [answer(s, tables) for s in side_questions(loss, margin, tables)] for loss in complete}
    if set(complete) == set(losses):
        whole = answer(formula(losses, margin), tables)
        claim, headline = [_claim(whole, sides, margin, tables)], list(whole.parts)
    else:
        share = Levels(Levels().holds, Levels().fails / len(losses))
        claim = []
        headline = [answer(_asked(SCORE, loss, "kept", margin), tables, share) for loss in complete]
    listed = []
    for loss, found in zip(complete, headline, strict=True):
        listed += [verdict_of(q, tables) for q in found.questions()]
        listed += [verdict_of(q, tables, headline=False) for s in sides[loss] for q in s.questions()]
    return claim + listed


def _asked(key: str, loss: str, offset: str, margin: float) -> Formula:
    return Gated(_gates(loss, offset), _question(key, loss, offset, margin))


def _question(key: str, loss: str, offset: str, margin: float) -> Question:
    about = f"With the {loss} loss{'' if offset == 'kept' else ' and f₀ centred away'}, "
    points = f"{100 * margin:g} point{'' if margin == 0.01 else 's'}"

    def effect(tables: Tables) -> Difference:
        rows = _rows(loss, offset, tables)
        return paired_difference(rows[COLUMNS[key]] - rows["descent_score"], rows["seed"], rows["id"])

    def reading(tables: Tables) -> str:
        rows = _rows(loss, offset, tables)
        one, descent = (100 * float(np.mean(rows[c])) for c in (COLUMNS[key], "descent_score"))
        return f"{about}{NAMES[key]} scores {one:.1f} % on test data and gradient descent {descent:.1f} %"

    title = f"{loss} loss, f₀ {offset}"
    return Question(
        key=key,
        title=title if key == SCORE else f"{title}: {READ_OUT if key == READ_OUT_SCORE else MOVED}",
        effect=effect,
        rule=Within(margin),
        what=f"the difference in test score, {NAMES[key].removeprefix('the ')} minus gradient descent,",
        scale=POINTS,
        reading=reading,
        says={
            Outcome.HOLDS: f"they are about equally good, within {points}",
            Outcome.FAILS: f"they differ by more than {points}",
            Outcome.UNDECIDED: f"the data do not decide whether they are equal within {points}",
        },
        facets={"loss": loss, "offset": offset},
    )


def _rows(loss: str, offset: str, tables: Tables) -> Table:
    found: Table = tables["examples"].where(loss=loss, offset=offset)
    return found


# --- gates ---


def _gates(loss: str, offset: str) -> tuple[Gate, ...]:
    return (
        skill_gate(partial(_rows, loss, offset), ("tangent_score", "descent_score")),
        Gate("trained", "gradient descent is trained to the end", partial(_trained, loss, offset)),
        Gate("inside", "choices lie inside their grids", partial(_inside, loss, offset)),
        Gate("certified", "minima are certified", partial(_certified, loss, offset)),
    )


def _trained(loss: str, offset: str, tables: Tables) -> str | None:
    rows = tables["choices"].where(loss=loss, offset=offset, arm=DESCENT)
    short = int(np.sum(~rows["settled"]))
    if not short:
        return None
    return (
        f"In {short} of {len(rows)} runs with the {loss} loss and f₀ {offset}, gradient descent was still improving when "
        "training ended: use more epochs."
    )


def _inside(loss: str, offset: str, tables: Tables) -> str | None:
    rows = tables["choices"].where(loss=loss, offset=offset)
    at_edge = [arm for arm in (DESCENT, TANGENT) if not np.all(rows.where(arm=arm)["inside"])]
    if not at_edge:
        return None
    names = {DESCENT: "step size of gradient descent", TANGENT: "ridge of the tangent minimum"}
    return (
        f"With the {loss} loss and f₀ {offset}, the {' and the '.join(names[arm] for arm in at_edge)} that validation chose is "
        "at the edge of what was tried: a wider search might do better."
    )


def _certified(loss: str, offset: str, tables: Tables) -> str | None:
    rows = tables["certificates"].where(loss=loss, offset=offset, arm=TANGENT)
    missed = int(np.sum(~rows["met"]))
    if not missed:
        return None
    return f"{missed} of {len(rows)} tangent-space minima with the {loss} loss and f₀ {offset} missed their tolerance."


# --- the claim ---

RULE = (
    "The claim holds if the two test scores are equal within the margin for every loss, with f₀ kept. It fails if they "
    "differ by more than the margin for one loss. Otherwise it is undecided. It is also undecided if neither side is better "
    "than guessing, if gradient descent was not trained to the end, if a choice lies at the edge "
    "of its grid, or if a minimum missed its tolerance. Everything else is a side question."
)


def _claim(whole: Answer, sides: dict[str, list[Answer]], margin: float, tables: Tables) -> Verdict:
    return Verdict(
        question="",
        outcome=whole.outcome,
        rule=RULE,
        effect=None,
        interval=None,
        unit="",
        reading=" ".join([_reading(whole), *_what_f0_does(whole, sides, margin, tables)]),
        key="claim",
    )


def _reading(whole: Answer) -> str:
    questions = list(whole.questions())
    concerned = [q for q in questions if q.outcome is whole.outcome]
    names = [q.formula.facets["loss"] for q in concerned if isinstance(q.formula, Question)]
    losses = f"the {' and '.join(names)} loss{'es' if len(names) > 1 else ''}"
    reasons = dict.fromkeys(reason for q in questions for reason in q.closed)
    if whole.outcome is Outcome.HOLDS:
        return "The tangent-space minimum is about as good as gradient descent, with every loss tried."
    if whole.outcome is Outcome.FAILS:
        return f"The tangent-space minimum is not about as good as gradient descent, with {losses}."
    open_ = f"These runs do not decide whether the tangent-space minimum is about as good as gradient descent, with {losses}."
    return " ".join([open_, *reasons])


def _what_f0_does(whole: Answer, sides: dict[str, list[Answer]], margin: float, tables: Tables) -> list[str]:
    """Names f₀ centred away and the read-out layer where they differ from the headline by more than the margin."""
    sentences = []
    for found, (loss, of) in zip(whole.questions(), sides.items(), strict=True):
        others = []
        for q in (q for side in of for q in side.questions()):
            assert isinstance(q.formula, Question)
            if q.formula.key == MOVED_SCORE or q.effect is None or found.effect is None:
                continue
            if abs(q.effect.mean - found.effect.mean) > margin:
                rows = _rows(loss, q.formula.facets["offset"], tables)
                one, descent = (
                    100 * float(np.mean(rows[c])) for c in (COLUMNS[q.formula.key], "descent_score")
                )
                others.append(
                    f"the read-out layer alone scores {one:.1f} %"
                    if q.formula.key == READ_OUT_SCORE
                    else f"with f₀ centred away they are {one:.1f} % and {descent:.1f} %"
                )
        if others:
            rows = _rows(loss, "kept", tables)
            tangent, descent = (100 * float(np.mean(rows[c])) for c in ("tangent_score", "descent_score"))
            sentences.append(
                f"With the {loss} loss the tangent-space minimum scores {tangent:.1f} % and gradient descent {descent:.1f} %; "
                f"{'; '.join(others)}."
            )
    return sentences
