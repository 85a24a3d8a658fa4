"""A task's shapes and its metric."""

import numpy as np
import pytest

from ticketlab.tasks import Bundled, Digits, split


def test_scores_of_a_classification_average_to_the_accuracy() -> None:
    task = split(Digits().load(), seed=0)
    right = task.test.targets.copy()
    right[:36] = np.roll(right[:36], 1, axis=1)  # a tenth of them wrong
    scores = task.scores(right, task.test)
    assert scores.dtype == np.float64
    assert scores.mean() == pytest.approx(1 - 36 / len(task.test))


def test_scores_of_a_regression_average_to_r_squared() -> None:
    from sklearn.metrics import r2_score

    task = split(Bundled(name="diabetes").load(), seed=0)
    outputs = 0.5 * task.test.targets + 0.1
    assert task.scores(outputs, task.test).mean() == pytest.approx(
        r2_score(task.test.targets, outputs), abs=1e-6
    )


def test_shapes() -> None:
    task = split(Digits().load(), seed=0)
    assert task.input_shape == (8, 8, 1)
    assert task.outputs == 10
    assert len(task.train) == 1078
