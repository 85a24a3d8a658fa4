"""Matching: planted permutations come back, small problems end at the best of all orders, and the function stays."""

from itertools import permutations, product

import jax
import numpy as np
import pytest
from symmetry_cases import NETWORKS, SHAPE, apart, drawn, inputs, planted

from ticketlab.errors import UserError
from ticketlab.networks import MLP, Activation, LeNet5, PreActResNet, ResNet
from ticketlab.symmetry import (
    Balanced,
    Matching,
    Start,
    by_activations,
    canonical,
    match_activations,
    match_straight_through,
    match_weights,
    permuted,
)
from ticketlab.symmetry.straight_through import _same
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY

LAYERS = ("dense1", "dense2", "output")
PERMUTABLE = {name: network for name, network in NETWORKS.items() if network.statistics is None}
EXACT = {
    "mlp": MLP((40, 30, 20)).build((12,), 3),
    "cnn": LeNet5().build((16, 16, 1), 3),
}
RESIDUAL = {
    "residual": PreActResNet((30, 50), blocks=2, normalisation=None).build((4, 4, 3), 3),
    "residual, channels": ResNet((30, 50), blocks=2).build((4, 4, 3), 3),
}


def noisy(params, seed, noise):
    """The parameters plus Gaussian noise of this fraction of each array's standard deviation."""
    draw = np.random.default_rng(seed)
    return jax.tree.map(lambda a: a + noise * a.std() * draw.standard_normal(a.shape), params)


def recovered(network, seed, noise=0.0, **options):
    """Whether every unit of a planted permutation comes back."""
    params = canonical(network, drawn(network, seed)).params
    moved, orders = planted(network, params, 1000 + seed)
    balanced = canonical(network, moved).params  # noise of one size for all units
    moved = canonical(network, noisy(balanced, seed, noise)).params
    found = match_weights(network, params, moved, **options)
    return all(np.array_equal(orders[k][found.orders[k]], np.arange(len(orders[k]))) for k in orders)


def objective(one, other):
    pairs = [(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)]
    return sum(float(np.vdot(a, b)) for a, b in pairs)


@pytest.mark.parametrize("name", EXACT)
def test_a_planted_permutation_comes_back(name):
    assert sum(recovered(EXACT[name], seed) for seed in range(4)) == 4


@pytest.mark.parametrize("name", RESIDUAL)
def test_a_planted_permutation_of_tied_units_comes_back(name):
    assert sum(recovered(RESIDUAL[name], seed) for seed in range(2)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("name", EXACT)
def test_a_hundred_planted_permutations_come_back(name, noise):
    assert sum(recovered(EXACT[name], seed, noise) for seed in range(100)) == 100


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("name", RESIDUAL)
def test_almost_all_planted_permutations_of_tied_units_come_back(name, noise):
    assert sum(recovered(RESIDUAL[name], seed, noise) for seed in range(100)) >= 95


@pytest.mark.parametrize("activation", [Activation.RELU, Activation.TANH])
def test_a_small_problem_ends_at_the_best_of_all_orders(activation):
    """All 3! · 3! orders, and all signs where they are free."""
    network = MLP((3, 3), activation=activation).build((2,), 2)
    signs = [1.0] if activation is Activation.RELU else [1.0, -1.0]
    for seed in range(5 if len(signs) == 1 else 1):
        one, other = drawn(network, seed), drawn(network, 50 + seed)
        best = -np.inf
        for first, second in product(permutations(range(3)), repeat=2):
            f, s = list(first), list(second)
            w = [other[layer]["weight"] for layer in LAYERS]
            b = [other[layer]["bias"] for layer in LAYERS]
            for flips in product(signs, repeat=6) if len(signs) > 1 else [(1.0,) * 6]:
                p, q = np.array(flips[:3]), np.array(flips[3:])
                moved = [
                    w[0][:, f] * p,
                    w[1][f][:, s] * p[:, None] * q,
                    w[2][s] * q[:, None],
                    b[0][f] * p,
                    b[1][s] * q,
                ]
                mine = [
                    *(one[layer]["weight"] for layer in LAYERS),
                    one["dense1"]["bias"],
                    one["dense2"]["bias"],
                ]
                best = max(best, objective(mine, moved))
        found = match_weights(network, one, other, restarts=60)
        got = permuted(network, other, found)
        assert objective(one, got) - objective(one["output"]["bias"], got["output"]["bias"]) == pytest.approx(
            best, rel=1e-5
        )


@pytest.mark.parametrize("name", PERMUTABLE)
def test_the_matched_network_computes_the_same_function(name):
    network, x = PERMUTABLE[name], inputs(PERMUTABLE[name])
    one, other = drawn(network, 1), drawn(network, 2)
    moved = permuted(network, other, match_weights(network, one, other, restarts=0))
    apply = jax.jit(network.apply)
    expected = np.asarray(apply(other, x))
    assert np.max(np.abs(np.asarray(apply(moved, x)) - expected)) < 1e-5 * np.max(np.abs(expected))
    assert objective(one, moved) > objective(one, other)


def test_more_starts_are_never_worse_and_the_objective_is_what_it_says():
    network = MLP((20, 20)).build((6,), 3)
    one, other = drawn(network, 1), drawn(network, 2)
    found = match_weights(network, one, other, restarts=5)
    assert found.objective >= max(found.objectives.values()) - 1e-9
    assert set(found.objectives) == {"as it is", "profiles", *(f"random {i}" for i in range(1, 6))}
    leaves = [(k, n) for k in one for n in one[k] if (k, n) != ("output", "bias")]
    moved = permuted(network, other, found)
    a, b = ([tree[k][n].astype(np.float64) for k, n in leaves] for tree in (one, moved))
    norms = [np.sqrt(sum(np.sum(x**2) for x in side)) for side in (a, b)]
    assert found.objective == pytest.approx(objective(a, b) / norms[0] / norms[1], rel=1e-5)
    assert match_weights(network, one, one).moved == 0


def test_activations_find_a_permutation_and_signs_that_weights_start_from():
    network = NETWORKS["tanh"]
    x, params = inputs(network, 64), drawn(network, 3)
    moved, orders = planted(network, params, 5)
    found = match_activations(network, params, moved, x)
    for layer, order in orders.items():
        np.testing.assert_array_equal(order[found.orders[layer]], np.arange(len(order)))
    assert apart(params, permuted(network, moved, found)) < 1e-6
    start = by_activations(network, params, moved, x)
    assert match_weights(network, params, moved, starts={"activations": start}).objective == pytest.approx(
        1, abs=1e-5
    )


def test_correlations_are_those_of_numpy_and_constant_units_have_none():
    from ticketlab.symmetry import unit_correlations

    network = MLP((5,)).build((3,), 2)
    one, other = drawn(network, 1), drawn(network, 2)
    one["dense1"]["weight"][:, 2] = 0.0
    x = np.random.default_rng(0).standard_normal((600, 3)).astype(np.float32)
    a, b = (np.maximum(x @ p["dense1"]["weight"] + p["dense1"]["bias"], 0) for p in (one, other))
    got = unit_correlations(network, one, other, x)["dense1"]
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.corrcoef(a.T, b.T)[:5, 5:]
    np.testing.assert_allclose(got, np.where(np.isfinite(expected), expected, 0.0), atol=1e-5)
    assert not np.any(got[2])


def test_activations_of_tied_units_find_a_permutation():
    network = ResNet((6,), blocks=1).build(SHAPE, 3)
    params = drawn(network, 3)
    moved, orders = planted(network, params, 5)
    found = by_activations(network, params, moved, inputs(network))
    for layer, order in orders.items():
        np.testing.assert_array_equal(order[found.orders[layer]], np.arange(len(order)))


def test_the_straight_through_estimator_lowers_the_loss_halfway():
    network = MLP((6, 5)).build((4,), 2)
    draw = np.random.default_rng(0)
    x = draw.standard_normal((200, 4)).astype(np.float32)
    targets = np.eye(2, dtype=np.float32)[(x[:, 0] * x[:, 1] > 0).astype(int)]
    one, other = drawn(network, 1), drawn(network, 2)

    def halfway(matching):
        params = jax.tree.map(lambda a, b: (a + b) / 2, one, permuted(network, other, matching))
        return float(np.mean(SOFTMAX_CROSS_ENTROPY.value(network.apply(params, x), targets)))

    found = match_straight_through(
        network, SOFTMAX_CROSS_ENTROPY, one, other, x, targets, steps=12, learning_rate=0.1, batch=100
    )
    by_weights = match_weights(network, one, other)
    assert halfway(found) < halfway(by_weights)
    assert sorted(found.orders["dense1"]) == list(range(6))


def test_matching_after_balancing_is_not_decided_by_one_large_unit():
    """A rescaled copy is recovered in the balanced form, and not as it is."""
    network = MLP((30, 30)).build((10,), 3)
    params = drawn(network, 0)
    lost = 0
    for seed in range(5):
        moved, orders = planted(network, params, seed)
        moved = noisy(moved, seed, 0.1)
        right = [
            np.mean(orders["dense1"][match_weights(network, a, b).orders["dense1"]] == np.arange(30))
            for a, b in (
                (params, moved),
                tuple(canonical(network, p, form=Balanced()).params for p in (params, moved)),
            )
        ]
        assert right[1] >= right[0]
        lost += right[0] < right[1]
    assert lost > 0


def test_what_cannot_be_matched_is_said():
    network = MLP((3,)).build((2,), 2)
    with pytest.raises(UserError, match="restarts"):
        match_weights(network, drawn(network, 0), drawn(network, 1), restarts=-1)
    batch = NETWORKS["residual, batch"]
    with pytest.raises(UserError, match="batch"):
        match_activations(batch, drawn(batch, 0), drawn(batch, 1), inputs(batch))
    with pytest.raises(UserError, match="at least 2"):
        match_activations(network, drawn(network, 0), drawn(network, 1), np.zeros((1, 2), np.float32))
    with pytest.raises(UserError, match="at least 1"):
        match_straight_through(
            network,
            SOFTMAX_CROSS_ENTROPY,
            drawn(network, 0),
            drawn(network, 1),
            np.zeros((2, 2)),
            np.eye(2),
            steps=0,
        )
    assert Start({}).signs == {}


def test_matchings_that_differ_in_the_sign_of_the_first_unit_are_two():
    """Its place is 0, and −0 equals 0."""
    order, signs = np.arange(2), np.ones(2)
    one, other = (Matching({"a": order}, {"a": s}, 0.0, "", {}) for s in (signs, np.array([-1.0, 1.0])))
    assert _same(one, one)
    assert not _same(one, other)
