"""The claim `edge-contribution`: its numbers on planted contributions, its formula, and one small run."""

import dataclasses

import numpy as np
import pytest

from ticketlab.claims.edge_contribution import formula as rule
from ticketlab.claims.edge_contribution.cell import agreement
from ticketlab.claims.edge_contribution.claim import EdgeContribution, EdgeContributionPlan
from ticketlab.claims.edge_contribution.planted import MEASURES, World, planted
from ticketlab.claims.planted import ALIKE
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table, concatenate
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED


def test_the_correction_finds_the_correlation_under_the_noise():
    """True contributions correlate by 0.6 with the gradient; noise hides half of that."""
    rng, count = np.random.default_rng(0), 40_000
    true = rng.normal(size=count)
    own = 0.6 * true + 0.8 * rng.normal(size=count)
    halves = true + rng.normal(size=(2, count)) * np.sqrt(3)
    found = agreement(own, rng.normal(size=count), halves, np.full(count, np.sqrt(1.5)))
    assert found["reliability"] == pytest.approx(0.25, abs=0.03)
    assert found["correlation"] == pytest.approx(0.3, abs=0.02)
    assert found["corrected"] == pytest.approx(0.6, abs=0.04)
    assert found["permuted"] == pytest.approx(0, abs=0.04)
    assert found["random_signs"] < 0.03
    assert found["rank_corrected"] == pytest.approx(0.58, abs=0.06)
    assert 0.5 < found["signs"] < 0.9


def test_a_gradient_that_is_the_contribution_agrees_and_one_that_is_not_there_does_not():
    values = np.random.default_rng(1).normal(size=500)
    same = agreement(values, -values, np.stack([values, values]), np.full(500, 1e-3))
    assert same["corrected"] == same["rank_corrected"] == pytest.approx(1)
    assert same["permuted"] == pytest.approx(-1)
    assert same["signs"] == 1
    nothing = agreement(np.zeros(500), values, np.stack([values, values]), np.full(500, 1e-3))
    assert nothing["corrected"] == 0
    noise = agreement(values, values, np.stack([values, -values]), np.ones(500))
    assert np.isnan(noise["corrected"])


@pytest.mark.parametrize(
    ("world", "whole"),
    [
        (World(), HOLDS),
        (World(lowest=0.3), FAILS),  # at one density of the sweep it does not follow
        (World(0.8, more=0.0), FAILS),  # a gradient that knows no labels does as well
        (
            World(0.99, more=0.0),
            HOLDS,
        ),  # both follow completely: there is nothing that the control could show
        (World(0.9, more=0.0), UNDECIDED),
        (World(0.7, more=0.1), UNDECIDED),
        (World(reliability=0.02), UNDECIDED),
        (World(skill=ALIKE), UNDECIDED),
        # Gradients for true and for permuted labels are nearly the same, so none could say a tenth more. What does, had the room.
        (World(0.8, more=0.0, alike=0.95), UNDECIDED),
        (World(alike=0.95), HOLDS),
        # The rule over densities may be far off.
        (World(rule_error=0.4), UNDECIDED),
        (World(rule_error=np.inf), UNDECIDED),
    ],
)
def test_it_holds_only_at_every_density_and_beyond_permuted_labels(world, whole):
    tables = planted(world, Sample(5, 200), np.random.default_rng(0))
    assert answer(rule.formula(MEASURES), tables).outcome is whole


@pytest.mark.parametrize(
    ("key", "source", "column"),
    [("trained", rule.TRAINED, "reliability"), ("ranks", rule.RANDOM, "rank_reliability")],
)
def test_side_questions_need_contributions_that_are_known(key, source, column):
    """Where two halves hardly agree, a correction makes any correlation large."""
    tables = planted(World(), Sample(5, 200), np.random.default_rng(0))
    one = tables["measures"]
    extra = {"rank_corrected": one["corrected"], "rank_correlation": one["correlation"]}
    extra |= {"rank_reliability": one["reliability"], "signs": np.full(len(one), 0.9)}
    whole = one.adding(**extra)
    both = concatenate("measures", [whole, whole.adding(source=np.full(len(one), rule.TRAINED))])

    def outcomes(of):
        found = rule.verdicts(MEASURES, {**tables, "measures": of})
        return {v.outcome for v in found if v.key == key}

    noisy = np.where(both["source"] == source, 0.02, 0.5)
    assert outcomes(both) == {HOLDS}
    assert outcomes(both.adding(**{column: noisy})) == {UNDECIDED}


@pytest.mark.parametrize(
    ("correlation", "decided"), [(0.98, HOLDS), (0.8, UNDECIDED), (0.6, UNDECIDED), (0.2, FAILS)]
)
def test_the_question_about_shapley_values_allows_for_the_error_of_their_rule(correlation, decided):
    """An error of 0.4 turns the values by 24° at most; a correlation of 0.7 is an angle of 46°."""
    tables = planted(World(correlation, rule_error=0.4), Sample(20, 200), np.random.default_rng(0))
    found = answer(rule.formula(MEASURES), tables).find("correlation", measure=rule.SHAPLEY)
    assert found.outcome is decided
    if decided is UNDECIDED:
        assert "has an error of 0.4 standard deviations of the Shapley value (at most 0.4)" in found.closed[0]


def test_the_largest_turn_by_an_error_is_reached_and_not_exceeded():
    """Of all errors of a length, whichever way they point."""
    rng = np.random.default_rng(0)
    values, other = rng.normal(size=(2, 3))
    error = rng.normal(size=(20_000, 3))
    error *= 0.3 * np.linalg.norm(values) / np.linalg.norm(error, axis=1)[:, None]
    true = values + error
    found = true @ other / np.linalg.norm(true, axis=1) / np.linalg.norm(other)
    seen = values @ other / np.linalg.norm(values) / np.linalg.norm(other)
    assert [found.min(), found.max()] == pytest.approx([rule._turned(seen, e) for e in (0.3, -0.3)], abs=1e-3)
    assert [rule._turned(0.5, e) for e in (1.2, -1.2)] == [-1, 1]


@pytest.mark.parametrize(
    ("column", "question", "reason"),
    [
        ("alike", {"key": "labels"}, "did not compare the gradients"),
        ("rule_error", {"key": "correlation", "measure": rule.SHAPLEY}, "did not estimate the error"),
    ],
)
def test_older_runs_do_not_decide_what_they_did_not_note(column, question, reason):
    tables = planted(World(), Sample(5, 200), np.random.default_rng(0))
    older = tuple(c for c in tables["measures"].columns if c.name != column)
    found = answer(rule.formula(MEASURES), {**tables, "measures": Table("measures", older)}).find(**question)
    assert found.outcome is UNDECIDED
    assert reason in found.closed[0]


def test_the_rule_says_which_values_the_control_is_about():
    assert "With Banzhaf values, which alone are compared" in rule.RULE


PLAN = EdgeContributionPlan(
    task=Digits(train=80, validation=30, test=80),
    network=MLP(widths=(4,)),
    seeds=2,
    masks=200,
    densities=3,
    examples=40,
    steps=60,
    batch=40,
)


def test_the_claim_asks_about_inner_densities_and_shapley():
    assert PLAN.measures() == (rule.BANZHAF, rule.SHAPLEY)
    assert EdgeContributionPlan().measures() == ("density 0.23", rule.BANZHAF, "density 0.77", rule.SHAPLEY)


@pytest.fixture(scope="module")
def evidence():
    return run_study(EdgeContribution(), PLAN)


def test_a_run_has_every_measure_of_both_networks(evidence):
    measures, weights = evidence.tables["measures"], evidence.tables["weights"]
    assert len(measures) == 2 * 2 * 4
    assert set(measures["measure"]) == {"density 0.11", "density 0.89", *PLAN.measures()}
    assert len(weights) == 2 * 2 * min(300, 64 * 4 + 4 * 10)
    assert np.all(np.abs(measures["correlation"]) <= 1)
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert [v.key for v in asked if v.headline] == ["correlation"] * 2 + ["labels", "nearly"]
    assert [v.key for v in asked if not v.headline] == ["ranks"] * 2 + ["signs"] + ["trained"] * 2
    assert EdgeContribution().conclude(PLAN, {}).verdicts == ()


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bits(evidence):
    again = run_study(EdgeContribution(), dataclasses.replace(PLAN, seeds=1))
    for name in ("measures", "weights", "examples"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


def test_plans_are_checked():
    for changes, words in (({"densities": 4}, "densities=4"), ({"masks": 7}, "masks=7")):
        with pytest.raises(UserError, match=words):
            EdgeContributionPlan(**changes)
