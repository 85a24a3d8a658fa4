"""The rule of `tangent-minimum` on planted tables: each situation in which it could say the wrong thing."""

import math

import numpy as np
import pytest

from ticketlab.claims.tangent_minimum import formula as rule
from ticketlab.claims.tangent_minimum.claim import TangentMinimum, TangentMinimumPlan
from ticketlab.claims.tangent_minimum.formula import DESCENT, OFFSETS, TANGENT
from ticketlab.evidence.tables import Column, Table, concatenate
from ticketlab.laws.verdict import Outcome

EXAMPLES = 1000
BOTH = ("square", "cross-entropy")
HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED


def planted(
    differences,
    *,
    seeds=5,
    noise=0.0,
    descent=0.9,
    centred=0.0,
    read_out=-20.0,
    inside=True,
    settled=True,
    met=True,
):
    """Losses whose tangent minima are better by so many points, plus `noise` times the seed (centred); test examples are shared.

    Arguments:
        centred, read_out: difference from gradient descent with f₀ centred away, and of the read-out layer, in points.
    """
    parts, choices, certificates = [], [], []
    i = np.arange(EXAMPLES)
    for loss, points in differences.items():
        for offset in OFFSETS:
            for seed in range(seeds):
                shift = noise * (seed - (seeds - 1) / 2)
                about = {"loss": loss, "offset": offset, "seed": seed}
                gains = {
                    "descent_score": 0.0,
                    "tangent_score": (points if offset == "kept" else centred) + shift,
                    "read_out_score": read_out,
                    "moved_score": -30.0,
                }
                parts.append(
                    {name: np.full(EXAMPLES, value) for name, value in about.items()}
                    | {"id": EXAMPLES * seed + i, "guess": (i % 10 == 0).astype(float)}
                    | {c: (i < round(EXAMPLES * (descent + g / 100))).astype(float) for c, g in gains.items()}
                )
                choices += [
                    {**about, "arm": arm, "inside": inside or arm == TANGENT, "settled": settled}
                    for arm in (DESCENT, TANGENT)
                ]
                certificates.append({**about, "arm": TANGENT, "met": met})
    columns = tuple(Column(name, np.concatenate([p[name] for p in parts])) for name in parts[0])
    return {
        "examples": Table("examples", columns),
        "choices": Table.from_rows("choices", choices),
        "certificates": Table.from_rows("certificates", certificates),
    }


def conclude(differences, *, margin=0.01, losses=None, **changes):
    plan = TangentMinimumPlan(
        seeds=changes.get("seeds", 5), margin=margin, losses=losses or tuple(differences)
    )
    return TangentMinimum().conclude(plan, planted(differences, **changes)).verdicts


def found(verdicts, key, **facets):
    (one,) = [v for v in verdicts if v.key == key and all(v.facets[n] == f for n, f in facets.items())]
    return one


@pytest.mark.parametrize(
    ("square", "other", "noise", "whole", "words"),
    [
        (0.2, -0.2, 0.0, HOLDS, "with every loss tried"),
        (-5, 0.2, 0.0, FAILS, "not about as good as gradient descent, with the square loss."),
        (-5, 0.2, 4.0, UNDECIDED, "do not decide"),
        (-5, 5, 0.0, FAILS, "the square and cross-entropy losses"),
        (1.0, 0.0, 0.0, UNDECIDED, "with the square loss"),
    ],
)
def test_the_claim_follows_from_f0_kept(square, other, noise, whole, words):
    claim, *questions = conclude({"square": square, "cross-entropy": other}, noise=noise)
    assert claim.outcome is whole
    assert words in claim.reading
    assert (claim.key, claim.question, claim.effect, claim.interval) == ("claim", "", None, None)
    assert [(q.key, q.facets["loss"], q.facets["offset"], q.headline) for q in questions] == [
        (key, loss, offset, (key, offset) == ("score", "kept"))
        for loss in BOTH
        for key, offset in (("score", "kept"), ("score", "centred"), ("read-out", "kept"), ("moved", "kept"))
    ]


def test_inputs_that_are_all_equal_decide_nothing():
    """Both sides guess, so they are equal; that says nothing."""
    claim, *questions = conclude({"square": 0.0, "cross-entropy": 0.0}, descent=0.1, read_out=0.0)
    assert {v.outcome for v in (claim, *questions)} == {UNDECIDED}
    assert "Neither side is better than guessing" in claim.reading


@pytest.mark.parametrize(
    ("changes", "gate", "words"),
    [
        ({"descent": 0.1}, "skill", "Neither side is better than guessing"),
        ({"settled": False}, "trained", "still improving when training ended"),
        ({"inside": False}, "inside", "the step size of gradient descent that validation chose is at the edge"),
        ({"met": False}, "certified", "missed their tolerance"),
    ],
)  # fmt: skip
def test_a_gate_keeps_the_claim_undecided_and_nothing_else_would(changes, gate, words, monkeypatch):
    claim, *questions = conclude({"square": 0.0}, read_out=0.0, **changes)
    assert {v.outcome for v in (claim, *questions)} == {UNDECIDED}
    assert words in claim.reading
    kept = tuple(g for g in rule._gates("square", "kept") if g.key != gate)
    assert len(kept) == 3
    monkeypatch.setattr(rule, "_gates", lambda loss, offset: kept)
    assert conclude({"square": 0.0}, **changes)[0].outcome is HOLDS


@pytest.mark.parametrize(
    ("tangent", "margin", "outcome"),
    [(0.985, 0.01, UNDECIDED), (0.9915, 0.01, HOLDS), (0.985, 0.003, FAILS)],
)
def test_a_margin_that_is_all_of_the_gain_makes_no_side_as_good(tangent, margin, outcome):
    """98.5 % of the examples are of one class, and gradient descent is right on 99.2 %: guessing is within a point of that."""
    found = planted({"square": 100 * (tangent - 0.992)}, descent=0.992)
    frequent = np.tile(np.arange(EXAMPLES) < 985, 10).astype(float)
    found["examples"] = found["examples"].adding(guess=frequent)
    plan = TangentMinimumPlan(seeds=5, margin=margin, losses=("square",))
    claim = TangentMinimum().conclude(plan, found).verdicts[0]
    assert claim.outcome is outcome
    said = "gains +0.00 points and gradient descent +0.70" in claim.reading
    assert said == (outcome is UNDECIDED)


@pytest.mark.parametrize(
    ("start", "outcome"), [(0.962, UNDECIDED), (0.97, UNDECIDED), (0.85, HOLDS), (0.05, HOLDS)]
)
def test_at_a_start_that_does_the_task_nothing_is_left_to_be_as_good_at(start, outcome):
    """A network that was trained before scores 96.2 %. So does everything that begins there."""
    found = planted({"square": 0.0}, descent=0.962)
    before = np.tile(np.arange(EXAMPLES) < start * EXAMPLES, 10).astype(float)
    found["examples"] = found["examples"].adding(start_score=before)
    plan = TangentMinimumPlan(seeds=5, losses=("square",))
    claim = TangentMinimum().conclude(plan, found).verdicts[0]
    assert claim.outcome is outcome
    assert ("over the start the tangent-space minimum gains" in claim.reading) == (outcome is UNDECIDED)


def test_a_tangent_minimum_that_is_better_is_said_to_be_better():
    words = [conclude({"square": points})[0].reading for points in (5, -5)]
    assert words[0].startswith(
        "The tangent-space minimum is better than gradient descent, with the square loss."
    )
    assert words[1].startswith("The tangent-space minimum is not about as good as gradient descent")


def test_a_side_that_guesses_while_the_other_does_not_fails():
    assert conclude({"square": -80.0})[0].outcome is FAILS


def test_the_reading_names_what_f0_does_where_it_matters():
    """As on MNIST: 69.4 % with f₀ kept, 90.7 % centred, 82.9 % by the read-out layer, where gradient descent has 92 %."""
    claim = conclude({"square": -22.6}, descent=0.92, centred=-1.3, read_out=-9.1)[0]
    assert claim.outcome is FAILS
    assert "the tangent-space minimum scores 69.4 % and gradient descent 92.0 %" in claim.reading
    assert "with f₀ centred away they are 90.7 % and 92.0 %" in claim.reading
    assert "the read-out layer alone scores 82.9 %" in claim.reading


@pytest.mark.parametrize(("centred", "read_out"), [(0.9, 0.0), (0.0, -0.9)])
def test_the_reading_is_silent_on_differences_within_the_margin(centred, read_out):
    claim = conclude({"square": 0.0}, centred=centred, read_out=read_out)[0]
    assert claim.reading.endswith("with every loss tried.")
    more = conclude({"square": 0.0}, centred=centred * 2, read_out=read_out * 2)[0]
    assert ("f₀ centred" in more.reading, "read-out" in more.reading) == (centred > 0, read_out < 0)


@pytest.mark.parametrize(
    ("points", "outcome", "words"),
    [
        (0.2, HOLDS, "they are about equally good, within 1 point."),
        (-4, FAILS, "they differ by more than 1 point."),
        (4, FAILS, "they differ by more than 1 point."),
        (1, UNDECIDED, "the data do not decide"),
    ],
)
def test_a_question(points, outcome, words):
    question = found(conclude({"square": points}), "score", offset="kept")
    assert question.outcome is outcome
    assert question.reading.endswith(words) or words in question.reading
    assert question.effect == pytest.approx(points)
    low, high = question.interval
    assert low <= question.effect <= high
    assert "−1 to 1 points of test score" in question.rule


def test_the_margin_is_the_plans():
    outcomes = [conclude({"square": 2.0}, margin=m)[0].outcome for m in (0.01, 0.02, 0.04)]
    assert outcomes == [FAILS, UNDECIDED, HOLDS]


def test_side_questions_have_levels_of_their_own():
    verdicts = conclude({"square": 0.0, "cross-entropy": 0.0})[1:]
    assert {round(v.level, 6) for v in verdicts if v.headline} == {
        0.9875
    }  # two losses, either side of the margin
    assert {round(v.level, 6) for v in verdicts if not v.headline} == {0.975}


def test_a_network_without_a_read_out_layer_is_not_asked_about_it():
    tables = planted({"square": 0.0})
    kept = tuple(c for c in tables["examples"].columns if c.name != "read_out_score")
    tables["examples"] = Table("examples", kept)
    plan = TangentMinimumPlan(seeds=5, losses=("square",))
    assert [v.key for v in TangentMinimum().conclude(plan, tables).verdicts] == [
        "claim", "score", "score", "moved",
    ]  # fmt: skip


def test_one_seed_decides_nothing():
    claim, question, *_ = conclude({"square": -9}, seeds=1)
    assert claim.outcome is question.outcome is UNDECIDED
    assert question.interval == (-math.inf, math.inf)
    assert "One seed is not enough" in question.reading


def test_a_run_that_is_not_finished():
    """Losses that are not there are left out, and with them the claim as a whole; levels are those of the whole."""
    study, plan = TangentMinimum(), TangentMinimumPlan(seeds=5)
    assert study.conclude(plan, {}).verdicts == ()
    partial = study.conclude(plan, planted({"square": 0.2})).verdicts
    assert {v.facets["loss"] for v in partial} == {"square"}
    assert partial == conclude({"square": 0.2, "cross-entropy": 0.1})[1:5]


def test_the_real_evidence_is_concluded_alike(evidence, plan):
    claim, *questions = evidence.verdicts
    arms = evidence.tables["arms"]
    compared = {"score": TANGENT, "read-out": "read-out layer", "moved": "network at θ₀ + Δθ"}
    assert len(questions) == 8
    for question in questions:
        of = arms.where(**question.facets)
        mean = {arm: 100 * of.where(arm=arm)["test_score"].mean() for arm in (*compared.values(), DESCENT)}
        assert question.effect == pytest.approx(mean[compared[question.key]] - mean[DESCENT])
    assert TangentMinimum().conclude(plan, evidence.tables).verdicts == evidence.verdicts
    assert "still improving when training ended" in claim.reading  # two epochs are not enough


def test_centring_that_moves_both_sides_alike_is_named_too():
    """The two stay equal, and the random function still costs both of them four points."""
    tables = planted({"square": 0.0}, read_out=0.0)
    better = planted({"square": 0.0}, read_out=0.0, descent=0.94)["examples"].where(offset="centred")
    kept = tables["examples"].where(offset="kept")
    tables["examples"] = concatenate("examples", [kept, better])
    claim = TangentMinimum().conclude(TangentMinimumPlan(seeds=5, losses=("square",)), tables).verdicts[0]
    assert claim.outcome is HOLDS
    assert (
        "scores 90.0 % and gradient descent 90.0 %; with f₀ centred away they are 94.0 % and 94.0 %."
        in claim.reading
    )
