"""One Gauss–Newton step against the same step written down with the whole matrix JᵀHJ."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from tangent_reference import (
    NETWORKS,
    explicit_of,
    flattened,
    huber_model,
    params_of,
    relative_error,
    softmax_model,
    split_of,
    square_model,
)

from ticketlab.errors import UserError
from ticketlab.tangent import Layers, gauss_newton_steps, training_path
from ticketlab.tangent.dual import DualKernel, dual_kernel
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, huber

MODELS = {"square": (SQUARE, square_model), "cross-entropy": (SOFTMAX_CROSS_ENTROPY, softmax_model)}
SOME = ("mlp", "lenet-ntk")


@cache
def kernel_of(name: str) -> DualKernel:
    return dual_kernel(Jacobian(NETWORKS[name], params_of(name), split_of(name).x, dtype=np.float64))


def targets_of(name: str) -> np.ndarray:
    return split_of(name).targets.astype(float)


def curved(name: str, loss: str, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """JᵀHJ and Jᵀg at θ₀."""
    f0, j = explicit_of(name)
    _, gradient, hessian = MODELS[loss][1](0 * f0 if centred else f0, targets_of(name))
    rows = j.reshape(*f0.shape, -1)
    return np.einsum("nap,nab,nbq->pq", rows, hessian, rows, optimize=True), j.T @ gradient.ravel()


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("loss", MODELS)
@pytest.mark.parametrize("name", SOME)
def test_it_is_the_step_of_the_whole_matrix(name, loss, centred) -> None:
    matrix, gradient = curved(name, loss, centred)
    ridges = (0.0, 1e-3, 1.0)
    steps = gauss_newton_steps(kernel_of(name), MODELS[loss][0], targets_of(name), ridges, centred=centred)
    for ridge, found in zip(ridges, steps, strict=True):
        if ridge:
            expected = -np.linalg.solve(matrix + ridge * np.eye(len(matrix)), gradient)
        else:
            expected = -np.linalg.pinv(matrix, rcond=1e-10, hermitian=True) @ gradient
        assert relative_error(flattened(found.point.delta), expected) < 1e-5
        assert found.stationarity < 1e-6
        assert found.point.keeps_offset is not centred


def test_for_the_square_loss_it_ends_where_the_flow_ends() -> None:
    (step,) = gauss_newton_steps(kernel_of("mlp"), SQUARE, targets_of("mlp"))
    (end,) = training_path(NETWORKS["mlp"], params_of("mlp"), split_of("mlp")).points([np.inf])
    assert relative_error(flattened(step.point.delta), flattened(end.delta)) < 1e-8


def test_the_read_out_alone() -> None:
    """K is not formed; its root replaces it."""
    last = Layers((NETWORKS["mlp"].layers[-1].name,))
    jacobian = Jacobian(NETWORKS["mlp"], params_of("mlp"), split_of("mlp").x, last, dtype=np.float64)
    kernel = dual_kernel(jacobian)
    assert kernel.matrix is None
    steps = gauss_newton_steps(kernel, SOFTMAX_CROSS_ENTROPY, targets_of("mlp"), (0.0, 0.1))
    assert all(step.stationarity < 1e-6 for step in steps)


def test_a_gradient_without_curvature_is_stopped_by_the_ridge() -> None:
    """Outliers under Huber's loss pull, though their curvature is zero."""
    (f0, j), loss = explicit_of("mlp"), huber(0.3)
    _, gradient, hessian = huber_model(0.3)(f0, targets_of("mlp"))
    outside = np.einsum("ncc->nc", hessian) == 0
    assert 0 < outside.mean() < 1
    matrix = j.T @ (np.einsum("ncc->nc", hessian).reshape(-1, 1) * j)
    minimum, damped = gauss_newton_steps(kernel_of("mlp"), loss, targets_of("mlp"), (0.0, 0.1))
    expected = -np.linalg.solve(matrix + 0.1 * np.eye(len(matrix)), j.T @ gradient.ravel())
    assert relative_error(flattened(damped.point.delta), expected) < 1e-9
    assert damped.stationarity < 1e-9
    assert minimum.stationarity > 0.01  # there is none at ridge 0


def test_a_step_that_is_not_stationary_is_known() -> None:
    """The certificate is independent of the matrix, so it reveals a wrong one."""
    kernel = kernel_of("mlp")
    with jax.enable_x64(True):
        wrong = replace(kernel, matrix=kernel.matrix * 1.5)
    (step,) = gauss_newton_steps(wrong, SQUARE, targets_of("mlp"), (0.1,))
    assert step.stationarity > 0.1


def test_targets_that_the_loss_does_not_take() -> None:
    with pytest.raises(UserError, match="not distributions"):
        gauss_newton_steps(kernel_of("mlp"), SOFTMAX_CROSS_ENTROPY, targets_of("mlp") - 0.5)
    with pytest.raises(UserError, match="targets of shape"):
        gauss_newton_steps(kernel_of("mlp"), SQUARE, targets_of("mlp")[:5])


@pytest.mark.parametrize("ridges", [(), (-1.0,), (np.nan,)])
def test_impossible_ridges(ridges) -> None:
    with pytest.raises(UserError, match="at least 0"):
        gauss_newton_steps(kernel_of("mlp"), SQUARE, targets_of("mlp"), ridges)
