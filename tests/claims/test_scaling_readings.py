"""What is read from a trained network: a second task by a read-out of its features, and its loss along a sequence."""

import jax
import numpy as np
import pytest

from ticketlab.claims.scaling import cell as cells
from ticketlab.claims.scaling.claim import Scaling, ScalingPlan
from ticketlab.claims.scaling.families import network_of
from ticketlab.claims.scaling.readings import (
    early_and_late,
    least_losses,
    losses_by_step,
    probe_error,
    second_task,
)
from ticketlab.claims.start import drawn_task
from ticketlab.claims.study import Blank
from ticketlab.errors import UserError
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.sequences.in_context import bayes_predictions, drawn
from ticketlab.tasks.sources import InContext, Markov, SourceCode, TaskSource

CHAIN = Markov(symbols=4, exponent=2.0, steps=6, examples=6000)


def task_of(source: TaskSource = CHAIN):
    return drawn_task(source, 0)


# --- a second task ---


def test_the_second_task_hides_the_last_token() -> None:
    task = task_of()
    second = second_task(task, np.random.default_rng(0))
    np.testing.assert_array_equal(second.test.x[:, 1:], task.test.x[:, :-1])
    np.testing.assert_array_equal(second.test.labels, task.test.labels)
    assert set(second.test.x[:, 0]) <= set(task.test.x[:, 0])
    assert set(np.unique(second.train.labels)) == set(np.unique(task.train.labels))
    where = {number: i for i, number in enumerate(task.train.ids)}
    rows = [where[number] for number in second.train.ids]
    np.testing.assert_array_equal(second.train.x[:, 1:], task.train.x[rows, :-1])


def probed(wide: int = 256):
    """The second task, and a random network."""
    task = second_task(task_of(), np.random.default_rng(0))
    network = network_of("MLP", wide, (6,), 4, 4)
    return task, network, network.init(jax.random.key(0))


def test_a_read_out_finds_what_the_last_token_says_of_the_one_after_the_next() -> None:
    """Random features of the window know its last token, so most of what it says two steps ahead can be read out."""
    task, network, params = probed()
    counts = np.zeros((4, 4))
    np.add.at(counts, (task.train.x[:, -1].astype(int), task.train.labels), 1)
    known = counts / counts.sum(axis=1, keepdims=True)
    one_hot, prior = np.eye(4)[task.test.labels], np.eye(4)[task.train.labels].mean(axis=0)
    best = np.sum((one_hot - known[task.test.x[:, -1].astype(int)]) ** 2) / np.sum((one_hot - prior) ** 2)
    assert best < 0.9
    assert best - 0.01 < probe_error(network, params, task) < best + 0.03


def test_features_that_say_nothing_leave_all_of_the_variance() -> None:
    task, network, params = probed()
    nothing = jax.tree.map(np.zeros_like, params)
    assert probe_error(network, nothing, task) == pytest.approx(1.0, abs=1e-6)


# --- along a sequence ---


def test_losses_by_step_are_those_of_each_answer() -> None:
    rng = np.random.default_rng(0)
    outputs, labels = rng.standard_normal((5, 6)), rng.integers(0, 2, (5, 3))
    targets = np.eye(2)[labels].reshape(5, 6)
    found = losses_by_step(outputs, targets, 3, classes=True)
    for step in range(3):
        columns = slice(2 * step, 2 * step + 2)
        each = SOFTMAX_CROSS_ENTROPY.values(outputs[:, columns], targets[:, columns])
        assert found[step] == pytest.approx(np.mean(each))
    squares = losses_by_step(outputs, targets, 6, classes=False)
    np.testing.assert_allclose(squares, ((outputs - targets) ** 2).mean(axis=0) / 2)


def test_early_and_late_are_the_first_and_the_last_quarter() -> None:
    assert early_and_late(np.arange(8.0)) == (0.5, 6.5)
    assert early_and_late(np.arange(3.0)) == (0.0, 2.0)


def test_the_ridge_predictions_attain_the_least_losses() -> None:
    source = InContext(steps=6, dimensions=2, noise=0.5, examples=20_000, answers="every")
    x, y = drawn(source.examples, source.steps, source.dimensions, source.noise, source.draw)
    found = (bayes_predictions(x, y, 0.5) - y) ** 2 / np.var(y) / 2
    least = least_losses(source)
    assert least is not None
    np.testing.assert_allclose(found.mean(axis=0), least, rtol=0.05)
    assert np.all(np.diff(least) < 0)
    assert least_losses(SourceCode()) is None


# --- tasks and plans ---

EVERY = ScalingPlan(
    task=InContext(steps=8, dimensions=1, noise=0.1, examples=6000, answers="every", draw=7),
    architectures=("GRU", "transformer"),
    sizes=(300, 700, 1500, 3000, 6000),
    steps=600,
    seeds=2,
)


def test_the_guess_of_a_task_with_numbers_is_half_its_variance() -> None:
    setting = cells._setting(EVERY, "GRU", 0)
    assert setting.guess() == pytest.approx(0.5, rel=0.05)
    assert setting.answers == "every"
    assert setting.least.shape == (8,)


@pytest.mark.slow
def test_a_network_learns_in_context_and_its_late_losses_are_lower() -> None:
    cell = next(c for c in Scaling().cells(EVERY) if c.settings == {"kind": "GRU", "place": 3})
    found = cells.measure(EVERY, cell.group(0, 1), Blank(), lambda what, done: None, None)
    row = next(iter(found["runs"].rows()))
    assert row["least_late_loss"] < row["late_loss"] < row["early_loss"] < row["guess"] * 1.05
    assert row["permuted"] == pytest.approx(row["guess"], rel=0.05)
    assert np.isnan(row["probe"])
    lengths = found["lengths"]
    assert sorted(lengths["steps"].tolist()) == [22, 66, 300, 600]
    np.testing.assert_allclose(
        lengths["operations"] / lengths["steps"], lengths["operations"][0] / lengths["steps"][0]
    )


@pytest.mark.parametrize(
    ("task", "kinds"),
    [
        (SourceCode(answers="every"), ("MLP", "transformer")),
        (InContext(answers="every"), ("CNN", "transformer")),
    ],
)
def test_what_sees_later_steps_is_refused(task, kinds) -> None:
    with pytest.raises(UserError, match="every step"):
        ScalingPlan(task=task, architectures=kinds)
    with pytest.raises(UserError, match="no later steps"):
        network_of(kinds[0], 8, (6, 3), 6, None, "every")
