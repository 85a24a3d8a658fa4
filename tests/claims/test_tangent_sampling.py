"""The claim `tangent-sampling`: its formula on planted tables, and one small run from plan to verdict."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import binom

from ticketlab.claims.random_pick.cell import BinaryExamples
from ticketlab.claims.random_pick.claim import RandomPickPlan
from ticketlab.claims.start import drawn_task
from ticketlab.claims.tangent_sampling import cell
from ticketlab.claims.tangent_sampling import formula as rule
from ticketlab.claims.tangent_sampling.claim import TangentSampling, TangentSamplingPlan
from ticketlab.claims.tangent_sampling.planted import World, planted
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.functions import matched_lower_bound, packed
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.tasks.sources import Boolean

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED


def tables(world, seed=0):
    return planted(world, Sample(5, 0), np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("world", "whole"),
    [
        (World(), HOLDS),
        (World(distance=0.3), FAILS),
        (World(distance=0.1), UNDECIDED),
        (World(unseen=0.5), UNDECIDED),
        (World(fitted=0.9), UNDECIDED),
        (World(fits=0.9), UNDECIDED),  # trained networks miss training labels
        (World(distance=0.3, other_fits=0.9), UNDECIDED),  # tangent solutions do
        (World(matched=0.05), UNDECIDED),  # any law with these errors would agree
        (World(distance=0.3, matched=0.05), FAILS),  # but two that differ do
        (World(error=0.5), UNDECIDED),  # both guess, so equal laws say nothing
        (World(error=0.125, chance=0.125), UNDECIDED),  # both give the more frequent label
        (World(distance=0.005, top=0.98), UNDECIDED),  # both are nearly one function
        (World(null=0.0), HOLDS),
    ],
)
def test_the_claim_is_equality_over_random_starts(world, whole):
    assert answer(rule.formula(), tables(world)).outcome is whole


@pytest.mark.parametrize("world", [World(fitted=0.9863), World(fits=0.9897)])
def test_what_falls_short_of_a_limit_is_not_shown_as_the_limit(world):
    """98.97 % are no "99 %, and 99 % are required"."""
    (question,) = answer(rule.formula(), tables(world)).questions()
    least = 98.63 if world.fitted < 1 else 98.97
    assert any(f"Only {least} % of the" in reason for reason in question.closed)


def test_a_wide_gap_between_the_bounds_is_undecided():
    """The lower bound alone says "below", the upper bound alone "above": neither may decide."""
    found = tables(World(distance=0.05))
    laws = found["laws"]
    high = laws["tv_high"] + 0.1
    wide = {**found, "laws": laws.adding(tv_high=high)}
    assert answer(rule.formula(), found).outcome is HOLDS
    assert answer(rule.formula(), wide).outcome is UNDECIDED


@pytest.mark.parametrize(
    ("world", "key", "facet", "outcome"),
    [
        (World(), rule.EQUALITY, rule.NULL, FAILS),
        (World(null=0.02), rule.EQUALITY, rule.NULL, HOLDS),
        (World(), rule.BIAS, rule.STARTS, HOLDS),
        (World(bias=0.1), rule.BIAS, rule.STARTS, FAILS),
        (World(), rule.ORDER, "training", HOLDS),
        (World(order=0.3), rule.ORDER, "training", FAILS),
        (World(), rule.NULL_SPACE, "tangent", HOLDS),
        (World(null_space=0.7), rule.NULL_SPACE, "tangent", FAILS),
        (World(null=0.02, matched=0.05), rule.EQUALITY, rule.NULL, UNDECIDED),
        (World(other_fits=0.5), rule.BIAS, rule.STARTS, UNDECIDED),
        (World(fitted=0.5), rule.ORDER, "training", UNDECIDED),
        (World(total=0.001), rule.ORDER, "training", UNDECIDED),
        (World(total=0.001), rule.NULL_SPACE, "tangent", UNDECIDED),
    ],
)
def test_side_questions(world, key, facet, outcome):
    found = [q for f in rule.side_questions() for q in answer(f, tables(world)).questions()]
    asked = next(q for q in found if q.formula.key == key and facet in q.formula.facets.values())
    assert asked.outcome is outcome


def labelled(labels, target):
    task = drawn_task(PLAN.task, 0)
    return BinaryExamples(task.train, task.test, labels, packed(target))


def test_laws_that_differ_on_more_examples_are_not_equal_on_a_few():
    """Labels are right independently of each other, so that both laws are no more than their errors."""
    right, count = (0.96, 0.945), 8
    few, more = (
        np.sum(np.abs(np.subtract(*(binom.pmf(np.arange(m + 1), m, p) for p in right)))) / 2
        for m in (count, 24)
    )
    assert few < rule.MOST < more  # the total variation
    of, rng, rows = labelled(np.ones(4, bool), np.ones(count, bool)), np.random.default_rng(0), []
    for seed in range(5):
        law, other = (cell._counts(np.where(rng.random((16_384, count)) < p, 1.0, -1.0)) for p in right)
        row = {"seed": seed, **cell._law_row(law, other, of, rng), "chance": 0.5}
        row |= {"fitted": 1.0, "fits": 1.0, "other_fits": 1.0}
        row |= {"matched_low": matched_lower_bound(law, of.target)}
        rows += [{"comparison": comparison, **row} for comparison in (rule.STARTS, rule.HALVES)]
    found = answer(rule.formula(), {**tables(World()), "laws": Table.from_rows("laws", rows)})
    assert found.outcome is UNDECIDED
    (reason,) = found.closed
    assert "more than its errors" in reason
    assert next(found.questions()).effect.upper(0.025) < rule.MOST  # without the gate it would hold


def test_a_network_that_misses_a_training_label_does_not_fit():
    of = labelled(np.array([True, False, True, False]), np.ones(1, bool))
    side = cell._side(np.array([[1.0, -1, 1, -1, 5], [1, -1, 1, 1, 6]]), of)
    np.testing.assert_array_equal(side.outputs, [[5], [6]])
    assert side.fits == 0.5


@pytest.mark.parametrize(
    ("column", "world", "reason"),
    [
        ("fits", World(distance=0.3), "did not count the networks"),
        ("matched_low", World(), "did not compare the law"),
    ],
)
def test_older_runs_do_not_decide_what_they_did_not_note(column, world, reason):
    found = tables(world)
    older = tuple(c for c in found["laws"].columns if c.name != column)
    whole = answer(rule.formula(), {**found, "laws": Table("laws", older)})
    assert whole.outcome is UNDECIDED
    assert any(reason in closed for part in whole.parts for closed in part.closed)


def test_an_estimate_is_not_called_a_bound():
    """Its mean is at most the truth; the bound is the interval's end."""
    _, equality, *_ = rule.verdicts(tables(World(distance=0.3)))
    assert "at least" not in equality.reading
    assert "from below" in equality.reading


def test_a_constant_answer_avoids_none_of_the_errors_of_guessing():
    task = drawn_task(PLAN.task, 0)
    labels, off = np.arange(12) < 4, np.arange(8) < 1
    of = BinaryExamples(task.train, task.test, labels, packed(off))
    constant = cell._counts(np.full((64, 8), -1.0))
    row = cell._law_row(constant, constant, of, np.random.default_rng(0))
    assert row["chance"] == row["error"] == row["other_error"] == 1 / 8


PLAN = TangentSamplingPlan(
    task=Boolean(bits=5, target="first", train=12, validation=12, test=8),
    network=dataclasses.replace(RandomPickPlan().network, widths=(12,)),
    seeds=2,
    runs=1024,
    draws=2048,
    nulls=2,
    levels=6,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(TangentSampling(), PLAN)


@pytest.mark.slow
def test_a_small_run_has_all_tables_and_verdicts(evidence):
    laws, variance, labels = (evidence.tables[name] for name in ("laws", "variance", "labels"))
    assert set(laws["comparison"]) == set(rule.TITLES)
    assert np.all(laws["fitted"] == 1)
    assert np.all((laws["fits"] == 1) & (laws["other_fits"] == 1))
    assert np.all(laws["matched_low"] > 0)
    assert np.all(laws["tv_low"] <= laws["tv_high"])
    halves = laws.where(comparison=rule.HALVES)
    assert np.all(np.abs(halves["tv_corrected"]) < 0.05)
    shares = variance["rows"] + variance["columns"] + variance["rest"]
    np.testing.assert_allclose(shares, (variance["total"] > 0).astype(float))
    assert np.all((labels["trained"] >= 0) & (labels["trained"] <= 1))
    wrong = np.abs(labels["target"] - labels["trained"])
    for seed in (0, 1):
        mean = float(np.mean(wrong[labels["seed"] == seed]))
        assert mean == pytest.approx(float(laws.where(comparison=rule.STARTS, seed=seed)["error"][0]))
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert len(asked) == 1 + 5
    assert TangentSampling().conclude(PLAN, {}).verdicts == ()


@pytest.mark.slow
def test_a_seed_alone_gives_the_same_bits(evidence):
    again = run_study(TangentSampling(), dataclasses.replace(PLAN, seeds=1))
    for name in ("laws", "variance", "labels"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


def test_laws_over_the_labels_of_a_few_examples_are_not_compared():
    few = dataclasses.replace(PLAN.task, test=2)
    with pytest.raises(UserError, match="2 held-out examples"):
        run_study(TangentSampling(), dataclasses.replace(PLAN, task=few))


def test_plans_are_checked():
    for wrong in (
        {"runs": 1500},
        {"draws": 1024},
        {"nulls": 3},
        {"levels": 1},
        {"loss": 0.0},
        {"loss": 50.0},
        {"ridge": 100.0},
    ):
        with pytest.raises(UserError):
            TangentSamplingPlan(**wrong)
