"""Outputs left out by the formula are those of minima without the example, with whatever features represent the kernel."""

import jax
import numpy as np
import pytest

from ticketlab.networks import MLP
from ticketlab.tangent import (
    DenseDual,
    DensePrimal,
    Jacobian,
    Relative,
    ridge_path,
    tangent_kernel,
    tuned_minimum,
)
from ticketlab.tangent.leave_one_out import Features, left_out, tried
from ticketlab.tangent.minimise import bucket
from ticketlab.tasks import SQUARE
from ticketlab.tasks.task import Split

N, K, RIDGE = 12, 3, 0.7


def matrix_of(rank: int) -> tuple[np.ndarray, np.ndarray]:
    """K `[n·k, n·k]` of this rank, and targets."""
    draw = np.random.default_rng(0)
    root = draw.normal(size=(N * K, rank))
    return root @ root.T, draw.normal(size=(N, K))


def by_hand(matrix: np.ndarray, y: np.ndarray) -> np.ndarray:
    """K(n, others)(K(others, others) + λI)⁻¹ y, for each n."""
    found = np.empty_like(y)
    for i in range(N):
        others = np.arange(N * K) // K != i
        inner = matrix[np.ix_(others, others)] + RIDGE * np.eye(others.sum())
        found[i] = matrix[~others][:, others] @ np.linalg.solve(inner, y.ravel()[others])
    return found


def outputs(matrix: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (matrix @ np.linalg.solve(matrix + RIDGE * np.eye(N * K), y.ravel())).reshape(N, K)


def test_by_all_features_and_by_orthogonal_ones() -> None:
    matrix, y = matrix_of(50)
    f = outputs(matrix, y)
    values, vectors = np.linalg.eigh(matrix)
    root, eye = np.linalg.cholesky(matrix), np.broadcast_to(np.eye(K), (N, K, K))
    orthogonal = Features(vectors * np.sqrt(values), squares=values)
    for features, curvature in ((Features(root), None), (Features(root), eye), (orthogonal, None)):
        np.testing.assert_allclose(
            left_out(features, curvature, f - y, f, RIDGE), by_hand(matrix, y), rtol=1e-7
        )


def test_by_a_low_rank_and_independent_noise() -> None:
    matrix, y = matrix_of(5)
    noise = np.random.default_rng(1).random((N, K))
    values, vectors = np.linalg.eigh(matrix)
    features = Features(vectors[:, -5:] * np.sqrt(values[-5:]), rest=noise)
    whole = matrix + np.diag(noise.ravel())
    f = outputs(whole, y)
    np.testing.assert_allclose(left_out(features, None, f - y, f, RIDGE), by_hand(whole, y), rtol=1e-6)


def test_the_search_ends_after_two_that_are_worse() -> None:
    seen: list[float] = []

    def score(value: np.ndarray) -> float:
        seen.append(float(value))
        return -abs(float(value) - 2)

    found = tried([0.1, 10.0, 1.0, 2.0, 1e-3], map(np.array, [10.0, 2.0, 1.0, 0.1, 1e-3]), score)
    assert seen == [10.0, 2.0, 1.0, 0.1]
    assert found.best == 3
    assert found.scores.tolist() == [-1.9, -8.0, -1.0, 0.0, -np.inf]


def test_of_equal_scores_the_largest_ridge_is_taken() -> None:
    assert tried([1.0, 3.0, 2.0], map(np.array, [3.0, 2.0, 1.0]), lambda value: 0.5).best == 1


def problem(n: int = 10) -> tuple:
    draw = np.random.default_rng(2)
    network = MLP((6,)).build((3,), 2)
    x, y = draw.normal(size=(n, 3)), draw.normal(size=(n, 2))
    return network, network.init(jax.random.key(1)), Split(x, y, np.arange(n))


@pytest.mark.parametrize(
    "rung", [DenseDual(), DenseDual("iterative"), DensePrimal()], ids=["eigen", "cholesky", "primal"]
)
def test_the_solution_for_the_best_ridge_is_that_of_the_ridge_alone(rung: DenseDual | DensePrimal) -> None:
    network, params, split = problem()
    ridges = (Relative(1e3), Relative(1.0), Relative(1e-2))
    seen = []

    def score(left: np.ndarray) -> float:
        seen.append(left)
        return -float(np.mean((left - split.targets) ** 2))

    tuned = tuned_minimum(
        network, params, split, loss=SQUARE, ridges=ridges, score=score, rung=rung, padded=True
    )
    assert tuned is not None
    (alone,) = ridge_path(network, params, split, ridges=(ridges[tuned.scores.best],), rung=rung)
    assert tuned.solution.ridge == pytest.approx(alone.ridge)
    np.testing.assert_allclose(tuned.solution.predict(split.x), alone.predict(split.x), atol=1e-3)
    jacobian = Jacobian(network, params, split.x, dtype=np.float64)
    matrix, start = np.asarray(tangent_kernel(jacobian)), np.asarray(jacobian.outputs())
    ridge = 1e3 * np.mean(matrix.diagonal())
    others = np.arange(20) // 2 != 4
    solved = np.linalg.solve(
        matrix[np.ix_(others, others)] + ridge * np.eye(18), (split.targets - start).ravel()[others]
    )
    np.testing.assert_allclose(seen[0][4], start[4] + matrix[~others][:, others] @ solved, rtol=1e-2)


def test_weights_and_padding_are_rows_of_the_jacobian() -> None:
    network, params, split = problem()
    weights = np.arange(10) % 3 + 1.0
    (weighted,) = ridge_path(
        network, params, split, ridges=(Relative(0.1),), rung=DenseDual(), weights=weights, padded=True
    )
    rows = np.repeat(np.arange(10), weights.astype(int))
    (repeated,) = ridge_path(
        network,
        params,
        Split(split.x[rows], split.targets[rows], rows),
        ridges=(Relative(0.1),),
        rung=DenseDual(),
    )
    np.testing.assert_allclose(weighted.predict(split.x), repeated.predict(split.x), rtol=1e-8)
    assert weighted.stats.rows == 20
    assert weighted.jacobian.scale is None


def test_numbers_of_examples_are_rounded_up_to_a_few() -> None:
    sizes = [bucket(n) for n in range(1, 3000)]
    assert all(size >= n for n, size in enumerate(sizes, start=1))
    assert len(set(sizes)) == 26
    assert [bucket(n) for n in (1, 9, 178, 256, 257, 397, 1024, 1617)] == [
        8,
        16,
        256,
        256,
        320,
        448,
        1024,
        1664,
    ]
