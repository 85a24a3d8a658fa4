"""Which parameters may move: named layers, masks, and what is wrong with a mask."""

from typing import Any

import jax
import numpy as np
import pytest
from tangent_reference import NETWORKS, params_of, split_of

from ticketlab.errors import UserError
from ticketlab.tangent import AllParameters, Jacobian, Layers, Masked
from ticketlab.tangent.selection import leaf_paths

PARAMS = params_of("mlp")  # leaves: bias and weight of dense1, dense2 and output


def with_value(layer: str, leaf: str, value: Any, others: Any = True) -> Any:
    mask = jax.tree.map(lambda _: others, PARAMS)
    mask[layer][leaf] = value
    return mask


def test_all_of_every_leaf() -> None:
    assert AllParameters().masks(PARAMS) == [True] * 6


def test_the_leaves_of_named_layers() -> None:
    assert Layers(("dense2",)).masks(PARAMS) == [False, False, True, True, False, False]
    assert Layers(("output", "dense1")).masks(PARAMS) == [True, True, False, False, True, True]


def test_paths_name_the_leaves_of_any_tree() -> None:
    assert leaf_paths(PARAMS)[:2] == [("dense1", "bias"), ("dense1", "weight")]
    assert leaf_paths(params_of("user")) == [("0", "in"), ("0", "out"), ("1", "0"), ("1", "1")]
    assert Layers(("1",)).masks(params_of("user")) == [False, False, True, True]


def test_a_mask_that_is_the_same_all_over_a_leaf_is_one_word() -> None:
    ones, zeros = np.ones((6, 5)), np.zeros((6, 5), bool)
    assert Masked(with_value("dense2", "weight", ones)).masks(PARAMS) == [True] * 6
    assert Masked(with_value("dense2", "weight", zeros)).masks(PARAMS)[3] is False
    assert Masked(with_value("dense2", "weight", 0)).masks(PARAMS)[3] is False


def test_a_mask_inside_a_leaf_counts_exactly() -> None:
    inside = np.random.default_rng(0).random((6, 5)) < 0.3
    masks = Masked(with_value("dense2", "weight", inside.astype(int), others=False)).masks(PARAMS)
    np.testing.assert_array_equal(np.asarray(masks[3]), inside)
    jacobian = Jacobian(
        NETWORKS["mlp"], PARAMS, split_of("mlp").x, Masked(with_value("dense2", "weight", inside, False))
    )
    assert jacobian.columns == inside.sum()


@pytest.mark.parametrize(
    ("selection", "got", "expected", "do"),
    [
        (Layers(("dense9",)), "layer 'dense9'", "dense1, dense2, output", "Name layers"),
        (Layers(()), "no layer", "dense1, dense2, output", "Name the layers"),
        (Masked({"dense1": True}), "tree structure differs", "the same structure", "jax.tree.map"),
        (Masked(with_value("output", "bias", np.ones(4))), "shape (4,)", "shape (3,)", "jax.tree.map"),
        (
            Masked(with_value("output", "bias", np.full(3, 0.5))),
            "other than 0 and 1",
            "zeros and ones",
            "threshold",
        ),
        (Masked(with_value("output", "bias", np.nan)), "other than 0 and 1", "zeros and ones", "threshold"),
        (
            Masked(with_value("output", "bias", False, False)),
            "keeps nothing",
            "at least one parameter",
            "Keep more",
        ),
        (
            Masked(with_value("output", "bias", np.zeros(3), False)),
            "keeps nothing",
            "at least one",
            "Keep more",
        ),
    ],
)
def test_a_selection_that_cannot_be_is_refused(selection: Any, got: str, expected: str, do: str) -> None:
    with pytest.raises(UserError) as error:
        selection.masks(PARAMS)
    assert got in error.value.got
    assert expected in error.value.expected
    assert do in error.value.do
