"""Contributions of weights: exact values against orders and axioms, sampled ones against all subsets."""

import itertools
import math

import jax
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP
from ticketlab.tasks.losses import SQUARE
from ticketlab.tickets import (
    all_subsets,
    contributions,
    first_order_contributions,
    sampled_contributions,
    shapley_densities,
)
from ticketlab.tickets.contributions import _chunk, _mean_loss, _weights, rule_error


def by_orders(losses, m):
    """The Shapley value as it was defined: the mean over all orders in which weights are added one after the other."""
    total = np.zeros(m)
    for order in itertools.permutations(range(m)):
        there = 0
        for i in order:
            total[i] += losses[there] - losses[there | 1 << i]
            there |= 1 << i
    return total / math.factorial(m)


@pytest.mark.parametrize("m", [1, 2, 5])
def test_shapley_values_are_means_over_orders(m):
    losses = np.random.default_rng(m).normal(size=2**m)
    np.testing.assert_allclose(all_subsets(losses), by_orders(losses, m), atol=1e-12)


def test_values_of_twelve_weights_obey_the_axioms():
    """Efficiency, symmetry, and nothing for a weight that does nothing."""
    m, rng = 12, np.random.default_rng(0)
    bits = (np.arange(2**m)[:, None] >> np.arange(m)) & 1
    weights = rng.normal(size=m)
    weights[1], weights[2] = weights[0], 0.0
    losses = (bits @ weights - 1) ** 2
    values = all_subsets(losses)
    assert values.sum() == pytest.approx(losses[0] - losses[-1])
    assert values[0] == pytest.approx(values[1])
    for found in (values, all_subsets(losses, 0.5), all_subsets(losses, 0.2)):
        assert found[2] == pytest.approx(0, abs=1e-12)


def test_a_density_has_the_mean_over_its_subnetworks_and_densities_integrate_to_shapley():
    m, rng = 5, np.random.default_rng(1)
    losses, p = rng.normal(size=2**m), 0.3
    kept = (np.arange(2**m)[:, None] >> np.arange(m)) & 1 == 1
    chance = np.where(kept, p, 1 - p).prod(axis=1)
    expected = [
        np.average(losses[~kept[:, i]], weights=chance[~kept[:, i]])
        - np.average(losses[kept[:, i]], weights=chance[kept[:, i]])
        for i in range(m)
    ]
    np.testing.assert_allclose(all_subsets(losses, p), expected, atol=1e-12)
    densities, shares = shapley_densities(3)
    assert densities[1] == pytest.approx(0.5)
    total = sum(s * all_subsets(losses, float(d)) for d, s in zip(densities, shares, strict=True))
    np.testing.assert_allclose(total, all_subsets(losses), atol=1e-12)


@pytest.mark.parametrize(("degree", "seen"), [(1, False), (3, False), (11, True)])
def test_the_error_of_the_shapley_rule_is_seen_where_there_is_one(degree, seen):
    """A game whose contributions are polynomials of a degree in p: 5 densities leave out degree 3 exactly, and not degree 11."""
    m, rng = 12, np.random.default_rng(degree)
    bits = (np.arange(2**m)[:, None] >> np.arange(m)) & 1 == 1
    losses = sum(
        rng.normal() * bits[:, rng.permutation(m)[: degree + 1]].all(axis=1) for _ in range(3 * m)
    ).astype(float)
    densities, shares = shapley_densities(5)
    exact = np.stack([all_subsets(losses, float(p)) for p in densities])
    estimate = rule_error(np.stack([exact, exact], axis=1))
    truth = np.std(shares @ exact - all_subsets(losses)) / np.std(all_subsets(losses))
    assert (estimate > 1e-6) == seen
    assert truth <= estimate + 1e-9


def test_noise_of_the_halves_is_no_error_of_the_rule():
    rng = np.random.default_rng(0)
    values = rng.normal(size=20_000)
    halves = values + 2.0 * rng.normal(size=(5, 2, 20_000))
    assert rule_error(halves) < 0.3
    middle = values * np.eye(5)[2].reshape(5, 1, 1) + 0.1 * rng.normal(size=(5, 2, 20_000))
    assert rule_error(middle) == pytest.approx(1, abs=0.1)
    assert rule_error(np.stack([np.ones((5, 9)), -np.ones((5, 9))], axis=1)) == np.inf


def test_a_prime_number_of_masks_is_taken_in_few_chunks(small, monkeypatch):
    network, params, x, y = small
    calls = []

    def counted(*given):
        calls.append(given[-1])
        return _chunk(*given)

    monkeypatch.setattr(contributions, "_chunk", counted)
    monkeypatch.setattr(contributions, "CHUNK", 4 * 10 * 200)  # 200 masks at once
    found = sampled_contributions(network, SQUARE, params, x, y, 0.5, 2 * 307, jax.random.key(0))
    assert calls == [154] * 4
    assert found.masks == 307
    many = sampled_contributions(network, SQUARE, params, x, y, 0.5, 20_000, jax.random.key(1))
    assert np.all(np.abs(found.values - many.values) < 5 * found.standard_errors)


@pytest.fixture(scope="module")
def small():
    """Ten weights, few enough for all subsets."""
    network = MLP(widths=(2,)).build((3,), 2)
    params = jax.jit(network.init)(jax.random.key(0))
    x, y = np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float32)
    return network, params, x, y[:, :2]


def test_sampled_contributions_agree_with_all_subsets(small):
    network, params, x, y = small
    weights = _weights(network, params)
    flat = np.concatenate([np.asarray(w).ravel() for w in weights.values()])

    def masked(mask):
        parts = np.split(flat * mask, np.cumsum([w.size for w in weights.values()])[:-1])
        return {n: part.reshape(w.shape) for (n, w), part in zip(weights.items(), parts, strict=True)}

    compute = jax.jit(lambda w: _mean_loss(network, SQUARE, w, params, x, y))
    bits = ((np.arange(2**10)[:, None] >> np.arange(10)) & 1).astype(np.float32)
    losses = np.array([float(compute(masked(b))) for b in bits])
    for density in (0.5, 0.25):
        found = sampled_contributions(network, SQUARE, params, x, y, density, 8000, jax.random.key(1))
        assert found.halves.shape == (2, 10)
        apart = (found.values - all_subsets(losses, density)) / found.standard_errors
        assert np.abs(apart).max() < 4
        assert 0.4 < np.std(apart) < 1.8
        assert found.loss == pytest.approx(
            losses @ np.where(bits, density, 1 - density).prod(axis=1), rel=0.05
        )


def test_the_first_order_is_minus_the_derivative_along_the_weight(small):
    network, params, x, y = small
    weights = {n: np.asarray(w, np.float64) for n, w in _weights(network, params).items()}
    with jax.enable_x64(True):
        of = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
        found = first_order_contributions(network, SQUARE, of, x.astype(np.float64), y.astype(np.float64))
        compute = jax.jit(lambda w: _mean_loss(network, SQUARE, w, of, x, y))
        step, expected = 1e-6, []
        for name, w in weights.items():
            for at in np.ndindex(w.shape):
                moved = [{**weights, name: w.copy()} for _ in range(2)]
                for sign, m in zip((1, -1), moved, strict=True):
                    m[name][at] *= 1 + sign * step
                expected.append(-(float(compute(moved[0])) - float(compute(moved[1]))) / (2 * step))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_impossible_numbers_are_refused(small):
    network, params, x, y = small
    for density, masks, words in ((0.0, 10, "density=0"), (0.5, 5, "masks=5"), (0.5, 2, "masks=2")):
        with pytest.raises(UserError, match=words):
            sampled_contributions(network, SQUARE, params, x, y, density, masks, jax.random.key(0))
    with pytest.raises(
        UserError, match=r"8 masks in each half at density 0.05, .* weights; expected at least two"
    ):
        sampled_contributions(network, SQUARE, params, x, y, 0.05, 16, jax.random.key(0))
    for count in (3, 1, 2**13):
        with pytest.raises(UserError, match="losses"):
            all_subsets(np.zeros(count))
