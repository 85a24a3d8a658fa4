"""Losses: gradients and Hessians against finite differences, conjugates against Fenchel–Young and the supremum itself."""

import copy
import dataclasses
import pickle
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from ticketlab.errors import UserError
from ticketlab.tasks import (
    LOGISTIC,
    SOFTMAX_CROSS_ENTROPY,
    SQUARE,
    SQUARED_HINGE,
    ConvexLoss,
    Targets,
    huber,
)
from ticketlab.tasks.losses import scaled

ALL = {
    "square": SQUARE,
    "cross-entropy": SOFTMAX_CROSS_ENTROPY,
    "logistic": LOGISTIC,
    "squared hinge": SQUARED_HINGE,
    "Huber": huber(0.7),
}
LOSSES = [pytest.param(loss, id=name) for name, loss in ALL.items()]


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def example(loss: ConvexLoss = SQUARE, n: int = 6, k: int = 3) -> tuple[jax.Array, jax.Array]:
    """Outputs, and targets that the loss takes: the first half one-hot, the others, where it may, distributions over classes."""
    draw = np.random.default_rng(5)
    targets = np.concatenate(
        [np.eye(k)[draw.integers(k, size=n // 2)], draw.dirichlet(np.ones(k), size=n - n // 2)]
    )
    if loss.targets is Targets.BINARY:
        targets = np.round(targets)
    return jnp.asarray(draw.normal(size=(n, k))), jnp.asarray(targets)


def test_values_are_those_of_the_equations() -> None:
    outputs, targets = example()
    square = 0.5 * np.sum((outputs - targets) ** 2, axis=1)
    probabilities = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    entropy = -np.sum(targets * np.log(probabilities), axis=1)
    np.testing.assert_allclose(SQUARE.value(outputs, targets), square, rtol=1e-12)
    np.testing.assert_allclose(SOFTMAX_CROSS_ENTROPY.value(outputs, targets), entropy, rtol=1e-12)
    yes = 1 / (1 + np.exp(-outputs))
    coins = -np.sum(targets * np.log(yes) + (1 - targets) * np.log(1 - yes), axis=1)
    np.testing.assert_allclose(LOGISTIC.value(outputs, targets), coins, rtol=1e-12)
    a = np.abs(outputs - targets)
    np.testing.assert_allclose(
        huber(0.7).value(outputs, targets),
        np.sum(np.where(a < 0.7, 0.5 * a**2, 0.7 * (a - 0.35)), axis=1),
        rtol=1e-12,
    )
    outputs, targets = example(SQUARED_HINGE)
    margins = np.where(targets == 1, outputs, -outputs)
    hinge = 0.5 * np.sum(np.where(margins < 1, (1 - margins) ** 2, 0.0), axis=1)
    np.testing.assert_allclose(SQUARED_HINGE.value(outputs, targets), hinge, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_is_the_finite_difference(loss: ConvexLoss) -> None:
    outputs, targets = example(loss)
    gradient, value, h = loss.gradient(outputs, targets), jax.jit(loss.value), 1e-6
    for c in range(3):
        step = h * np.eye(3)[c]
        difference = (value(outputs + step, targets) - value(outputs - step, targets)) / (2 * h)
        np.testing.assert_allclose(gradient[:, c], difference, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_hessian_is_the_finite_difference_of_the_gradient(loss: ConvexLoss) -> None:
    outputs, targets = example(loss)
    hessian, gradient, h = jax.jit(loss.hessian)(outputs, targets), jax.jit(loss.gradient), 1e-6
    for c in range(3):
        step = h * np.eye(3)[c]
        difference = (gradient(outputs + step, targets) - gradient(outputs - step, targets)) / (2 * h)
        np.testing.assert_allclose(hessian[:, :, c], difference, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_hessian_is_symmetric_and_positive_semidefinite(loss: ConvexLoss) -> None:
    hessian = np.asarray(jax.jit(loss.hessian)(*example(loss)))
    np.testing.assert_allclose(hessian, np.swapaxes(hessian, 1, 2), atol=1e-15)
    assert np.linalg.eigvalsh(hessian).min() >= -1e-15


def test_the_quadratic_flag_is_true_of_the_square_loss_alone() -> None:
    outputs, targets = example()
    np.testing.assert_array_equal(SQUARE.hessian(outputs, targets), np.broadcast_to(np.eye(3), (6, 3, 3)))
    assert [loss for loss in ALL.values() if loss.quadratic] == [SQUARE]


@pytest.mark.parametrize("loss", LOSSES)
def test_fenchel_young_equality_at_the_gradient(loss: ConvexLoss) -> None:
    outputs, targets = example(loss)
    v = jax.jit(loss.gradient)(outputs, targets)
    attained = jnp.sum(v * outputs, axis=1) - loss.value(outputs, targets)
    np.testing.assert_allclose(loss.conjugate(v, targets), attained, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES)
def test_fenchel_young_inequality_elsewhere(loss: ConvexLoss) -> None:
    outputs, targets = example(loss)
    v = loss.gradient(outputs[::-1], targets)  # in the domain, but not at these outputs
    slack = loss.value(outputs, targets) + loss.conjugate(v, targets) - jnp.sum(v * outputs, axis=1)
    assert float(slack.min()) > 1e-3


@pytest.mark.parametrize("loss", LOSSES)
def test_conjugate_is_the_supremum(loss: ConvexLoss) -> None:
    outputs, targets = example(loss)
    v, value = np.asarray(jax.jit(loss.gradient)(outputs, targets)), jax.jit(loss.value)
    for i in range(len(v)):
        y = targets[i : i + 1]

        def below(f: np.ndarray, i: int = i, y: jax.Array = y) -> float:
            return float(value(jnp.asarray(f)[None], y)[0]) - float(v[i] @ f)

        supremum = -minimize(below, np.zeros(3), method="BFGS").fun
        assert float(loss.conjugate(jnp.asarray(v[i : i + 1]), y)[0]) == pytest.approx(supremum, abs=1e-8)


def test_conjugate_of_cross_entropy_on_the_boundary_and_outside_its_domain() -> None:
    y = jnp.array([[0.0, 1.0, 0.0]])
    certain = jnp.array([[1.0, -1.0, 0.0]])  # p = (1, 0, 0): the entropy of certainty
    outside = jnp.array([[0.5, -0.4, 0.0]])  # p sums to 1.1
    negative = jnp.array([[-0.1, 0.1, 0.0]])
    assert float(SOFTMAX_CROSS_ENTROPY.conjugate(certain, y)[0]) == 0
    assert np.isinf(SOFTMAX_CROSS_ENTROPY.conjugate(outside, y)[0])
    assert np.isinf(SOFTMAX_CROSS_ENTROPY.conjugate(negative, y)[0])


def test_conjugates_on_the_boundary_of_their_domains_and_outside() -> None:
    yes = jnp.array([[1.0]])
    assert float(LOGISTIC.conjugate(jnp.array([[-1.0]]), yes)[0]) == 0  # p = 0: the entropy of certainty
    assert float(SQUARED_HINGE.conjugate(jnp.array([[0.0]]), yes)[0]) == 0
    assert float(huber(0.5).conjugate(jnp.array([[0.5]]), yes)[0]) == 0.125 + 0.5
    assert np.isinf(LOGISTIC.conjugate(jnp.array([[0.1]]), yes)[0])
    assert np.isinf(LOGISTIC.conjugate(jnp.array([[-1.1]]), yes)[0])
    assert np.isinf(SQUARED_HINGE.conjugate(jnp.array([[0.1]]), yes)[0])
    assert np.isinf(SQUARED_HINGE.conjugate(jnp.array([[-0.1]]), 1 - yes)[0])
    assert np.isinf(huber(0.5).conjugate(jnp.array([[-0.6]]), yes)[0])


@pytest.mark.parametrize("loss", [SQUARED_HINGE, huber(0.7)], ids=["squared hinge", "Huber"])
def test_curvature_is_one_where_a_piecewise_loss_is_quadratic_and_else_zero(loss: ConvexLoss) -> None:
    targets = jnp.ones((4, 1))
    outputs = jnp.array(
        [[-0.5], [1.0 - 0.3], [1.0 + 1e-9], [3.0]]
    )  # distances −1.5, −0.3, 0+, 2 from the target
    expected = {"squared hinge": [1, 1, 0, 0]}.get(loss.name, [0, 1, 1, 0])
    assert np.asarray(jax.jit(loss.hessian)(outputs, targets)).ravel().tolist() == expected
    at_target = huber(0.7).hessian(targets, targets)
    assert np.asarray(at_target).ravel().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("loss", [SOFTMAX_CROSS_ENTROPY, LOGISTIC], ids=lambda loss: loss.name)
def test_probabilities_are_those_for_which_the_outputs_are_the_best_answer(loss: ConvexLoss) -> None:
    p = np.random.default_rng(3).dirichlet(np.ones(3), size=4)
    value = jax.jit(loss.value)
    for row in p:

        def expected(f: np.ndarray, row: np.ndarray = row) -> float:
            return float(row @ value(jnp.broadcast_to(jnp.asarray(f), (3, 3)), jnp.eye(3)))

        best = minimize(expected, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).x
        np.testing.assert_allclose(loss.probabilities(best[None])[0], row, atol=1e-6)
    assert [loss for loss in ALL.values() if loss.probabilities is None] == [
        ALL[name] for name in ("square", "squared hinge", "Huber")
    ]


def test_one_width_of_hubers_loss_is_one_loss_and_one_program() -> None:
    assert huber(0.7) == huber(0.7)
    assert hash(huber(0.7)) == hash(huber(0.7))
    assert huber(0.7) != huber(0.8)
    assert huber(0.7).name == "Huber of width 0.7"
    for width in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(UserError, match="positive"):
            huber(width)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))], ids=["copy", "pickle"]
)
def test_a_copy_of_a_loss_is_the_same_loss(
    loss: ConvexLoss, copied: Callable[[ConvexLoss], ConvexLoss]
) -> None:
    assert copied(loss) == loss
    assert hash(copied(loss)) == hash(loss)


def test_hubers_loss_is_the_square_loss_for_a_large_width() -> None:
    outputs, targets = example()
    wide = huber(100.0)
    np.testing.assert_allclose(wide.value(outputs, targets), SQUARE.value(outputs, targets), rtol=1e-14)
    np.testing.assert_allclose(wide.hessian(outputs, targets), SQUARE.hessian(outputs, targets), rtol=1e-14)


@pytest.mark.parametrize("loss", [LOGISTIC, SQUARED_HINGE, huber(0.7)], ids=lambda loss: loss.name)
def test_losses_stay_finite_for_large_outputs(loss: ConvexLoss) -> None:
    outputs, targets = jnp.array([[1e4, -1e4, 0.0]]), jnp.array([[0.0, 1.0, 1.0]])
    for derivative in (loss.value, loss.gradient, loss.hessian):
        assert np.all(np.isfinite(jax.jit(derivative)(outputs, targets)))


def test_cross_entropy_stays_finite_for_large_outputs() -> None:
    outputs, targets = jnp.array([[1e4, -1e4, 0.0]]), jnp.array([[0.0, 1.0, 0.0]])
    assert float(SOFTMAX_CROSS_ENTROPY.value(outputs, targets)[0]) == pytest.approx(2e4)
    assert np.all(np.isfinite(jax.jit(SOFTMAX_CROSS_ENTROPY.gradient)(outputs, targets)))
    assert np.all(np.isfinite(jax.jit(SOFTMAX_CROSS_ENTROPY.hessian)(outputs, targets)))


def test_cross_entropys_unregularised_minimum_is_at_infinity_and_the_square_losss_is_not() -> None:
    y = jnp.array([[1.0, 0.0]])
    values = [float(SOFTMAX_CROSS_ENTROPY.value(jnp.array([[s, -s]]), y)[0]) for s in (1.0, 10.0, 100.0)]
    assert values == sorted(values, reverse=True)
    assert not SOFTMAX_CROSS_ENTROPY.finite_minimum
    assert SQUARE.finite_minimum
    assert float(SQUARE.value(y, y)[0]) == 0


def test_targets_in_float64_are_distributions_there_too_and_the_given_ones_stay() -> None:
    given = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]], np.float32).astype(np.float64)
    kept = given.copy()
    exact = SOFTMAX_CROSS_ENTROPY.float64_targets(given)
    np.testing.assert_allclose(exact.sum(axis=1), 1, atol=1e-15)
    np.testing.assert_allclose(exact, given, atol=1e-7)
    np.testing.assert_array_equal(given, kept)
    np.testing.assert_array_equal(SQUARE.float64_targets(given.astype(np.float32)), kept)


@pytest.mark.parametrize("weighted", [False, True], ids=["once", "weighted"])
@pytest.mark.parametrize("loss", LOSSES)
def test_closed_forms_are_those_of_automatic_differentiation(loss: ConvexLoss, weighted: bool) -> None:
    outputs, targets = example(loss)
    if weighted:
        loss = scaled(loss)
        targets = jnp.column_stack([targets, jnp.array([0.0, 1.0, 0.5, 2.0, 1.0, 3.0])])
    on_host = np.asarray(outputs), np.asarray(targets)
    plain = dataclasses.replace(loss, closed=None)
    for name in ("values", "gradient", "hessian"):
        found = getattr(loss, name)(*on_host)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, getattr(plain, name)(outputs, targets), rtol=1e-10, atol=1e-12)
    v = loss.gradient(*on_host)
    np.testing.assert_allclose(
        loss.conjugates(v, on_host[1]), plain.conjugates(jnp.asarray(v), targets), rtol=1e-9, atol=1e-12
    )
    both = np.stack([on_host[0], 2 * on_host[0]])
    for name in ("look", "curvature"):
        found, expected = getattr(loss, name)(both, on_host[1]), getattr(plain, name)(both, targets)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), found, expected)
