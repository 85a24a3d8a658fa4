"""J as an operator: adjoint, linear, equal to J written down, in any batches, and the network's derivative to second order."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tangent_reference import NETWORKS, SMOOTH, explicit_of, flattened, params_of, split_of

from ticketlab.errors import UserError
from ticketlab.tangent import AllParameters, Jacobian, Layers, Masked

NAMES = list(NETWORKS)


def partial_mask(name: str, seed: int = 1) -> Any:
    """Some of every leaf, except for the first, which stays still."""
    draw = np.random.default_rng(seed)
    leaves, structure = jax.tree.flatten(params_of(name))
    masks = [draw.random(leaf.shape) < 0.5 for leaf in leaves]
    return jax.tree.unflatten(structure, [False, *masks[1:]])


@cache
def jacobian_of(name: str, selection: str = "all", dtype: Any = np.float64, batch: int = 1024) -> Jacobian:
    chosen = AllParameters() if selection == "all" else Masked(partial_mask(name))
    return Jacobian(NETWORKS[name], params_of(name), split_of(name).x, chosen, dtype=dtype, batch=batch)


def kept_columns(name: str, mask: Any) -> np.ndarray:
    """Where the columns of J are kept, as booleans."""
    whole = jax.tree.map(
        lambda leaf, m: np.broadcast_to(np.asarray(m, bool), leaf.shape), params_of(name), mask
    )
    return flattened(whole).astype(bool)


def draw_step(jacobian: Jacobian, seed: int) -> list[np.ndarray]:
    """A random vector in parameter space, also where a mask inside a leaf is zero."""
    draw = np.random.default_rng(seed)
    return [draw.standard_normal(np.shape(leaf)) for leaf in jacobian.moving(jacobian.params)]


def draw_function(jacobian: Jacobian, seed: int, count: int = 0) -> np.ndarray:
    shape = (jacobian.examples, jacobian.outputs_per_example)
    return np.random.default_rng(seed).standard_normal((count, *shape) if count else shape)


def inner(a: list[Any], b: list[Any]) -> float:
    return float(sum(np.vdot(np.asarray(x), np.asarray(y)) for x, y in zip(a, b, strict=True)))


@pytest.mark.parametrize("selection", ["all", "masked"])
@pytest.mark.parametrize("name", ["mlp", "lenet", "user"])
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1))
def test_vector_jacobian_is_adjoint_to_jacobian_vector_product(name: str, selection: str, seed: int) -> None:
    jacobian = jacobian_of(name, selection)
    delta, v = draw_step(jacobian, seed), draw_function(jacobian, seed + 1)
    pushed, pulled = np.asarray(jacobian.jvp(delta)), jacobian.vjp(v)
    size = np.linalg.norm(pushed) * np.linalg.norm(v)
    assert abs(np.vdot(pushed, v) - inner(delta, pulled)) <= 1e-13 * size


@pytest.mark.parametrize("name", ["mlp", "lenet", "user"])
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), a=st.floats(-10, 10), b=st.floats(-10, 10))
def test_products_are_linear(name: str, seed: int, a: float, b: float) -> None:
    jacobian = jacobian_of(name)
    one, two = draw_step(jacobian, seed), draw_step(jacobian, seed + 1)
    mixed = jacobian.jvp([a * x + b * y for x, y in zip(one, two, strict=True)])
    apart = a * np.asarray(jacobian.jvp(one)) + b * np.asarray(jacobian.jvp(two))
    np.testing.assert_allclose(np.asarray(mixed), apart, atol=1e-11, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_jacobian_written_down(name: str) -> None:
    jacobian, (f0, j) = jacobian_of(name), explicit_of(name)
    delta, v = draw_step(jacobian, 1), draw_function(jacobian, 2)
    np.testing.assert_allclose(np.asarray(jacobian.outputs()), f0, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(jacobian.dense().reshape(j.shape), j, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(np.asarray(jacobian.jvp(delta)).ravel(), j @ flattened(delta), atol=1e-11)
    np.testing.assert_allclose(flattened(jacobian.vjp(v)), j.T @ v.ravel(), atol=1e-11)
    assert jacobian.columns == j.shape[1]


@pytest.mark.parametrize("name", ["mlp", "lenet", "user"])
def test_a_mask_leaves_columns_out(name: str) -> None:
    jacobian, (_, j) = jacobian_of(name, "masked"), explicit_of(name)
    kept = kept_columns(name, partial_mask(name))
    delta, v = draw_step(jacobian, 1), draw_function(jacobian, 2)
    whole = flattened(jacobian.embed(delta))
    np.testing.assert_allclose(jacobian.dense().reshape(len(j), -1), j[:, kept], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(np.asarray(jacobian.jvp(delta)).ravel(), j[:, kept] @ whole[kept], atol=1e-11)
    pulled = flattened(jacobian.embed(jacobian.vjp(v)))
    np.testing.assert_allclose(pulled[kept], j[:, kept].T @ v.ravel(), atol=1e-11)
    assert not pulled[~kept].any()
    assert jacobian.columns == kept.sum()


def test_single_precision_is_the_same_to_its_rounding() -> None:
    single, double = jacobian_of("mlp", dtype=np.float32), jacobian_of("mlp")
    delta = draw_step(double, 1)
    assert single.outputs().dtype == jnp.float32
    assert single.jvp(delta).dtype == jnp.float32
    np.testing.assert_allclose(single.dense(), double.dense(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        np.asarray(single.jvp(delta)), np.asarray(double.jvp(delta)), rtol=1e-4, atol=1e-5
    )


def test_batches_change_nothing() -> None:
    whole, batched = jacobian_of("mlp"), jacobian_of("mlp", batch=4)  # 9 = 4 + 4 + 1
    delta, v = draw_step(whole, 1), draw_function(whole, 2)
    np.testing.assert_allclose(np.asarray(batched.outputs()), np.asarray(whole.outputs()), atol=1e-14)
    np.testing.assert_allclose(np.asarray(batched.jvp(delta)), np.asarray(whole.jvp(delta)), atol=1e-12)
    np.testing.assert_allclose(flattened(batched.vjp(v)), flattened(whole.vjp(v)), atol=1e-12)
    np.testing.assert_allclose(batched.dense(), whole.dense(), atol=1e-13)


def test_several_vectors_at_once_are_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    jacobian, (_, j) = jacobian_of("mlp"), explicit_of("mlp")
    u = draw_function(jacobian, 3, count=5)
    # Memory for two vectors in parameter space: five go in three groups.
    monkeypatch.setattr("ticketlab.tangent.jacobian._PARAMETER_BYTES", 2 * 8 * jacobian.columns)
    flat = u.reshape(5, -1)
    np.testing.assert_allclose(np.asarray(jacobian.gram(u)).reshape(5, -1), flat @ j @ j.T, atol=1e-10)
    np.testing.assert_allclose(jacobian.squared_norm(u), np.sum((flat @ j) ** 2, axis=1), rtol=1e-12)
    pulled = jacobian.pull_back(u)
    np.testing.assert_allclose([flattened(d) for d in pulled], flat @ j, atol=1e-11)
    pushed = np.asarray(jacobian.push_forward(pulled))
    np.testing.assert_allclose(pushed.reshape(5, -1), flat @ j @ j.T, atol=1e-10)


def test_embedding_and_moving_leaves_go_round() -> None:
    jacobian = jacobian_of("mlp", "masked")
    delta = draw_step(jacobian, 1)
    whole = jacobian.embed(delta)
    assert jax.tree.structure(whole) == jax.tree.structure(jacobian.params)
    assert not np.any(jax.tree.leaves(whole)[0])
    for back, leaf in zip(jacobian.moving(whole), delta, strict=True):
        np.testing.assert_array_equal(np.asarray(back), leaf)


def test_at_other_inputs() -> None:
    other = split_of("mlp", seed=8).x
    there = jacobian_of("mlp").at(other)
    assert there.dtype == np.float64
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params_of("mlp"))
        direct = NETWORKS["mlp"].apply(params, jnp.asarray(other, jnp.float64))
    np.testing.assert_allclose(np.asarray(there.outputs()), np.asarray(direct), atol=1e-14)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_linearised_network_is_the_network_to_second_order(name: str) -> None:
    """‖f(θ₀ + tΔ) − f(θ₀) − tJΔ‖ goes with t²."""
    jacobian, network = jacobian_of(name), NETWORKS[name]
    delta = draw_step(jacobian, 4)
    size = np.linalg.norm(flattened(delta)) / np.linalg.norm(flattened(jacobian.params))
    steps = 1e-3 * 2.0 ** -np.arange(5) / size
    f0, jd, tangent = np.asarray(jacobian.outputs()), np.asarray(jacobian.jvp(delta)), jacobian.embed(delta)
    errors = []
    for t in steps.tolist():
        moved = jax.tree.map(
            lambda p, d, t=t: np.asarray(p, float) + t * np.asarray(d), params_of(name), tangent
        )
        at = Jacobian(network, moved, jacobian.x, dtype=np.float64)
        errors.append(np.linalg.norm(np.asarray(at.outputs()) - f0 - t * jd))
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(2, abs=0.05)


def test_double_precision_inside_a_program_that_has_it_switched_on() -> None:
    """The operator's own precision holds in every JAX setting."""
    delta = draw_step(jacobian_of("mlp"), 1)
    outside = np.asarray(jacobian_of("mlp").jvp(delta))
    with jax.enable_x64(True):
        inside = np.asarray(jacobian_of("mlp").jvp(delta))
        single = Jacobian(NETWORKS["mlp"], params_of("mlp"), split_of("mlp").x).outputs()
    np.testing.assert_array_equal(inside, outside)
    assert single.dtype == jnp.float32


@pytest.mark.parametrize(
    ("x", "got", "expected", "do"),
    [
        (np.zeros((3, 5), np.float32), "(3, 5)", "(n, 4)", "Build the network for data of this shape"),
        (np.zeros((0, 4), np.float32), "(0, 4)", "n ≥ 1", "Build the network"),
        (np.zeros(4, np.float32), "(4,)", "(n, 4)", "Build the network"),
        (np.array([[0, np.nan, 0, 0]], np.float32), "inputs with NaN", "finite numbers", "Remove or replace"),
        (
            np.array([[0, np.inf, 0, 0]], np.float32),
            "inputs with NaN or inf",
            "finite numbers",
            "Remove or replace",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x: np.ndarray, got: str, expected: str, do: str) -> None:
    with pytest.raises(UserError) as error:
        Jacobian(NETWORKS["mlp"], params_of("mlp"), x)
    assert got in error.value.got
    assert expected in error.value.expected
    assert do in error.value.do


def test_parameters_that_are_not_finite_are_refused() -> None:
    broken = jax.tree.map(lambda leaf: np.full(leaf.shape, np.nan, np.float32), params_of("mlp"))
    with pytest.raises(UserError, match="parameters with NaN"):
        Jacobian(NETWORKS["mlp"], broken, split_of("mlp").x)


def test_layers_are_found_by_name() -> None:
    jacobian = Jacobian(NETWORKS["mlp"], params_of("mlp"), split_of("mlp").x, Layers(("dense2",)))
    assert jacobian.columns == 6 * 5 + 5


def test_what_is_no_vector_is_refused() -> None:
    jacobian, params = jacobian_of("mlp"), params_of("mlp")
    n, k = jacobian.examples, jacobian.outputs_per_example
    for u in (np.zeros((1, n - 1, k)), np.zeros((n, k)), np.zeros((1, n * k))):
        with pytest.raises(UserError, match="function space of shape"):
            jacobian._functions(u)
    for delta in (params, jacobian.moving(params)[1:], [np.zeros(jacobian.columns)]):
        with pytest.raises(UserError, match="in parameter space"):
            jacobian._checked(delta)


def test_parameters_of_another_network_are_refused() -> None:
    network, x = NETWORKS["mlp"], split_of("mlp").x
    several = jax.tree.map(lambda a: a[None], params_of("mlp"))
    for params in ({}, several):
        with pytest.raises(UserError, match="layer 'dense1' has no weight of shape"):
            Jacobian(network, params, x)
    with pytest.raises(UserError, match="dtype=int64"):
        Jacobian(network, params_of("mlp"), x, dtype=int)
