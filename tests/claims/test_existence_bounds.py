"""The claim `existence-bounds`: its formula on planted tables, and one small run from plan to verdict."""

import dataclasses

import numpy as np
import pytest

from ticketlab.claims.existence_bounds import cell
from ticketlab.claims.existence_bounds import formula as rule
from ticketlab.claims.existence_bounds import planted as worlds
from ticketlab.claims.existence_bounds.claim import ExistenceBounds, ExistenceBoundsPlan
from ticketlab.claims.existence_bounds.growth import HALFWAY, exponent, lean, slope
from ticketlab.claims.existence_bounds.planted import MARGIN, TOLERANCE, World, planted
from ticketlab.claims.planted import ALIKE, made
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer, verdict_of
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP, ConvNet
from ticketlab.tasks.sources import Bundled, Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(10, 5000, 0.95)


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
        (World(lean=1.0), FAILS, "lean"),
        (World(exponent=0.2), FAILS, rule.PICK),
        (World(told=0.0), FAILS, "told"),
        (World(score=-0.04), FAILS, "score"),
        (World(permuted=-0.3), FAILS, rule.PERMUTED),
        (World(random=0.0), FAILS, rule.RANDOM),
        (World(lean=HALFWAY), UNDECIDED, "lean"),
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


@pytest.mark.parametrize(("fitted", "written"), [(0.22, 0.145), (0.205, 0.13), (0.1, 0.1)])
def test_permuted_labels_that_were_hardly_fitted_say_nothing(fitted, written):
    """Most of the little that was fitted may be lost: it is less than a tenth of the headroom."""
    found = decided(World(fitted=fitted, permuted=(written - fitted) / 0.9))
    assert found.outcome is UNDECIDED
    assert found.find(rule.PERMUTED).outcome is UNDECIDED
    assert "10 of 10 networks gain less than 90 %" in found.find(rule.PERMUTED).closed[0]
    assert found.find("score").outcome is HOLDS


def with_products(search, products, noise=0.0):
    """Planted tables with these numbers of products for each seed."""
    rng = np.random.default_rng(0)
    tables = dict(planted(World(), SAMPLE, rng))
    rows = tables["growth"]
    changed = rows["products"].copy()
    here = rows["search"] == search
    changed[here] = np.tile(products, SAMPLE.seeds) + noise * rng.standard_normal(here.sum())
    return tables | {"growth": rows.adding(products=changed)}


EPS = np.array([0.1, 0.03, 0.01, 0.003, 0.001])


@pytest.mark.parametrize(("factor", "power"), [(4.4, 0.20), (6.0, 0.15), (7.0, 0.13)])
def test_a_power_whose_slope_is_that_of_a_subset_sum_is_no_logarithm(factor, power):
    """From 7 to 17 products, 8 to 17 and 9 to 17. The last half costs less than twice as many as the first."""
    tables = with_products(rule.SUBSET, factor * EPS**-power, noise=0.05)
    found = answer(rule.formula(TOLERANCE, MARGIN), tables)
    assert found.find("slope").outcome is not FAILS
    assert found.find("lean").outcome is FAILS
    assert found.outcome is FAILS


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_a_power_is_seldom_taken_for_a_logarithm_by_few_seeds(seeds):
    asked, sample, rng = decided(World()).find("lean"), Sample(seeds, 1), np.random.default_rng(0)
    found = [
        asked.formula.rule.outcome(
            asked.formula.effect({"growth": worlds._growth(World(lean=1.0), sample, rng)}), asked.levels
        )
        for _ in range(100)
    ]
    assert found.count(HOLDS) <= 5


@pytest.mark.parametrize("reached", range(5))
def test_an_error_that_no_subset_reaches_says_nothing_of_growth(reached):
    products = np.array([6.4, 8.1, 9.5, 11.2, 12.8])
    products[reached:] = np.inf
    tables = with_products(rule.SUBSET, products, noise=0.05)
    found = answer(rule.formula(TOLERANCE, MARGIN), tables)
    assert found.outcome is UNDECIDED
    for key in ("slope", "lean"):
        assert found.find(key).outcome is UNDECIDED
        assert (
            f"{(5 - reached) * SAMPLE.seeds} of {5 * SAMPLE.seeds} numbers of products"
            in found.find(key).closed[0]
        )
        assert "--left" in found.find(key).opens[0]
        assert verdict_of(found.find(key), tables).reading
    assert found.find(rule.PICK).outcome is HOLDS


def test_an_error_that_one_product_does_not_reach_says_nothing_of_its_growth():
    found = decided(World(alone=3))
    assert found.outcome is UNDECIDED
    assert {found.find(key).outcome for key in (rule.PICK, "told")} == {UNDECIDED}
    assert found.find("lean").outcome is HOLDS


def test_one_product_is_searched_for_weights_of_all_layers():
    layer = np.repeat([0, 1, 2], [4000, 800, 200])
    few = cell._few(np.arange(5000), np.random.default_rng(0))
    assert len(set(few)) == len(few) < 5000
    np.testing.assert_allclose(np.bincount(layer[few]) / len(few), [0.8, 0.16, 0.04], atol=0.04)


def growth(products, tolerances=EPS):
    return made("growth", {"tolerance": np.array(tolerances), "products": np.array(products, float)})


def test_a_logarithm_has_its_slope_and_no_lean():
    of = growth(5 - 1.3 * np.log2(EPS))
    assert slope(of) == pytest.approx(1.3)
    assert lean(of) == pytest.approx(0, abs=1e-9)


GRIDS = [EPS, np.array([0.1, 0.01, 0.001]), np.array([0.1, 0.05, 0.001]), np.array([0.003, 0.1, 0.002])]


@pytest.mark.parametrize("tolerances", GRIDS)
@pytest.mark.parametrize("power", [0.05, 0.15, 0.5, 1.0])
def test_a_power_has_its_exponent_and_leans_all_the_way(power, tolerances):
    """Whatever the tolerances: no law is interpolated between them."""
    of = growth(2 * tolerances**-power, tolerances)
    assert exponent(of) == pytest.approx(power)
    assert lean(of) == pytest.approx(1)


def test_the_lean_says_which_law_is_nearer():
    """The law is nearer by least squares, and halfway in the middle of three is (√n₀ + √n₁)²/4."""
    rng = np.random.default_rng(0)
    ends = 6.4 * (1 + np.linspace(0, 1, 5)), 6.4 * 2 ** np.linspace(0, 1, 5)
    at = 0.1 ** np.linspace(1, 3, 5)
    for _ in range(20):
        of = ends[0] - rng.uniform(0, 1, 5) * [0, 1, 1, 1, 0]
        logarithm, power = (np.sum((of - law) ** 2) for law in ends)
        assert (lean(growth(of, at)) < HALFWAY) == (logarithm < power)
    middle = (np.sqrt(6.4) + np.sqrt(12.8)) ** 2 / 4
    assert lean(growth([6.4, middle, 12.8], (0.1, 0.01, 0.001))) == pytest.approx(HALFWAY)
    assert (12.8 - middle) / (middle - 6.4) == pytest.approx(2**0.25, rel=0.01)


@pytest.mark.parametrize("products", [[6.4, 8.1, np.inf], [np.nan] * 3, [8.0, 8.0, 8.0], [0.0, 4.0, 9.0]])
def test_no_lean_where_too_little_is_known_or_nothing_grows(products):
    assert np.isnan(lean(growth(products, (0.1, 0.01, 0.001))))


def test_tolerances_that_were_not_reached_are_left_out():
    assert exponent(growth([10, 30, 100, 300, np.nan])) == pytest.approx(
        exponent(growth([10, 30, 100, 300], EPS[:4]))
    )
    assert np.isnan(slope(growth([6.4, *[np.inf] * 4])))


@pytest.mark.parametrize("slope", [0.8, 1.2, 1.6])
@pytest.mark.parametrize("world", [World(lean=w, told=w) for w in (0.0, 0.5, 1.0)])
def test_planted_growth_has_what_is_planted(slope, world, monkeypatch):
    monkeypatch.setattr(worlds, "NOISE", dict.fromkeys(worlds.NOISE, (0.0, 0.0)))
    tables = planted(dataclasses.replace(world, slope=slope), SAMPLE, np.random.default_rng(0))
    for question in answer(rule.formula(TOLERANCE, MARGIN), tables).questions():
        if question.formula.key in ("slope", "lean", "told", rule.PICK):
            true = worlds.truth(dataclasses.replace(world, slope=slope), SAMPLE, question.formula)
            assert question.effect.mean == pytest.approx(true.effect, abs=1e-4)


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


@pytest.mark.parametrize(("expected", "ratio"), [(0.02, 1.5), (0.02, 5.0), (0.04, 5.0), (1.0, 1 / 3)])
def test_seeds_that_agree_on_no_failure_do_not_confirm_the_curve(expected, ratio):
    """Of a curve that is wrong by half or more, where it expects hardly a failure."""
    rng, seeds, said = np.random.default_rng(0), 3, []
    for _ in range(200):
        columns = {
            "target": np.repeat(rule.TARGETS[0], seeds),
            "tolerance": np.full(seeds, TOLERANCE),
            "seed": np.arange(seeds),
            "failed": rng.poisson(ratio * expected, seeds),
            "expected": np.full(seeds, expected),
        }
        (curve,) = rule.side_questions((TOLERANCE,))
        said.append(answer(curve, {"rates": made("rates", columns)}).outcome)
    assert np.mean([outcome is HOLDS for outcome in said]) <= 0.025


def test_many_failures_that_the_curve_expects_confirm_it():
    failed = np.array([4010, 3985, 4030])
    columns = {
        "target": np.repeat(rule.TARGETS[0], 3),
        "tolerance": np.full(3, TOLERANCE),
        "seed": np.arange(3),
        "failed": failed,
        "expected": np.full(3, 4000.0),
    }
    (curve,) = rule.side_questions((TOLERANCE,))
    assert answer(curve, {"rates": made("rates", columns)}).outcome is HOLDS


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
        "missed", "slope", "lean", rule.PICK, "told", "score", rule.PERMUTED, rule.RANDOM,
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
