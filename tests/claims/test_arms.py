"""What a cell computes: every arm against an independent computation, the choice among candidates, and what goes wrong."""

import dataclasses
import warnings

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from ticketlab.claims.tangent_minimum.formula import ARMS, DESCENT, TANGENT
from ticketlab.cli import main
from ticketlab.errors import NumericalFailure
from ticketlab.tangent import MINIMUM_NORM, Layers, Relative, minimise
from ticketlab.tangent.newton import NewtonOptions
from ticketlab.tasks import split
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE

LOSSES = {"square": SQUARE, "cross-entropy": SOFTMAX_CROSS_ENTROPY}
OFFSETS = ("kept", "centred")

each_loss = pytest.mark.parametrize("loss", LOSSES)


@pytest.fixture(scope="module")
def start(plan):
    """Task, network and θ₀ of seed 0, drawn as the study says it draws them."""
    task = split(plan.task.load(), 0, plan.task.sizes())
    network = plan.network.build(task.input_shape, task.outputs)
    return task, network, network.init(jax.random.split(jax.random.key(0))[0])


def row(table, **equal):
    (found,) = table.where(**equal).rows()
    return found


def mean_loss(loss, outputs, task):
    with jax.enable_x64(True):
        values = LOSSES[loss].values(*(np.asarray(a, np.float64) for a in (outputs, task.test.targets)))
        return float(np.mean(np.asarray(values)))


def assert_function(arm, outputs, task, loss, tolerance):
    """The arm's numbers on test data are those of these outputs."""
    assert arm["test_loss"] == pytest.approx(mean_loss(loss, outputs, task), rel=tolerance)
    assert arm["test_score"] == float(np.mean(task.scores(np.asarray(outputs), task.test)))


@each_loss
def test_every_arm_stands_in_the_tables_with_both_offsets(cells, plan, loss):
    tables = cells[f"{loss}-seed0"]
    for offset in OFFSETS:
        assert sorted(tables["arms"].where(offset=offset)["arm"]) == sorted(ARMS)
    assert row(tables["arms"], arm=DESCENT, offset="kept")["agreement"] == 1
    assert set(tables["timings"]["arm"]) <= {*ARMS, "wider grids"}
    assert tables["timings"].measured


@each_loss
def test_the_best_validation_score_is_chosen_then_the_lowest_loss(cells, plan, loss):
    tables = cells[f"{loss}-seed0"]
    for arm in (DESCENT, TANGENT, "read-out layer", "linear model"):
        for offset in OFFSETS:
            candidates = tables["tuning"].where(arm=arm, offset=offset).rows()
            assert len(candidates) == len(plan.ridges) == len(plan.step_sizes)
            best = max(candidates, key=lambda c: (c["validation_score"], -c["validation_loss"]))
            assert [c["candidate"] for c in candidates if c["chosen"]] == [best["candidate"]]
            arm_row = row(tables["arms"], arm=arm, offset=offset)
            assert arm_row["setting"] == best["candidate"]
            assert arm_row["test_score"] == best["test_score"]


@each_loss
def test_the_examples_average_to_the_scores(cells, start, loss):
    tables = cells[f"{loss}-seed0"]
    for offset in OFFSETS:
        examples = tables["examples"].where(offset=offset)
        np.testing.assert_array_equal(examples["id"], start[0].test.ids)
        for arm, column in ((TANGENT, "tangent_score"), (DESCENT, "descent_score")):
            score = row(tables["arms"], arm=arm, offset=offset)["test_score"]
            assert np.mean(examples[column]) == pytest.approx(score, abs=1e-12)


@each_loss
def test_every_minimum_is_certified(cells, plan, loss):
    certificates = cells[f"{loss}-seed0"]["certificates"]
    assert set(certificates["arm"]) == {TANGENT, "read-out layer", "linear model"} | (
        {"minimum-norm limit"} if loss == "square" else set()
    )
    assert certificates["met"].all()
    assert (certificates["duality_gap"] <= certificates["tolerance"]).all()
    assert (certificates["duality_gap"] >= 0).all()
    assert (certificates["tolerance"] <= plan.tolerance).all()


@each_loss
@pytest.mark.parametrize("arm", [TANGENT, "read-out layer"])
def test_an_arm_is_the_tangent_minimum_computed_alone(cells, start, loss, arm):
    task, network, params = start
    found = row(cells[f"{loss}-seed0"]["arms"], arm=arm, offset="kept")
    more = {} if arm == TANGENT else {"selection": Layers(("output",))}
    solution = minimise(
        network,
        params,
        task,
        loss=LOSSES[loss],
        ridge=Relative(found["setting"]),
        options=NewtonOptions(tolerance=1e-8),
        **more,
    )
    assert_function(found, solution.predict(task.test.x), task, loss, 1e-6 if loss == "square" else 1e-2)
    assert found["relative_motion"] == pytest.approx(solution.relative_motion, rel=1e-2)
    if arm == TANGENT:
        moved = jax.tree.map(lambda a: np.asarray(a, np.float32), solution.moved)
        at = row(cells[f"{loss}-seed0"]["arms"], arm="network at θ₀ + Δθ", offset="kept")
        outputs = np.asarray(jax.jit(network.apply)(moved, task.test.x))
        assert at["test_loss"] == pytest.approx(mean_loss(loss, outputs, task), rel=5e-2)


def test_the_minimum_norm_limit(cells, start):
    task, network, params = start
    found = row(cells["square-seed0"]["arms"], arm="minimum-norm limit", offset="centred")
    solution = minimise(network, params, task, ridge=MINIMUM_NORM, centred=True)
    assert found["setting"] == 0
    assert_function(found, solution.predict(task.test.x), task, "square", 1e-5)


def test_cross_entropy_takes_the_smallest_ridge_for_a_limit(cells, plan):
    arms = cells["cross-entropy-seed0"]["arms"]
    assert set(arms.where(arm="minimum-norm limit")["setting"]) == {min(plan.ridges)}


@each_loss
def test_the_linear_model_is_scikit_learns(cells, start, loss):
    task, *_ = start
    found = row(cells[f"{loss}-seed0"]["arms"], arm="linear model", offset="kept")
    x, test = (
        np.hstack([p.x.reshape(len(p), -1).astype(float), np.ones((len(p), 1))])
        for p in (task.train, task.test)
    )
    ridge = found["setting"] * float(np.mean(np.sum(x**2, axis=1)))
    if loss == "square":
        outputs = test @ Ridge(alpha=ridge, fit_intercept=False).fit(x, task.train.targets).coef_.T
    else:
        model = LogisticRegression(C=1 / ridge, fit_intercept=False, tol=1e-8, max_iter=10_000)
        outputs = test @ model.fit(x, task.train.labels).coef_.T
    assert_function(found, outputs, task, loss, 1e-6 if loss == "square" else 1e-2)


def test_a_candidate_that_diverges_is_named_and_never_chosen(plan, compared):
    tables = compared(dataclasses.replace(plan, step_sizes=(1e9, 1.0), losses=("square",))).tables
    tuning = tables["tuning"].where(arm=DESCENT)
    for found in tuning.rows():
        wild = found["candidate"] == 1e9
        assert (found["outcome"] == "diverged") == wild
        assert np.isnan(found["test_score"]) == wild
        assert found["chosen"] != wild


def test_when_every_candidate_diverges_there_is_no_verdict(plan, compared):
    wild = dataclasses.replace(plan, step_sizes=(1e9, 1e10))
    with pytest.raises(
        NumericalFailure, match=r"f₀ kept diverged at every step size \[1000000000.0, .*smaller"
    ):
        compared(wild)


def test_that_ends_the_command_with_3(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--task", "bundled:name=wine,train=60,validation=40,test=70", "--network", "mlp:128"]
    words += ["--ridges", "0.01", "0.1", "--step-sizes", "1e9", "1e10", "--epochs", "2"]
    words += ["--doublings", "0", "--extensions", "0"]
    assert main(["run", "tangent-minimum", *words]) == 3
    said = capsys.readouterr().err
    assert said.startswith("ticketlab: numerical failure: gradient descent")
    assert "Traceback" not in said


class TestRegression:
    WORDS = ("--network", "mlp:16", "--seeds", "1", "--ridges", "0.1", "--step-sizes", "1", "--epochs", "2")
    WORDS = (*WORDS, "--doublings", "0", "--extensions", "0")
    TASK = ("--task", "bundled:name=diabetes,train=60,validation=40,test=70")

    def test_with_the_square_loss(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert (
                main(["run", "tangent-minimum", *self.TASK, *self.WORDS, "--losses", "square", "--json"]) == 0
            )
        out = capsys.readouterr().out
        assert '"undecided"' in out
        assert "at the edge of what was tried" in out
        assert "NaN" not in out

    def test_cross_entropy_is_refused_before_any_cell_is_run(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert main(["run", "tangent-minimum", *self.TASK, *self.WORDS]) == 2
        said = capsys.readouterr().err
        assert "the cross-entropy loss for diabetes, a regression task; expected the square loss" in said
        assert not list(tmp_path.glob("runs/*/cells/*"))
