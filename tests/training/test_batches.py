"""The data order: permutations, uniform as far as counting shows, and a function of key and epoch alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ticketlab.training import epoch_order


def orders(n, epochs, seed=3):
    key = jax.random.key(seed)
    return np.asarray(jax.jit(jax.vmap(lambda e: epoch_order(key, e, n)))(jnp.arange(epochs)))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 100, 1077])
def test_every_epoch_is_a_permutation(n):
    np.testing.assert_array_equal(np.sort(orders(n, 20), axis=1), np.tile(np.arange(n), (20, 1)))


def test_all_permutations_are_equally_frequent():
    _, counts = np.unique(orders(5, 60_000) @ 5 ** np.arange(5), return_counts=True)
    assert len(counts) == 120
    assert stats.chisquare(counts).pvalue > 1e-3


def test_where_an_example_lands_does_not_depend_on_where_another_does():
    first, second = orders(64, 60_000)[:, [0, 1]].T
    gaps = np.bincount((second - first) % 64, minlength=64)
    assert gaps[0] == 0
    assert stats.chisquare(gaps[1:]).pvalue > 1e-3
    assert stats.chisquare(np.bincount(first, minlength=64)).pvalue > 1e-3


def test_neighbouring_epochs_and_keys_are_unrelated():
    epochs = orders(1000, 2).astype(float)
    other = orders(1000, 1, seed=4)[0].astype(float)
    for a, b in ((epochs[0], epochs[1]), (epochs[0], other), (epochs[0], np.arange(1000.0))):
        assert abs(stats.pearsonr(a, b).statistic) < 4 / np.sqrt(1000)


def test_an_order_is_a_function_of_key_and_epoch():
    key = jax.random.key(0)
    np.testing.assert_array_equal(epoch_order(key, 3, 50), jax.jit(epoch_order, static_argnums=2)(key, 3, 50))
