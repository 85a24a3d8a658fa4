"""K from the layers' structure is J Jᵀ: for every network, selection, pair of data sets and division into blocks."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tangent_reference import NETWORKS, explicit, explicit_of, flattened, params_of, split_of

from ticketlab.networks import Activate, Activation, Convolution, Dense, Flatten, sequential
from ticketlab.tangent import (
    AllParameters,
    Jacobian,
    Layers,
    Masked,
    averaged_kernel,
    kernel_cost,
    kernel_plan,
    tangent_kernel,
)
from ticketlab.tangent.contractions import JacobianProduct, TangentProduct
from ticketlab.tangent.kernel import only_readout_moves, readout_root


def kernel_of(name: str, selection: Any = AllParameters(), dtype: Any = np.float64, **at: Any) -> np.ndarray:  # noqa: B008
    jacobian = Jacobian(NETWORKS[name], params_of(name), split_of(name, **at).x, selection, dtype=dtype)
    return np.asarray(tangent_kernel(jacobian))


def masked_in_part(name: str) -> Masked:
    """All of the first leaf, none of the second, half of the third, all of the others."""
    leaves, structure = jax.tree.flatten(params_of(name))
    half = np.arange(leaves[2].size).reshape(leaves[2].shape) % 2
    return Masked(jax.tree.unflatten(structure, [True, False, half, *[True] * (len(leaves) - 3)]))


def kept_columns(name: str, selection: Any) -> np.ndarray:
    whole = zip(jax.tree.leaves(params_of(name)), selection.masks(params_of(name)), strict=True)
    return flattened([np.broadcast_to(np.asarray(mask), leaf.shape) for leaf, mask in whole]).astype(bool)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_is_the_product_of_the_jacobian_with_itself(name: str) -> None:
    k, j = kernel_of(name), explicit_of(name)[1]
    np.testing.assert_allclose(k, j @ j.T, rtol=0, atol=1e-11 * np.abs(j @ j.T).max())


@pytest.mark.parametrize("name", ["mlp", "lenet-ntk"])
def test_in_single_precision(name: str) -> None:
    k, j = kernel_of(name, dtype=np.float32), explicit_of(name)[1]
    assert k.dtype == np.float32
    np.testing.assert_allclose(k, j @ j.T, rtol=0, atol=1e-5 * np.abs(j @ j.T).max())


@pytest.mark.parametrize("name", ["mlp", "lenet", "user"])
def test_is_symmetric_to_the_bit_and_positive_semidefinite(name: str) -> None:
    k = kernel_of(name)
    np.testing.assert_array_equal(k, k.T)
    values = np.linalg.eigvalsh(k)
    assert values[0] >= -1e-14 * values[-1]


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1))
def test_is_symmetric_and_positive_semidefinite_for_any_inputs(seed: int) -> None:
    k = kernel_of("mlp-ntk", seed=seed)
    np.testing.assert_array_equal(k, k.T)
    values = np.linalg.eigvalsh(k)
    assert values[0] >= -1e-14 * values[-1]


@pytest.mark.parametrize(
    ("name", "selection"),
    [
        ("mlp", Layers(("dense1",))),
        ("mlp", Layers(("output", "dense2"))),
        ("mlp", masked_in_part("mlp")),
        ("lenet", Layers(("conv1",))),
        ("lenet", masked_in_part("lenet")),
        ("user", masked_in_part("user")),
    ],
)
def test_restricted_to_a_selection_is_that_of_the_columns_that_are_kept(name: str, selection: Any) -> None:
    j = explicit_of(name)[1][:, kept_columns(name, selection)]
    k = kernel_of(name, selection)
    np.testing.assert_allclose(k, j @ j.T, rtol=0, atol=1e-11 * np.abs(j @ j.T).max())


@pytest.mark.parametrize("name", ["mlp", "user"])
def test_between_two_data_sets(name: str) -> None:
    there = split_of(name, n=4, seed=11).x
    jacobian = Jacobian(NETWORKS[name], params_of(name), split_of(name).x, dtype=np.float64)
    cross = np.asarray(tangent_kernel(jacobian, jacobian.at(there)))
    expected = explicit_of(name)[1] @ explicit(NETWORKS[name], params_of(name), there)[1].T
    assert cross.shape == (27, 12)
    np.testing.assert_allclose(cross, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("rows", [3, 12, 20])  # 1, 3 and 5 examples a block: 9 = 9 × 1 = 3 + 3 + 3 = 5 + 4
def test_blocks_fit_together_at_their_boundaries(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, done = kernel_of("mlp"), []
    jacobian = Jacobian(NETWORKS["mlp"], params_of("mlp"), split_of("mlp").x, dtype=np.float64)
    there = jacobian.at(split_of("mlp", n=4).x)
    whole_cross, averaged = np.asarray(tangent_kernel(jacobian, there)), np.asarray(averaged_kernel(jacobian))
    monkeypatch.setattr(kernel_plan, "BLOCK_ROWS", {"cpu": rows})
    monkeypatch.setattr(kernel_plan, "SMALL_ROWS", rows)
    assert kernel_cost(jacobian).block == {3: 1, 12: 3, 20: 5}[rows]
    blocks = np.asarray(tangent_kernel(jacobian, progress=done.append))
    np.testing.assert_allclose(blocks, whole, rtol=0, atol=1e-13 * np.abs(whole).max())
    np.testing.assert_array_equal(blocks, blocks.T)
    assert done == sorted(done)
    assert done[-1] == 1
    np.testing.assert_allclose(np.asarray(tangent_kernel(jacobian, there)), whole_cross, atol=1e-13)
    np.testing.assert_allclose(np.asarray(averaged_kernel(jacobian)), averaged, atol=1e-13)


@pytest.mark.parametrize("name", ["mlp", "user"])
def test_factors_that_do_not_fit_are_computed_again(name: str) -> None:
    jacobian = Jacobian(NETWORKS[name], params_of(name), split_of(name).x, dtype=np.float64)
    for memory in (1, 4000, 20_000):
        plan = kernel_cost(jacobian, memory=memory)
        assert (plan.held, plan.block) == (1, 1) or memory > 1
        np.testing.assert_allclose(tangent_kernel(jacobian, memory=memory), kernel_of(name), atol=1e-12)
    cross = tangent_kernel(jacobian, jacobian.at(split_of(name).x[2:7]), memory=1)
    np.testing.assert_allclose(cross, kernel_of(name)[:, 6:21], atol=1e-12)


def test_factors_are_gathered_from_batches_of_examples() -> None:
    """Five examples per sweep, without losing any."""
    for name in ("mlp", "lenet"):
        jacobian = Jacobian(NETWORKS[name], params_of(name), split_of(name).x, dtype=np.float64, batch=5)
        np.testing.assert_allclose(np.asarray(tangent_kernel(jacobian)), kernel_of(name), atol=1e-12)


def readout(name: str, **options: Any) -> Jacobian:
    return Jacobian(
        NETWORKS[name], params_of(name), split_of(name).x, Layers(("output",)), dtype=np.float64, **options
    )


@pytest.mark.parametrize("name", ["mlp", "mlp-ntk", "mlp-relu", "lenet"])
def test_the_readout_alone_is_a_kronecker_product(name: str) -> None:
    jacobian = readout(name)
    assert only_readout_moves(jacobian)
    b = np.asarray(readout_root(jacobian))
    j = explicit_of(name)[1][:, kept_columns(name, Layers(("output",)))]
    np.testing.assert_allclose(np.kron(b @ b.T, np.eye(3)), j @ j.T, atol=1e-12)


def test_what_is_no_readout_is_not_taken_for_one() -> None:
    mlp, x = NETWORKS["mlp"], split_of("mlp").x
    assert not only_readout_moves(Jacobian(mlp, params_of("mlp"), x))
    assert not only_readout_moves(Jacobian(mlp, params_of("mlp"), x, Layers(("dense2",))))
    bias = jax.tree.map(lambda leaf: False, params_of("mlp"))
    bias["output"]["weight"] = True
    assert not only_readout_moves(Jacobian(mlp, params_of("mlp"), x, Masked(bias)))
    assert not only_readout_moves(Jacobian(NETWORKS["user"], params_of("user"), x))
    # 1 × 1 convolution and mean over pixels: the last layer, but not a dense one.
    convolution = Jacobian(
        NETWORKS["all-conv"], params_of("all-conv"), split_of("all-conv").x, Layers(("output",))
    )
    assert not only_readout_moves(convolution)
    # A last layer whose outputs go through an activation function.
    bent = sequential((Dense(4), Dense(3), Activate(Activation.TANH)), (4,), name="bent")
    params = bent.init(jax.random.key(0))
    assert not only_readout_moves(Jacobian(bent, params, x, Layers(("output",))))


def test_cost_counts_operations_and_bytes() -> None:
    jacobian = Jacobian(NETWORKS["mlp"], params_of("mlp"), split_of("mlp").x, dtype=np.float64)
    cost = kernel_cost(jacobian)
    pairs = 9 * 10 / 2
    dense1, dense2, output = cost.parts
    assert dense1.flops == pairs * 2 * (4 + 3**2 * 6 + 3**2)
    assert dense2.flops == pairs * (2 * 6 + 3 * 4 * 5)  # six products V_uc V_uc' of three outputs
    assert output.flops == pairs * 2 * 5
    assert cost.sweep_flops == 9 * 2 * (4 * 6 + 6 * 5 + 5 * 3 + 3 * 6 * 5)
    assert cost.flops == cost.sweep_flops + dense1.flops + dense2.flops + output.flops
    assert cost.result_bytes == 27**2 * 8
    assert cost.block_bytes == 27**2 * 8
    assert cost.factor_bytes == 9 * 8 * ((4 + 3 * 6) + (6 + 5) + 5)
    assert "dense2: gates before the read-out" in cost.describe()


def test_cost_of_two_data_sets_and_of_the_mean() -> None:
    jacobian = Jacobian(NETWORKS["mlp"], params_of("mlp"), split_of("mlp").x)
    there = jacobian.at(split_of("mlp", n=4).x)
    assert kernel_cost(jacobian, there).parts[0].flops == 9 * 4 * 2 * (4 + 3**2 * 6 + 3**2)
    assert kernel_cost(jacobian, there).result_bytes == 27 * 12 * 4
    averaged = kernel_cost(jacobian, averaged=True)
    assert averaged.parts[0].flops == 45 * 2 * (4 + 3 * 6 + 3)
    assert averaged.result_bytes == 9**2 * 4


def test_cost_of_unknown_parameters_is_that_of_the_cheaper_way() -> None:
    user = Jacobian(NETWORKS["user"], params_of("user"), split_of("user").x, dtype=np.float32)
    (part,) = kernel_cost(user).parts
    assert isinstance(part.contraction, TangentProduct)
    ((other, flops),) = part.others
    assert isinstance(other, JacobianProduct)
    assert part.flops < flops
    reverse = flops - 45 * 2 * 3**2 * user.columns  # 2k forward passes for each example
    forward = reverse / (9 * 2 * 3)
    assert 2 * (4 * 8 + 8 * 3) <= forward <= 4 * (4 * 8 + 8 * 3)
    small = Jacobian(user.network, user.params, user.x, masked_in_part("user"))
    assert kernel_cost(small).flops < kernel_cost(user).flops


def test_fewest_operations_are_chosen() -> None:
    """Few pixels and wide layers use patches × cotangents, many pixels the Jacobian, many outputs Jacobian-vector products."""
    act = Activate(Activation.RELU)

    def chosen(size: int, channels: int, outputs: int) -> list[str]:
        stages = (Convolution(channels), act, Convolution(channels), act, Flatten(), Dense(outputs))
        network = sequential(stages, (size, size, channels), name="test")
        params = jax.eval_shape(network.init, jax.random.key(0))
        zeros = jax.tree.map(lambda leaf: np.broadcast_to(np.float32(0), leaf.shape), params)
        jacobian = Jacobian(network, zeros, np.broadcast_to(np.float32(0), (40, size, size, channels)))
        return [type(part.contraction).__name__ for part in kernel_cost(jacobian).parts]

    assert chosen(2, 64, 10) == ["FactorProduct", "FactorProduct", "FactorProduct"]
    assert chosen(16, 8, 10) == ["JacobianProduct", "JacobianProduct", "FactorProduct"]
    assert chosen(8, 64, 2000) == ["FactorProduct", "TangentProduct"]


def test_x64_is_left_as_it_was() -> None:
    kernel_of("mlp")
    assert jnp.zeros(()).dtype == jnp.float32
