"""The claim `disconnected-detector`: its numbers on planted units and gradients, its formula, and one small run."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ticketlab.claims.disconnected_detector import formula as rule
from ticketlab.claims.disconnected_detector.cell import unit_rows, weight_rows
from ticketlab.claims.disconnected_detector.claim import DisconnectedDetector, DisconnectedDetectorPlan
from ticketlab.claims.disconnected_detector.planted import LAYERS, World, planted
from ticketlab.claims.planted import ALIKE, NOTHING
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits
from ticketlab.units import Matrix, scan

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED


APART = [HOLDS] * 5
ASIDE = [HOLDS] * 6  # of three layers: hardly, and less than half


@pytest.mark.parametrize(
    ("world", "whole", "asked"),
    [
        (World(), HOLDS, APART + ASIDE),
        # The best units of any mask gain as much.
        (World(gain=0.0), FAILS, [FAILS, *APART[1:], *ASIDE]),
        # Any search does as much.
        (World(labels=0.0), FAILS, [HOLDS, FAILS, *APART[2:], *ASIDE]),
        # Nobody detects anything.
        (World(auc=0.8), FAILS, [HOLDS, HOLDS, FAILS, HOLDS, HOLDS, *ASIDE]),
        # They were better than others before.
        (World(before=0.2), FAILS, [*APART[:4], FAILS, *ASIDE]),
        # The gradient points to them in a layer, in either direction.
        (World(gradient=(0.0, 0.0, 0.2)), FAILS, [*APART, *ASIDE[:4], FAILS, FAILS]),
        (World(gradient=(0.0, 0.0, -0.2)), FAILS, [*APART, *ASIDE[:4], FAILS, FAILS]),
        (World(gradient=(0.02, 0.02, 0.05)), UNDECIDED, [*APART, *ASIDE[:4], UNDECIDED, HOLDS]),
        # Nothing could tell its weights, but the gradient does.
        (World(ceiling=(0.0,) * 3), UNDECIDED, APART + [UNDECIDED] * 6),
        (World(gradient=(0.2,) * 3, ceiling=(0.0,) * 3), FAILS, APART + [FAILS] * 6),
        # The ticket does not do the task.
        (World(skill=ALIKE), UNDECIDED, [UNDECIDED] * 11),
        (World(skill=NOTHING), UNDECIDED, [UNDECIDED] * 11),
    ],
)
def test_both_halves_have_to_hold_of_a_ticket_that_does_the_task(world, whole, asked):
    tables = planted(world, Sample(5, 200), np.random.default_rng(0))
    found = answer(rule.formula(LAYERS), tables)
    assert found.outcome is whole
    assert [q.outcome for q in found.questions()] == asked


def test_a_ticket_that_may_not_do_the_task_is_said_to_gain_so_much_at_least():
    """Of what guessing leaves it gains 55 %, on few examples: more than is required, but not for certain."""
    rng, (seeds, n) = np.random.default_rng(0), (3, 20)
    given = planted(World(), Sample(seeds, n), rng)
    right = np.tile((np.arange(n) < 12).astype(float), seeds)
    guess = np.tile((np.arange(n) >= n - 2).astype(float), seeds)
    reason, *_ = answer(
        rule.formula(LAYERS), {**given, "examples": given["examples"].adding(ticket=right, guess=guess)}
    ).closed
    assert "it gains 55.6 % (at least " in reason


def decided(world, seeds=20, of=0):
    return answer(rule.formula(LAYERS), planted(world, Sample(seeds, 200), np.random.default_rng(of)))


def test_a_gradient_that_says_most_of_what_a_second_search_says_is_no_support():
    found = decided(World(gradient=(0.04,) * 3, ceiling=(0.06,) * 3))
    assert found.outcome is FAILS
    assert found.find(rule.GRADIENT, layer="dense1").outcome is HOLDS  # which alone decided before
    assert found.find(rule.CEILING, layer="dense1").outcome is FAILS


def test_a_ceiling_opens_the_question_in_its_own_layer_only():
    found = decided(World(gradient=(0.02, 0.02, 0.0), ceiling=(0.02, 0.02, 0.1)))
    assert found.outcome is UNDECIDED
    assert [found.find(rule.GRADIENT, layer=layer).outcome for layer in LAYERS] == [
        UNDECIDED,
        UNDECIDED,
        HOLDS,
    ]
    (reason,) = found.find(rule.GRADIENT, layer="dense2").closed
    assert reason.startswith("In dense2 a second search tells the ticket's weights with an AUC of 0.52")


def test_a_reversed_gradient_tells_the_weights_as_well():
    found = decided(World(gradient=(-0.3,) * 3))
    assert found.outcome is FAILS
    assert {q.outcome for q in found.questions() if "layer" in q.formula.facets} == {FAILS}


def test_a_reversed_layer_is_not_hidden_by_one_that_points_the_other_way():
    assert decided(World(gradient=(0.03, 0.03, -0.1))).outcome is FAILS


def test_units_that_were_reliable_before_do_not_detect_only_once_the_rest_is_cut_off():
    """An AUC of 0.99 under the mask and 0.955 before, where the average unit has 0.925."""
    found = decided(World(auc=0.99, gain=0.09, labels=0.07, before=0.03, base=-0.055), seeds=80)
    assert found.outcome is FAILS
    assert found.find(rule.NOT_YET).outcome is FAILS
    assert found.find(rule.BEFORE).outcome is HOLDS


def test_layers_on_the_boundary_do_not_add_up_their_levels():
    """The largest of three layers was tested at the level of one, and failed in 4 % of such worlds."""
    on = World(gradient=(0.05,) * 3)
    fails = [decided(on, 8, of).outcome is FAILS for of in range(600)]
    assert np.mean(fails) < 0.025


def test_a_run_without_a_second_search_is_read_as_before():
    tables = planted(World(), Sample(5, 200), np.random.default_rng(0))
    rows = [{k: v for k, v in row.items() if k != "ceiling"} for row in tables["weights"].rows()]
    others = [{**row, "source": rule.LABELS} for row in rows]
    weights = [{**row, "rank_correlation": 0.1} for row in rows + others]
    claim, *asked = rule.verdicts({**tables, "weights": Table.from_rows("weights", weights)})
    assert claim.outcome is UNDECIDED
    assert "There was no second search" in claim.reading
    assert [v.outcome for v in asked[:5]] == APART
    assert {v.outcome for v in asked[5:11]} == {UNDECIDED}


def test_a_mask_from_permuted_labels_that_does_not_fit_them_is_no_control():
    """It is a random mask, and the claim would hold by beating one twice."""
    found = decided(World(searched=0.12))
    labels = found.find(rule.CUT_OFF, source=rule.LABELS)
    assert found.outcome is labels.outcome is UNDECIDED
    assert "its mask may be hardly better than a random one" in labels.closed[0]
    tables = planted(World(), Sample(5, 200), np.random.default_rng(0))
    del tables["learnt"]
    labels = answer(rule.formula(LAYERS), tables).find(rule.CUT_OFF, source=rule.LABELS)
    assert labels.closed == (
        "This older run does not say how well the search over permuted labels fits them.",
    )


def test_of_a_layer_that_is_kept_as_a_whole_the_gradient_says_nothing():
    (row,) = weight_rows({"dense1": np.arange(4.0)}, {"dense1": np.ones((2, 2), bool)}, None)
    assert row["auc"] == 0.5


def test_the_same_unit_is_scored_with_and_without_the_rest():
    """Unit 1 marks class 0 under the mask, by low responses, and nothing without it; unit 0 the other way round."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    marks, noise = np.where(labels == 0, -3.0, 3.0) + rng.normal(size=400), rng.normal(size=400)
    masked, whole = (
        scan(Matrix(np.stack(of).astype(np.float32)), labels, permutations=19, seed=0)
        for of in ((noise, marks), (marks, noise))
    )
    rows = unit_rows(masked, whole, ("a", "b"))
    for row in rows:
        assert row["unit"].endswith("unit 1")
        assert row["auc"] > 0.99
        assert 0.4 < row["whole"] < 0.6
        assert row["best"] > 0.99
        assert row["average"] == pytest.approx((row["whole"] + row["best"]) / 2, abs=0.01)


def test_the_gradient_is_scored_as_a_reference_does():
    rng = np.random.default_rng(0)
    mask = {"one": rng.random((6, 5)) < 0.4, "two": rng.random((5, 3)) < 0.5}
    values = {name: np.round(rng.normal(size=of.size) + of.ravel(), 1) for name, of in mask.items()}
    scores = {name: -(values[name].reshape(of.shape) ** 2) for name, of in mask.items()}
    for row in weight_rows(values, mask, scores):
        inside, of = mask[row["layer"]].ravel(), values[row["layer"]]
        assert row["auc"] == pytest.approx(roc_auc_score(inside, of))
        assert row["density"] == pytest.approx(inside.mean())
        top = set(np.argsort(-of, kind="stable")[: inside.sum()])
        assert row["common"] == pytest.approx(len(top & set(np.flatnonzero(inside))) / inside.sum())
        assert -1 <= row["rank_correlation"] <= 1
    (first, _) = weight_rows(values, mask, None)
    assert np.isnan(first["rank_correlation"])


def test_a_random_mask_is_told_from_the_others_by_nothing():
    rng = np.random.default_rng(0)
    values = {"layer": rng.normal(size=10_000)}
    (row,) = weight_rows(values, {"layer": rng.random((100, 100)) < 0.5}, None)
    assert row["auc"] == pytest.approx(0.5, abs=0.03)
    assert row["common"] == pytest.approx(row["density"], abs=0.04)


def test_the_ceiling_is_the_auc_of_the_second_scores():
    rng = np.random.default_rng(0)
    mask, second = rng.random((60, 50)) < 0.5, rng.normal(size=(60, 50))
    (row,) = weight_rows({"layer": rng.normal(size=3000)}, {"layer": mask}, None, {"layer": second})
    expected = roc_auc_score(mask.ravel(), np.abs(second).ravel())
    assert row["ceiling"] == pytest.approx(expected)
    (row,) = weight_rows({"layer": rng.normal(size=3000)}, {"layer": mask}, None)
    assert np.isnan(row["ceiling"])


PLAN = DisconnectedDetectorPlan(
    task=Digits(train=100, validation=30, test=100), network=MLP(widths=(12,)), seeds=2, steps=30, batch=50
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(DisconnectedDetector(), PLAN)


def test_a_run_scores_every_mask_in_every_class_and_layer(evidence):
    units, weights = evidence.tables["units"], evidence.tables["weights"]
    assert (
        set(units["source"])
        == set(weights["source"])
        == {
            rule.TICKET,
            rule.RANDOM,
            rule.LABELS,
            rule.SECOND,
        }
    )
    learnt = evidence.tables["learnt"]
    assert len(learnt) == 2 * PLAN.task.train
    assert 0 < learnt[rule.LABELS].mean() < 1
    assert "mask from permuted labels, which fits " in evidence.verdicts[2].reading
    assert len(units) == 2 * 4 * 10
    assert len(weights) == 2 * 4 * 2
    for (layer,), rows in weights.by("layer").items():
        assert len(set(rows["density"])) == 1, layer  # equal counts
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    apart, aside = ["cut off", "cut off", "detects", "not yet", "before"], ["gradient", "ceiling"]
    assert [v.key for v in asked if v.headline] == apart + 2 * aside
    assert [v.key for v in asked if not v.headline] == ["chance", "task", "gradient", "gradient", "scores"]
    assert DisconnectedDetector().conclude(PLAN, {}).verdicts == ()


def test_pictures_show_the_same_units_with_and_without_the_rest(evidence):
    shown = evidence.tables["pictures"].where(seed=0)
    under, whole = (shown.where(source=source) for source in (rule.TICKET, rule.WHOLE))
    assert len(under) == len(whole) == 5 * 3
    assert under["unit"].tolist() == whole["unit"].tolist()
    assert under["auc"].mean() > whole["auc"].mean()  # they were chosen under the mask


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bits(evidence):
    again = run_study(DisconnectedDetector(), dataclasses.replace(PLAN, seeds=1))
    for name in ("units", "weights", "examples"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(UserError, match="density=1"):
        DisconnectedDetectorPlan(density=1.0)
