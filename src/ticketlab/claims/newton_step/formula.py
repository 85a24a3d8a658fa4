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

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from ticketlab.claims.gates import skill_gate
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Bracket, Difference, of_seeds, paired_difference
from ticketlab.laws.formulae import All, Answer, Formula, Gate, Gated, Question, Tables, answer, verdict_of
from ticketlab.laws.rules import Above, Below, Between, Levels, Rule, Within
from ticketlab.laws.scale import POINTS, SHARE, Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "DAMPED",
    "FLOW",
    "FORMS",
    "GRADIENT",
    "GRADIENT_APART",
    "LENGTH",
    "LUCK",
    "NEARER",
    "NEWTON",
    "NEWTON_NEAR",
    "OFFSETS",
    "SCORE",
    "START",
    "STOPPED",
    "TRAINED",
    "TURN",
    "TWIN",
    "VARIANTS",
    "formula",
    "side_questions",
    "verdicts",
]

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

THERE = (
    0.10  # a step ends where training ends if it leaves at most this share of training's change unexplained
)
APART = 0.05  # shares that differ by less are equally near
STRAIGHT = (
    1 - THERE
) ** 0.5  # cosine of a step that, at its best length, leaves THERE of ‖θ_T − θ₀‖² unexplained
LONG = (
    THERE**0.5
)  # a step in the same direction leaves THERE unexplained if it is this much too long or too short
COSINE = Scale("(cosine)", bounds=(-1.0, 1.0))
LEFT = Scale("%", 100.0, bounds=(0.0, float("inf")))
LONGER = Scale("% longer than training's", ratio=True)


def formula(losses: Sequence[str], margin: float) -> Formula:
    """The claim, for every loss."""
    return All(tuple(_of_loss(loss, margin) for loss in losses), key="claim")


def side_questions(loss: str, margin: float) -> list[Formula]:
    """What is asked besides, each with a level of its own."""
    variants = [v for v in VARIANTS if v != CLAIMED]
    asked = [q for v in variants for q in _equivalent(loss, v, margin)]
    asked += [_luck(loss, v) for v in VARIANTS]
    asked += [_direction(loss), _length(loss)]
    return [Gated(_gates(loss, _variant(q)), q) for q in asked]


def verdicts(losses: Sequence[str], complete: Sequence[str], margin: float, tables: Tables) -> list[Verdict]:
    """The claim, once every loss is complete, and the answers to all questions about the losses that are.

    Arguments:
        losses: of the plan.
        complete: those whose cells have all been run.
        margin: of the test score.
    """
    if set(complete) == set(losses):
        whole = answer(formula(losses, margin), tables)
        claim, of_losses = [_claim(whole)], list(whole.parts)
    else:
        share = Levels(Levels().holds, Levels().fails / len(losses))
        claim, of_losses = [], [answer(_of_loss(loss, margin), tables, share) for loss in complete]
    headline = [verdict_of(q, tables) for found in of_losses for q in found.questions()]
    sides = [
        verdict_of(q, tables, headline=False)
        for loss in complete
        for side in side_questions(loss, margin)
        for q in answer(side, tables).questions()
    ]
    return claim + headline + sides


def _variant(question: Question) -> Variant:
    return question.facets["offset"], question.facets["form"]


def _of_loss(loss: str, margin: float) -> Formula:
    return Gated(_gates(loss, CLAIMED), All(_equivalent(loss, CLAIMED, margin)), key=loss)


def _equivalent(loss: str, variant: Variant, margin: float) -> tuple[Question, ...]:
    """The questions that together make a Newton step equivalent to training, and a gradient step not."""
    asked = [_score(loss, variant, margin), _newton(loss, variant), _gradient(loss, variant)]
    asked.append(_nearer(loss, variant))
    if loss == "square" and variant[1] == "tangent":
        asked.append(_flow(loss, variant))
    return tuple(asked)


# --- effects ---


def _rows(loss: str, variant: Variant, tables: Tables) -> Table:
    found: Table = tables["examples"].where(loss=loss, offset=variant[0], form=variant[1])
    return found


def _share(rows: Table, gap: np.ndarray) -> Difference:
    """A share of training's change, or a difference of two: the mean over seeds of a ratio of sums."""
    values = np.array(gap, float)
    for seed in np.unique(rows["seed"]):
        of = rows["seed"] == seed
        values[of] -= values[of].mean() * (rows["change"][of] - 1)
    return paired_difference(values, rows["seed"], rows["id"], unit=None)


def _difference_of(loss: str, variant: Variant, one: str, other: str, tables: Tables) -> Difference:
    rows = _rows(loss, variant, tables)
    return _share(rows, rows[one] - rows[other])


def _mean(loss: str, variant: Variant, column: str, tables: Tables) -> float:
    return 100 * float(np.mean(_rows(loss, variant, tables)[column]))


def _of_arm(loss: str, column: str, tables: Tables) -> np.ndarray:
    offset, form = CLAIMED
    arms = tables["arms"].where(loss=loss, offset=offset, form=form, arm=NEWTON)
    return np.asarray(arms[column], float)


# --- questions ---


def _question(
    key: str,
    asked: str,
    loss: str,
    variant: Variant,
    *,
    effect: Callable[[Tables], Difference | Bracket],
    rule: Rule,
    what: str,
    scale: Scale,
    reading: Callable[[Tables], str],
    says: tuple[str, str, str],
) -> Question:
    """A question about one loss and one variant; `says` is what follows if it holds, fails, or is undecided."""
    return Question(
        key=key,
        title=f"{loss} loss, {VARIANTS[variant]}: {asked}",
        effect=effect,
        rule=rule,
        what=what,
        scale=scale,
        reading=reading,
        says=dict(zip((Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED), says, strict=True)),
        facets={"loss": loss, "offset": variant[0], "form": variant[1]},
    )


def _score(loss: str, variant: Variant, margin: float) -> Question:
    def effect(tables: Tables) -> Difference:
        rows = _rows(loss, variant, tables)
        return paired_difference(rows["newton_score"] - rows["trained_score"], rows["seed"], rows["id"])

    def reading(tables: Tables) -> str:
        newton, trained = (_mean(loss, variant, c, tables) for c in ("newton_score", "trained_score"))
        return f"The Newton step scores {newton:.1f} % on test data and the trained network {trained:.1f} %"

    points = f"{100 * margin:g} point{'' if margin == 0.01 else 's'}"
    return _question(
        SCORE,
        "same test score",
        loss,
        variant,
        effect=effect,
        rule=Within(margin),
        what="the difference in test score, Newton step minus trained network,",
        scale=POINTS,
        reading=reading,
        says=(
            f"equal within {points}",
            f"they differ by more than {points}",
            f"the data do not decide whether they are equal within {points}",
        ),
    )


def _newton(loss: str, variant: Variant) -> Question:
    def effect(tables: Tables) -> Difference:
        rows = _rows(loss, variant, tables)
        return _share(rows, rows["newton_gap"])

    return _question(
        NEWTON_NEAR,
        "training ends at the Newton step",
        loss,
        variant,
        effect=effect,
        rule=Below(THERE),
        what="the share of training's change that the Newton step leaves unexplained",
        scale=LEFT,
        reading=partial(_left, loss, variant, (("newton_gap", "the Newton step"),)),
        says=(
            "training ends about there",
            "training does not end there",
            f"the data do not decide whether that is less than {100 * THERE:g} %",
        ),
    )


def _gradient(loss: str, variant: Variant) -> Question:
    def effect(tables: Tables) -> Difference:
        rows = _rows(loss, variant, tables)
        return _share(rows, rows["gradient_gap"])

    return _question(
        GRADIENT_APART,
        "training does not end at a gradient step",
        loss,
        variant,
        effect=effect,
        rule=Above(THERE),
        what="the share of training's change that the best gradient step leaves unexplained",
        scale=LEFT,
        reading=partial(_left, loss, variant, (("gradient_gap", "the best gradient step"),)),
        says=(
            "training does not end there",
            "training ends there too",
            f"the data do not decide whether that is more than {100 * THERE:g} %",
        ),
    )


def _nearer(loss: str, variant: Variant) -> Question:
    return _question(
        NEARER,
        "nearer than a gradient step",
        loss,
        variant,
        effect=partial(_difference_of, loss, variant, "gradient_gap", "newton_gap"),
        rule=Above(APART),
        what="the share of training's change that the best gradient step leaves unexplained, minus that of the Newton step,",
        scale=SHARE,
        reading=partial(
            _left,
            loss,
            variant,
            (("newton_gap", "the Newton step"), ("gradient_gap", "the best gradient step")),
        ),
        says=(
            f"the Newton step is nearer by more than {100 * APART:g} %",
            f"the Newton step is not nearer by {100 * APART:g} %",
            f"the data do not decide whether the Newton step is nearer by {100 * APART:g} %",
        ),
    )


def _flow(loss: str, variant: Variant) -> Question:
    """The minimum over t is bracketed: a time that validation data chose leaves at least as much, one that test data chose looks
    better than it is."""

    def effect(tables: Tables) -> Bracket:
        low = _difference_of(loss, variant, "newton_gap", "stopped_gap", tables)
        high = _difference_of(loss, variant, "newton_gap", "nearest_gap", tables)
        return Bracket(low, high)

    return _question(
        FLOW,
        "no earlier time of the flow is nearer",
        loss,
        variant,
        effect=effect,
        rule=Below(APART),
        what="the share of training's change that the linearised flow leaves unexplained at t = ∞, minus its minimum over all t,",
        scale=SHARE,
        reading=partial(
            _left,
            loss,
            variant,
            (
                ("newton_gap", "the flow of the linearised model at its end"),
                ("stopped_gap", "the same flow, stopped at the best time,"),
            ),
        ),
        says=(
            "no earlier time is nearer by more than a little",
            "training ends at an earlier time of the flow",
            "the data do not decide whether an earlier time is nearer",
        ),
    )


def _luck(loss: str, variant: Variant) -> Question:
    return _question(
        LUCK,
        "nearer than a second training",
        loss,
        variant,
        effect=partial(_difference_of, loss, variant, "second_gap", "newton_gap"),
        rule=Above(0.0),
        what="the share of training's change that a second training from another random start leaves unexplained, minus that of "
        "the Newton step,",
        scale=SHARE,
        reading=partial(
            _left, loss, variant, (("newton_gap", "the Newton step"), ("second_gap", "a second training"))
        ),
        says=(
            "the Newton step is nearer to training",
            "a second training is nearer",
            "the data do not decide which is nearer",
        ),
    )


def _direction(loss: str) -> Question:
    def reading(tables: Tables) -> str:
        return f"In parameter space the Newton step has a cosine of {np.mean(_of_arm(loss, 'cosine', tables)):.2f} with training"

    return _question(
        TURN,
        "same direction in parameter space",
        loss,
        CLAIMED,
        effect=lambda tables: of_seeds(_of_arm(loss, "cosine", tables)),
        rule=Above(STRAIGHT),
        what="the cosine of the angle between the Newton step and training's θ_T − θ₀",
        scale=COSINE,
        reading=reading,
        says=(
            "they have about the same direction",
            "their directions differ",
            "the data do not decide whether their directions are about the same",
        ),
    )


def _length(loss: str) -> Question:
    def reading(tables: Tables) -> str:
        longer = np.exp(np.mean(np.log(_of_arm(loss, "relative_length", tables))))
        return f"In parameter space the Newton step is {longer:.2f} times as long as training's θ_T − θ₀"

    return _question(
        LENGTH,
        "same length in parameter space",
        loss,
        CLAIMED,
        effect=lambda tables: of_seeds(np.log(_of_arm(loss, "relative_length", tables))),
        rule=Between(float(np.log1p(-LONG)), float(np.log1p(LONG))),
        what="the length of the Newton step",
        scale=LONGER,
        reading=reading,
        says=(
            "they are about equally long",
            "their lengths differ",
            "the data do not decide whether they are about equally long",
        ),
    )


def _left(loss: str, variant: Variant, columns: tuple[tuple[str, str], ...], tables: Tables) -> str:
    """ "Of training's change, the Newton step leaves 2 % unexplained and a second training 5 %"."""
    parts = [
        f"{name} {'leaves ' if i == 0 else ''}{_mean(loss, variant, column, tables):.3g} %"
        f"{' unexplained' if i == 0 else ''}"
        for i, (column, name) in enumerate(columns)
    ]
    return f"Of training's change, {' and '.join(parts)}"


# --- gates ---


def _gates(loss: str, variant: Variant) -> tuple[Gate, ...]:
    return (
        Gate("converged", f"{loss} loss: training converged", partial(_converged, loss)),
        Gate("exact", f"{loss} loss: steps are exact", partial(_exact, loss)),
        skill_gate(partial(_rows, loss, variant), ("trained_score", "newton_score")),
    )


def _converged(loss: str, tables: Tables) -> str | None:
    rows = tables["training"].where(loss=loss)
    short = int(np.sum(~rows["converged"]))
    if not short:
        return None
    runs = f"{short} of {len(rows)} training runs with the {loss} loss"
    return f"{runs} did not converge, so we do not know where training ends."


def _exact(loss: str, tables: Tables) -> str | None:
    rows = tables["certificates"].where(loss=loss)
    missed = int(np.sum(~rows["met"]))
    if not missed:
        return None
    return f"{missed} of {len(rows)} Newton steps and flows with the {loss} loss missed their tolerance."


# --- the claim ---

WRONG = {  # why the claim fails
    SCORE: "the Newton step's test score differs from that of the trained network",
    NEWTON_NEAR: f"the Newton step leaves more than {100 * THERE:g} % of training's change unexplained",
    GRADIENT_APART: f"a gradient step leaves less than {100 * THERE:g} % of training's change unexplained",
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


def _claim(whole: Answer) -> Verdict:
    return Verdict(
        question="",
        outcome=whole.outcome,
        rule="The claim holds if, for every loss, with f₀ kept and the Newton step taken as the tangent function, all of these "
        f"hold: the test scores are equal within the margin; the Newton step leaves less than {100 * THERE:g} % of training's "
        f"change unexplained, and the best gradient step more; the Newton step is nearer by more than {100 * APART:g} % of "
        f"training's change; and, for the square loss, no earlier time of the flow is nearer by {100 * APART:g} %. It fails if "
        "one of them fails. Otherwise it is undecided. It is also undecided if training did not converge, if a step is not "
        "exact, or if neither side is better than guessing. Everything else is a side question.",
        effect=None,
        interval=None,
        unit="",
        reading=_reading(whole),
        key="claim",
    )


def _reading(whole: Answer) -> str:
    questions = list(whole.questions())
    concerned = [q for q in questions if q.outcome is whole.outcome]
    keys = list(dict.fromkeys(q.formula.key for q in concerned))
    reasons = dict.fromkeys(reason for q in questions for reason in q.closed)
    if whole.outcome is Outcome.HOLDS:
        return "Training ends about where one Newton step ends, and not where one gradient step does."
    if whole.outcome is Outcome.FAILS:
        apart = all(q.outcome is Outcome.HOLDS for q in questions if q.formula.key == GRADIENT_APART)
        ends = "Training ends equivalent to neither one Newton step nor one gradient step"
        return f"{ends if apart else 'Training does not end equivalent to one Newton step alone'}: {_listed(keys, WRONG)}."
    if reasons:
        return f"These runs decide nothing: {' '.join(reasons)}"
    return f"These runs do not decide the claim. It is open {_listed(keys, OPEN)}."


def _listed(keys: Sequence[str], words: Mapping[str, str]) -> str:
    return ", and ".join(words[key] for key in keys)
