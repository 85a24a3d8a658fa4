"""Restricted tangent spaces: the minimum over chosen layers or entries leaves columns of the Jacobian out."""

from typing import Any

import jax
import numpy as np
import pytest
from tangent_reference import params_of, softmax_model
from tangent_solves import ENTROPY_RIDGES, ROUNDING, SQUARE_RIDGES, errors, minimum, solved

from ticketlab.tangent import Layers, Masked
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE


def half_of(name: str, seed: int = 2) -> Masked:
    draw = np.random.default_rng(seed)
    return Masked(jax.tree.map(lambda leaf: draw.random(leaf.shape) < 0.5, params_of(name)))


def biases_only(name: str) -> Masked:
    return Masked(jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "bias", params_of(name)))


@pytest.mark.parametrize(
    ("name", "selection"),
    [
        pytest.param("mlp", Layers(("dense1",)), id="one layer"),
        pytest.param("mlp", Layers(("dense1", "output")), id="two layers"),
        pytest.param("mlp", half_of("mlp"), id="half of the weights"),
        pytest.param("mlp", biases_only("mlp"), id="fewer parameters than rows"),
        pytest.param("lenet-ntk", half_of("lenet-ntk"), id="half of a convolutional network"),
    ],
)
@pytest.mark.parametrize("rung", ["eigen", "primal"])
def test_a_restricted_tangent_space_leaves_columns_out(name: str, selection: Any, rung: str) -> None:
    square = solved(name, SQUARE, rung, SQUARE_RIDGES, selection)
    assert errors(name, square, None, selection).max() < 1e-7
    entropy = solved(name, SOFTMAX_CROSS_ENTROPY, rung, ENTROPY_RIDGES, selection)
    assert errors(name, entropy, softmax_model, selection).max() < 1e-6
    assert max(s.certificate.duality_gap for s in square + entropy) <= ROUNDING


@pytest.mark.parametrize("name", ["mlp", "mlp-ntk", "mlp-relu", "lenet-ntk"])
def test_the_readout_alone_is_solved_by_its_features(name: str) -> None:
    """More features than examples (mlp-relu has equally many), and fewer."""
    selection = Layers(("output",))
    square = solved(name, SQUARE, "eigen", SQUARE_RIDGES, selection)
    entropy = solved(name, SOFTMAX_CROSS_ENTROPY, "eigen", ENTROPY_RIDGES, selection)
    assert errors(name, square, None, selection).max() < 1e-9
    assert errors(name, entropy, softmax_model, selection).max() < 1e-6
    assert all(s.certificate.met for s in square + entropy)


def test_the_readout_alone_is_recognised() -> None:
    chosen = minimum(selection=Layers(("output",)))
    assert "read-out" in chosen.stats.reason
    assert chosen.stats.rung == "dense dual, eigendecomposition"
    assert chosen.stats.peak_bytes < 27 * 27 * 8  # K itself was not made
