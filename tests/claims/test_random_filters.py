"""The claim `random-filters`: its formula on planted tables, tuned training with frozen layers, and one small run."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.claims.planted import ALIKE, examples
from ticketlab.claims.random_filters import formula as rule
from ticketlab.claims.random_filters.claim import RandomFilters, RandomFiltersPlan
from ticketlab.claims.random_filters.planted import MARGIN, World, planted, truth
from ticketlab.claims.random_filters.seed_run import movable
from ticketlab.claims.random_filters.transfer import halves_of
from ticketlab.claims.random_filters.upper_part import upper_part
from ticketlab.claims.tuned_training import Course, Lane, again, side_by_side, tuned_training
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP, ConvNet
from ticketlab.networks.residual_architectures import ResNet
from ticketlab.networks.stages.normalisation import Normalisation
from ticketlab.tasks import Dataset, split
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.sources import Bundled, Digits
from ticketlab.training import Adam

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(5, 4000)


@pytest.mark.parametrize(
    ("world", "whole", "questions"),
    [
        (World(), HOLDS, [HOLDS, HOLDS, HOLDS]),
        (World(short=0.06, above=0.2), FAILS, [FAILS, HOLDS, HOLDS]),  # learned filters are better
        (World(above=-0.05), FAILS, [HOLDS, FAILS, FAILS]),  # the pixels are better
        (
            World(above=0.0),
            UNDECIDED,
            [HOLDS, UNDECIDED, UNDECIDED],
        ),  # or as good: then any filters look good
        (World(short=MARGIN), UNDECIDED, [UNDECIDED, HOLDS, HOLDS]),
        (World(skill=ALIKE), UNDECIDED, [UNDECIDED] * 3),
        (World(settled=False), UNDECIDED, [UNDECIDED, HOLDS, UNDECIDED]),
        (World(inside=False), UNDECIDED, [UNDECIDED] * 3),
    ],
)
def test_the_claim_needs_learned_filters_pixels_and_half_of_the_gain(world, whole, questions):
    found = answer(rule.formula(MARGIN), planted(world, SAMPLE, np.random.default_rng(0)))
    assert found.outcome is whole
    assert [q.outcome for q in found.questions()] == questions


def test_a_fifth_of_what_learning_gains_is_not_enough():
    """The margin is more than learned filters gain over the pixels, and random filters are better than these by a hair."""
    sample = Sample(5, 10_000, 0.97)
    tables = planted(World(short=0.016, above=0.004), sample, np.random.default_rng(0))
    found = answer(rule.formula(MARGIN), tables)
    assert found.outcome is FAILS
    assert [q.outcome for q in found.questions()] == [HOLDS, HOLDS, FAILS]
    effect = found.find(rule.HALF).effect
    assert effect.mean == pytest.approx(0.004 - 0.01, abs=2e-3)


@pytest.mark.parametrize(("frozen", "outcome"), [(0.955, UNDECIDED), (0.985, HOLDS), (0.9, FAILS)])
def test_a_frozen_network_that_guesses_is_not_as_good_within_the_margin(frozen, outcome):
    """95 % of the examples are of one class, and the network with all layers trained is right on 99 %."""
    scores = {rule.frozen(0): 0.99, rule.frozen(1): frozen}
    rows = examples(Sample(5, 4000), scores, np.random.default_rng(0), guess=0.95)
    choices = [{"arm": arm, "inside": True, "settled": True} for arm in scores]
    tables = {"examples": rows, "choices": Table.from_rows("choices", choices)}
    assert answer(rule._freezing(1, 0.05), tables).outcome is outcome


def test_what_is_true_of_the_half_is_what_is_planted():
    world, sample = World(short=0.06, above=0.1), Sample(20, 4000)
    tables = planted(world, sample, np.random.default_rng(0))
    question = next(
        q.formula for q in answer(rule.formula(MARGIN), tables).questions() if q.formula.key == rule.HALF
    )
    known, rows = truth(world, sample, question), tables["examples"]
    beyond = rows[rule.RANDOM] - (rows[rule.LEARNED] + rows[rule.PIXELS]) / 2
    assert known.effect == pytest.approx((0.1 - 0.06) / 2)
    assert beyond.mean() == pytest.approx(known.effect, abs=5e-3)
    assert sample.examples * np.mean(beyond**2) == pytest.approx(known.discordant, rel=0.03)


def test_half_of_the_gain_is_that_of_the_three_scores():
    scores = {rule.RANDOM: 0.8, rule.LEARNED: 0.95, rule.PIXELS: 0.7}
    found = answer(rule.formula(MARGIN), _tables(scores)).find(rule.HALF)
    rows = _tables(scores)["examples"]
    random, learned, pixels = (float(np.mean(rows[c])) for c in (rule.RANDOM, rule.LEARNED, rule.PIXELS))
    assert found.effect.mean == pytest.approx((random - pixels) - (learned - pixels) / 2)
    assert f"{100 * (random - pixels):+.2f} points" in found.formula.reading({"examples": rows})


def _tables(scores):
    columns = {name: scores.get(name, 0.9) for name in (*rule.NAMES, rule.frozen(0), rule.frozen(1))}
    of_logistic = {name: rule.logistic(name) for name in rule.LOGISTIC}
    columns |= {column: scores.get(column, columns[name]) for name, column in of_logistic.items()}
    halves = {rule.BASE: 0.9} | {
        rule.copied(kind, 1): scores.get(rule.copied(kind, 1), 0.9) for kind in rule.COPIES
    }
    choices = [
        {"arm": arm, "inside": True, "settled": arm not in scores.get("unsettled", ())}
        for arm in (*columns, *halves)
    ]
    return {
        "examples": examples(SAMPLE, columns, np.random.default_rng(1)),
        "halves": examples(SAMPLE, halves, np.random.default_rng(2)),
        "choices": Table.from_rows("choices", choices),
    }


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        (
            {rule.PLAIN: 0.5, rule.LEARNED_PLAIN: 0.8},
            HOLDS,
        ),  # learning gains 30 points without the blocks, none with
        (
            {rule.PLAIN: 0.5, rule.LEARNED_PLAIN: 0.5, rule.RANDOM: 0.5},
            FAILS,
        ),  # 40 points with them, none without
        ({rule.PLAIN: 0.5, rule.LEARNED_PLAIN: 0.5}, UNDECIDED),  # the blocks help both alike
    ],
)
def test_the_interaction_is_a_difference_of_two_gaps(scores, outcome):
    found = {v.key: v.outcome for v in rule.verdicts(MARGIN, (1,), _tables(scores))}
    assert found[rule.INTERACTION] is outcome
    assert found["logistic-interaction"] is outcome


def test_frozen_layers_are_compared_with_all_trained():
    found = next(
        v for v in rule.verdicts(MARGIN, (1,), _tables({rule.frozen(1): 0.5})) if v.key == rule.FREEZING
    )
    assert found.outcome is FAILS
    assert found.facets == {"layers": "1"}


LOGISTIC = ("logistic", "logistic-pixels", "logistic-interaction")


@pytest.mark.parametrize(
    ("guessing", "closed"),
    [
        ((rule.frozen(0), rule.frozen(1)), (rule.FREEZING,)),
        ((rule.TWO, rule.LEARNED_TWO), (rule.STAGE,)),
        (tuple(map(rule.logistic, rule.LOGISTIC)), LOGISTIC),
    ],
)
def test_what_guesses_is_no_standard(guessing, closed):
    """Learned filters of one stage know the task, but say nothing of a deep network, of two stages or of another read-out."""
    found = {v.key: v for v in rule.verdicts(MARGIN, (1,), _tables(dict.fromkeys(guessing, 0.1)))}
    assert found["claim"].outcome is UNDECIDED  # the pixels score as much here, with a gate that is open
    assert "better than guessing" not in found["claim"].reading
    shut = {key for key, v in found.items() if "not better than guessing" in v.reading}
    assert shut == set(closed)
    assert {found[key].outcome for key in closed} == {UNDECIDED}


COPYING = [
    ("bnb", rule.BASE),
    ("bnb_tuned", rule.BASE),
    ("anb", rule.BASE),
    ("anb_tuned", rule.BASE),
    ("anb", "rnb"),
]


@pytest.mark.parametrize(
    ("scores", "outcomes"),
    [
        ({}, [HOLDS, HOLDS, HOLDS, UNDECIDED, UNDECIDED]),
        (
            {"anb_1": 0.8},
            [HOLDS, HOLDS, FAILS, UNDECIDED, FAILS],
        ),  # what half A taught is of no use to half B
        ({"bnb_1": 0.8}, [FAILS, HOLDS, HOLDS, UNDECIDED, UNDECIDED]),  # layers that cannot be taken apart
        ({"anb_tuned_1": 0.95}, [HOLDS, HOLDS, HOLDS, HOLDS, UNDECIDED]),
        ({"rnb_1": 0.7}, [HOLDS, HOLDS, HOLDS, UNDECIDED, HOLDS]),
        ({"unsettled": ("anb_1",)}, [HOLDS, HOLDS, UNDECIDED, UNDECIDED, UNDECIDED]),
    ],
)
def test_copied_layers_are_compared_on_half_b(scores, outcomes):
    found = [v for v in rule.verdicts(MARGIN, (1,), _tables(scores), copies=(1,)) if v.key == rule.COPYING]
    assert [v.facets["kind"] for v in found] == [kind for kind, _ in COPYING]
    assert [v.outcome for v in found] == outcomes


def test_readings_are_sentences():
    verdicts = rule.verdicts(MARGIN, (1,), _tables({}), copies=(1,))
    said = " ".join(v.reading for v in verdicts)
    assert "The front end with random filters scores" in said
    assert (
        "On half B of the classes, the network with its first layer copied from the network of half A and frozen scores"
        in said
    )
    titles = [v.question for v in verdicts if v.question]
    assert "the front end with random filters is as good as the front end with learned filters" in titles


# --- tuned training ---


@pytest.mark.slow
def test_frozen_parameters_stay_as_they_were_drawn_and_others_move():
    source = Digits(train=60, validation=40, test=50)
    task = split(source.load(), 0, source.sizes())
    network = MLP(widths=(8,)).build(task.input_shape, task.outputs)
    params = network.init(jax.random.key(0))
    movable = {
        name: jax.tree.map(lambda leaf, free=name != "dense1": np.full(leaf.shape, free, np.float32), of)
        for name, of in params.items()
    }
    order = jax.random.key(1)
    course = Course(network, SOFTMAX_CROSS_ENTROPY, task, params, order, Adam(), 20, 4, 1, 1, movable)
    tuned = tuned_training(course, (0.01, 0.03))
    for leaf, array in params["dense1"].items():
        np.testing.assert_array_equal(tuned.params["dense1"][leaf], array)
    assert not np.allclose(tuned.params["output"]["weight"], params["output"]["weight"])
    twin = again(course, tuned, order)
    np.testing.assert_allclose(
        twin["output"]["weight"], tuned.params["output"]["weight"], rtol=1e-4, atol=1e-5
    )


def test_the_network_above_frozen_layers_gives_the_same_outputs_and_gradients():
    source = Digits(train=20, validation=10, test=10)
    task = split(source.load(), 0, source.sizes())
    network = ConvNet(depth=2, width=2).build(task.input_shape, task.outputs)
    params = network.init(jax.random.key(0))
    names = [layer.name for layer in network.layers]

    @partial(jax.jit, static_argnums=1)
    def slope(of, by, x, y):
        return jax.grad(lambda p: SOFTMAX_CROSS_ENTROPY.value(by.apply(p, x), y).mean())(of)

    outputs = jax.jit(lambda by, of, x: by.apply(of, x), static_argnums=0)
    whole = slope(params, network, task.train.x, task.train.targets)
    for count in range(len(names)):
        upper, start, seen = upper_part(network, params, task, names[:count])
        assert sorted(start) == sorted(names[count:])
        np.testing.assert_allclose(
            outputs(upper, start, seen.test.x), outputs(network, params, task.test.x), rtol=1e-5, atol=1e-6
        )
        gradient = slope(start, upper, seen.train.x, seen.train.targets)
        for name in names[count:]:
            for leaf, of in gradient[name].items():
                np.testing.assert_allclose(of, whole[name][leaf], rtol=1e-4, atol=1e-6)


def test_a_block_is_not_cut_and_batch_statistics_are_kept():
    source = Digits(train=20, validation=10, test=10)
    task = split(source.load(), 0, source.sizes())
    blocks = ResNet(channels=(2, 4)).build(task.input_shape, task.outputs)
    params = blocks.init(jax.random.key(0))
    still = [layer.name for layer in blocks.layers][:3]  # the third lies in a block with others
    upper, start, seen = upper_part(blocks, params, task, still)
    assert still[2] in start
    assert still[0] not in start
    np.testing.assert_allclose(
        upper.apply(start, jnp.asarray(seen.test.x)), blocks.apply(params, task.test.x), rtol=1e-4, atol=1e-5
    )
    batch = ConvNet(depth=2, width=2, normalisation=Normalisation.BATCH).build(task.input_shape, task.outputs)
    assert upper_part(batch, batch.init(jax.random.key(0)), task, ["conv1"])[0] is batch


@pytest.mark.slow
def test_lanes_side_by_side_are_the_trainings_one_by_one():
    source = Digits(train=60, validation=40, test=50)
    task = split(source.load(), 0, source.sizes())
    network = MLP(widths=(8,)).build(task.input_shape, task.outputs)
    starts = [network.init(jax.random.key(seed)) for seed in (0, 1)]
    moves = [movable(start, still) for start, still in zip(starts, ((), ("dense1",)), strict=True)]
    order = jax.random.key(1)
    course = Course(network, SOFTMAX_CROSS_ENTROPY, task, starts[0], order, Adam(), 20, 4, 1, 0)
    both = side_by_side(course, [Lane(*pair) for pair in zip(starts, moves, strict=True)], 0.03)
    for start, move, found in zip(starts, moves, both, strict=True):
        alone = dataclasses.replace(course, params=start, movable=move, epochs=found.epochs, doublings=0)
        expected = tuned_training(alone, (0.03,)).params
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), found.params, expected)
    np.testing.assert_array_equal(both[1].params["dense1"]["weight"], starts[1]["dense1"]["weight"])


def test_halves_of_the_classes_share_none_and_have_equally_many_examples():
    source = Digits(train=200, validation=100, test=300)
    sizes = set()
    for seed in range(3):
        task = split(source.load(), seed, source.sizes())
        first, second = halves_of(task, np.random.default_rng(seed))
        assert sorted((*first.classes, *second.classes)) == sorted(task.classes)
        for half in (first, second):
            assert half.outputs == 5
            for part in (half.train, half.validation, half.test):
                names = [half.classes[label] for label in part.labels]
                whole = {**dict(zip(task.train.ids, task.train.labels, strict=True))}
                whole |= dict(zip(task.validation.ids, task.validation.labels, strict=True))
                whole |= dict(zip(task.test.ids, task.test.labels, strict=True))
                assert names == [task.classes[whole[number]] for number in part.ids]
                np.testing.assert_array_equal(part.targets.argmax(axis=1), part.labels)
        sizes |= {(len(second.train), len(second.validation), len(second.test))}
    assert sizes == {(80, 40, 120)}


def test_halves_of_a_test_part_that_is_sorted_by_class_have_the_share_of_every_class():
    labels = np.concatenate(
        [np.tile(np.arange(10), 60), np.repeat(np.arange(10), [20, 24] * 5)]
    )  # the test part
    x = np.random.default_rng(0).normal(size=(len(labels), 4, 4, 1))
    names = tuple("abcdefghij")
    dataset = Dataset("sorted", x, names, labels, official_test=220)
    task = split(dataset, 0)
    for half in halves_of(task, np.random.default_rng(1)):
        own = [names.index(name) for name in half.classes]
        whole = np.bincount(task.test.labels)[own]
        exact = len(half.test) * whole / whole.sum()
        assert np.abs(np.bincount(half.test.labels, minlength=5) - exact).max() < 1
        assert len(half.test) == 0.8 * 110


# --- one small run ---

PLAN = RandomFiltersPlan(
    task=Digits(train=60, validation=40, test=80),
    filters=3,
    second=4,
    network=ConvNet(depth=2, width=2),
    frozen=(1,),
    copied=(1,),
    seeds=2,
    penalties=(0.1, 1.0),
    step_sizes=(0.01,),
    batch=30,
    epochs=2,
    doublings=0,
    extensions=1,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(RandomFilters(), PLAN)


@pytest.mark.slow
def test_every_design_is_run(evidence):
    designs = evidence.tables["designs"].where(seed=0)
    assert len(designs.where(filters="random")) == 2 * 3 * 2 * 3
    assert len(designs.where(filters="gabor")) == 2 * 3 * 2
    assert len(designs.where(filters="learned")) == 5
    one = designs.where(filters="random", stages=1, pool="average")
    assert set(one["features"]) == {4 * 4 * 3}
    assert set(designs.where(filters="random", stages=2, pool="none")["features"]) == {8 * 8 * 4}


@pytest.mark.slow
def test_questions_are_about_the_designs_that_they_name(evidence):
    designs, scored = evidence.tables["designs"], evidence.tables["examples"]
    of = {"stages": 1, "pool": "average", "seed": 1}
    named = {
        rule.RANDOM: ("random", "absolute", True),
        rule.LEARNED: ("learned", "absolute", True),
        rule.PLAIN: ("random", "none", False),
        rule.RECTIFIED: ("random", "absolute", False),
        rule.NORMALISED: ("random", "none", True),
    }
    for column, (filters, rectify, normalise) in named.items():
        found = designs.where(filters=filters, rectify=rectify, normalise=normalise, **of)["test_score"]
        assert scored.where(seed=1)[column].mean() == pytest.approx(found[0])


@pytest.mark.slow
def test_verdicts_are_the_claim_its_three_questions_and_the_sides(evidence):
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert [v.key for v in asked if v.headline] == [rule.SCORE, rule.PIXELS, rule.HALF]
    assert len([v for v in asked if not v.headline]) == 7 + 3 + 1 + 5


@pytest.mark.slow
def test_copies_pictures_and_logistic_read_outs_are_in_the_tables(evidence):
    transfer, halves = evidence.tables["transfer"].where(seed=0), evidence.tables["halves"].where(seed=0)
    assert len(transfer) == 1 + 5
    found = transfer.where(source=rule.COPIES["anb"], layers=1)["test_score"][0]
    assert halves[rule.copied("anb", 1)].mean() == pytest.approx(found)
    shown = evidence.tables["pictures"].where(seed=0)
    assert {len(rows) for rows in shown.by("filters_of", "filter").values()} == {4}
    assert set(evidence.tables["logistic"]["arm"]) == set(rule.LOGISTIC)


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bits(evidence):
    again_ = run_study(RandomFilters(), dataclasses.replace(PLAN, seeds=1))
    for name in ("examples", "designs"):
        assert again_.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frozen": (5,)}, "so that the last one is trained"),
        (
            {"task": Bundled(name="diabetes", train=60, validation=40, test=70), "network": MLP()},
            "regression",
        ),
        ({"task": Bundled(name="wine", train=60, validation=40, test=70), "network": MLP()}, "images"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        run_study(RandomFilters(), dataclasses.replace(PLAN, **changes))


def test_plans_are_checked():
    with pytest.raises(UserError, match="odd"):
        RandomFiltersPlan(neighbourhood=2)
    with pytest.raises(UserError, match="none is always there"):
        RandomFiltersPlan(frozen=(0,))
