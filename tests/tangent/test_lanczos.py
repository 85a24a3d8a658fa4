"""The Lanczos process against NumPy's eigenvalues: quadrature, functions of a matrix, and invariant subspaces."""

import numpy as np
import pytest

from ticketlab.tangent.lanczos import lanczos


def symmetric(values: np.ndarray, seed: int = 0) -> np.ndarray:
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))[0]
    return (basis * values) @ basis.T


def product_with(matrix: np.ndarray, shape: tuple[int, int]):
    return lambda u: (np.asarray(u).reshape(1, -1) @ matrix).reshape(1, *shape)


@pytest.fixture
def case():
    matrix = symmetric(np.geomspace(1e-4, 10, 30))
    return matrix, np.random.default_rng(1).standard_normal((10, 3))


def test_all_steps_give_every_eigenpair(case) -> None:
    matrix, start = case
    ritz = lanczos(product_with(matrix, start.shape), start, 30)
    np.testing.assert_allclose(ritz.values, np.linalg.eigvalsh(matrix), atol=1e-13)
    np.testing.assert_allclose(matrix @ ritz.vectors, ritz.vectors * ritz.values, atol=1e-12)
    np.testing.assert_allclose(ritz.vectors.T @ ritz.vectors, np.eye(30), atol=1e-12)


@pytest.mark.parametrize("degree", range(15))
def test_quadrature_is_exact_up_to_degree_2s_minus_1(case, degree) -> None:
    matrix, start = case
    q = start.ravel() / np.linalg.norm(start)
    ritz = lanczos(product_with(matrix, start.shape), start, 8, vectors=False)
    assert ritz.vectors is None
    expected = q @ np.linalg.matrix_power(matrix, degree) @ q
    assert np.sum(ritz.weights**2 * ritz.values**degree) == pytest.approx(expected, rel=1e-10)


def test_the_residual_of_ritz_pairs_is_known(case) -> None:
    matrix, start = case
    ritz = lanczos(product_with(matrix, start.shape), start, 6)
    off = np.linalg.norm(matrix @ ritz.vectors - ritz.vectors * ritz.values, axis=0)
    np.testing.assert_allclose(off, ritz.beta * np.abs(ritz.last), rtol=1e-8)


def test_it_ends_with_an_invariant_subspace() -> None:
    matrix = symmetric(np.repeat([1.0, 2.0, 5.0], 4))
    start = np.random.default_rng(0).standard_normal((12, 1))
    ritz = lanczos(product_with(matrix, (12, 1)), start, 12)
    np.testing.assert_allclose(ritz.values, [1, 2, 5], atol=1e-12)
    assert ritz.beta == 0
