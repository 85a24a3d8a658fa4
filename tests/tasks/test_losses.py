"""Losses: gradients and Hessians against finite differences, conjugates against Fenchel–Young and the supremum itself."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss

LOSSES = [pytest.param(SQUARE, id="square"), pytest.param(SOFTMAX_CROSS_ENTROPY, id="cross-entropy")]


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def example(n: int = 6, k: int = 3) -> tuple[jax.Array, jax.Array]:
    """Outputs, and targets that every loss takes: the first half one-hot, the others distributions over classes."""
    draw = np.random.default_rng(5)
    targets = np.concatenate(
        [np.eye(k)[draw.integers(k, size=n // 2)], draw.dirichlet(np.ones(k), size=n - n // 2)]
    )
    return jnp.asarray(draw.normal(size=(n, k))), jnp.asarray(targets)


def test_values_are_those_of_the_equations() -> None:
    outputs, targets = example()
    square = 0.5 * np.sum((outputs - targets) ** 2, axis=1)
    probabilities = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    entropy = -np.sum(targets * np.log(probabilities), axis=1)
    np.testing.assert_allclose(SQUARE.value(outputs, targets), square, rtol=1e-12)
    np.testing.assert_allclose(SOFTMAX_CROSS_ENTROPY.value(outputs, targets), entropy, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_is_the_finite_difference(loss: ConvexLoss) -> None:
    outputs, targets = example()
    gradient, value, h = loss.gradient(outputs, targets), jax.jit(loss.value), 1e-6
    for c in range(3):
        step = h * np.eye(3)[c]
        difference = (value(outputs + step, targets) - value(outputs - step, targets)) / (2 * h)
        np.testing.assert_allclose(gradient[:, c], difference, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_hessian_is_the_finite_difference_of_the_gradient(loss: ConvexLoss) -> None:
    outputs, targets = example()
    hessian, gradient, h = jax.jit(loss.hessian)(outputs, targets), jax.jit(loss.gradient), 1e-6
    for c in range(3):
        step = h * np.eye(3)[c]
        difference = (gradient(outputs + step, targets) - gradient(outputs - step, targets)) / (2 * h)
        np.testing.assert_allclose(hessian[:, :, c], difference, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_hessian_is_symmetric_and_positive_semidefinite(loss: ConvexLoss) -> None:
    hessian = np.asarray(jax.jit(loss.hessian)(*example()))
    np.testing.assert_allclose(hessian, np.swapaxes(hessian, 1, 2), atol=1e-15)
    assert np.linalg.eigvalsh(hessian).min() >= -1e-15


def test_the_quadratic_flag_is_true_of_the_square_loss_alone() -> None:
    outputs, targets = example()
    np.testing.assert_array_equal(SQUARE.hessian(outputs, targets), np.broadcast_to(np.eye(3), (6, 3, 3)))
    assert SQUARE.quadratic
    assert not SOFTMAX_CROSS_ENTROPY.quadratic


@pytest.mark.parametrize("loss", LOSSES)
def test_fenchel_young_equality_at_the_gradient(loss: ConvexLoss) -> None:
    outputs, targets = example()
    v = jax.jit(loss.gradient)(outputs, targets)
    attained = jnp.sum(v * outputs, axis=1) - loss.value(outputs, targets)
    np.testing.assert_allclose(loss.conjugate(v, targets), attained, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES)
def test_fenchel_young_inequality_elsewhere(loss: ConvexLoss) -> None:
    outputs, targets = example()
    v = loss.gradient(outputs[::-1], targets)  # in the domain, but not at these outputs
    slack = loss.value(outputs, targets) + loss.conjugate(v, targets) - jnp.sum(v * outputs, axis=1)
    assert float(slack.min()) > 1e-3


@pytest.mark.parametrize("loss", LOSSES)
def test_conjugate_is_the_supremum(loss: ConvexLoss) -> None:
    outputs, targets = example()
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
