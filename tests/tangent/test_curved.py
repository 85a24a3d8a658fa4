"""Newton systems by Cholesky are those of a solver for any matrix; outputs left out are those of minima without the example."""

import numpy as np
import pytest

from ticketlab.tangent.curved import CurvedOperator, curved_points
from ticketlab.tangent.newton import FunctionSpaceProblem
from ticketlab.tasks import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARED_HINGE, ConvexLoss, huber

N, K = 9, 3
LOSSES = [SOFTMAX_CROSS_ENTROPY, LOGISTIC, SQUARED_HINGE, huber(0.3)]


def problem(loss: ConvexLoss, ridge: float) -> tuple[np.ndarray, FunctionSpaceProblem]:
    """K `[n·k, n·k]` of full rank, one-hot targets, and a start that is not zero."""
    draw = np.random.default_rng(4)
    root = draw.normal(size=(N * K, 40))
    targets = np.eye(K)[np.arange(N) % K]
    return root @ root.T / 40, FunctionSpaceProblem(
        loss, targets, draw.normal(size=(1, N, K)), np.array([ridge])
    )


def block_diagonal(h: np.ndarray) -> np.ndarray:
    whole = np.zeros((N, K, N, K))
    whole[np.arange(N), :, np.arange(N)] = h
    return whole.reshape(N * K, N * K)


@pytest.mark.parametrize("ridge", [1.0, 1e-6])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_system_is_solved(loss: ConvexLoss, ridge: float) -> None:
    matrix, posed = problem(loss, ridge)
    h = loss.hessian(posed.offsets[0], posed.targets)
    operator = CurvedOperator(matrix)
    b = matrix @ np.random.default_rng(5).normal(size=N * K)  # and what H lets through
    b = (block_diagonal(h) @ b + ridge * b).reshape(1, N, K)
    found = operator.precondition(b, operator.prepare(h[None], np.array([ridge])))
    expected = np.linalg.solve(block_diagonal(h) @ matrix + ridge * np.eye(N * K), b.ravel())
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def minimum(matrix: np.ndarray, posed: FunctionSpaceProblem, counted: np.ndarray) -> np.ndarray:
    """The outputs at the minimum of the counted examples, by dense Newton steps with halving."""
    loss, ridge, weight = posed.loss, posed.ridges[0], np.repeat(counted, K).astype(float)
    u = np.zeros(N * K)

    def value(u: np.ndarray) -> float:
        outputs = posed.offsets[0] + (matrix @ u).reshape(N, K)
        return float(counted @ loss.values(outputs, posed.targets) + 0.5 * ridge * u @ matrix @ u)

    for _ in range(60):
        outputs = posed.offsets[0] + (matrix @ u).reshape(N, K)
        g = weight * loss.gradient(outputs, posed.targets).ravel() + ridge * u
        h = weight[:, None] * block_diagonal(loss.hessian(outputs, posed.targets))
        d = -np.linalg.solve(h @ matrix + ridge * np.eye(N * K), g)
        t = 1.0
        while value(u + t * d) > value(u) and t > 1e-12:
            t /= 2
        u = u + t * d
    return posed.offsets[0] + (matrix @ u).reshape(N, K)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_examples_left_out_are_nearly_those_of_minima_without_them(loss: ConvexLoss) -> None:
    matrix, posed = problem(loss, 1.0)
    *_, point = curved_points(CurvedOperator(matrix), posed, (10.0, 1.0), 40)
    whole = minimum(matrix, posed, np.ones(N))
    reached = posed.offsets[0] + (matrix @ point.u.ravel()).reshape(N, K)
    np.testing.assert_allclose(reached, whole, atol=0.05)
    for i in range(N):
        without = minimum(matrix, posed, np.arange(N) != i)[i]
        moved = np.linalg.norm(without - whole[i])
        assert np.linalg.norm(point.left_out[i] - without) < 0.25 * moved + 0.05


def test_an_outlier_without_curvature_is_left_out_exactly() -> None:
    """Huber's loss is straight at an outlier and quadratic at the others, so that one Newton step leaves the outlier out."""
    matrix, posed = problem(huber(10.0), 1.0)
    posed.targets[4] = 1e3
    *_, point = curved_points(CurvedOperator(matrix), posed, (1.0,), 40)
    without = minimum(matrix, posed, np.arange(N) != 4)[4]
    np.testing.assert_allclose(point.left_out[4], without, rtol=1e-6)


def test_a_ridge_below_rounding_still_has_a_factor() -> None:
    draw = np.random.default_rng(6)
    root = draw.normal(size=(N * K, 4))
    h = SOFTMAX_CROSS_ENTROPY.hessian(draw.normal(size=(N, K)), np.eye(K)[np.arange(N) % K])
    factor = CurvedOperator(root @ root.T).factor(h, 1e-25)
    assert np.isfinite(factor.solved(draw.normal(size=(N, K)))).all()
