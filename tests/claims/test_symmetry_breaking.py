"""The claim `symmetry-breaking`: symmetric starts and their measures, the formula on planted tables, and one small run."""

import dataclasses

import jax
import numpy as np
import pytest

from ticketlab.claims.planted import ALIKE
from ticketlab.claims.symmetry_breaking import formula as rule
from ticketlab.claims.symmetry_breaking import starts
from ticketlab.claims.symmetry_breaking.claim import SymmetryBreaking, SymmetryBreakingPlan
from ticketlab.claims.symmetry_breaking.planted import CANCELLING, FLAT, World, planted
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer, verdict_of
from ticketlab.laws.rules import ALPHA, Levels
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
NETWORK = MLP(widths=(16, 16))


# --- starts and measures ---


@pytest.fixture(scope="module")
def drawn():
    network = NETWORK.build((8,), 3)
    return network, jax.jit(network.init)(jax.random.key(0))


def units_of(network, params):
    return [starts.by_unit(group, params) for group in network.unit_groups]


def test_symmetric_starts_have_as_many_distinct_units_as_they_say(drawn):
    network, params = drawn
    made = {
        1: starts.constant(network, params),
        2: starts.signs(network, params),
        4: starts.duplicated(network, params, 4),
        16: params,
    }
    for count, of in made.items():
        assert [starts.distinct(units) for units in units_of(network, of)] == [count, count]


def test_copies_compute_what_one_unit_of_a_narrow_network_does(drawn):
    """With c copies, each read with 1/√c, a layer is a layer of u/c units that is read with √c."""
    network, params = drawn
    wide = starts.duplicated(network, params, 4)
    first, second, out = (np.asarray(wide[layer.name]["weight"]) for layer in network.layers)
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    narrow = np.maximum(x @ first[:, :4], 0)
    narrow = np.maximum(4 * narrow @ second[:4, :4], 0)
    np.testing.assert_allclose(jax.jit(network.apply)(wide, x), 4 * narrow @ out[:4], rtol=1e-5, atol=1e-6)
    drawn_rows = np.asarray(params[network.layers[2].name]["weight"])[:4]
    np.testing.assert_allclose(out[:4], drawn_rows / 2, rtol=1e-6)


def test_the_constant_keeps_the_size_of_sums_and_noise_is_a_share_of_the_draw(drawn):
    network, params = drawn
    layer = network.layers[0]
    weight = np.asarray(params[layer.name]["weight"], np.float64)
    still = starts.constant(network, params)[layer.name]["weight"]
    np.testing.assert_allclose(still, np.sqrt(np.mean(weight**2) / 8), rtol=1e-6)
    noisy = starts.with_noise(network, params, 0.5)[layer.name]["weight"]
    np.testing.assert_allclose(noisy - still, 0.5 * weight, rtol=1e-5, atol=1e-6)


def test_counts_and_ranks_against_known_matrices():
    rng = np.random.default_rng(0)
    units = rng.normal(size=(3, 5))[[0, 1, 2, 0, 1]]
    assert starts.distinct(units) == starts.independent(units) == 3
    assert starts.distinct(units * (1 + 1e-8)) == 3
    assert starts.distinct(np.concatenate([units, units * (1 + 1e-4)])) == 6
    assert starts.independent(np.concatenate([units, 2 * units])) == 3
    assert starts.distinct(np.zeros((4, 2))) == 1
    assert starts.independent(np.zeros((4, 2))) == 0
    assert starts.spread(np.ones((4, 2))) == starts.spread(np.zeros((4, 2))) == 0
    assert starts.spread(np.array([[1.0], [-1.0]])) == 1


# --- the rule ---


@pytest.mark.parametrize(
    ("world", "whole", "asked"),
    [
        (World(), HOLDS, [HOLDS, HOLDS]),
        (World(gain=0.0), FAILS, [HOLDS, FAILS]),  # a symmetric start does as well
        (World(gain=0.1), UNDECIDED, [HOLDS, UNDECIDED]),
        (World(rank=3.0), FAILS, [FAILS, HOLDS]),
        (World(gain=0.0, skill=ALIKE), UNDECIDED, [UNDECIDED] * 2),  # both starts guess
        (World(fitted={rule.CONSTANT: ((0.5, 0.4),)}), UNDECIDED, [UNDECIDED] * 2),  # it would still learn
        (World(fitted={rule.RANDOM: ((0.9, 0.8),)}), UNDECIDED, [UNDECIDED] * 2),
        (World(equal=False), UNDECIDED, [UNDECIDED] * 2),
    ],
)
def test_the_claim_holds_only_where_both_are_true_and_measured(world, whole, asked):
    tables = planted(world, Sample(5, 400, 0.9), np.random.default_rng(0))
    found = answer(rule.formula(), tables)
    assert found.outcome is whole
    assert [q.outcome for q in found.questions()] == asked


@pytest.mark.parametrize(
    ("world", "whole", "units"),
    [
        (World(), HOLDS, HOLDS),
        (
            World(distinct=3.0, equal=False),
            UNDECIDED,
            FAILS,
        ),  # rounding told units apart, and the difference grew
        (World(equal=False), UNDECIDED, HOLDS),  # it did not grow
    ],
)
def test_distinct_units_are_counted_where_rounding_keeps_the_claim_back(world, whole, units):
    """No question of the claim is answered by one of its own gates."""
    tables = planted(world, Sample(5, 400, 0.9), np.random.default_rng(0))
    assert answer(rule.formula(), tables).outcome is whole
    side = answer(rule.side_questions(0.02, ())[0], tables).find("units", start=rule.CONSTANT)
    assert side.outcome is units


@pytest.mark.parametrize(
    ("start", "fitted", "open_", "said"),
    [
        (
            rule.CONSTANT,
            ((0.3, 0.21), *FLAT),
            False,
            "In 1 of 5 runs training from the constant start",
        ),  # one seed learns
        (rule.CONSTANT, CANCELLING, False, "In 3 of 5 runs"),  # the mean is the same in both quarters
        (
            rule.RANDOM,
            ((0.3, 0.95),),
            False,
            "In 5 of 5 runs training from the random start",
        ),  # it has collapsed
        (rule.RANDOM, ((float("nan"), 0.95),), False, "In 5 of 5 runs"),
        (rule.CONSTANT, ((0.3, 0.285), (0.3, 0.315)), True, ""),
        (rule.RANDOM, ((0.99, 0.8),), True, ""),  # nothing is left to be gained
        (rule.CONSTANT, ((0.1, 0.1),), False, "In 5 of 5 runs"),  # it is stuck: flat, and at guessing
        (rule.CONSTANT, ((0.3, 0.28),), False, "In 5 of 5 runs"),  # by 2.2 % of the headroom
    ],
)
def test_training_has_converged_in_every_seed(start, fitted, open_, said):
    tables = planted(World(fitted={start: fitted}), Sample(5, 400, 0.9), np.random.default_rng(0))
    found = answer(rule.formula(), tables)
    assert (found.outcome is HOLDS) == open_
    assert found.closed == () if open_ else said in found.closed[0]


def test_convergence_is_a_share_of_the_headroom_and_not_of_the_margin():
    """Of a task where guessing is right in 92 %, two points are a quarter of all that can be gained."""
    tables = planted(World(), Sample(5, 400, 0.99), np.random.default_rng(0))
    often = tables["examples"].adding(guess=(np.arange(len(tables["examples"])) % 25 > 1).astype(float))
    arms = tables["arms"]
    for before, outcome in ((0.938, UNDECIDED), (0.949, HOLDS)):
        moved = arms.adding(
            train_score=np.where(arms["start"] == rule.CONSTANT, 0.95, 1.0),
            before=np.where(arms["start"] == rule.CONSTANT, before, 1.0),
        )
        assert answer(rule.formula(), {**tables, "examples": often, "arms": moved}).outcome is outcome


@pytest.mark.parametrize("start", [rule.CONSTANT, rule.RANDOM])
def test_each_start_has_a_step_size_of_its_own(start):
    sample, rng = Sample(5, 400, 0.9), np.random.default_rng(0)
    tables = planted(World(edge=start), sample, rng)
    assert answer(rule.formula(), tables).outcome is UNDECIDED
    older = dataclasses.replace(
        tables["arms"], columns=tuple(c for c in tables["arms"].columns if c.name != "inside")
    )
    assert (
        "in an older run"
        in answer(rule.formula(), {**planted(World(), sample, rng), "arms": older}).closed[0]
    )


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, HOLDS),
        ({"inside": False}, UNDECIDED),
        ({"train_score": 0.1, "before": 0.1}, UNDECIDED),
        ({"train_score": 0.5}, UNDECIDED),
    ],
)
def test_other_symmetric_starts_are_worse_only_if_they_were_trained_to_their_end(changes, outcome):
    tables = planted(World(), Sample(5, 400, 0.9), np.random.default_rng(0))
    usual = {"equal": True, "inside": True, "train_score": 0.3, "before": 0.3}
    rows = [
        {"start": start, "seed": s, **usual, **changes}
        for start in (rule.SIGNS, rule.DUPLICATED)
        for s in range(5)
    ]
    random = [row for row in tables["arms"].rows() if row["start"] == rule.RANDOM]
    examples = tables["examples"]
    scored = examples.adding(**dict.fromkeys((rule.SIGNS, rule.DUPLICATED), examples[rule.CONSTANT]))
    arms = Table.from_rows("arms", [*random, *rows])
    for side in rule.side_questions(0.02, ())[2:4]:
        assert answer(side, {**tables, "arms": arms, "examples": scored}).outcome is outcome


def test_nothing_is_decided_against_a_standard_that_collapsed():
    """The random start fell from 95 to 30 %, so the constant start is as good."""
    world = World(gain=0.0, fitted={rule.RANDOM: ((0.3, 0.95),)})
    found = answer(rule.formula(), planted(world, Sample(5, 400, 0.5), np.random.default_rng(0)))
    assert found.outcome is UNDECIDED


def test_the_time_is_a_line_in_the_logarithm_of_noise():
    noise = np.array([1e-6, 1e-4, 1e-2])
    rows = [{"start": "noise", "at_start": n, "seed": 0, "broken": 40 - 30 * np.log(n)} for n in noise]
    slope, straight = rule.line(Table.from_rows("arms", rows))
    assert slope == pytest.approx(30)
    assert straight == pytest.approx(1)
    assert np.isnan(rule.line(Table.from_rows("arms", rows[:2]))).all()


def _rated(tables, levels):
    time = rule._with_rate(verdict_of(answer(rule._time(), tables, levels), tables), tables)
    assert (rule.rate(time, tables) is not None) == ("1/λ" in time.reading)
    return time.outcome, "1/λ" in time.reading


def _times(of_seed, seeds=4):
    rows = [
        {"start": "noise", "seed": seed, "at_start": noise, "broken": float(when)}
        for seed in range(seeds)
        for noise, when in zip((1e-2, 1e-4, 1e-6, 1e-8), of_seed(seed), strict=True)
    ]
    return {"arms": Table.from_rows("arms", rows)}


@pytest.mark.parametrize(
    ("of_seed", "outcome", "rated"),
    [
        (lambda seed: (100 + seed, 200, 300 + seed, 400), HOLDS, True),
        (
            lambda seed: (100, 100, 100, 100),
            UNDECIDED,
            False,
        ),  # all at the same look: nothing can be said of a line
        (lambda seed: (400 + seed, 300, 200 + seed, 100), FAILS, False),  # a line, but the wrong way
        (lambda seed: (100, 400 + seed, 410, 420), FAILS, False),  # rejected: no rate
    ],
)
def test_a_rate_is_told_only_of_times_that_lie_on_a_line(of_seed, outcome, rated):
    assert _rated(_times(of_seed), Levels()) == (outcome, rated)


def test_a_rate_is_told_at_the_levels_of_the_look():
    """Lines explain 98 % of the variance on average: enough at the first look, and not at the third."""
    tables, third = _times(lambda seed: (100, 200 + 50 * (seed % 2), 300, 400)), ALPHA * 6 / (3 * np.pi) ** 2
    assert _rated(tables, Levels()) == (HOLDS, True)
    assert _rated(tables, Levels(third, third)) == (UNDECIDED, False)


def test_noise_that_never_grows_or_was_large_at_once_is_left_out():
    rows = [
        {"start": "noise", "at_start": 0.1**i, "seed": 0, "broken": b}
        for i, b in enumerate((0.0, 30.0, np.nan))
    ]
    assert rule.times({"arms": Table.from_rows("arms", rows)})[0]["broken"].tolist() == [30.0]


# --- a run ---

PLAN = SymmetryBreakingPlan(
    task=Digits(train=100, validation=30, test=80),
    network=NETWORK,
    seeds=2,
    noises=(1e-3, 1e-1),
    copies=4,
    steps=60,
    batch=50,
    step_sizes=(0.5, 1.0),
    extensions=1,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(SymmetryBreaking(), PLAN)


def test_a_run_says_what_each_start_has_left(evidence):
    layers, arms = evidence.tables["layers"], evidence.tables["arms"]
    assert len(arms) == 2 * (4 + 2)
    assert len(layers) == 2 * len(arms)
    counts = {start: set(layers.where(start=start)["distinct"]) for start in set(layers["start"])}
    assert counts[rule.RANDOM] == {16}
    if arms.where(start=rule.CONSTANT)["equal"].all():  # the gate: at every look
        assert counts[rule.CONSTANT] == {1}
        assert set(layers.where(start=rule.CONSTANT)["rank"]) == {1}
    assert not arms.where(start=rule.RANDOM)["equal"].any()
    assert np.all(arms.where(noise=0.1)["broken"] == 0)
    assert set(evidence.tables["examples"][rule.noisy(1e-3)]) <= {0.0, 1.0}
    assert set(np.round(arms.where(start="noise")["step_size"], 6)) == {0.1}
    assert set(np.round(arms["step_size"], 6)) <= {0.025, 0.05, 0.1, 0.2}


def test_verdicts_are_the_claim_its_questions_and_the_sides(evidence):
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert "noise" in claim.reading
    assert [v.key for v in asked if v.headline] == ["gradients", "error"]
    sides = ["units", "units", "error", "error", "noise", "noise", "time"]
    assert [v.key for v in asked if not v.headline] == sides
    assert SymmetryBreaking().conclude(PLAN, {}).verdicts == ()


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bits(evidence):
    again = run_study(SymmetryBreaking(), dataclasses.replace(PLAN, seeds=1))
    for name in ("arms", "layers", "curves", "examples"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(UserError, match="no hidden layer"):
        run_study(SymmetryBreaking(), dataclasses.replace(PLAN, network=MLP(widths=())))
    with pytest.raises(UserError, match="single unit"):
        run_study(SymmetryBreaking(), dataclasses.replace(PLAN, network=MLP(widths=(4, 1))))
    with pytest.raises(UserError, match="copies=1"):
        SymmetryBreakingPlan(copies=1)
