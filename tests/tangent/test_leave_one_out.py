"""Outputs left out by the formula are those of minima without the example, with whatever features represent the kernel."""

import jax
import numpy as np
import pytest

from ticketlab.errors import UserError
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
from ticketlab.tangent.kernel_plan import common_block
from ticketlab.tangent.leave_one_out import Features, left_out, own_influence, tried
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
        influence = own_influence(features, curvature, RIDGE, K)
        np.testing.assert_allclose(left_out(influence, curvature, f - y, f), by_hand(matrix, y), rtol=1e-7)


def test_the_search_ends_after_two_that_are_worse() -> None:
    seen: list[float] = []

    def score(value: np.ndarray) -> float:
        seen.append(float(value))
        return -abs(float(value) - 2)

    found = tried([0.1, 10.0, 1.0, 2.0, 1e-3], map(np.array, [10.0, 2.0, 1.0, 0.1, 1e-3]), score)
    assert seen == [10.0, 2.0, 1.0, 0.1]
    assert found.best == 3
    assert found.scores.tolist() == [-1.9, -8.0, -1.0, 0.0, -np.inf]


def test_two_in_a_row_are_worse_without_a_tie_between_them() -> None:
    values = [0.5, 0.4, 0.5, 0.4, 0.9]
    found = tried([5.0, 4.0, 3.0, 2.0, 1.0], map(np.array, values), float)
    assert (found.scores.tolist(), found.best) == (values, 4)


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(UserError, match="with ridge 5"):
        tried([5.0, 4.0], map(np.array, [np.nan, 1.0]), float)


def test_of_equal_scores_the_largest_ridge_is_taken() -> None:
    assert tried([1.0, 3.0, 2.0], map(np.array, [3.0, 2.0, 1.0]), lambda value: 0.5).best == 1


def problem(n: int = 10) -> tuple:
    draw = np.random.default_rng(2)
    network = MLP((6,)).build((3,), 2)
    x, y = draw.normal(size=(n, 3)), draw.normal(size=(n, 2))
    return network, network.init(jax.random.key(1)), Split(x, y, np.arange(n))


@pytest.mark.parametrize("rung", [DenseDual(), DensePrimal()], ids=["eigen", "primal"])
def test_the_solution_for_the_best_ridge_is_that_of_the_ridge_alone(rung: DenseDual | DensePrimal) -> None:
    network, params, split = problem()
    ridges = (Relative(1e3), Relative(1.0), Relative(1e-2))
    seen = []

    def score(left: np.ndarray, rows: np.ndarray) -> float:
        seen.append(left)
        return -float(np.mean((left - split.targets[rows]) ** 2))

    tuned = tuned_minimum(
        network, params, split, loss=SQUARE, ridges=ridges, score=score, rung=rung, common=True
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


def test_weights_are_rows_of_the_jacobian() -> None:
    network, params, split = problem()
    weights = np.arange(10) % 3 + 1.0
    (weighted,) = ridge_path(
        network, params, split, ridges=(Relative(0.1),), rung=DenseDual(), weights=weights, common=True
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


def test_blocks_of_any_number_of_examples_have_one_of_a_few_sizes() -> None:
    for outputs in (1, 3, 10, 700):
        sizes = [common_block(n, outputs) for n in range(1, 3000)]
        assert sizes == sorted(sizes)
        assert len(set(sizes)) <= 4
    assert [common_block(n, 3) for n in (1, 8, 9, 100, 178, 1617)] == [8, 8, 32, 128, 128, 128]
    assert [common_block(1000, k) for k in (1, 10, 700)] == [512, 64, 1]


def test_filled_blocks_change_no_result() -> None:
    network, params, split = problem(10)
    plain = Jacobian(network, params, split.x, dtype=np.float64)
    filled = Jacobian(network, params, split.x, dtype=np.float64, batch=8, filled=True)
    u = np.random.default_rng(3).normal(size=(2, 10, 2))
    np.testing.assert_allclose(filled.gram(u), plain.gram(u), rtol=1e-12)
    np.testing.assert_allclose(filled.squared_norm(u), plain.squared_norm(u), rtol=1e-12)
    np.testing.assert_allclose(filled.outputs(), plain.outputs(), rtol=1e-12)
    np.testing.assert_allclose(filled.dense(), plain.dense(), rtol=1e-12)
    np.testing.assert_allclose(tangent_kernel(filled), tangent_kernel(plain), rtol=1e-12)


def test_filled_blocks_compile_nothing_for_another_number_of_examples() -> None:
    network, params, split = problem(40)

    def used(n: int) -> None:
        jacobian = Jacobian(network, params, split.x[:n], dtype=np.float64, batch=8, filled=True)
        tangent_kernel(jacobian)
        steps = jacobian.pull_back(jacobian.gram(np.ones((1, n, 2))))
        jacobian.push_forward(steps)
        jacobian.outputs()

    used(20)
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: compiled.append(name))
    used(7)
    used(33)
    assert compiled == []
    jax.jit(lambda v: v + 1.5)(np.ones(3))
    assert any("compile" in name for name in compiled)  # the listener hears
