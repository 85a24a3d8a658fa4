"""The low-rank part of the kernel, and the preconditioner made of it, against the matrices written down."""

import numpy as np
import pytest
from tangent_reference import NETWORKS, explicit_of, params_of, split_of

from ticketlab.tangent import Jacobian
from ticketlab.tangent.nystrom import low_rank, preconditioner


def dense(name: str, rank: int, batch: int = 1024):
    jacobian = Jacobian(NETWORKS[name], params_of(name), split_of(name).x, batch=batch)
    low = low_rank(jacobian, rank, seed=0)
    f = np.concatenate([np.asarray(block, np.float64) for block in low.blocks])
    _, j = explicit_of(name)
    return low, f, j @ j.T


@pytest.mark.parametrize("name", ["mlp", "lenet"])
@pytest.mark.parametrize("batch", [1024, 4])
def test_what_is_left_is_positive_semidefinite(name: str, batch: int) -> None:
    low, f, k = dense(name, 12, batch)
    assert low.rank == 12
    left = k - f @ f.T
    assert np.linalg.eigvalsh(left).min() > -1e-4 * k.diagonal().max()
    np.testing.assert_allclose(low.inner, f.T @ f, rtol=1e-4, atol=1e-5)
    assert low.mean_diagonal == pytest.approx(k.diagonal().mean(), rel=1e-5)
    assert low.left == pytest.approx(left.diagonal().mean(), rel=1e-3)
    assert low.left < 0.7 * low.mean_diagonal


def test_all_columns_are_the_kernel() -> None:
    _, f, k = dense("mlp", 27)
    np.testing.assert_allclose(f @ f.T, k, atol=2e-3 * k.diagonal().max())


def test_none() -> None:
    jacobian = Jacobian(NETWORKS["mlp"], params_of("mlp"), split_of("mlp").x)
    low = low_rank(jacobian, 0, seed=0)
    v = np.arange(27.0).reshape(9, 3)
    assert low.rank == 0
    np.testing.assert_array_equal(preconditioner(low, 0.1)(v), v)


@pytest.mark.parametrize("curved", [False, True])
def test_the_preconditioner_is_the_inverse(curved: bool) -> None:
    low, f, _ = dense("lenet", 12)
    draw = np.random.default_rng(0)
    root = None
    g = f
    if curved:
        a = draw.standard_normal((9, 3, 3))
        root = np.einsum("nij,nkj->nik", a, a)  # any symmetric root will do
        g = np.einsum("nij,njr->nir", root, f.reshape(9, 3, -1)).reshape(f.shape)
    ridge, v = 0.3, draw.standard_normal((9, 3))
    mean = np.mean(np.sum(root**2, axis=(1, 2))) / 3 if curved else 1.0
    mu = ridge + mean * low.left
    expected = mu * np.linalg.solve(g @ g.T + mu * np.eye(len(g)), v.ravel())
    np.testing.assert_allclose(preconditioner(low, ridge, root)(v).ravel(), expected, rtol=2e-3, atol=2e-4)


def test_the_same_seed_gives_the_same_pivots() -> None:
    (_, one, _), (_, two, _) = dense("mlp", 9), dense("mlp", 9)
    np.testing.assert_array_equal(one, two)
