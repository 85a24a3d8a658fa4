"""Tangent-space solutions as a sampler, against the solver of the tangent minimum; and variance split by its sources."""

import dataclasses

import jax
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.functions import TangentSolutions, collect, tangent_outputs, unpacked, variance_split
from ticketlab.networks import MLP, Activation
from ticketlab.tangent import Jacobian, Relative, minimise, tangent_kernel
from ticketlab.tasks.task import Split

N, M, D = 6, 9, 4


@pytest.fixture(scope="module")
def solutions():
    rng = np.random.default_rng(0)
    x, held_out = (rng.standard_normal((n, D)).astype(np.float32) for n in (N, M))
    network = MLP(widths=(12,), activation=Activation.TANH).build((D,), 1)
    return TangentSolutions(network, x, np.array([0, 1, 0, 1, 1, 0]), held_out, ridge=1e-3, chunk=32)


def test_over_random_starts_it_is_the_tangent_minimum(solutions):
    keys = jax.random.split(jax.random.key(3), 2)
    found = tangent_outputs(solutions, keys, None)
    assert found.shape == (2, 1, M)
    targets = (2.0 * solutions.labels - 1)[:, None].astype(np.float32)
    part = Split(solutions.x, targets, np.arange(N))
    for key, outputs in zip(keys, found, strict=True):
        params = solutions.network.init(key)
        expected = minimise(solutions.network, params, part, ridge=Relative(1e-3)).predict(solutions.held_out)
        np.testing.assert_allclose(outputs[0], expected[:, 0], rtol=2e-3, atol=2e-3)


def test_along_a_null_space_solutions_fit_and_keep_what_the_data_leave_free(solutions):
    """F is the least change that fits, plus J times the part of Δ₀ in the null space of J_S, by the pseudo-inverse."""
    exact = dataclasses.replace(
        solutions, ridge=1e-9, held_out=np.concatenate([solutions.x, solutions.held_out])
    )
    starts, moves = jax.random.split(jax.random.key(5), 1), jax.random.split(jax.random.key(6), 300)
    found = tangent_outputs(exact, starts, moves)[0]
    everywhere = tangent_outputs(solutions, starts, moves, training=True)[0]
    np.testing.assert_allclose(everywhere, tangent_outputs(exact, starts, moves)[0], atol=2e-2)
    np.testing.assert_array_equal(everywhere[:, N:], tangent_outputs(solutions, starts, moves)[0])
    y = 2.0 * solutions.labels - 1
    np.testing.assert_allclose(found[:, :N], np.broadcast_to(y, (300, N)), atol=2e-3)  # every draw fits
    assert np.all(found[:, N:].std(axis=0) > 1e-3)  # and draws differ elsewhere

    params = solutions.network.init(starts[0])
    flat, build = jax.flatten_util.ravel_pytree(params)
    jacobian = np.asarray(
        jax.jacrev(lambda v: solutions.network.apply(build(v), exact.held_out)[:, 0])(flat), np.float64
    )
    own, other = jacobian[:N], jacobian[N:]
    moved = np.stack([jax.flatten_util.ravel_pytree(solutions.network.init(k))[0] for k in moves]).astype(
        float
    )
    inverse = np.linalg.pinv(own, rcond=1e-7)
    free = moved - moved @ own.T @ inverse.T  # the part in the null space of J_S
    start = np.asarray(solutions.network.apply(params, exact.held_out)[:, 0], np.float64)
    fitted = start[N:] + other @ inverse @ (y - start[:N])
    np.testing.assert_allclose(found[:, N:], fitted + free @ other.T, atol=5e-3)


def test_the_kernel_is_that_of_the_network(solutions):
    """F = f₀ + K_ES (K_SS + λI)⁻¹ (y − f₀), with the kernel that the package computes from the network's structure."""
    key = jax.random.key(1)
    params = solutions.network.init(key)
    at, elsewhere = (Jacobian(solutions.network, params, x) for x in (solutions.x, solutions.held_out))
    own, cross = np.asarray(tangent_kernel(at)), np.asarray(tangent_kernel(elsewhere, at))
    on, off = (
        np.asarray(solutions.network.apply(params, x), np.float64)[:, 0]
        for x in (solutions.x, solutions.held_out)
    )
    weights = np.linalg.solve(own + np.trace(own) / N * np.eye(N), 2.0 * solutions.labels - 1 - on)
    found = tangent_outputs(dataclasses.replace(solutions, ridge=1.0), key[None], None)[0, 0]
    np.testing.assert_allclose(found, off + cross @ weights, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("start", [None, 7])
def test_chunks_are_run_numbers_and_counts_agree(solutions, start):
    sampler = dataclasses.replace(solutions, start=None if start is None else jax.random.key(start))
    found = collect(sampler, jax.random.key(2), 2)
    assert found.counts.draws == found.tried == 64
    state = sampler.init(jax.random.key(2))
    state, first = sampler.step(state)
    _, second = sampler.step(state)
    labels = unpacked(np.concatenate([first.functions, second.functions]), M)
    mean = found.counts.total @ unpacked(found.counts.functions, M) / 64
    np.testing.assert_allclose(mean, labels.mean(axis=0))


def test_wrong_options_are_refused(solutions):
    for wrong in ({"ridge": 0.0}, {"chunk": 10}, {"labels": np.arange(N)}):
        with pytest.raises(UserError):
            dataclasses.replace(solutions, **wrong)


# --- variance ---


def test_the_split_finds_planted_variances():
    rng, a, b, m = np.random.default_rng(0), 40, 30, 400
    sd = {"rows": 1.0, "columns": 0.5, "rest": 0.8}
    y = (
        sd["rows"] * rng.standard_normal((a, 1, m))
        + sd["columns"] * rng.standard_normal((1, b, m))
        + sd["rest"] * rng.standard_normal((a, b, m))
        + rng.standard_normal(m)
    )
    found = variance_split(y)
    for name, value in sd.items():
        assert getattr(found, name) == pytest.approx(value**2, rel=0.05)
    assert sum(found.shares()) == pytest.approx(1)


def test_the_split_is_unbiased_where_a_source_does_nothing():
    rng = np.random.default_rng(1)
    each = [variance_split(rng.standard_normal((6, 5, 3))) for _ in range(2000)]
    for name, expected in (("rows", 0.0), ("columns", 0.0), ("rest", 1.0)):
        values = np.array([getattr(s, name) for s in each])
        assert abs(values.mean() - expected) < 4 * values.std() / np.sqrt(len(values))


def test_the_split_of_labels_agrees_with_the_sums_of_squares():
    y = np.random.default_rng(2).random((5, 4, 7)) < 0.4
    found = variance_split(y)
    sums = 0.0
    for e in range(7):
        sums += np.sum((y[:, :, e] - y[:, :, e].mean()) ** 2) / 7
    rest, rows, columns = found.rest, found.rows, found.columns
    total = 4 * 3 * rest + 4 * (4 * rows + rest) + 3 * (5 * columns + rest)
    assert total == pytest.approx(sums)
    assert variance_split(np.ones((3, 3, 2))).shares() == (0.0, 0.0, 0.0)
    with pytest.raises(UserError, match="at least two"):
        variance_split(y[:1])
