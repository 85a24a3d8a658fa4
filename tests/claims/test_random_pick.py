"""The claim `random-pick`: its formula on planted tables, and one small run from plan to verdict."""

import dataclasses
from typing import get_args

import jax
import numpy as np
import pytest

from ticketlab.claims.random_pick import cell, gates, page
from ticketlab.claims.random_pick import formula as rule
from ticketlab.claims.random_pick.claim import Binary, RandomPick, RandomPickPlan
from ticketlab.claims.random_pick.planted import World, planted
from ticketlab.claims.start import built, drawn_task
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.functions import packed
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.tasks.sources import Boolean, Bundled, Digits

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED


def tables(world, seed=0):
    return planted(world, Sample(5, 0), np.random.default_rng(seed))


def sides(world):
    found = [q for f in rule.side_questions() for q in answer(f, tables(world)).questions()]
    return {(q.formula.key, q.formula.facets["training"]): q.outcome for q in found}


@pytest.mark.parametrize(
    ("world", "whole"),
    [
        (World(), HOLDS),
        (World(distance=0.3), FAILS),
        (World(last=0.3), FAILS),  # one way of training is enough
        (World(last=0.1), UNDECIDED),
        (World(unseen=0.5), UNDECIDED),
        (World(distance=0.3, unseen=0.5), UNDECIDED),
        (World(fitted=0.9), UNDECIDED),
        (World(r_hat=1.2), UNDECIDED),
        (World(halves=0.3), UNDECIDED),  # chains that stay among different functions with equally many errors
        (World(error=0.5), UNDECIDED),  # both guess
        (World(error=0.125, chance=0.125), UNDECIDED),  # both give the more frequent label
        (World(leak=0.3), UNDECIDED),  # both samplers know the held-out labels
        (World(distance=0.3, width=0.3), UNDECIDED),  # not training but its width is far away
        (World(width=float("nan")), UNDECIDED),  # not measured
        (World(width_r_hat=4.0), UNDECIDED),  # chains of the trained width that have not mixed
        (World(width_effective=3.0), UNDECIDED),
        (
            World(distance=0.2, own=0.0, width=0.03),
            UNDECIDED,
        ),  # training is as its width is, which the gate on TV missed
        (World(distance=0.2, own=0.2, width=0.03), FAILS),
        (World(distance=0.2, own_known=False), UNDECIDED),
        (World(own_known=False), HOLDS),  # what holds, holds of infinite width
        (World(matched=0.02), UNDECIDED),  # any training with these errors would agree
    ],
)
def test_the_claim_is_equality_for_every_way_of_training(world, whole):
    assert answer(rule.formula(), tables(world)).outcome is whole


def test_a_wide_gap_between_the_bounds_is_undecided():
    """The lower bound alone says "below", the upper bound alone "above": neither may decide."""
    found = tables(World(distance=0.05))
    laws = found["laws"]
    columns = tuple(
        dataclasses.replace(c, values=c.values + 0.1) if c.name == "tv_high" else c for c in laws.columns
    )
    wide = {**found, "laws": dataclasses.replace(laws, columns=columns)}
    assert answer(rule.formula(), found).outcome is HOLDS
    assert answer(rule.formula(), wide).outcome is UNDECIDED


@pytest.mark.parametrize(
    ("world", "slope", "correlation", "bias"),
    [
        (World(), HOLDS, HOLDS, HOLDS),
        (World(slope=0.3), FAILS, HOLDS, HOLDS),
        (World(correlation=0.4), HOLDS, FAILS, HOLDS),
        (World(bias=0.1), HOLDS, HOLDS, FAILS),
        (World(unseen=0.5), UNDECIDED, UNDECIDED, HOLDS),  # errors are known all the same
        (World(decades=1.0), UNDECIDED, UNDECIDED, HOLDS),
        (World(within=0.0), UNDECIDED, UNDECIDED, HOLDS),  # an order of errors alone
        (World(halves_slope=0.6), UNDECIDED, UNDECIDED, HOLDS),  # a fit that is bent by noise
        (World(matched=0.02), HOLDS, HOLDS, HOLDS),
        (
            World(distance=0.2, width=0.4, bias=-0.06),
            UNDECIDED,
            UNDECIDED,
            UNDECIDED,
        ),  # the width's or training's?
        (World(width=float("nan"), bias=-0.06), UNDECIDED, UNDECIDED, UNDECIDED),  # not drawn
        (World(width_r_hat=4.0, bias=-0.06), UNDECIDED, UNDECIDED, UNDECIDED),
        (World(leak=0.3), UNDECIDED, UNDECIDED, UNDECIDED),
    ],
)
def test_order_and_bias_are_side_questions(world, slope, correlation, bias):
    found = sides(world)
    for arm in rule.ARMS:
        assert found[rule.SLOPE, arm] is slope
        assert found[rule.CORRELATION, arm] is correlation
        assert found[rule.BIAS, arm] is bias


@pytest.mark.parametrize(("more", "share"), [(False, 3 / 8), (True, 5 / 8), (False, 1 / 2)])
def test_guessing_always_gives_the_more_frequent_training_label(more, share):
    """Its errors are counted on held-out labels; labels drawn at random err more often, unless one is as frequent."""
    task = drawn_task(PLAN.task, 0)
    labels, off = np.arange(8) < 8 * share, np.arange(8) < 3
    examples = cell.BinaryExamples(task.train, task.test, labels, packed(off))
    assert len(off) == len(task.test)
    assert cell.majority_error(examples) == np.mean(off != more)
    expected = share * np.mean(~off) + (1 - share) * np.mean(off)
    assert cell.random_labels_error(examples) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("halves", "closed"),
    [
        ((0.02, 0.10, 0.30, 0.15, 0.03), True),  # they may well agree on average; nobody has shown it
        ((0.05, 0.15, 0.25), True),
        ((0.0, 0.01, -0.01, 0.005, 0.0), False),
        ((0.3,), False),  # one seed decides nothing
    ],
)
def test_halves_of_the_chains_have_to_be_shown_to_agree(halves, closed):
    found = planted(World(), Sample(len(halves), 0), np.random.default_rng(0))
    controls = found["controls"].adding(halves_low=np.array(halves))
    assert (gates.halves_agree().passed({**found, "controls": controls}) is not None) == closed


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_halves_of_sound_chains_agree(seeds):
    found = [planted(World(), Sample(seeds, 0), np.random.default_rng(stream)) for stream in range(20)]
    assert sum(gates.halves_agree().passed(of) is None for of in found) >= 19


@pytest.mark.parametrize(("fitted", "said"), [(0.9863, "98.63 %"), (4055 / 4096, "98.999 %"), (0.5, "50 %")])
def test_a_share_below_what_is_required_is_not_rounded_to_it(fitted, said):
    assert f"Only {said} of the runs" in gates.fits(rule.ARMS).passed(tables(World(fitted=fitted)))


def without(table, *names):
    return dataclasses.replace(table, columns=tuple(c for c in table.columns if c.name not in names))


def test_tables_from_before_the_trained_width_was_compared_never_fail():
    for world, outcome in ((World(), HOLDS), (World(distance=0.3), UNDECIDED)):
        found = tables(world)
        claim, *asked = rule.verdicts({**found, "laws": without(found["laws"], "tv_low_width")})
        assert claim.outcome is outcome
        words = "random networks of the trained width was not measured"
        assert (words in claim.reading) == (outcome is UNDECIDED)
        assert words in asked[0].reading


def test_an_estimate_is_not_called_a_bound():
    """Its mean is at most the truth; the bound is the interval's end."""
    _, equality, *_ = rule.verdicts(tables(World(distance=0.3)))
    assert "at least" not in equality.reading
    assert "from below" in equality.reading


def test_the_nearer_width_bounds_from_below_and_infinite_width_from_above():
    near, far = (
        answer(rule.formula(), tables(World(distance=0.2, own=own))).find(rule.EQUALITY, training="sgd")
        for own in (0.12, 0.25)
    )
    assert near.effect.low.mean == pytest.approx(0.12, abs=0.03)
    assert far.effect.low.mean == pytest.approx(0.2, abs=0.03)
    assert near.effect.high == far.effect.high


def test_tables_from_before_random_labels_had_a_column_of_their_own_are_read():
    found = tables(World())
    shuffled = found["shuffled"]
    names = {"random_labels": "chance"}
    columns = tuple(dataclasses.replace(c, name=names.get(c.name, c.name)) for c in shuffled.columns)
    older = {**found, "shuffled": dataclasses.replace(shuffled, columns=columns)}
    assert [v.outcome for v in rule.verdicts(older)] == [v.outcome for v in rule.verdicts(found)]


@pytest.mark.parametrize(
    ("world", "nothing", "alike", "flat"),
    [
        (World(), HOLDS, HOLDS, HOLDS),
        (World(leak=0.3), FAILS, HOLDS, HOLDS),
        (World(alike=0.1), FAILS, FAILS, HOLDS),
        (World(alike=0.05), UNDECIDED, FAILS, HOLDS),
        (World(flat=0.5), HOLDS, HOLDS, FAILS),
        (World(shuffled_fitted=0.5), UNDECIDED, UNDECIDED, UNDECIDED),  # only easy permutations would count
    ],
)
def test_shuffled_labels_are_asked_what_theory_says(world, nothing, alike, flat):
    found = sides(world)
    assert [found[key, rule.SHUFFLED] for key in (rule.NOTHING, rule.ALIKE, rule.FLAT)] == [
        nothing,
        alike,
        flat,
    ]


def test_almost_is_said_only_where_order_and_bias_hold():
    almost, *_ = rule.verdicts(tables(World(distance=0.3)))
    assert almost.outcome is FAILS
    assert almost.reading.startswith("Almost")
    for world in (World(distance=0.3, slope=0.3), World(distance=0.3, bias=0.1), World()):
        assert "Almost" not in rule.verdicts(tables(world))[0].reading


PLAN = RandomPickPlan(
    task=Boolean(bits=5, target="first", train=12, validation=12, test=8),
    network=dataclasses.replace(RandomPickPlan().network, widths=(12,)),
    arms=("sgd", "full-batch"),
    seeds=2,
    runs=1024,
    draws=4096,
    width_draws=512,
    shuffles=2,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(RandomPick(), PLAN)


@pytest.mark.slow
def test_tables_agree_with_each_other(evidence):
    laws, functions, spectra = (evidence.tables[name] for name in ("laws", "functions", "spectra"))
    assert set(laws["training"]) == {"sgd", "full-batch"}
    assert all(np.all(laws.where(training=arm)["fitted"] == 1) for arm in PLAN.arms)
    assert np.all(laws["tv_low"] <= laws["tv_high"])
    for (source, seed), rows in spectra.by("source", "seed").items():
        assert rows["probability"].sum() == pytest.approx(1)
        column, arm = ("bayes_error", "sgd") if source == "bayes" else ("error", source)
        mean = float(rows["errors"] @ rows["probability"]) / 8
        assert mean == pytest.approx(float(laws.where(training=arm, seed=seed)[column][0]))
    for (arm, seed), rows in functions.by("training", "seed").items():
        assert len(set(rows["function"])) == len(rows)
        whole = 1 - float(laws.where(training=arm, seed=seed)["unseen"][0])
        assert rows["trained"].sum() <= 1 + 1e-9
        assert rows["trained"].sum() > whole - 0.2
        assert np.all(rows["matched"] <= 1)


@pytest.mark.slow
def test_controls_are_measured(evidence):
    controls, shuffled = evidence.tables["controls"], evidence.tables["shuffled"]
    assert len(shuffled) == 2 * PLAN.shuffles
    assert np.all(shuffled["fitted"] > 0.9)
    assert np.all(np.abs(controls["halves_low"]) < 0.1)
    assert np.all(controls["matched_low"] > 0)
    assert np.all(np.abs(controls["width_tv"]) < 0.3)
    from_own = evidence.tables["laws"]["tv_low_width"]
    assert np.all((from_own > -0.1) & (from_own < 1))
    assert np.std(from_own) > 0
    complexity = evidence.tables["functions"]["complexity"]
    assert complexity.min() >= 3  # log₂ 8, of a constant function
    assert len(set(complexity)) > 2


@pytest.mark.slow
def test_verdicts_and_bits(evidence):
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert [v.key for v in asked if v.headline] == 2 * [rule.EQUALITY]
    assert len([v for v in asked if not v.headline]) == 3 * 2 + 3
    assert RandomPick().conclude(PLAN, {}).verdicts == ()
    again = run_study(RandomPick(), dataclasses.replace(PLAN, seeds=1))
    for name in ("laws", "functions", "spectra", "controls", "shuffled"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


@pytest.mark.slow
def test_digits_are_made_binary():
    task = Digits(train=40, validation=40, test=20)
    plan = dataclasses.replace(PLAN, task=task, binary=Binary.PARITY, arms=("adam",), seeds=1, width_draws=0)
    tables = run_study(RandomPick(), plan).tables
    laws = tables["laws"]
    assert np.isnan(tables["controls"]["width_tv"]).all()
    assert np.isnan(laws["tv_low_width"]).all()
    assert np.isnan(tables["functions"]["complexity"]).all()
    assert 0 < laws.where(training="adam")["error"][0] < 0.5


def test_regression_is_refused_and_plans_are_checked():
    with pytest.raises(UserError, match="regression"):
        run_study(RandomPick(), dataclasses.replace(PLAN, task=Bundled(name="diabetes", train=60, test=40)))
    for wrong in (
        {"runs": 1500},
        {"draws": 1000},
        {"width_draws": 100},
        {"shuffles": 0},
        {"arms": ()},
        {"arms": ("sgd", "sgd")},
        {"step_share": 0.0},
    ):
        with pytest.raises(UserError):
            RandomPickPlan(**wrong)


def test_every_way_of_training_has_a_title_and_a_mark():
    assert get_args(rule.Trained) == tuple(rule.TITLES) == tuple(page.MARKS)


def test_momentum_moves_as_far_and_single_examples_are_single():
    task = drawn_task(PLAN.task, 0)
    examples = cell.binary_examples(task, PLAN.binary)
    network = built(PLAN.network, task.input_shape, 1)
    runs = {
        arm: cell._runs(PLAN, network, examples, arm, 128, jax.random.key(0)).plan
        for arm in ("sgd", "momentum", "single")
    }
    plain, momentum = runs["sgd"].optimiser, runs["momentum"].optimiser
    assert momentum.step_size / (1 - momentum.momentum) == pytest.approx(plain.step_size)
    assert (plain.momentum, runs["single"].batch, runs["sgd"].batch) == (0, 1, 8)
    assert runs["single"].optimiser == plain
