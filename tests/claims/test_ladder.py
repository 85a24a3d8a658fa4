"""The claim `ladder`: its formula on planted tables, its rungs against slow references, and one small run."""

import dataclasses
import math

import jax
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import roc_auc_score

from ticketlab.claims.ladder import formula as rule
from ticketlab.claims.ladder import kernels as ladder_kernels
from ticketlab.claims.ladder.claim import Ladder, LadderPlan
from ticketlab.claims.ladder.kernels import gaussian_rung, kernel_rung, kernel_rungs
from ticketlab.claims.ladder.planted import MARGIN, World, planted
from ticketlab.claims.ladder.read_outs import _auc
from ticketlab.claims.ladder.rung import Start
from ticketlab.claims.ladder.tangents import cosine, permuted_units
from ticketlab.claims.ladder.trainings import _bits
from ticketlab.claims.planted import ALIKE
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.laws.calibration import Sample
from ticketlab.laws.formulae import answer
from ticketlab.laws.verdict import Outcome
from ticketlab.networks.architectures import MLP
from ticketlab.tasks import split
from ticketlab.tasks.sources import Bundled, Digits
from ticketlab.tasks.task import Split, Task

HOLDS, FAILS, UNDECIDED = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED
SAMPLE = Sample(5, 4000)


def decided(world):
    return answer(rule.formula(MARGIN), planted(world, SAMPLE, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("world", "whole", "questions"),
    [
        (World(), HOLDS, [HOLDS] * 5),
        (World(unit=0.0), FAILS, [FAILS, HOLDS, HOLDS, HOLDS, HOLDS]),  # one unit does the task
        (World(probe=-0.02), FAILS, [HOLDS, FAILS, HOLDS, HOLDS, HOLDS]),  # so does one layer's read-out
        (World(logistic=0.0), FAILS, [HOLDS, HOLDS, FAILS, HOLDS, HOLDS]),  # or its logistic one alone
        (World(tangent=0.1), FAILS, [HOLDS, HOLDS, HOLDS, FAILS, HOLDS]),  # the tangent space is not enough
        (World(above=-0.05), FAILS, [HOLDS, HOLDS, HOLDS, HOLDS, FAILS]),  # equally many parameters do better
        (World(above=0.0), UNDECIDED, [HOLDS, HOLDS, HOLDS, HOLDS, UNDECIDED]),  # or as well
        (World(skill=ALIKE), UNDECIDED, [UNDECIDED] * 5),
        (World(settled=False), UNDECIDED, [UNDECIDED] * 5),
        (World(inside=False), UNDECIDED, [UNDECIDED] * 5),
        (World(met=False), UNDECIDED, [HOLDS, HOLDS, HOLDS, UNDECIDED, UNDECIDED]),
    ],
)
def test_the_claim_holds_only_if_all_five_parts_do(world, whole, questions):
    found = decided(world)
    assert found.outcome is whole
    assert [q.outcome for q in found.questions()] == questions


@pytest.mark.parametrize(("read_out", "outcome"), [(0.04, UNDECIDED), (0.01, FAILS), (0.08, HOLDS)])
def test_a_rung_that_guesses_is_not_enough_however_large_the_margin(read_out, outcome):
    """95 % of the examples are of one class, and training is right on 99 %."""
    world = World(read_out, read_out, read_out, guess=0.95)
    found = answer(rule.formula(0.06), planted(world, Sample(5, 4000, 0.99), np.random.default_rng(0)))
    assert found.outcome is outcome


def test_an_older_run_without_logistic_read_outs_speaks_of_the_ridge_alone():
    tables = _all_rungs(
        dict.fromkeys(rule.RUNGS, 0.6) | {rule.TANGENT: 0.95, rule.TRAINED: 0.95},
        dict.fromkeys(rule.RUNGS, 0.5),
    )
    claim, *asked = rule.verdicts(MARGIN, tables)
    assert claim.outcome is HOLDS
    assert "Neither one unit nor a ridge read-out" in claim.reading
    assert [v.facets["rung"] for v in asked if v.key == rule.NOT_ENOUGH] == [rule.UNIT, rule.PROBE]


def _all_rungs(scores, controls, seeds=5, n=4000, *, stream=1, inside=True):
    """Tables in which every rung has a score, and a control with another."""
    sample = dataclasses.replace(SAMPLE, seeds=seeds, examples=n)
    columns = {**scores, **{rule.control_of(rung): score for rung, score in controls.items()}}
    from ticketlab.claims.planted import examples
    from ticketlab.evidence.tables import Table

    rungs = [{"rung": rung, "inside": inside, "settled": True} for rung in scores]
    met = [{"rung": rung, "met": True} for rung in (rule.LAYER, rule.HIDDEN, rule.TANGENT)]
    search = [{"setting": "the mask", "train_score": 1.0, "halfway_train_score": 1.0}]
    return {
        "examples": examples(sample, columns, np.random.default_rng(stream)),
        "rungs": Table.from_rows("rungs", rungs),
        "certificates": Table.from_rows("certificates", met),
        "search": Table.from_rows("search", search),
    }


def test_usefulness_appears_at_the_first_rung_that_is_enough_and_beats_its_control():
    scores = dict.fromkeys(rule.RUNGS, 0.6) | {rule.PROBES: 0.95, rule.HIDDEN: 0.95, rule.TRAINED: 0.95}
    controls = dict.fromkeys(rule.RUNGS, 0.5) | {rule.PROBES: 0.96}
    tables = _all_rungs(scores, controls)
    assert (
        rule.appears(MARGIN, tables) == rule.HIDDEN
    )  # all layers' read-out is enough, but so is its control
    claim, *asked = rule.verdicts(MARGIN, tables)
    assert "all layers but the last" in claim.reading
    assert len([v for v in asked if v.headline]) == 4
    assert len([v for v in asked if not v.headline]) == 5 + 8
    alike = _all_rungs(scores, {**controls, rule.HIDDEN: 0.96})
    assert rule.appears(MARGIN, alike) is None
    assert "No rung was shown to be both" in rule.verdicts(MARGIN, alike)[0].reading
    assert "rung" not in rule.verdicts(MARGIN, _all_rungs(scores, controls, seeds=1))[0].reading


def test_no_rung_is_named_or_denied_where_the_trained_network_is_no_standard():
    """Its settings lie at the edge of what was tried, so that nothing is decided; the tangent space gains five points."""
    scores = dict.fromkeys(rule.RUNGS, 0.6) | {rule.TANGENT: 0.9, rule.TRAINED: 0.9}
    controls = dict.fromkeys(rule.RUNGS, 0.6) | {rule.TANGENT: 0.85}
    open_, closed = (_all_rungs(scores, controls, inside=inside) for inside in (True, False))
    assert rule.NAMES[rule.TANGENT] in rule.verdicts(MARGIN, open_)[0].reading
    claim, *asked = rule.verdicts(MARGIN, closed)
    assert claim.outcome is UNDECIDED
    assert next(v for v in asked if v.key == rule.ABOVE).effect > 4
    assert "rung" not in claim.reading
    assert not rule.judged(closed)
    assert rule.judged(open_)


@pytest.mark.parametrize("stream", [20, 49, 59])
def test_chance_names_no_rung_among_eight(stream):
    """All rungs are as good as their controls. At the level of a single question one of them would be named here."""
    alike = dict.fromkeys(rule.RUNGS, 0.95)
    tables = _all_rungs(alike, alike, n=400, stream=stream)
    found = rule.verdicts(MARGIN, tables)
    above = {v.facets["rung"] for v in found if v.key == rule.ABOVE and v.interval[0] > 0}
    assert above - {rule.TRAINED}
    assert rule.appears(MARGIN, tables) is None
    assert "No rung was shown to be both" in found[0].reading


def test_the_mask_is_asked_about_only_after_its_search_has_converged():
    tables = _all_rungs(dict.fromkeys(rule.RUNGS, 0.9), dict.fromkeys(rule.RUNGS, 0.5))
    rising = tables["search"].adding(train_score=np.array([0.6]), halfway_train_score=np.array([0.4]))
    of = {
        name: next(v for v in rule.verdicts(MARGIN, found) if v.facets == {"rung": rule.MASK})
        for name, found in (("flat", tables), ("rising", {**tables, "search": rising}))
    }
    assert of["flat"].outcome is HOLDS
    assert of["rising"].outcome is UNDECIDED


# --- parts against references ---


def test_auc_is_that_of_scikit_learn_with_ties():
    rng = np.random.default_rng(0)
    values = np.maximum(rng.standard_normal((60, 3)).round(1), 0)
    labels = np.arange(60) % 3
    expected = [[roc_auc_score(labels == c, values[:, u]) for c in range(3)] for u in range(3)]
    np.testing.assert_allclose(_auc(values, labels, 3), expected, atol=1e-12)


def _start():
    source = Digits(train=60, validation=40, test=50)
    task = split(source.load(), 0, source.sizes())
    built = MLP(widths=(6,)).build(task.input_shape, task.outputs)
    return Start(LadderPlan(), task, built, jax.jit(built.init)(jax.random.key(0)), 0, None)


def test_regression_with_a_kernel_is_that_of_scikit_learn():
    at = _start()
    flat = [part.reshape(len(part), -1).astype(float) for part in at.inputs]
    names = ("train", "validation", "test")
    linear = {name: of @ flat[0].T for name, of in zip(names, flat, strict=True)}
    rung = kernel_rung(at, linear)
    unit = np.mean(np.diag(linear["train"]))
    expected = KernelRidge(alpha=rung.setting * unit, kernel="precomputed").fit(
        linear["train"], at.task.train.targets
    )
    right = expected.predict(linear["test"]).argmax(axis=1) == at.task.test.labels
    np.testing.assert_array_equal(rung.correct, right)


def half_spaces(seed):
    """A linear target in 64 dimensions, which wants a wide kernel: a nearly linear one."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(64)

    def part(count):
        x = rng.standard_normal((count, 64))
        labels = (x @ normal > 0).astype(int)
        return Split(x, np.eye(2)[labels], np.arange(count), labels)

    return Task("plane", "classification", part(100), part(300), part(10), ("−", "+"), content_hash="")


def test_the_width_of_the_gaussian_kernel_is_extended_and_its_edge_is_seen():
    gained = []
    for seed in range(4):
        at = dataclasses.replace(_start(), task=half_spaces(seed))
        short, long = (
            gaussian_rung(dataclasses.replace(at, plan=LadderPlan(extensions=extensions)))
            for extensions in (0, 6)
        )
        assert not short.inside
        assert long.inside
        assert long.candidates > short.candidates
        gained.append(long.validation - short.validation)
    assert min(gained) >= 0
    assert max(gained) > 0


def test_a_network_without_a_limit_has_no_kernels_and_is_not_asked_about_them(monkeypatch):
    def refused(*given):
        raise UserError("a stage without a limit", "another")

    monkeypatch.setattr(ladder_kernels, "kernels", refused)
    assert kernel_rungs(_start()) == {}
    found = rule.verdicts(MARGIN, _all_rungs(dict.fromkeys(rule.RUNGS, 0.9), dict.fromkeys(rule.RUNGS, 0.5)))
    assert not {v.facets.get("rung") for v in found} & set(rule.OTHERS)


def test_bits_count_masks():
    mask = {"a": np.arange(12).reshape(3, 4) < 5, "b": np.ones((2, 2), bool)}
    assert _bits(mask) == pytest.approx(math.log2(math.comb(12, 5)))


def test_cosines_and_permuted_units():
    rng = np.random.default_rng(0)
    step = {"weight": rng.standard_normal((4, 6)), "bias": rng.standard_normal(6)}
    assert cosine(step, jax.tree.map(lambda a: 3 * a, step)) == pytest.approx(1)
    assert cosine(step, jax.tree.map(np.zeros_like, step)) == 0
    turned = permuted_units(step, rng)
    order = [int(np.flatnonzero(step["bias"] == b)[0]) for b in turned["bias"]]
    assert sorted(order) == list(range(6)) != order
    np.testing.assert_array_equal(turned["weight"], step["weight"][:, order])


# --- one small run ---

PLAN = LadderPlan(
    task=Digits(train=60, validation=60, test=120),
    network=MLP(widths=(12, 10)),
    seeds=2,
    penalties=(0.1, 1.0),
    ridges=(1e-2, 1e-1),
    step_sizes=(0.5, 1.0),
    batch=30,
    epochs=10,
    doublings=1,
    densities=(0.5,),
    search_sizes=(0.01,),
    search_steps=20,
    extensions=1,
)


@pytest.fixture(scope="module")
def evidence():
    return run_study(Ladder(), PLAN)


@pytest.mark.slow
def test_every_rung_has_its_scores_its_control_and_equally_many_parameters(evidence):
    examples, rungs = evidence.tables["examples"], evidence.tables["rungs"]
    layers = {f"{rule.LAYER}: {name}" for name in ("dense1", "dense2", "output")}
    assert set(rungs["rung"]) == {*rule.RUNGS, *rule.OTHERS, *layers}
    for rung in set(rungs["rung"]):
        for column, score in ((rung, "test_score"), (rule.control_of(rung), "control_score")):
            for seed in (0, 1):
                found = rungs.where(rung=rung, seed=seed)[score][0]
                assert examples.where(seed=seed)[column].mean() == pytest.approx(found)
    fitted = rungs.where(seed=0)
    count = dict(zip(fitted["rung"], fitted["parameters"], strict=True))
    sizes = {"dense1": 64 * 12 + 12, "dense2": 12 * 10 + 10, "output": 10 * 10 + 10}
    assert [count[f"{rule.LAYER}: {name}"] for name in sizes] == list(sizes.values())
    assert count[rule.TANGENT] == count[rule.TRAINED] == sum(sizes.values())
    assert count[rule.HIDDEN] == sizes["dense1"] + sizes["dense2"]
    assert count[rule.UNIT] == 19
    assert count[rule.MASK] == 0
    offset = dict(zip(fitted["rung"], fitted["offset"], strict=True))
    chose = {rung for rung, of in offset.items() if of in ("kept", "centred")}
    assert chose == {*layers, rule.LAYER, rule.HIDDEN, rule.TANGENT, rule.TRAINED}
    apart = np.abs(fitted["parameters"] - fitted["control_parameters"])
    assert np.all(apart[fitted["rung"] != rule.MASK] <= 10)
    assert [count[rung] for rung in (rule.LOGISTICS, rule.NNGP, rule.NTK)] == [count[rule.PROBES], 0, 0]


@pytest.mark.slow
def test_tangent_minima_are_certified_and_layers_aligned(evidence):
    certificates, alignment = evidence.tables["certificates"], evidence.tables["alignment"]
    assert certificates["met"].all()
    assert set(certificates["rung"]) >= {rule.LAYER, rule.HIDDEN, rule.TANGENT}
    assert len(alignment) == 2 * 3
    for column in ("cosine", "two_trainings", "permuted"):
        assert np.all(np.abs(alignment[column]) <= 1 + 1e-9)
    assert np.mean(alignment["two_trainings"]) > np.mean(alignment["permuted"])


@pytest.mark.slow
def test_verdicts_are_the_claim_its_five_questions_and_the_sides(evidence):
    claim, *asked = evidence.verdicts
    assert claim.key == "claim"
    assert [v.key for v in asked if v.headline] == [*[rule.NOT_ENOUGH] * 3, rule.ENOUGH, rule.ABOVE]
    assert len([v for v in asked if not v.headline]) == 5 + 8 + 2 * len(rule.OTHERS) - 1
    assert Ladder().conclude(PLAN, {}).verdicts == ()


@pytest.mark.slow
def test_the_same_plan_gives_the_same_bits(evidence):
    again = run_study(Ladder(), dataclasses.replace(PLAN, seeds=1))
    for name in ("examples", "rungs"):
        assert again.tables[name].digest() == evidence.tables[name].where(seed=0).digest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": MLP(widths=())}, "no hidden layer"),
        ({"task": Bundled(name="diabetes", train=60, validation=40, test=70)}, "regression"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        run_study(Ladder(), dataclasses.replace(PLAN, **changes))


def test_plans_are_checked():
    with pytest.raises(UserError, match="ridges"):
        LadderPlan(ridges=(0.1, 0.1))
