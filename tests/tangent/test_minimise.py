"""The tangent minimum is that of scikit-learn, SciPy and NumPy on the Jacobian written down, by every solver."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tangent_reference import (
    NETWORKS,
    explicit,
    explicit_of,
    flattened,
    logistic_step,
    newton_step,
    params_of,
    relative_error,
    ridge_step,
    softmax_model,
    split_of,
)
from tangent_solves import (
    ENTROPY_RIDGES,
    RUNGS,
    SQUARE_RIDGES,
    TIGHT,
    each_rung,
    errors,
    minimum,
    solved,
    square_and_entropy,
)

from ticketlab.networks import MLP
from ticketlab.tangent import Absolute, predict_all, ridge_path
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss, Task


@pytest.mark.parametrize("name", list(NETWORKS))
def test_square_loss_is_scikit_learns_ridge_and_numpys_least_squares(name: str) -> None:
    solutions = solved(name, SQUARE, "eigen", SQUARE_RIDGES)
    assert errors(name, solutions, None).max() < 1e-9
    assert all(s.certificate.met for s in solutions)


@pytest.mark.parametrize(("rung", "bound"), [("iterative", 1e-6), ("primal", 1e-9)])
@pytest.mark.parametrize("name", ["mlp", "lenet-ntk", "user"])
def test_square_loss_by_the_other_solvers(name: str, rung: str, bound: float) -> None:
    solutions = solved(name, SQUARE, rung, SQUARE_RIDGES)
    assert errors(name, solutions, None).max() < bound
    assert all(s.certificate.met for s in solutions)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_cross_entropy_is_scipys_minimum(name: str) -> None:
    solutions = solved(name, SOFTMAX_CROSS_ENTROPY, "iterative", ENTROPY_RIDGES)
    assert errors(name, solutions, softmax_model).max() < 1e-6
    assert all(s.certificate.met for s in solutions)


@pytest.mark.parametrize("rung", ["eigen", "primal"])
@pytest.mark.parametrize("name", ["mlp", "lenet-ntk", "user"])
def test_cross_entropy_by_the_other_solvers(name: str, rung: str) -> None:
    solutions = solved(name, SOFTMAX_CROSS_ENTROPY, rung, ENTROPY_RIDGES)
    assert errors(name, solutions, softmax_model).max() < 1e-6
    assert all(s.certificate.met for s in solutions)


def test_two_classes_are_scikit_learns_logistic_regression() -> None:
    network = MLP((6,)).build((4,), 2)
    params, split = network.init(jax.random.key(1)), split_of("mlp")
    labels = (split.ids % 2).astype(int)
    two = replace(split, targets=np.eye(2, dtype=np.float32)[labels], labels=labels)
    ridges = [1e-3, 0.1, 10.0]
    solutions = ridge_path(
        network,
        params,
        two,
        loss=SOFTMAX_CROSS_ENTROPY,
        ridges=[Absolute(r) for r in ridges],
        centred=(True,),
        options=TIGHT,
    )
    _, j = explicit(network, params, split.x)
    for ridge, solution in zip(ridges, solutions, strict=True):
        assert relative_error(flattened(solution.delta), logistic_step(j, labels, ridge)) < 1e-6


@each_rung
def test_ridges_over_twenty_decades(rung: str) -> None:
    ridges = tuple(Absolute(10.0**p) for p in (-12, -8, -4, 0, 4, 8))
    solutions = ridge_path(
        NETWORKS["mlp"], params_of("mlp"), split_of("mlp"), ridges=ridges, rung=RUNGS[rung], options=TIGHT
    )
    assert errors("mlp", solutions, None).max() < 1e-6
    assert [s.ridge for s in solutions] == [r.value for r in ridges]
    motions = [s.relative_motion for s in solutions]
    assert motions == sorted(motions, reverse=True)


@square_and_entropy
def test_the_default_tolerance_is_enough_for_five_digits_of_the_function(loss: ConvexLoss) -> None:
    """The default tolerance fixes the objective to eight digits, and so the function to about four or more."""
    (f0, j), split = explicit_of("mlp"), split_of("mlp")
    solution = minimum(loss=loss)
    y = split.targets.astype(float)
    if loss.quadratic:
        step = ridge_step(j, y - f0, solution.ridge)
    else:
        step = newton_step(j, f0, y, solution.ridge, softmax_model)
    assert solution.relative_ridge == pytest.approx(0.01)
    assert relative_error(solution.predict(split.x).ravel(), f0.ravel() + j @ step) < 1e-4
    assert solution.certificate.tolerance == 1e-8
    assert solution.certificate.met


@square_and_entropy
@pytest.mark.parametrize("name", ["mlp", "lenet-ntk", "user"])
def test_all_solvers_predict_the_same(name: str, loss: ConvexLoss) -> None:
    ridges = SQUARE_RIDGES if loss.quadratic else ENTROPY_RIDGES
    x = split_of(name, seed=21).x
    one, *others = (predict_all(solved(name, loss, rung, ridges), x) for rung in RUNGS)
    for other in others:
        assert relative_error(other, one) < 1e-6


def test_a_path_is_its_ridges_one_by_one() -> None:
    path = solved("mlp", SOFTMAX_CROSS_ENTROPY, "eigen", ENTROPY_RIDGES)
    alone = minimum(
        loss=SOFTMAX_CROSS_ENTROPY, ridge=ENTROPY_RIDGES[0], centred=True, rung=RUNGS["eigen"], options=TIGHT
    )
    assert [s.keeps_offset for s in path] == [True] * 3 + [False] * 3
    assert relative_error(flattened(alone.delta), flattened(path[3].delta)) < 1e-6


def test_of_a_task_the_training_part_is_fitted() -> None:
    part = split_of("mlp")
    other = split_of("mlp", seed=9)
    task = Task("made up", "classification", part, other, other, ("a", "b", "c"), content_hash="")
    by_task = minimum(task, ridge=Absolute(0.1), rung=RUNGS["eigen"])
    by_part = minimum(part, ridge=Absolute(0.1), rung=RUNGS["eigen"])
    np.testing.assert_array_equal(flattened(by_task.delta), flattened(by_part.delta))


def test_a_relative_ridge_is_in_units_of_the_mean_diagonal_of_the_kernel() -> None:
    for rung in ("eigen", "primal"):
        solution = solved("mlp", SQUARE, rung, SQUARE_RIDGES)[1]
        _, j = explicit_of("mlp")
        assert solution.ridge == pytest.approx(0.1 * np.mean(np.sum(j * j, axis=1)), rel=1e-12)
        assert solution.relative_ridge == pytest.approx(0.1, rel=1e-12)


def test_progress_is_told() -> None:
    heard: list[tuple[str, float]] = []
    ridge_path(
        NETWORKS["mlp"],
        params_of("mlp"),
        split_of("mlp"),
        loss=SOFTMAX_CROSS_ENTROPY,
        ridges=ENTROPY_RIDGES,
        centred=(False, True),
        progress=lambda what, value: heard.append((what, value)),
    )
    kernel = [value for what, value in heard if what == "kernel"]
    gaps = [value for what, value in heard if what == "certificate"]
    assert kernel[-1] == 1
    assert 0 <= gaps[-1] <= 1e-8


def test_the_answer_is_the_same_with_double_precision_switched_on_around_it() -> None:
    outside = solved("mlp", SQUARE, "eigen", SQUARE_RIDGES)
    with jax.enable_x64(True):
        inside = solved.__wrapped__("mlp", SQUARE, "eigen", SQUARE_RIDGES)
    assert jnp.zeros(()).dtype == jnp.float32
    for a, b in zip(outside, inside, strict=True):
        np.testing.assert_array_equal(flattened(a.delta), flattened(b.delta))
