"""Operators on kernels that are singular to rounding, as data with repeated examples make them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.tangent.operators import NystromOperator


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_pivots_end_where_the_rank_does(seed: int, dtype: type) -> None:
    """More pivots than independent rows: the columns represent all of K, and the remainder is rounding."""
    root = np.random.default_rng(seed).normal(size=(60, 20))
    root[30:] = root[:30] * (1 + 1e-7)  # every row twice, except for the last digits
    matrix = root @ root.T
    with jax.enable_x64(dtype is np.float64):
        operator = NystromOperator.pivoted(jnp.asarray(matrix, dtype), 60, seed)
    found = np.asarray(operator.columns) @ np.asarray(operator.columns).T
    assert 20 <= operator.columns.shape[1] < 60
    np.testing.assert_allclose(found, matrix, atol=1e-4 * np.trace(matrix) / 60)
    assert float(operator.left) <= 1e-4 * np.trace(matrix) / 60
