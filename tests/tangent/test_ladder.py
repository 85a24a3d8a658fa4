"""The rung that is chosen, by the size of the problem."""

from typing import Any

import jax
import numpy as np
import pytest
from tangent_reference import NETWORKS, params_of, split_of

from ticketlab.errors import UserError
from ticketlab.networks import MLP
from ticketlab.tangent import (
    Automatic,
    ConjugateGradients,
    DenseDual,
    DensePrimal,
    Jacobian,
    Layers,
    MatrixFree,
    minimise,
)
from ticketlab.tangent.ladder import choose_rung


def large(examples: int, *widths: int, **options: Any) -> Jacobian:
    """A Jacobian of any size: nothing is computed, and its inputs are views of one number."""
    network = MLP(widths).build((4,), 3)
    shapes = [(4, *widths), (*widths, 3)]
    params: dict[str, Any] = {}
    for layer, inputs, units in zip(network.layers, *shapes, strict=True):
        weight = np.broadcast_to(np.float32(0), (inputs, units))
        params[layer.name] = {"weight": weight, "bias": np.zeros(units, np.float32)}
    return Jacobian(network, params, np.broadcast_to(np.float32(0), (examples, 4)), **options)


def test_few_rows_take_the_dual() -> None:
    choice = choose_rung(large(100, 200, 200), Automatic())
    assert isinstance(choice.rung, DenseDual)
    assert "300 rows" in choice.reason


def test_few_parameters_and_many_rows_take_the_primal() -> None:
    choice = choose_rung(large(2000, 50), Automatic())
    assert choice.rung == DensePrimal()
    assert "6000 rows, 403 parameters: predicted dual" in choice.reason
    assert f"primal {choice.seconds:.2g} s" in choice.reason


def test_many_classes_take_the_dual_for_cross_entropy_though_they_have_more_rows_than_parameters() -> None:
    network = MLP((64,)).build((20,), 50)
    jacobian = Jacobian(network, network.init(jax.random.key(0)), np.zeros((150, 20)))
    assert jacobian.columns == 4594
    choice = choose_rung(jacobian, Automatic(), quadratic=False)
    assert isinstance(choice.rung, DenseDual)
    assert choose_rung(jacobian, DensePrimal(), quadratic=False).seconds > 4 * choice.seconds


def test_the_readout_alone_takes_its_features_however_many_rows() -> None:
    choice = choose_rung(large(50_000, 200, 200, selection=Layers(("output",))), Automatic())
    assert choice.rung == DenseDual("eigen")
    assert "read-out" in choice.reason


def test_what_is_asked_for_is_done() -> None:
    for rung in (DensePrimal(), DenseDual("iterative", rank=7)):
        choice = choose_rung(large(100, 20), rung)
        assert (choice.rung, choice.reason) == (rung, "as requested")
        assert choice.seconds > 0


def test_a_rung_that_cannot_be() -> None:
    misspelt = object.__new__(DenseDual)  # as the annotation does not let it through in tests
    misspelt.__dict__.update(factor="eigne", rank=600)
    for wrong in (misspelt.__post_init__, lambda: DenseDual("iterative", rank=0)):
        with pytest.raises(UserError, match="'eigen' or 'iterative', and a rank of at least 1"):
            wrong()
    with pytest.raises(UserError, match="at least 0"):
        ConjugateGradients(rank=-1)


def test_neither_matrix_fits() -> None:
    choice = choose_rung(large(50_000, 200, 200), Automatic())
    assert choice.rung == MatrixFree()
    assert choice.reason == "150000 rows, 41803 parameters: the smaller matrix takes 14 GB"


def test_the_reason_is_in_the_solution() -> None:
    solution = minimise(NETWORKS["mlp"], params_of("mlp"), split_of("mlp"))
    assert solution.stats.reason.startswith("27 rows, 83 parameters: predicted dual ")
    assert solution.stats.predicted_seconds > 0
