"""The claim `existence-bounds`: its formula on planted tables, and one small run from plan to verdict."""

import dataclasses

import numpy as np
import pytest

from ticketlab.claims.existence_bounds import formula as rule
from ticketlab.claims.existence_bounds.claim import ExistenceBounds, ExistenceBoundsPlan
from ticketlab.claims.existence_bounds.planted import MARGIN, TOLERANCE, World, planted
from ticketlab.claims.planted import ALIKE, made
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP, ConvNet
from ticketlab.tasks.sources import Bundled, Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(5, 5000, 0.95)


def decided(world):
    tables = planted(world, SAMPLE, np.random.default_rng(0))
    return answer(rule.formula(TOLERANCE, MARGIN), tables)


@pytest.mark.parametrize(
    ("world", "whole", "key"),
    [
        (World(), HOLDS, "score"),
        (World(missed=0.01), FAILS, "missed"),
        (World(slope=3.0), FAILS, "slope"),
        (World(slope=0.4), FAILS, "slope"),
        (World(bend=1.5), FAILS, "bend"),
        (World(exponent=0.2), FAILS, rule.PICK),
        (World(score=-0.04), FAILS, "score"),
        (World(permuted=-0.3), FAILS, rule.PERMUTED),
        (World(random=0.0), FAILS, rule.RANDOM),
        (World(bend=np.log(2)), UNDECIDED, "bend"),
        (World(score=-MARGIN), UNDECIDED, "score"),
    ],
)
def test_each_statement_decides_alone(world, whole, key):
    found = decided(world)
    assert found.outcome is whole
    assert found.find(key).outcome is whole
    assert all(q.outcome is HOLDS for q in found.questions() if q.formula.key != key)


@pytest.mark.parametrize("world", [World(skill=ALIKE), World(exceeds=True)])
def test_nothing_is_said_of_targets_that_guess_and_of_broken_certificates(world):
    found = decided(world)
    assert found.outcome is UNDECIDED
    assert {q.outcome for q in found.questions()} == {UNDECIDED}


def test_permuted_labels_that_were_not_fitted_say_nothing():
    tables = dict(planted(World(), SAMPLE, np.random.default_rng(0)))
    guessing = planted(World(skill=ALIKE), SAMPLE, np.random.default_rng(0))
    found = answer(rule.formula(TOLERANCE, MARGIN), tables | {"learnt": guessing["learnt"]})
    assert found.outcome is UNDECIDED
    assert found.find(rule.PERMUTED).outcome is UNDECIDED
    assert found.find("score").outcome is HOLDS


def growth(products, tolerances=(0.1, 0.03, 0.01, 0.003, 0.001)):
    return made("growth", {"tolerance": np.array(tolerances), "products": np.array(products, float)})


def test_a_logarithm_has_its_slope_and_no_bend():
    bits = -np.log2([0.1, 0.03, 0.01, 0.003, 0.001])
    of = growth(5 + 1.3 * bits)
    assert rule.slope(of) == pytest.approx(1.3)
    assert rule.bend(of) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_a_power_has_its_exponent_and_a_bend(power):
    of = growth(2 * np.array([0.1, 0.03, 0.01, 0.003, 0.001]) ** -power)
    assert rule.exponent(of) == pytest.approx(power)
    assert rule.bend(of) == pytest.approx(power * np.log(10))


def test_tolerances_that_were_not_reached_are_left_out():
    assert rule.exponent(growth([10, 30, 100, 300, np.nan])) == pytest.approx(
        rule.exponent(growth([10, 30, 100, 300], (0.1, 0.03, 0.01, 0.003)))
    )


def test_the_claim_allows_four_products_for_each_halving():
    assert [rule.allowed(tolerance) for tolerance in (0.5, 0.01, 0.001)] == [4, 26, 39]


PLAN = ExistenceBoundsPlan(
    task=Digits(train=200, validation=30, test=100),
    network=MLP(widths=(8,)),
    seeds=2,
    tolerances=(0.1, 0.03, 0.01),
    counts=(8, 16),
    weights=150,
    inputs=300,
    others=False,
    steps=600,
    fitting_steps=600,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(ExistenceBounds(), PLAN)


@pytest.mark.slow
def test_every_target_and_construction_is_in_the_tables(evidence):
    rates, built = evidence.tables["rates"], evidence.tables["constructions"]
    assert len(rates) == 2 * 3 * 2 * 3
    assert set(rates["target"]) == set(rule.TARGETS)
    assert np.all(np.isfinite(rates.where(target=rule.TARGETS[0])["law"]))
    assert len(built) == 2 * 4
    assert built["certified"].all()
    assert np.all(built["attack"] > 0)
    assert np.all(built["kept"] < built["size"])
    assert np.all(built.where(construction=rule.SUBSET)["size"] > 10)


@pytest.mark.slow
def test_rates_fall_with_units_and_with_the_tolerance(evidence):
    for _, rows in evidence.tables["rates"].by("target", "seed", "drawn").items():
        assert np.all(np.diff(rows["failed"][np.argsort(rows["tolerance"])]) <= 0)
        assert np.all(rows["failed_inputs"] <= rows["inputs"])
    of = evidence.tables["rates"].where(target=rule.TARGETS[0], tolerance=0.01)
    assert of.where(drawn=16)["failed"].sum() < of.where(drawn=8)["failed"].sum()


@pytest.mark.slow
def test_the_masked_network_scores_what_its_target_does_and_a_random_mask_does_not(evidence):
    examples = evidence.tables["examples"]
    agree = np.mean(examples[rule.SUBSET] == examples[rule.TARGET])
    assert agree > 0.95
    assert np.mean(examples[rule.RANDOM]) < np.mean(examples[rule.TARGET]) - 0.2
    assert len(evidence.tables["learnt"]) == 2 * 200


@pytest.mark.slow
def test_verdicts_are_the_claim_its_questions_and_the_curve_at_every_tolerance(evidence):
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert [v.key for v in asked if v.headline] == [
        "missed", "slope", "bend", rule.PICK, "score", rule.PERMUTED, rule.RANDOM,
    ]  # fmt: skip
    assert [v.facets["tolerance"] for v in asked if not v.headline] == ["0.1", "0.03", "0.01"]
    assert ExistenceBounds().conclude(PLAN, {}).verdicts == ()


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bits(evidence):
    again = run_study(ExistenceBounds(), dataclasses.replace(PLAN, seeds=1))
    for name in ("rates", "growth", "constructions", "examples"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


@pytest.mark.slow
def test_other_constructions_and_convolutions():
    plan = dataclasses.replace(PLAN, seeds=1, others=True)
    dense = run_study(ExistenceBounds(), plan).tables["constructions"]
    assert dense["certified"].all()
    assert {"golden bins", "one more layer", "He's law", rule.PICK} < set(dense["construction"])
    plan = dataclasses.replace(plan, network=ConvNet(depth=2, width=3), others=False)
    images = run_study(ExistenceBounds(), plan).tables["constructions"]
    assert images["certified"].all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tolerances": (0.1, 0.01)}, "at least three"),
        ({"tolerance": 0.0005}, "which allows 43 products"),
        ({"left": 1.5}, "between 0 and 1"),
        ({"bits": 30}, "bits=30"),
        ({"counts": (8, 8)}, "different positive numbers"),
    ],
)
def test_plans_are_checked(changes, words):
    with pytest.raises(UserError, match=words):
        dataclasses.replace(PLAN, **changes)


@pytest.mark.slow
def test_regression_is_refused():
    plan = dataclasses.replace(PLAN, task=Bundled(name="diabetes", train=200, validation=50, test=100))
    with pytest.raises(UserError, match="regression"):
        run_study(ExistenceBounds(), plan)
