"""The flow in function space against the closed form for the square loss, and against small steps of training for others."""

from functools import cache

import numpy as np
import pytest
from tangent_reference import (
    NETWORKS,
    explicit_of,
    flattened,
    params_of,
    relative_error,
    softmax_model,
    split_of,
)

from ticketlab.errors import UserError
from ticketlab.tangent import function_path, training_path
from ticketlab.tangent.dual import DualKernel, dual_kernel
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE


@cache
def kernel_of(name: str) -> DualKernel:
    return dual_kernel(Jacobian(NETWORKS[name], params_of(name), split_of(name).x, dtype=np.float64))


def targets_of(name: str) -> np.ndarray:
    return split_of(name).targets.astype(float)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("name", ["mlp"])
def test_the_square_loss_is_the_closed_form(name, centred) -> None:
    exact = training_path(NETWORKS[name], params_of(name), split_of(name), centred=centred)
    times = [t / exact.largest_curvature for t in (0.0, 0.3, 10.0, 1e3)]
    found = function_path(kernel_of(name), SQUARE, targets_of(name), times, centred=centred)
    expected = exact.points(times)
    assert np.all(flattened(found.points[0].delta) == 0)
    for point, other in zip(found.points[1:], expected[1:], strict=True):
        assert relative_error(flattened(point.delta), flattened(other.delta)) < 1e-3
    np.testing.assert_allclose(targets_of(name) - found.outputs, exact.residuals(times), atol=1e-3)


@pytest.mark.parametrize("name", ["mlp", "lenet-ntk"])
def test_cross_entropy_is_the_limit_of_small_steps(name) -> None:
    f0, j = explicit_of(name)
    y, n = targets_of(name), len(f0)
    h = np.linalg.norm(j, 2) ** 2 / n
    times = [1.0 / h, 30.0 / h]
    found = function_path(kernel_of(name), SOFTMAX_CROSS_ENTROPY, y, times, tolerance=1e-7)

    def slope(delta: np.ndarray) -> np.ndarray:
        return -j.T @ softmax_model(f0 + (j @ delta).reshape(f0.shape), y)[1].ravel() / n

    delta, step = np.zeros(j.shape[1]), 0.02 / h
    for i in range(1500):
        delta = delta + step * slope(delta + 0.5 * step * slope(delta))  # midpoint rule, of second order
        for point, t in zip(found.points, times, strict=True):
            if abs((i + 1) * step - t) < 1e-9 / h:
                assert relative_error(flattened(point.delta), delta) < 1e-4
    model = softmax_model(f0 + (j @ delta).reshape(f0.shape), y)[0] / n
    assert found.losses[-1] == pytest.approx(model, rel=1e-4)


def test_the_loss_falls_without_end() -> None:
    found = function_path(kernel_of("mlp"), SOFTMAX_CROSS_ENTROPY, targets_of("mlp"), [1.0, 1e2, 1e4, 1e6])
    assert np.all(np.diff(found.losses) < 0)
    motion = [np.linalg.norm(flattened(p.delta)) for p in found.points]
    assert np.all(np.diff(motion) > 0)


def test_a_tighter_tolerance_is_nearer() -> None:
    exact = training_path(NETWORKS["mlp"], params_of("mlp"), split_of("mlp"))
    times = [20 / exact.largest_curvature]
    (end,) = exact.points(times)
    errors = [
        relative_error(
            flattened(
                function_path(kernel_of("mlp"), SQUARE, targets_of("mlp"), times, tolerance=t).points[0].delta
            ),
            flattened(end.delta),
        )
        for t in (1e-3, 1e-5, 1e-7)
    ]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


def test_the_beginning_alone() -> None:
    found = function_path(kernel_of("mlp"), SQUARE, targets_of("mlp"), [0.0])
    np.testing.assert_allclose(found.outputs[0], explicit_of("mlp")[0], rtol=1e-12)
    assert np.all(flattened(found.points[0].delta) == 0)


def test_targets_that_the_loss_does_not_take() -> None:
    with pytest.raises(UserError, match="not distributions"):
        function_path(kernel_of("mlp"), SOFTMAX_CROSS_ENTROPY, targets_of("mlp") - 0.5, [1.0])


@pytest.mark.parametrize("times", [[], [1.0, np.inf], [2.0, 1.0], [-1.0]])
def test_impossible_times(times) -> None:
    with pytest.raises(UserError, match="finite increasing times"):
        function_path(kernel_of("mlp"), SOFTMAX_CROSS_ENTROPY, targets_of("mlp"), times)
