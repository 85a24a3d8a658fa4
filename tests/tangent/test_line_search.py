"""The line search ends where the objective along a step does: SciPy's scalar minimum, and never beyond it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ticketlab.tangent.line_search import EXACT, line_search
from ticketlab.tasks import LOGISTIC, SQUARE, SQUARED_HINGE, ConvexLoss, huber

C, N, K = 5, 7, 2
LENGTHS = np.array([0.1, 1.0, 1e2, 1e5, 1e9])  # of a descent direction: from too short to far too long
RIDGE = 0.3


def problem(loss: ConvexLoss) -> tuple[jax.Array, ...]:
    """Outputs, targets, and steps against the gradient, for Σ ℓ(F) + ½·ridge·‖F‖² along F + tF'."""
    draw = np.random.default_rng(2)
    outputs = jnp.asarray(np.broadcast_to(3 * draw.normal(size=(N, K)), (C, N, K)))
    targets = jnp.asarray(np.round(draw.random((N, K))))
    gradient = loss.gradient(outputs[0], targets) + RIDGE * outputs[0]
    return outputs, -jnp.asarray(LENGTHS)[:, None, None] * gradient, targets


def looks(loss: ConvexLoss, targets: jax.Array) -> Any:
    """Σ ℓ and ∇ℓ as arrays of the host."""

    def look(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = loss.look(outputs, targets)
        return np.asarray(value), np.asarray(gradient)

    return look


@pytest.mark.parametrize("loss", [SQUARE, LOGISTIC, SQUARED_HINGE, huber(0.01)], ids=lambda loss: loss.name)
def test_it_ends_at_the_lowest_point_or_with_the_whole_step(loss: ConvexLoss) -> None:
    with jax.enable_x64(True):
        outputs, direction, targets = problem(loss)
        linear = np.asarray(RIDGE * jnp.sum(outputs * direction, axis=(1, 2)))
        quadratic = np.asarray(RIDGE * jnp.sum(direction * direction, axis=(1, 2)))
        found = line_search(
            looks(loss, targets), np.asarray(outputs), np.asarray(direction), linear, quadratic
        )

        for i in range(C):

            def phi(t: float, i: int = i) -> float:
                fit = jnp.sum(loss.value(outputs[i] + t * direction[i], targets))
                return float(fit + t * linear[i] + 0.5 * t**2 * quadratic[i])

            def slope(t: float, i: int = i) -> float:
                return float(
                    jax.grad(lambda s: jnp.sum(loss.value(outputs[i] + s * direction[i], targets)))(t)
                ) + float(linear[i] + t * quadratic[i])

            assert 0 < found[i] <= 1
            assert phi(found[i]) < phi(0.0)
            lowest = minimize_scalar(phi, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-14}).x
            if found[i] < 1:
                assert slope(found[i]) <= 0
                assert abs(slope(found[i])) <= EXACT * abs(slope(0.0)) * (1 + 1e-9)
                assert found[i] <= lowest + 1e-6
            else:
                assert slope(1.0) <= 0.1 * abs(slope(0.0))


def test_a_direction_that_does_not_descend_is_not_taken() -> None:
    with jax.enable_x64(True):
        outputs, direction, targets = problem(SQUARE)
        linear = np.asarray(-RIDGE * jnp.sum(outputs * direction, axis=(1, 2)))
        quadratic = np.asarray(RIDGE * jnp.sum(direction * direction, axis=(1, 2)))
        found = line_search(
            looks(SQUARE, targets), np.asarray(outputs), -np.asarray(direction), linear, quadratic
        )
    np.testing.assert_array_equal(found, np.zeros(C))
