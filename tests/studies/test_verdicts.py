"""From tables to verdicts: one seed, many questions, the claim as a whole, a run that is not finished."""

import numpy as np
import pytest

from ticketlab.laws.equivalence import equivalence, paired_difference
from ticketlab.laws.verdict import Outcome
from ticketlab.studies.evidence import Table
from ticketlab.studies.tangent_minimum import DESCENT, OFFSETS, TANGENT, TangentMinimum, TangentMinimumPlan

EXAMPLES = 1000


def tables(differences, seeds=5, noise=0.0):
    """Examples and arms of losses whose tangent minima are better by so many points, plus `noise` times the seed (centred)."""
    examples, arms = [], []
    for loss, points in differences.items():
        for offset in OFFSETS:
            for seed in range(seeds):
                shift = noise * (seed - (seeds - 1) / 2)
                right = round(EXAMPLES * (0.9 + (points + shift) / 100)), round(EXAMPLES * 0.9)
                scores = dict(zip((TANGENT, DESCENT), right, strict=True))
                arms += [
                    {"loss": loss, "offset": offset, "seed": seed, "arm": arm, "test_score": n / EXAMPLES}
                    for arm, n in scores.items()
                ]
                examples += [
                    {
                        "loss": loss,
                        "offset": offset,
                        "seed": seed,
                        "id": EXAMPLES * seed + i,
                        "tangent_score": float(i < right[0]),
                        "descent_score": float(i < right[1]),
                    }
                    for i in range(EXAMPLES)
                ]
    return {"arms": Table.from_rows("arms", arms), "examples": Table.from_rows("examples", examples)}


def conclude(differences, seeds=5, noise=0.0, **options):
    plan = TangentMinimumPlan(seeds=seeds, **options)
    return TangentMinimum().conclude(plan, tables(differences, seeds, noise)).verdicts


@pytest.mark.parametrize(
    ("square", "other", "noise", "whole"),
    [
        (0.2, -0.2, 0.0, Outcome.HOLDS),
        (-5, 0.2, 0.0, Outcome.FAILS),
        (-5, 0.2, 4.0, Outcome.UNDECIDED),
        (-5, 5, 0.0, Outcome.FAILS),
        (1.0, 0.0, 0.0, Outcome.UNDECIDED),
    ],
)
def test_the_claim_as_a_whole_comes_first_and_follows_from_f0_kept(square, other, noise, whole):
    claim, *questions = conclude({"square": square, "cross-entropy": other}, noise=noise)
    assert claim.outcome is whole
    assert (claim.question, claim.effect, claim.interval) == ("", None, None)
    assert [q.question for q in questions] == [
        f"{loss} loss, f₀ {offset}" for loss in ("square", "cross-entropy") for offset in OFFSETS
    ]
    assert [q.headline for q in questions] == [True, False, True, False]
    said = {Outcome.HOLDS: "with every loss", Outcome.FAILS: "is not about as good"}
    assert said.get(whole, "do not decide") in claim.reading
    if whole is not Outcome.HOLDS:
        named = [q.question.split(" loss")[0] for q in questions if q.headline and q.outcome is whole]
        assert f"the {' and '.join(named)} loss" in claim.reading


@pytest.mark.parametrize(
    ("points", "noise", "outcome", "words"),
    [
        (0.2, 0.0, Outcome.HOLDS, "a difference of +0.20 points"),
        (-4, 0.0, Outcome.FAILS, "−4.00 points"),
        (-4, 0.0, Outcome.FAILS, "so gradient descent is better"),
        (4, 0.0, Outcome.FAILS, "so the tangent-space minimum is better"),
        (1, 0.0, Outcome.UNDECIDED, "do not decide"),
    ],
)
def test_a_question(points, noise, outcome, words):
    _, question, _ = conclude({"square": points}, losses=("square",))
    assert question.outcome is outcome
    assert words in question.reading
    assert question.effect == pytest.approx(points)
    low, high = question.interval
    assert low <= question.effect <= high
    assert "±1 points" in question.rule


def test_the_margin_is_the_plans():
    outcomes = [
        conclude({"square": 2.0}, losses=("square",), margin=m)[0].outcome for m in (0.01, 0.02, 0.04)
    ]
    assert outcomes == [Outcome.FAILS, Outcome.UNDECIDED, Outcome.HOLDS]


def test_one_seed_decides_nothing():
    claim, question, _ = conclude({"square": -9}, seeds=1, losses=("square",))
    assert claim.outcome is question.outcome is Outcome.UNDECIDED
    assert question.interval == (-np.inf, np.inf)
    assert "one seed is not enough" in question.reading


def test_many_questions_need_more_to_fail_but_no_more_to_hold():
    rng = np.random.default_rng(0)
    seed, example = np.repeat(np.arange(5), 200), np.arange(1000)
    for points, alone, among_many in (
        (-3.4, Outcome.FAILS, Outcome.UNDECIDED),
        (0.0, Outcome.HOLDS, Outcome.HOLDS),
    ):
        spread = 0.01 if points else 0.003
        noise = np.repeat(spread * np.array([-1.5, -0.5, 0.0, 0.5, 1.5]), 200) + 0.001 * rng.normal(size=1000)
        difference = paired_difference(points / 100 + noise, seed, example)
        assert equivalence(difference, 0.01, 1) is alone
        assert equivalence(difference, 0.01, 40) is among_many


def test_shared_test_examples_count_once():
    """Five seeds on one test set say no more of its examples than one does; five test sets do."""
    rng = np.random.default_rng(1)
    d = rng.normal(size=200)
    seed, example = np.repeat(np.arange(5), 200), np.tile(np.arange(200), 5)
    shared = paired_difference(np.tile(d, 5), seed, example)
    assert shared.standard_error == pytest.approx(d.std(ddof=1) / np.sqrt(200), rel=0.01)
    fresh = paired_difference(rng.normal(size=1000), seed, np.arange(1000))
    assert fresh.standard_error < shared.standard_error


def test_a_run_that_is_not_finished():
    """Losses whose seeds are not all there are left out, and with them the claim as a whole."""
    study, plan = TangentMinimum(), TangentMinimumPlan(seeds=5)
    assert study.conclude(plan, {}).verdicts == ()
    assert study.conclude(plan, tables({"square": 0.2}, seeds=4)).verdicts == ()
    partial = study.conclude(plan, tables({"square": 0.2}, seeds=5)).verdicts
    assert [v.question for v in partial] == ["square loss, f₀ kept", "square loss, f₀ centred"]
    assert partial == conclude({"square": 0.2, "cross-entropy": 0.1})[1:3]


def test_the_real_evidence_is_concluded_alike(evidence, plan):
    claim, *questions = evidence.verdicts
    assert len(questions) == 4
    arms = evidence.tables["arms"]
    for question in questions:
        loss, offset = question.question.split(" loss, f₀ ")
        mean = {
            arm: 100 * arms.where(loss=loss, offset=offset, arm=arm)["test_score"].mean()
            for arm in (TANGENT, DESCENT)
        }
        assert question.effect == pytest.approx(mean[TANGENT] - mean[DESCENT])
    assert TangentMinimum().conclude(plan, evidence.tables).verdicts == evidence.verdicts
    assert claim.reading
