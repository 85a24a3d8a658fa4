"""Problems at the edge: singular kernels, nothing that moves, nothing to do, numbers too large, and too few steps."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tangent_reference import (
    NETWORKS,
    explicit,
    explicit_of,
    flattened,
    minimum_norm_step,
    params_of,
    relative_error,
    ridge_step,
    split_of,
)
from tangent_solves import ROUNDING, RUNGS, SQUARE_RIDGES, each_rung, minimum

from ticketlab.errors import NumericalFailure
from ticketlab.networks import pure_network
from ticketlab.tangent import MINIMUM_NORM, Absolute, DenseDual, NewtonOptions, Result, minimise, ridge_path
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE


@each_rung
def test_duplicated_inputs_with_other_labels_get_the_pseudo_inverse(rung: str) -> None:
    """K is singular and the data cannot be fitted: the minimum-norm solution is still unique, with the least possible loss."""
    split = split_of("mlp")
    doubled = replace(split, x=np.concatenate([split.x[:5], split.x[:4]]))
    f0, j = explicit(NETWORKS["mlp"], params_of("mlp"), doubled.x)
    solutions = ridge_path(
        NETWORKS["mlp"],
        params_of("mlp"),
        doubled,
        ridges=SQUARE_RIDGES,
        centred=(False, True),
        rung=RUNGS[rung],
        # Conjugate gradients lose half the digits to what u has where K is zero; the default asks for no more.
        options=NewtonOptions() if rung == "iterative" else NewtonOptions(tolerance=ROUNDING),
    )
    for solution in solutions:
        r = doubled.targets - f0 if solution.keeps_offset else doubled.targets.astype(float)
        step = ridge_step(j, r, solution.ridge) if solution.ridge > 0 else minimum_norm_step(j, r)
        assert relative_error(flattened(solution.delta), step) < 1e-5
        assert solution.certificate.met
        assert solution.certificate.primal > 0.1  # the contradictory labels


@each_rung
def test_a_tangent_space_that_is_a_point(rung: str) -> None:
    """When nothing that may move changes the outputs, staying is the minimum."""

    def apply(params: Any, x: jax.Array) -> jax.Array:
        return x[:, :3] + 0 * params["unused"]

    network = pure_network(lambda key: {"unused": jnp.ones(3)}, apply, input_shape=(4,), outputs=3)
    params = network.init(jax.random.key(0))
    for loss, ridge in (
        (SQUARE, Absolute(0.1)),
        (SQUARE, MINIMUM_NORM),
        (SOFTMAX_CROSS_ENTROPY, Absolute(0.1)),
    ):
        solution = minimise(network, params, split_of("mlp"), loss=loss, ridge=ridge, rung=RUNGS[rung])
        np.testing.assert_array_equal(solution.delta["unused"], 0)
        assert solution.certificate.met
        np.testing.assert_allclose(solution.predict(split_of("mlp").x), split_of("mlp").x[:, :3])


def test_targets_that_the_network_computes_already_need_no_step() -> None:
    split = split_of("mlp")
    f0, _ = explicit_of("mlp")
    there = replace(split, targets=f0.astype(np.float32), labels=None)
    solution = minimum(there, rung=RUNGS["eigen"])
    assert solution.relative_motion < 1e-6


@pytest.mark.parametrize("rung", ["eigen", "primal"])
def test_derivatives_too_large_for_float64_are_a_numerical_failure(rung: str) -> None:
    network = pure_network(
        lambda key: {"w": jnp.ones((4, 3))}, lambda p, x: 1e200 * (x @ p["w"]), input_shape=(4,), outputs=3
    )
    with pytest.raises(NumericalFailure, match="too large for float64"):
        minimise(network, {"w": np.ones((4, 3), np.float32)}, split_of("mlp"), rung=RUNGS[rung])


def test_a_float32_factor_of_a_kernel_beyond_its_numbers_is_refused_by_name() -> None:
    network = pure_network(
        lambda key: {"w": jnp.ones((4, 3))}, lambda p, x: 1e20 * (x @ p["w"]), input_shape=(4,), outputs=3
    )
    task = (network, {"w": np.ones((4, 3), np.float32)}, split_of("mlp"))
    with pytest.raises(NumericalFailure, match="square, which is solved partly in float32"):
        minimise(*task, rung=RUNGS["iterative"])
    assert minimise(*task, rung=RUNGS["eigen"]).certificate.met  # in float64


@each_rung
def test_too_few_steps_are_a_named_result(rung: str) -> None:
    solution = minimum(
        loss=SOFTMAX_CROSS_ENTROPY, ridge=Absolute(1e-4), rung=RUNGS[rung], options=NewtonOptions(steps=1)
    )
    certificate = solution.certificate
    assert certificate.result is Result.MISSED
    assert not certificate.met
    assert certificate.duality_gap > 1e-8
    assert "tolerance was missed" in certificate.message()
    assert "more steps" in certificate.message()
    assert np.isfinite(solution.predict(split_of("mlp").x)).all()


def test_a_missed_limit_says_what_else_to_ask_for() -> None:
    solution = minimum(
        ridge=MINIMUM_NORM, rung=DenseDual("iterative"), options=NewtonOptions(steps=1, inner_limit=1)
    )
    assert solution.certificate.result is Result.MISSED
    assert "small ridge instead of the minimum-norm limit" in solution.certificate.message()
