"""What `newton-step` asks, and how its answer follows: questions under a formula, from tables alone.

How far a function F is from the trained network f_T is a ratio of two sums over test examples,

    unexplained(F) = Σ‖F − f_T‖² / Σ‖f_T − f₀‖²

Both sums depend on the examples that happen to be in the test part. So the error of the ratio is that of its linearisation: with
gapₙ = ‖F − f_T‖² and changeₙ = ‖f_T − f₀‖² of example n, both relative to the mean change of the seed, and r the seed's share,
each example counts as gapₙ − r·(changeₙ − 1), whose mean is r.

Training ends *where* a step ends if the step leaves at most a tenth of training's change unexplained. Two functions are equally
near to training if their shares differ by less than half of that; the same measure serves the comparison with the gradient
step and the one with earlier times of the flow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ticketlab.claims.answers import claim_verdict, concerned, headline, side_verdicts
from ticketlab.claims.asking import no_misses, scores, three
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.wording import listed, margin_words
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Bracket, Difference, Effect, of_seeds, paired_difference
from ticketlab.laws.formulae import All, Answer, Formula, Gate, Gated, Question, Tables
from ticketlab.laws.rules import USUAL, Above, Below, Between, Levels, Rule, Within
from ticketlab.laws.scale import SHARE, Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "DAMPED", "FLOW", "FORMS", "GRADIENT", "GRADIENT_APART", "LENGTH", "LUCK", "NEARER", "NEWTON", "NEWTON_NEAR",
    "OFFSETS", "RULE", "SCORE", "START", "STOPPED", "TRAINED", "TURN", "TWIN", "VARIANTS", "compared", "formula",
    "side_questions", "verdicts",
]  # fmt: skip

OFFSETS, FORMS = ("kept", "centred"), ("tangent", "network")
TRAINED, TWIN, START = "gradient descent", "second training", "random start"
NEWTON, DAMPED, GRADIENT, STOPPED = "Newton step", "damped Newton step", "gradient step", "stopped flow"
Variant = tuple[str, str]
VARIANTS: Mapping[Variant, str] = {  # (offset, form): how it is called; the first is the claim
    ("kept", "tangent"): "f₀ kept",
    ("centred", "tangent"): "f₀ centred",
    ("kept", "network"): "network at θ₀ + Δθ",
}
CLAIMED: Variant = ("kept", "tangent")

SCORE, NEWTON_NEAR, GRADIENT_APART, NEARER, FLOW = "score", "newton", "gradient", "nearer", "flow"
LUCK, TURN, LENGTH = "luck", "direction", "length"

# A step ends where training ends if it leaves at most this share of training's change unexplained.
THERE = 0.10
APART = 0.05  # shares that differ by less are equally near
# The cosine of a step that, at its best length, leaves THERE of ‖θ_T − θ₀‖² unexplained; and by how much one in training's
# direction may be too long or too short.
STRAIGHT, LONG = (1 - THERE) ** 0.5, THERE**0.5
COSINE = Scale("(cosine)", bounds=(-1.0, 1.0))
LEFT = Scale("%", 100.0, bounds=(0.0, np.inf))
LONGER = Scale("% longer than training's", ratio=True)


TENTH, TWENTIETH = f"{100 * THERE:g} %", f"{100 * APART:g} %"


def _left(step: str) -> str:
    return f"the share of training's change that {step} leaves unexplained"


@dataclass(frozen=True)
class _Share:
    """A question about what is left unexplained of training's change.

    Arguments:
        title: of the question.
        left: columns of gaps, with their names; the reading gives them all.
        effect: the gap that is asked about: the first column's, or differences of two, as (one, other); of two differences the
            first is biased downwards and the second upwards.
        rule: about it.
        what: in words.
        says: what follows if it holds, if it fails, and what the data do not decide.
    """

    title: str
    left: Mapping[str, str]
    effect: tuple[tuple[str, str], ...]
    rule: Rule
    what: str
    says: Mapping[Outcome, str]


NEWTON_GAP = {"newton_gap": "the Newton step"}
GRADIENT_GAP = {"gradient_gap": "the best gradient step"}
SHARES: Mapping[str, _Share] = {
    NEWTON_NEAR: _Share(
        "training ends at the Newton step",
        NEWTON_GAP,
        (),
        Below(THERE),
        _left("the Newton step"),
        three(
            "training ends about there", "training does not end there", f"whether that is less than {TENTH}"
        ),
    ),
    GRADIENT_APART: _Share(
        "training does not end at a gradient step",
        GRADIENT_GAP,
        (),
        Above(THERE),
        _left("the best gradient step"),
        three("training does not end there", "training ends there too", f"whether that is more than {TENTH}"),
    ),
    NEARER: _Share(
        "nearer than a gradient step",
        {**NEWTON_GAP, **GRADIENT_GAP},
        (("gradient_gap", "newton_gap"),),
        Above(APART),
        f"{_left('the best gradient step')}, minus that of the Newton step,",
        three(
            f"the Newton step is nearer by more than {TWENTIETH}",
            f"the Newton step is not nearer by {TWENTIETH}",
            f"whether the Newton step is nearer by {TWENTIETH}",
        ),
    ),
    # The minimum over t is bracketed: a time that validation data chose leaves at least as much as the best, one that test data
    # chose looks better than it is.
    FLOW: _Share(
        "no earlier time of the flow is nearer",
        {
            "newton_gap": "the flow of the linearised model at its end",
            "stopped_gap": "the same flow, stopped at the best time,",
        },
        (("newton_gap", "stopped_gap"), ("newton_gap", "nearest_gap")),
        Below(APART),
        f"{_left('the linearised flow')} at t = ∞, minus its minimum over all t,",
        three(
            "no earlier time is nearer by more than a little",
            "training ends at an earlier time of the flow",
            "whether an earlier time is nearer",
        ),
    ),
    LUCK: _Share(
        "nearer than a second training",
        {**NEWTON_GAP, "second_gap": "a second training"},
        (("second_gap", "newton_gap"),),
        Above(0.0),
        f"{_left('a second training from another random start')}, minus that of the Newton step,",
        three("the Newton step is nearer to training", "a second training is nearer", "which is nearer"),
    ),
}


def compared(key: str) -> tuple[str, ...]:
    """The columns of examples that a question is about, of two the first minus the second; none if it is about none."""
    if key == SCORE:
        return "newton_score", "trained_score"
    asked = SHARES.get(key)
    return () if asked is None else asked.effect[0] if asked.effect else (next(iter(asked.left)),)


def formula(losses: Sequence[str], margin: float) -> Formula:
    """The claim, for every loss."""
    return All(tuple(_of_loss(loss, margin) for loss in losses), key="claim")


def side_questions(loss: str, margin: float) -> list[Formula]:
    """The side questions, each with a level of its own."""
    variants = [v for v in VARIANTS if v != CLAIMED]
    asked = [q for v in variants for q in _equivalent(loss, v, margin)]
    asked += [_unexplained(LUCK, loss, v) for v in VARIANTS]
    asked += [_direction(loss), _length(loss)]
    return [Gated(_gates(loss, _variant(q)), q) for q in asked]


def verdicts(
    losses: Sequence[str], complete: Sequence[str], margin: float, tables: Tables, levels: Levels = USUAL
) -> list[Verdict]:
    """The claim, once every loss is complete, and the answers to all questions about the losses that are.

    Arguments:
        losses: of the plan.
        complete: those whose cells have all been run.
        margin: of the test score.
    """
    whole, found = headline({loss: _of_loss(loss, margin) for loss in losses}, complete, tables, levels)
    claim = [claim_verdict(whole, RULE, _says(whole), inner=_why)] if whole else []
    sides = [side for loss in complete for side in side_questions(loss, margin)]
    return [*claim, *(v for of in found.values() for v in of), *side_verdicts(sides, tables, levels)]


def _variant(question: Question) -> Variant:
    return question.facets["offset"], question.facets["form"]


def _of_loss(loss: str, margin: float) -> Formula:
    return Gated(_gates(loss, CLAIMED), All(_equivalent(loss, CLAIMED, margin)), key=loss)


def _equivalent(loss: str, variant: Variant, margin: float) -> tuple[Question, ...]:
    """The questions that together make a Newton step equivalent to training, and a gradient step not."""
    flow = (FLOW,) if loss == "square" and variant[1] == "tangent" else ()
    shares = (NEWTON_NEAR, GRADIENT_APART, NEARER, *flow)
    return (_score(loss, variant, margin), *(_unexplained(key, loss, variant) for key in shares))


# --- questions ---


def _rows(loss: str, variant: Variant, tables: Tables) -> Table:
    found: Table = tables["examples"].where(loss=loss, offset=variant[0], form=variant[1])
    return found


def _about(key: str, title: str, loss: str, variant: Variant) -> dict[str, Any]:
    facets = {"loss": loss, "offset": variant[0], "form": variant[1]}
    return {"key": key, "title": f"{loss} loss, {VARIANTS[variant]}: {title}", "facets": facets}


def _score(loss: str, variant: Variant, margin: float) -> Question:
    within = margin_words(margin)
    says = three(
        f"they are equal within {within}",
        f"they differ by more than {within}",
        f"whether they are equal within {within}",
    )
    return scores(
        **_about(SCORE, "same test score", loss, variant),
        examples=partial(_rows, loss, variant),
        one=("newton_score", "the Newton step"),
        other=("trained_score", "the trained network"),
        rule=Within(margin),
        says=says,
    )


def _share(rows: Table, gap: np.ndarray) -> Difference:
    """A share of training's change, or a difference of two: the mean over seeds of a ratio of sums."""
    values = np.array(gap, float)
    for seed in np.unique(rows["seed"]):
        of = rows["seed"] == seed
        values[of] -= values[of].mean() * (rows["change"][of] - 1)
    return paired_difference(values, rows["seed"], rows["id"], unit=None)


def _unexplained(key: str, loss: str, variant: Variant) -> Question:
    """One of the questions about shares."""
    asked = SHARES[key]

    def effect(tables: Tables) -> Effect:
        rows = _rows(loss, variant, tables)
        if not asked.effect:
            return _share(rows, rows[next(iter(asked.left))])
        found = [_share(rows, rows[one] - rows[other]) for one, other in asked.effect]
        return Bracket(*found) if len(found) > 1 else found[0]

    def reading(tables: Tables) -> str:
        """ "Of training's change, the Newton step leaves 2 % unexplained and a second training 5 %"."""
        rows = _rows(loss, variant, tables)
        (name, first), *others = (
            (name, f"{100 * float(np.mean(rows[gap])):.3g} %") for gap, name in asked.left.items()
        )
        said = [f"{name} leaves {first} unexplained", *(f"{other} {share}" for other, share in others)]
        return f"Of training's change, {' and '.join(said)}"

    return Question(
        **_about(key, asked.title, loss, variant),
        effect=effect,
        rule=asked.rule,
        what=asked.what,
        scale=SHARE if asked.effect else LEFT,
        reading=reading,
        says=asked.says,
    )


def _of_arm(loss: str, column: str, tables: Tables) -> np.ndarray:
    offset, form = CLAIMED
    arms = tables["arms"].where(loss=loss, offset=offset, form=form, arm=NEWTON)
    return np.asarray(arms[column], float)


def _direction(loss: str) -> Question:
    def reading(tables: Tables) -> str:
        cosine = np.mean(_of_arm(loss, "cosine", tables))
        return f"In parameter space the Newton step has a cosine of {cosine:.2f} with training"

    return Question(
        **_about(TURN, "same direction in parameter space", loss, CLAIMED),
        effect=lambda tables: of_seeds(_of_arm(loss, "cosine", tables)),
        rule=Above(STRAIGHT),
        what="the cosine of the angle between the Newton step and training's θ_T − θ₀",
        scale=COSINE,
        reading=reading,
        says=three(
            "they have about the same direction",
            "their directions differ",
            "whether their directions are about the same",
        ),
    )


def _length(loss: str) -> Question:
    def effect(tables: Tables) -> Difference:
        return of_seeds(np.log(_of_arm(loss, "relative_length", tables)))

    def reading(tables: Tables) -> str:
        longer = np.exp(effect(tables).mean)
        return f"In parameter space the Newton step is {longer:.2f} times as long as training's θ_T − θ₀"

    return Question(
        **_about(LENGTH, "same length in parameter space", loss, CLAIMED),
        effect=effect,
        rule=Between(float(np.log1p(-LONG)), float(np.log1p(LONG))),
        what="the length of the Newton step",
        scale=LONGER,
        reading=reading,
        says=three(
            "they are about equally long", "their lengths differ", "whether they are about equally long"
        ),
    )


# --- gates ---


def _gates(loss: str, variant: Variant) -> tuple[Gate, ...]:
    def rows(table: str, tables: Tables) -> Table:
        found: Table = tables[table].where(loss=loss)
        return found

    return (
        no_misses(
            "converged",
            f"{loss} loss: training converged",
            partial(rows, "training"),
            "converged",
            f"{{}} training runs with the {loss} loss did not converge, so we do not know where training ends.",
            "More --steps of training, or a larger --step-size, would open the question.",
        ),
        no_misses(
            "exact",
            f"{loss} loss: steps are exact",
            partial(rows, "certificates"),
            "met",
            f"{{}} Newton steps and flows with the {loss} loss missed their tolerance.",
            "Another --tolerance, or other --ridges, would open the question.",
        ),
        no_misses(
            "inside",
            f"{loss} loss, {VARIANTS[variant]}: the gradient step's size lies inside its grid",
            partial(_sizes, loss, variant),
            "inside",
            "In {} runs the best gradient step lies at the edge of what was tried.",
            "A wider search would open the question: --extensions, or more --gradient-steps.",
        ),
        skill_gate(partial(_rows, loss, variant), ("trained_score", "newton_score")),
    )


def _sizes(loss: str, variant: Variant, tables: Tables) -> Table:
    """The gradient steps that were chosen."""
    offset, form = variant
    found: Table = tables["candidates"].where(loss=loss, offset=offset, form=form, arm=GRADIENT, chosen=True)
    return found


# --- the claim ---

WRONG = {  # why the claim fails
    SCORE: "the Newton step's test score differs from that of the trained network",
    NEWTON_NEAR: f"the Newton step leaves more than {TENTH} of training's change unexplained",
    GRADIENT_APART: f"a gradient step leaves less than {TENTH} of training's change unexplained",
    NEARER: "the Newton step is not clearly nearer to training than a gradient step",
    FLOW: "the linearised flow is nearer to training at an earlier time",
}
OPEN = {  # what is undecided
    SCORE: "whether the test scores are equal",
    NEWTON_NEAR: "whether the Newton step ends near enough",
    GRADIENT_APART: "whether the gradient step ends far enough away",
    NEARER: "whether the Newton step is clearly nearer than the gradient step",
    FLOW: "whether an earlier time of the linearised flow is nearer",
}
RULE = (
    "The claim holds if, for every loss, with f₀ kept and the Newton step taken as the tangent function, all of these "
    f"hold: the test scores are equal within the margin; the Newton step leaves less than {TENTH} of training's "
    f"change unexplained, and the best gradient step more; the Newton step is nearer by more than {TWENTIETH} of "
    f"training's change; and, for the square loss, no earlier time of the flow is nearer by {TWENTIETH}. It fails if "
    "one of them fails. Otherwise it is undecided. It is also undecided if training did not converge, if a step is not "
    "exact, if the size of the best gradient step lies at the edge of what was tried, or if neither side is better than "
    "guessing. Everything else is a side question."
)


def _says(whole: Answer) -> dict[Outcome, str]:
    failing = {question.facets["loss"] for question in concerned(whole, Outcome.FAILS)}
    apart = {q.facets["loss"] for q in concerned(whole, Outcome.HOLDS) if q.key == GRADIENT_APART}
    return {
        Outcome.HOLDS: "Training ends about where one Newton step ends, and not where one gradient step does.",
        Outcome.FAILS: "Training ends equivalent to neither one Newton step nor one gradient step:"
        if failing <= apart
        else "Training does not end equivalent to one Newton step alone:",
        Outcome.UNDECIDED: "These runs do not decide the claim.",
    }


def _why(whole: Answer) -> str:
    """What fails, or is open, with each loss."""
    fails = whole.outcome is Outcome.FAILS
    of: dict[str, list[str]] = {}
    for question in concerned(whole, whole.outcome):
        of.setdefault(question.facets["loss"], []).append((WRONG if fails else OPEN)[question.key])
    said = "; ".join(f"{listed(parts)} ({loss} loss)" for loss, parts in of.items())
    return f"{said}." if fails else f"It is open {said}."
