"""The claim `detector-neuron`: its formula on planted tables, and one small run from plan to verdict."""

import dataclasses

import numpy as np
import pytest

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.detector_neuron import formula as rule
from ticketlab.claims.detector_neuron import power
from ticketlab.claims.detector_neuron.cell import best_row
from ticketlab.claims.detector_neuron.claim import DetectorNeuron, DetectorNeuronPlan
from ticketlab.claims.detector_neuron.planted import World, planted
from ticketlab.claims.detector_neuron.power import next_to_planted, planted_detectors
from ticketlab.claims.planted import ALIKE
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP, ConvNet
from ticketlab.tasks.sources import Bundled, Digits
from ticketlab.units import Matrix, scan

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(5, 200)


def decided(world):
    return answer(rule.formula(), planted(world, SAMPLE, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("world", "whole", "classes", "edges"),
    [
        (World(), HOLDS, HOLDS, HOLDS),
        (World(reach=1.3), FAILS, FAILS, HOLDS),
        (World(share=0.0), FAILS, HOLDS, FAILS),
        (World(reach=1.0), UNDECIDED, UNDECIDED, HOLDS),
        (World(share=0.01), UNDECIDED, HOLDS, UNDECIDED),
        (World(skill=ALIKE), UNDECIDED, UNDECIDED, UNDECIDED),
        # Not even an ideal filter passes: that none of the channels does says nothing about them.
        (World(share=0.0, ideal=0.0), UNDECIDED, HOLDS, UNDECIDED),
        (World(reach=1.3, share=0.0, ideal=0.4), FAILS, FAILS, UNDECIDED),
        # Of one class a detector would be missed. One that was found was not.
        (World(next_to=0.95), UNDECIDED, UNDECIDED, HOLDS),
        (World(next_to=0.95, share=0.0), FAILS, UNDECIDED, FAILS),
        (World(reach=1.3, next_to=0.95), FAILS, FAILS, HOLDS),
    ],
)
def test_the_two_halves_are_asked_separately(world, whole, classes, edges):
    found = decided(world)
    assert found.outcome is whole
    assert [q.outcome for q in found.questions()] == [classes, edges]


def test_a_shape_is_not_asked_about_where_ideal_filters_do_not_pass_or_were_not_tried():
    tables = planted(World(share=0.0, ideal=0.0), SAMPLE, np.random.default_rng(0))
    (reason,) = answer(rule.formula(), tables).find(rule.SHAPE).closed
    assert (
        reason
        == "Even an ideal edge filter does not pass: the question cannot be asked of images of this size."
    )
    older = {name: of for name, of in tables.items() if name != rule.THRESHOLDS}
    (reason,) = answer(rule.formula(), older).find(rule.SHAPE).closed
    assert reason == "Whether an ideal edge filter passes was not measured."


def test_the_reach_is_one_at_a_reliable_detector():
    assert rule.reach(0.95, 0.8) == pytest.approx(1)
    assert rule.reach(0.99, 0.4) == pytest.approx(0.5)
    assert rule.reach(0.725, 0.9) == pytest.approx(0.5)


def test_the_best_of_many_classes_is_not_reported_as_a_detector():
    """Ten classes with a reach of 0.95 each. The largest of their held-out reaches is above 1 in most networks."""
    tables = planted(World(reach=0.95), Sample(20, 200), np.random.default_rng(0))
    assert answer(rule.formula(), tables).find(rule.CLASS).outcome is HOLDS
    older = {name: of for name, of in tables.items() if name != rule.BEST}
    found = answer(rule.formula(), older).find(rule.CLASS)
    assert found.outcome is FAILS
    assert found.formula.reading(older).endswith(rule.SAME_HALF)


def test_class_and_unit_are_chosen_on_the_half_that_does_not_score_them():
    """Ten units, each for one class, with d′ = 2.36: a reach of 0.952, where the largest of ten held-out ones is 1.015."""
    rng, labels, found = np.random.default_rng(0), np.arange(697) % 10, []
    for seed in range(20):
        responses = rng.standard_normal((10, 697)).astype(np.float32)
        responses[labels, np.arange(697)] += 2.36
        of = scan(Matrix(responses), labels, permutations=19, seed=seed)
        largest = max(rule.reach(best.auc, best.youden) for best in map(of.best, range(10)))
        found.append((best_row(of, tuple("0123456789"))["reach"], largest))
    (best, largest), error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)[0] / 20**0.5
    assert largest > 1
    assert best < 1
    assert best == pytest.approx(0.952, abs=3 * error)


def test_whether_a_detector_would_be_found_is_judged_by_the_class_where_it_is_not():
    tables = planted(World(next_to=0.95), SAMPLE, np.random.default_rng(0))
    (reason,) = answer(rule.formula(), tables).find(rule.CLASS).closed
    assert reason.startswith("A detector would be missed: among the units of the random network")
    assert "class 9" in reason
    kept = [column for column in tables["classes"].columns if column.name != rule.PLANTED]
    (reason,) = (
        answer(rule.formula(), {**tables, "classes": Table("classes", tuple(kept))}).find(rule.CLASS).closed
    )
    assert reason == "This older run did not try whether a detector would be found."


@pytest.mark.parametrize(
    ("images", "apart", "said", "without"),
    [
        (60, 2.84, UNDECIDED, HOLDS),
        (100, 2.84, UNDECIDED, HOLDS),
        (400, 3.6, FAILS, FAILS),
        (700, 0.0, HOLDS, HOLDS),
    ],
)
def test_a_detector_that_few_images_hide_is_not_denied(images, apart, said, without):
    """Six networks of 150 units, whose responses differ a little between classes, but for one: a reliable detector, or noise.

    With three or five images of a class in a half a detector with an AUC of 0.978 and a J of 0.844 is missed.
    """
    labels, classes, best = np.arange(images) % 10, [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        responses = rng.standard_normal((150, images)) + 0.5 * rng.standard_normal((150, 10))[:, labels]
        responses[7] = rng.standard_normal(images) + apart * (labels == 3)
        found = scan(Matrix(responses.astype(np.float32)), labels, permutations=19, seed=seed)
        about = {"source": rule.RANDOM, "seed": seed}
        next_to = next_to_planted(found, planted_detectors(labels, 10, seed))
        best.append({**about, **best_row(found, tuple("0123456789"))})
        classes += [{**about, "class": str(c), rule.PLANTED: next_to[c]} for c in range(10)]
    tables = planted(World(), SAMPLE, np.random.default_rng(0))
    tables |= {name: Table.from_rows(name, rows) for name, rows in ((rule.BEST, best), ("classes", classes))}
    found = answer(rule.formula(), tables).find(rule.CLASS)
    assert found.outcome is said
    assert found.formula.rule.outcome(found.effect, found.levels) is without


def test_a_planted_detector_takes_the_place_of_the_best_unit(monkeypatch):
    """Next to one the reach is that of the best of all units, as if it were one of them."""
    monkeypatch.setattr(power, "EACH", 2)
    labels, names, reaches = np.arange(200) % 10, tuple("0123456789"), []
    responses = np.random.default_rng(0).standard_normal((50, 200))
    responses[4] += 2.5 * (labels == 6)
    planted_ones = np.random.default_rng((1, 1)).standard_normal((20, 200))
    for number, noise in enumerate(planted_ones):
        both = np.concatenate([responses, [noise + 2.84 * (labels == number // 2)]]).astype(np.float32)
        of = scan(Matrix(both), labels, permutations=19, seed=1)
        reaches.append(best_row(of, names)["reach"])
    found = scan(Matrix(responses.astype(np.float32)), labels, permutations=19, seed=1)
    next_to = next_to_planted(found, planted_detectors(labels, 10, 1))
    assert next_to == pytest.approx(np.reshape(reaches, (10, 2)).mean(axis=1))
    assert len({best_row(found, names)["reach"], *reaches}) > 5


def test_a_network_in_three_has_a_detector_and_the_average_has_none():
    reaches = (0.8, 0.82, 0.79, 0.83, 0.8, 0.81, 0.78, 1.03, 1.04, 1.02)
    rows = [
        {"source": rule.RANDOM, "seed": seed, "auc": 0.9, "youden": 0.7, "reach": value}
        for seed, value in enumerate(reaches)
    ]
    tables = planted(World(), Sample(10, 200), np.random.default_rng(0))
    claim, classes, *_ = verdicts_of_claim({**tables, rule.BEST: Table.from_rows(rule.BEST, rows)})
    assert claim.outcome is HOLDS
    assert classes.question.startswith("on average over networks")
    assert "in 3 of 10 seeds it is a reliable detector" in classes.reading
    assert claim.reading.startswith("On average the best unit")


def verdicts_of_claim(tables):
    """Without the side questions, which ask for what is not planted."""
    whole = answer(rule.formula(), tables)
    return verdicts_of(claim_verdict(whole, rule.RULE, rule.SAYS), whole, (), tables)


def test_the_best_class_of_each_seed_counts_in_an_older_run():
    rows = [
        {"source": rule.RANDOM, "seed": seed, "auc": 0.8, "youden": 0.5, "reach": value}
        for seed, values in ((1, (0.2, 0.6)), (0, (0.7, 0.3)))
        for value in values
    ]
    assert rule._by_seed({"classes": Table.from_rows("classes", rows)}, rule.RANDOM).tolist() == [0.7, 0.6]


PLAN = DetectorNeuronPlan(
    task=Digits(train=60, validation=30, test=80),
    network=ConvNet(depth=2, width=4),
    seeds=2,
    permutations=19,
    filters=100,
    steps=60,
    batch=30,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(DetectorNeuron(), PLAN)


@pytest.mark.slow
def test_every_source_and_layer_is_in_the_tables(evidence):
    classes, shapes, channels = (evidence.tables[name] for name in ("classes", "shapes", "channels"))
    assert set(classes["source"]) == {arm.name for arm in DetectorNeuron.arms}
    nothing = classes.where(source=rule.MULTIGRAPH)
    assert set(nothing["auc"].tolist()) == {0.5}
    assert not nothing["reliable_units"].any()
    assert len(classes) == 2 * len(DetectorNeuron.arms) * 10
    assert len(evidence.tables[rule.BEST]) == 2 * len(DetectorNeuron.arms)
    assert [len(set(shapes[name])) for name in ("source", "layer", "family", "seed")] == [2, 2, 8, 2]
    assert set(shapes["field"]) == {3, 5}
    assert np.all((shapes["ideal"] >= 0) & (shapes["ideal"] <= 1))
    assert len(channels) == 2 * 2 * 4
    assert len(set(channels.where(source=rule.RANDOM)["id"])) == 8


@pytest.mark.slow
def test_counts_of_channels_agree(evidence):
    shapes, channels = evidence.tables["shapes"], evidence.tables["channels"]
    second = shapes.where(layer=shapes["layer"][-1])
    for family in rule.SHAPES:
        for (source, seed), rows in second.where(family=family).by("source", "seed").items():
            assert rows["found"].sum() == channels.where(source=source, seed=seed)[family].sum()


@pytest.mark.slow
def test_reach_follows_from_its_columns_and_units_are_equally_many(evidence):
    rows, scans = evidence.tables["classes"], evidence.tables["scans"]
    expected = [rule.reach(a, j) for a, j in zip(rows["auc"], rows["youden"], strict=True)]
    np.testing.assert_allclose(rows["reach"], expected)
    counts = {source: set(scans.where(source=source)["units"]) for source in set(scans["source"])}
    assert counts[rule.RANDOM] == counts[rule.TRAINED] == counts[rule.FILTERS]
    assert counts[rule.BRIGHTNESS] == {1}
    assert np.all((scans["p_value"] >= 0.05) & (scans["p_value"] <= 1))


@pytest.mark.slow
def test_verdicts_are_the_claim_its_two_questions_and_the_sides(evidence):
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert [v.key for v in asked if v.headline] == [rule.CLASS, rule.SHAPE]
    assert len([v for v in asked if not v.headline]) == 2 + 7
    assert DetectorNeuron().conclude(PLAN, {}).verdicts == ()


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bits(evidence):
    again = run_study(DetectorNeuron(), dataclasses.replace(PLAN, seeds=1))
    for name in ("classes", "channels"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": MLP(widths=(8, 8))}, "second layer has no channels"),
        ({"task": Bundled(name="wine", train=60, validation=40, test=70)}, "square images"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        run_study(DetectorNeuron(), dataclasses.replace(PLAN, **changes))


def test_plans_are_checked():
    with pytest.raises(UserError, match="filters=10"):
        DetectorNeuronPlan(filters=10)
