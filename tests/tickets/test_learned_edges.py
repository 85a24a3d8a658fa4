"""Masks learned over the multigraph: parameters against sums of edges, and the derivative against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP
from ticketlab.tickets import LearnedEdges
from ticketlab.tickets.multigraph import summed

NETWORK = MLP((4,)).build((3,), 2)
LEARNED = LearnedEdges(5)
KEYS = jax.random.split(jax.random.key(0), 2)
START = LEARNED.replicas(NETWORK, KEYS, jax.random.key(1))


def one(tree):
    return jax.tree.map(lambda leaf: leaf[0], tree)


def test_parameters_are_the_sums_of_the_edges_that_are_kept():
    scores = one(START.params)
    found = LEARNED(scores, one(START.frozen), jax.random.key(0))
    edges = LEARNED.edges(NETWORK, scores)
    expected = summed(edges, found)
    for name, leaves in found.items():
        for leaf, array in leaves.items():
            np.testing.assert_array_equal(np.asarray(array), expected[name][leaf])
            assert array.shape == np.shape(edges[name][leaf].kept)[2:]
            assert edges[name][leaf].kept.shape[:2] == (2, 5)


def test_replicas_are_drawn_each_by_its_own_key():
    alone = [LEARNED.replicas(NETWORK, key[None], jax.random.key(1)).params for key in KEYS]
    for leaf, first, second in zip(*map(jax.tree.leaves, (START.params, *alone)), strict=True):
        np.testing.assert_array_equal(leaf, np.concatenate([first, second]))
        assert not np.array_equal(first, second)


def test_random_scores_give_weights_near_hes_variance():
    wide = MLP((300,)).build((75,), 10)
    start = LearnedEdges(8).replicas(wide, jax.random.key(3)[None], jax.random.key(1))
    weight = np.asarray(
        LearnedEdges(8)(one(start.params), one(start.frozen), jax.random.key(0))["dense1"]["weight"]
    )
    assert 0.5 < np.var(weight) / (2 / 75) < 2  # S is a power of two, so up to √2 off
    assert abs(weight.mean()) < 4 * weight.std() / np.sqrt(weight.size)


def test_every_edge_has_the_derivative_of_its_weight():
    scores, frozen = one(START.params), one(START.frozen)

    def total(s):
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(LEARNED(s, frozen, jax.random.key(0))))

    slope = jax.grad(total)(scores)
    for name, leaves in slope.items():
        for leaf in leaves.values():
            sizes = LEARNED.scales(NETWORK)[name] * 0.5 ** np.arange(1, 6)
            for sign, of in zip((1, -1), np.asarray(leaf), strict=True):
                expected = np.broadcast_to(sign * sizes.reshape(-1, *(1,) * (of.ndim - 1)), of.shape)
                np.testing.assert_array_equal(of, expected.astype(np.float32))


def test_other_numbers_of_bits_are_refused():
    with pytest.raises(UserError, match="bits=0"):
        LearnedEdges(0)
