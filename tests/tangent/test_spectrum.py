"""The ends of a spectrum, against NumPy's eigenvalues."""

import numpy as np
import pytest

from ticketlab.tangent import extreme_eigenvalues


def product_with(matrix: np.ndarray, shape: tuple[int, int]):
    return lambda u: (np.asarray(u).reshape(1, -1) @ matrix).reshape(1, *shape)


def symmetric(values: np.ndarray, seed: int = 0) -> np.ndarray:
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))[0]
    return (basis * values) @ basis.T


def test_small_matrices_are_exact() -> None:
    values = np.geomspace(1e-3, 50, 24)
    smallest, largest = extreme_eigenvalues(product_with(symmetric(values), (8, 3)), (8, 3))
    assert smallest == pytest.approx(1e-3, rel=1e-8)
    assert largest == pytest.approx(50, rel=1e-12)


def test_large_ones_are_bounded_from_inside() -> None:
    values = np.geomspace(1e-4, 100, 300)
    smallest, largest = extreme_eigenvalues(product_with(symmetric(values), (100, 3)), (100, 3), steps=12)
    assert smallest >= 1e-4
    assert 99 < largest <= 100 * (1 + 1e-12)


def test_a_singular_matrix_has_no_negative_eigenvalue() -> None:
    values = np.concatenate([np.zeros(20), np.linspace(1, 2, 10)])
    smallest, largest = extreme_eigenvalues(product_with(symmetric(values), (30, 1)), (30, 1))
    assert 0 <= smallest < 1e-12
    assert largest == pytest.approx(2, rel=1e-12)


def test_the_zero_matrix() -> None:
    assert extreme_eigenvalues(product_with(np.zeros((6, 6)), (6, 1)), (6, 1)) == (0.0, 0.0)
