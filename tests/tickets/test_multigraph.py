"""The multigraph: its masks write any weights, and by itself it is nothing."""

import jax
import numpy as np
import pytest

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks import MLP
from ticketlab.tickets.multigraph import Edges, edges_of, shuffled_edges, summed


@pytest.fixture(scope="module")
def params():
    return jax.tree.map(np.asarray, MLP((6, 5)).build((4,), 3).init(jax.random.key(0)))


def leaves(tree):
    return jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, Edges))


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_a_mask_writes_weights_to_half_of_the_smallest_edge(params, bits) -> None:
    edges = edges_of(params, bits)
    for array, written, of in zip(*map(leaves, (params, summed(edges, params), edges)), strict=True):
        assert np.abs(array - written).max() <= of.scale * 2.0 ** -(bits + 1)


def test_a_float32_is_written_exactly_where_its_digits_suffice() -> None:
    array = np.array([0.75, -0.5, 0.0, 1.0], np.float32)
    (of,) = leaves(edges_of({"weight": array}, 4))
    np.testing.assert_array_equal(of.weights, array)
    np.testing.assert_array_equal(of.kept.sum(axis=(0, 1)), [2, 1, 0, 1])  # ½ + ¼, −½, nothing, 1


def test_by_itself_it_is_zero_and_has_no_randomness(params) -> None:
    one, other = (edges_of(jax.tree.map(lambda a, s=s: s * a, params), 8) for s in (1.0, -0.99))
    for of, also in zip(leaves(one), leaves(other), strict=True):
        assert not np.any(Edges(np.ones_like(of.kept), of.scale).weights)
        assert of.scale == also.scale  # the edges are the same, only the mask differs


def test_random_masks_keep_equally_many_edges(params) -> None:
    edges = edges_of(params, 8)
    random = shuffled_edges(edges, np.random.default_rng(0))
    for of, also in zip(leaves(edges), leaves(random), strict=True):
        assert of.kept.sum() == also.kept.sum()
        assert of.kept.sum() == 0 or np.any(of.kept != also.kept)


@pytest.mark.parametrize("bits", [0, 25])
def test_a_number_of_bits_that_float32_does_not_have(params, bits) -> None:
    with pytest.raises(UserError, match="1 to 24"):
        edges_of(params, bits)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_are_not_finite_are_not_written(value) -> None:
    with pytest.raises(NumericalFailure, match="not finite"):
        edges_of({"a": {"weight": np.array([1.0, value])}}, 8)
