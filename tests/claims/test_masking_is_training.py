"""The study `masking-is-training`: from plan to tables, from tables to verdicts, and what happens where nothing can be found."""

import dataclasses
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_cell import measured
from toy_draft import Memory

from ticketlab.claims.levels import level_counts, nearest_level
from ticketlab.claims.masking_is_training import cell as one_seed
from ticketlab.claims.masking_is_training import untrained
from ticketlab.claims.masking_is_training.claim import (
    MaskingIsTraining,
    MaskingIsTrainingPlan,
    MaskOneName,
    MaskZeroName,
    SomeCriterion,
)
from ticketlab.claims.masking_is_training.formula import CONTROL, PERMUTED, PREREGISTERED
from ticketlab.claims.masking_is_training.named import CRITERIA, ONES, ZEROS
from ticketlab.claims.masking_is_training.setting import setting_of
from ticketlab.claims.masking_is_training.untrained import most_shrunk, twin
from ticketlab.claims.masking_is_training.work import Work
from ticketlab.claims.study import silent
from ticketlab.engine.run import run_study
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.laws.verdict import Outcome
from ticketlab.networks import MLP, Activation
from ticketlab.plans import cell_fields
from ticketlab.tasks.sources import Bundled, Digits
from ticketlab.tickets import Global, LayerWise
from ticketlab.training import Adam

PLAN = MaskingIsTrainingPlan(
    task=Bundled(name="wine", train=60, validation=40, test=70),
    network=MLP(widths=(12, 8)),
    seeds=2,
    density=0.55,
    levels=3,
    pruning=LayerWise(fraction=0.25, output=0.1),
    criteria=("large-final-same-sign", "large-final", "random", "snip", "synflow"),
    ones=("rewind", "constant-same-sign"),
    random_masks=8,
    steps=40,
    batch=16,
    optimiser=Adam(step_size=0.02),
    evaluate_every=4,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(MaskingIsTraining(), PLAN)


def test_every_name_of_the_plan_has_its_choice():
    assert set(typing.get_args(SomeCriterion)) == set(CRITERIA) == set(MaskingIsTrainingPlan().criteria)
    assert set(typing.get_args(MaskOneName)) == set(ONES) == set(MaskingIsTrainingPlan().ones)
    assert set(typing.get_args(MaskZeroName)) == set(ZEROS) == set(MaskingIsTrainingPlan().zeros)
    assert PREREGISTERED in CRITERIA
    assert len(set(CRITERIA.values())) == len(CRITERIA)
    assert len(set(ONES.values())) == len(ONES)


def test_every_combination_stands_in_the_tables(evidence):
    arms = evidence.tables["arms"]
    names = [*PLAN.criteria, CONTROL]
    assert len(arms) == 2 * 3 * len(names) * 2 * 4
    for level in (1, 2, 3):
        of = arms.where(seed=1, level=level)
        assert list(dict.fromkeys(of["criterion"].tolist())) == names
        trained = np.isfinite(of["trained_score"])
        if level == 2:
            assert of["decisive"].all()
            assert trained.all()
        else:
            plain = (of["one"] == "rewind") & (of["zero"] == "zero")
            np.testing.assert_array_equal(trained, plain)
    counts = level_counts(PLAN.pruning, PLAN.network.build((13,), 3), 3)
    masks = evidence.tables["masks"]
    for level in (1, 2, 3):
        assert set(masks.where(level=level)["kept"].tolist()) == {sum(counts[level - 1].values())}
    assert set(evidence.tables["responses"]["layer"].tolist()) == {"dense1", "dense2", "output"}


def test_removed_weights_take_no_part_whatever_they_are(evidence):
    checks = evidence.tables["checks"]
    assert set(checks["training"].tolist()) >= {
        "dense, dense labels",
        "dense, permuted labels",
        "level 2, trained",
    }
    assert (checks.where(training="level 2, trained")["removed"] > 0).all()
    for column in ("parameters_left", "best", "moments"):
        assert not checks[column].any()


def test_a_study_whose_frozen_weights_move_ends(monkeypatch):
    from ticketlab.training import program

    monkeypatch.setattr(program, "_masked", lambda tree, masks: tree)
    # A network of no other test: what is compiled with the fault is for it alone.
    plan = dataclasses.replace(PLAN, network=MLP(widths=(11, 9)), criteria=("large-final",))
    with pytest.raises(NumericalFailure, match="pruned weights took part"):
        measured(MaskingIsTraining(), plan, seeds=(0,))


def test_scores_are_those_of_the_networks_that_the_words_say(evidence):
    """Every arm of the verdict made again, by hand: split, training, mask, zeros, accuracy."""
    setting = setting_of(PLAN, 1)
    work = Work(setting, silent)
    chains = one_seed._dense(work)
    counts, initial = setting.counts[setting.decisive - 1], setting.initial
    examples = evidence.tables["examples"].where(seed=1)
    test = setting.task.test

    def accuracy(weights):
        a = np.asarray(test.x, np.float64)
        for name in ("dense1", "dense2", "output"):
            a = a @ weights[name] + initial[name]["bias"]
            a = a if name == "output" else np.maximum(a, 0)
        return (a.argmax(1) == test.labels).astype(float)

    w_i = {n: np.asarray(initial[n]["weight"], np.float64) for n in ("dense1", "dense2", "output")}
    w_f = {n: np.asarray(chains[PREREGISTERED].final[n]["weight"], np.float64) for n in w_i}
    keep = {}
    for name, count in counts.items():
        score = np.where(w_i[name] * w_f[name] > 0, np.abs(w_f[name]), -1.0).ravel()
        keep[name] = np.zeros(score.size, bool)
        keep[name][np.argsort(-score, kind="stable")[:count]] = True
        keep[name] = keep[name].reshape(w_i[name].shape)
    shrank = {n: np.abs(w_f[n]) <= np.abs(w_i[n]) for n in w_i}
    expected = {
        "mask": {n: np.where(keep[n], w, 0) for n, w in w_i.items()},
        "shrunk": {n: np.where(keep[n] | ~shrank[n], w, 0) for n, w in w_i.items()},
        "grown": {n: np.where(keep[n] | shrank[n], w, 0) for n, w in w_i.items()},
        "drawn": w_i,
    }
    for arm, weights in expected.items():
        assert np.mean(examples[arm] != accuracy(weights)) <= 1 / 70, arm  # float32 may decide one tie
    confused = {n: np.asarray(chains[PERMUTED].final[n]["weight"], np.float64) for n in w_i}
    weights = {}
    for n, w in w_i.items():
        grew = (np.abs(confused[n]) - np.abs(w))[~keep[n]]
        count = int(shrank[n][~keep[n]].sum())
        weights[n] = np.where(keep[n] | (np.abs(confused[n]) - np.abs(w) > np.sort(grew)[count - 1]), w, 0)
        assert (weights[n] == 0).sum() == (expected["shrunk"][n] == 0).sum()
    assert np.mean(examples["shrunk_permuted"] != accuracy(weights)) <= 1 / 70
    at = {}
    for name in w_i:
        for leaf, array in chains[PREREGISTERED].final[name].items():
            largest = np.abs(np.asarray(array, np.float64)).max()
            unit = 2.0 ** (np.ceil(np.log2(largest)) - 8)
            unit *= 2 if largest / unit > 255.5 else 1  # the largest has no edges of its own
            at[name, leaf] = np.rint(np.asarray(array, np.float64) / unit) * unit
    a = np.asarray(test.x, np.float64)
    for name in w_i:
        a = np.maximum(a, 0) if name != "dense1" else a
        a = a @ at[name, "weight"] + at[name, "bias"]
    assert np.mean(examples["multigraph"] != (a.argmax(1) == test.labels)) <= 1 / 70
    dense = evidence.tables["dense"].where(seed=1)["test_score"][0]
    assert np.mean(examples["trained"]) == pytest.approx(dense)
    np.testing.assert_array_equal(examples["id"], test.ids)
    most = np.bincount(setting.task.train.labels).argmax()
    np.testing.assert_array_equal(examples["guess"], test.labels == most)
    row = evidence.tables["arms"].where(
        seed=1, decisive=True, criterion=PREREGISTERED, one="rewind", zero="zero"
    )
    assert row["test_score"][0] == pytest.approx(np.mean(examples["mask"]))
    chance = evidence.tables["chance"].where(seed=1)
    assert len(chance) == PLAN.random_masks
    assert np.mean(chance["test_score"]) == pytest.approx(np.mean(examples["random"]))
    surprise = evidence.tables["surprise"].where(seed=1)
    as_good = int(np.sum(chance["test_score"] >= np.mean(examples["mask"])))
    assert surprise["as_good"][0] == as_good
    assert surprise["bits"][0] == pytest.approx(np.log2(9 / (1 + as_good)))


def test_a_twin_zeroes_equally_many_of_the_removed_weights_in_each_layer():
    rng = np.random.default_rng(0)
    removed = {"dense1": rng.random((40, 30)) < 0.6, "output": rng.random((30, 5)) < 0.4}
    zeroed = {name: of & (rng.random(of.shape) < 0.7) for name, of in removed.items()}
    first, second = (twin(zeroed, removed, jax.random.key(seed)) for seed in (0, 1))
    for name, of in removed.items():
        assert first[name].sum() == zeroed[name].sum()
        assert not (first[name] & ~of).any()
        assert (first[name] != zeroed[name]).any()
        assert (first[name] != second[name]).any()
    everything = twin(removed, removed, jax.random.key(0))
    for name, of in removed.items():
        np.testing.assert_array_equal(everything[name], of)


def test_what_shrank_most_are_equally_many_of_the_removed_weights_in_each_layer():
    """Even where fewer of them shrank: then those come too that grew least."""
    rng = np.random.default_rng(0)
    removed = {"dense1": rng.random((40, 30)) < 0.6, "output": rng.random((30, 5)) < 0.4}
    zeroed = {"dense1": rng.random((40, 30)) < 0.7, "output": np.ones((30, 5), bool)}
    grew = {name: rng.normal(0.2, 1.0, of.shape) for name, of in removed.items()}
    found = most_shrunk(zeroed, removed, grew)
    for name, of in removed.items():
        assert found[name].sum() == (zeroed[name] & of).sum()
        assert not (found[name] & ~of).any()
    left = removed["dense1"] & ~found["dense1"]
    assert grew["dense1"][found["dense1"]].max() < grew["dense1"][left].min()
    np.testing.assert_array_equal(found["output"], removed["output"])
    assert (grew["output"][found["output"]] > 0).any()
    ties = most_shrunk({"a": np.array([1, 1, 0, 0], bool)}, {"a": np.ones(4, bool)}, {"a": np.zeros(4)})
    np.testing.assert_array_equal(ties["a"], [True, True, False, False])


def test_twins_are_means_over_random_choices(evidence):
    for arm in ("shrunk_twin", "grown_twin"):
        draws = PLAN.random_masks * evidence.tables["examples"][arm]
        np.testing.assert_allclose(draws, np.round(draws), atol=1e-9)
        assert len(np.unique(draws)) > 2


def test_the_mask_from_permuted_labels_is_found_on_permuted_labels():
    setting = setting_of(PLAN, 0)
    same = np.mean(setting.confused.train.labels == setting.task.train.labels)
    assert sorted(setting.confused.train.labels) == sorted(setting.task.train.labels)
    assert same < 0.6
    np.testing.assert_array_equal(setting.confused.train.x, setting.task.train.x)


@pytest.mark.parametrize("one_shot", [True, False])
@pytest.mark.parametrize("after", [1, 3])
def test_a_run_that_ends_goes_on_at_its_level_to_the_same_bits(one_shot, after):
    plan = dataclasses.replace(PLAN, one_shot=one_shot, trained="rewound")
    whole = measured(MaskingIsTraining(), plan, seeds=(0,))
    draft = Memory(after)
    with pytest.raises(KeyboardInterrupt):
        measured(MaskingIsTraining(), plan, draft, seeds=(0,))
    assert draft.kept["level"] == after - 1
    draft.left, seen = 10**9, []
    again = measured(MaskingIsTraining(), plan, draft, lambda what, fraction: seen.append(fraction), (0,))
    assert Evidence(again).digest() == Evidence(whole).digest()
    assert seen == sorted(seen)
    assert 0 <= seen[0] < 0.5
    assert 0.8 < seen[-1] <= 1


def test_the_networks_that_choose_masks_are_noted_with_what_they_fit(evidence):
    setting = setting_of(PLAN, 1)
    chains = one_seed._dense(Work(setting, silent))
    found = evidence.tables["learnt"].where(seed=1)
    for column, chain, task in (
        ("trained", chains[PREREGISTERED], setting.task),
        ("permuted", chains[PERMUTED], setting.confused),
    ):
        scores = np.asarray(setting.network.apply(chain.final, task.train.x)).argmax(1) == task.train.labels
        np.testing.assert_array_equal(found[column], scores)
    most = np.bincount(setting.task.train.labels).argmax()
    np.testing.assert_array_equal(found["guess"], setting.task.train.labels == most)


@pytest.mark.parametrize("one_shot", [True, False])
def test_the_multigraph_writes_a_network_that_was_trained(monkeypatch, one_shot):
    """From level 2 on a chain has old values of removed weights besides, which were not in that network."""
    seen, real = [], untrained.edges_of
    monkeypatch.setattr(untrained, "edges_of", lambda params, bits: seen.append(params) or real(params, bits))
    masks, chosen = [], one_seed.chosen
    monkeypatch.setattr(one_seed, "chosen", lambda *given: masks.append(chosen(*given)) or masks[-1])
    criteria = ("large-final-same-sign",)
    plan = dataclasses.replace(PLAN, one_shot=one_shot, trained="rewound", criteria=criteria)
    measured(MaskingIsTraining(), plan, seeds=(0,))
    assert setting_of(plan, 0).decisive == 2
    assert len(seen) == 1 + 2 * 4
    for name, before in masks[0].items():  # of level 1, by which the network of level 2 was trained
        weights = np.asarray(seen[0][name]["weight"])
        assert bool(weights[~before].any()) is one_shot
        assert weights[before].all()


def test_seeds_do_not_depend_on_how_many_there_are(evidence):
    """So that seeds that are added leave those that are there as they are."""
    more = dataclasses.replace(PLAN, seeds=7)
    assert cell_fields(more) == cell_fields(PLAN)
    assert cell_fields(dataclasses.replace(PLAN, density=0.4)) != cell_fields(PLAN)
    tables = measured(MaskingIsTraining(), more, seeds=(1,))
    for name, table in tables.items():
        if not table.measured:
            assert table.digest() == evidence.tables[name].where(seed=1).digest(), name


def test_level_by_level_every_mask_lies_in_the_one_before(monkeypatch):
    found = {}
    real = one_seed.chosen

    def watched(criterion, seen, counts, among=None):
        mask = real(criterion, seen, counts, among)
        found.setdefault(criterion, []).append((mask, among, seen))
        return mask

    monkeypatch.setattr(one_seed, "chosen", watched)
    plan = dataclasses.replace(PLAN, one_shot=False, trained="rewound", criteria=("large-final", "snip"))
    measured(MaskingIsTraining(), plan, seeds=(0,))
    for criterion in (CRITERIA["large-final"], CRITERIA["snip"]):
        for (before, *_), (mask, among, seen) in zip(found[criterion], found[criterion][1:], strict=False):
            assert all((mask[n] <= before[n]).all() for n in mask)
            assert all((among[n] == before[n]).all() for n in mask)
            # A removed weight keeps the last value that it had.
            assert all(np.asarray(seen.final[n]["weight"])[~before[n]].any() for n in mask)
    finals = [np.asarray(seen.final["dense1"]["weight"]) for *_, seen in found[CRITERIA["large-final"]]]
    assert (finals[0] != finals[1]).any()
    assert (finals[1] != finals[2]).any()


@pytest.mark.parametrize(
    "options",
    [
        {"pruning": Global(fraction=0.25)},
        {"trained": "none", "zeros": ("frozen",), "ones": ("reshuffle",)},
        {"task": Bundled(name="diabetes", train=60, validation=40, test=70), "network": MLP(widths=(8,))},
        {"task": Digits(train=60, validation=40, test=70), "one_shot": False, "trained": "rewound"},
    ],
    ids=["global", "untrained", "regression", "level by level"],
)
def test_other_plans(options):
    plan = dataclasses.replace(PLAN, **{"seeds": 1, **options})
    evidence = run_study(MaskingIsTraining(), plan)
    assert [v.headline for v in evidence.verdicts] == [True] * 8 + [False] * 4
    arms = evidence.tables["arms"]
    assert np.isfinite(arms["test_score"]).all()
    assert len(arms.where(one="rewind", zero="zero", level=1)) == len(plan.criteria) + 1
    assert np.isfinite(arms["trained_score"]).any() == (plan.trained != "none")


# --- where there is nothing to be found ---

LEARNT = MaskingIsTrainingPlan(
    task=Digits(train=800, validation=300, test=697),
    network=MLP(widths=(100, 50)),
    seeds=5,
    density=0.37,
    levels=2,
    criteria=("large-final-same-sign",),
    ones=("rewind",),
    zeros=("zero",),
    trained="none",
    random_masks=5,
    steps=600,
)


@pytest.mark.slow
@pytest.mark.usefixtures("optimised_training")  # 26 trainings of 600 steps
def test_with_permuted_labels_nothing_is_decided():
    confused = dataclasses.replace(LEARNT, permuted_labels=True, seeds=8)
    verdicts = run_study(MaskingIsTraining(), confused).verdicts
    assert {v.outcome for v in verdicts} == {Outcome.UNDECIDED}
    assert "guessing" in verdicts[0].reading
    learnt = {v.key: v.outcome for v in run_study(MaskingIsTraining(), LEARNT).verdicts}
    assert {learnt[key] for key in ("guessing", "random", "labels")} == {Outcome.HOLDS}


@dataclasses.dataclass(frozen=True)
class Zeros(MLP):
    """A network whose weights are all zero: with ReLU no gradient reaches any of them."""

    def build(self, input_shape, outputs):
        network = super().build(input_shape, outputs)
        return dataclasses.replace(network, init=lambda key: jax.tree.map(jnp.zeros_like, network.init(key)))


@pytest.mark.slow
def test_with_zero_weights_nothing_is_decided():
    task = Bundled(
        name="iris", train=60, validation=30, test=60
    )  # the first class is as frequent as the others
    plan = dataclasses.replace(PLAN, task=task, network=Zeros(widths=(12, 8)), seeds=3)
    evidence = run_study(MaskingIsTraining(), plan)
    assert evidence.verdicts[0].outcome is Outcome.UNDECIDED
    assert np.isnan(evidence.tables["masks"]["aligned"]).all()


# --- plans ---


def test_a_run_that_is_not_finished_has_no_verdict(evidence):
    assert MaskingIsTraining().conclude(PLAN, {}).verdicts == ()
    assert MaskingIsTraining().conclude(PLAN, evidence.tables).verdicts != ()


def test_the_brief_says_all_sides():
    rows = [{"mask": 0.75, "random": 0.13, "permuted": 0.12}]
    given = {"examples": Table.from_rows("examples", rows)}
    said = MaskingIsTraining().brief(PLAN, MaskingIsTraining().cells(PLAN)[0], given)
    assert said.startswith("untrained test score 0.750 under the chosen mask, 0.130 under random ones")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds=0"),
        ({"density": 1.0}, "density=1.0"),
        ({"criteria": ()}, "each once"),
        ({"ones": ("rewind", "rewind")}, "each once"),
        ({"random_masks": 0}, "random_masks=0"),
        ({"trained": "none", "one_shot": False}, "trained=none"),
    ],
)
def test_impossible_plans(options, message):
    with pytest.raises(UserError, match=message):
        MaskingIsTrainingPlan(**options)


def test_a_density_that_no_level_has():
    with pytest.raises(UserError, match=r"density=0.01, while the 3 levels have 0\.7"):
        measured(MaskingIsTraining(), dataclasses.replace(PLAN, density=0.01), seeds=(0,))
    network = MLP(widths=(12, 8)).build((13,), 3)
    assert nearest_level(level_counts(Global(0.5), network, 3), network, 0.25) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": MLP(widths=(12, 8), activation=Activation.TANH)}, "not homogeneous in its weights"),
        ({"pruning": LayerWise(0.3, output=0.9)}, "level 2 leaves layer 'output' no weight"),
    ],
)
def test_what_cannot_be_masked_to_the_end_is_refused_before_it_is_begun(monkeypatch, options, message):
    monkeypatch.setattr(one_seed, "trained", None)
    plan = dataclasses.replace(PLAN, **options)
    with pytest.raises(UserError, match=message):
        measured(MaskingIsTraining(), plan, seeds=(0,))


def test_tanh_can_be_masked_by_the_other_criteria():
    plan = dataclasses.replace(
        PLAN,
        network=MLP(widths=(12, 8), activation=Activation.TANH),
        criteria=("snip",),
        trained="none",
        ones=("rewind",),
        zeros=("zero",),
        steps=4,
    )
    assert "arms" in measured(MaskingIsTraining(), plan, seeds=(0,))


def test_training_that_diverges():
    with pytest.raises(NumericalFailure, match="diverged"):
        measured(MaskingIsTraining(), dataclasses.replace(PLAN, optimiser=Adam(step_size=1e30)), seeds=(0,))


def test_the_preset_can_be_run():
    plan = MaskingIsTrainingPlan.presets()["quick"]
    network = plan.network.build((8, 8, 1), 10)
    counts = level_counts(plan.pruning, network, plan.levels)
    assert nearest_level(counts, network, plan.density) <= plan.levels
