"""Alignments against their definitions, with the centring matrix written down, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import UserError
from ticketlab.tangent import centred_alignment, target_alignment
from ticketlab.tangent.alignment import centred_kernel

DRAW = np.random.default_rng(0)
N, K = 7, 3


def kernel(seed: int, rank: int = 30, rows: int = N * K) -> np.ndarray:
    features = np.random.default_rng(seed).standard_normal((rows, rank))
    return features @ features.T


def centring(outputs: int, rows: int = N * K) -> np.ndarray:
    n = rows // outputs
    return np.kron(np.eye(n) - np.ones((n, n)) / n, np.eye(outputs))


@pytest.mark.parametrize("outputs", [1, K])
def test_centring_is_that_of_the_matrix(outputs) -> None:
    h = centring(outputs)
    np.testing.assert_allclose(centred_kernel(kernel(1), outputs), h @ kernel(1) @ h, atol=1e-12)


@pytest.mark.parametrize("outputs", [1, K])
def test_cka_is_the_cosine_of_the_centred_kernels(outputs) -> None:
    h = centring(outputs)
    a, b = h @ kernel(1) @ h, h @ kernel(2) @ h
    expected = np.trace(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))
    assert centred_alignment(kernel(1), kernel(2), outputs) == pytest.approx(expected)


def test_cka_is_that_of_the_features() -> None:
    """‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) for centred features, as Kornblith et al. write it."""
    x, y = (np.random.default_rng(s).standard_normal((12, d)) for s, d in ((1, 4), (2, 6)))
    x, y = x - x.mean(0), y - y.mean(0)
    expected = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert centred_alignment(x @ x.T + 5.0, y @ y.T) == pytest.approx(expected)


@given(st.floats(1e-3, 1e3), st.floats(-10, 10), st.integers(0, 50))
def test_scale_and_constants_change_nothing(scale, constant, seed) -> None:
    one, other = kernel(seed, rows=N), kernel(seed + 1, rows=N)
    found = centred_alignment(one, other)
    assert 0 <= found <= 1
    assert centred_alignment(scale * one + constant, other) == pytest.approx(found, rel=1e-8)
    assert centred_alignment(one, one) == pytest.approx(1)


def test_targets_align_with_their_own_kernel() -> None:
    y = np.eye(K)[DRAW.integers(0, K, N)]
    assert target_alignment(y @ y.T, y) == pytest.approx(1)
    assert target_alignment(np.kron(y @ y.T, np.eye(K)), y) == pytest.approx(1)
    assert target_alignment(kernel(3, rows=N), y) < 0.9
    h = centring(1, N)
    wanted = h @ y @ y.T @ h
    a = h @ kernel(3, rows=N) @ h
    expected = np.trace(a @ wanted) / (np.linalg.norm(a) * np.linalg.norm(wanted))
    assert target_alignment(kernel(3, rows=N), y) == pytest.approx(expected)


def test_a_constant_kernel_is_like_nothing() -> None:
    assert np.isnan(centred_alignment(np.ones((4, 4)), kernel(1, rows=4)))


def test_rows_that_do_not_fit() -> None:
    with pytest.raises(UserError, match="7 or 21"):
        target_alignment(np.eye(8), np.ones((N, K)))
    with pytest.raises(UserError, match="whole examples"):
        centred_alignment(np.eye(8), np.eye(8), 3)
