"""Signs, and sizes before signs: planted by the formulas of each layer, gone in the canonical form, and found by matching."""

from functools import cache
from itertools import permutations, product

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symmetry_cases import apart, drawn

from ticketlab.networks import MLP, Activate, Activation, Dense, Pool, Pooling, rescale_units, sequential
from ticketlab.networks.sequence_architectures import GRUNet, LSTMNet
from ticketlab.networks.stages import Convolution, Flatten
from ticketlab.symmetry import (
    Balanced,
    UnitNorm,
    canonical,
    match_activations,
    match_weights,
    parameter_distance,
    permuted,
)
from ticketlab.symmetry.places import arrays_of
from ticketlab.symmetry.signs import free_signs

SIGN = Activation.SIGN
NETWORKS = {
    "sign": MLP((3,), activation=SIGN).build((4,), 2),
    "two of signs": MLP((5, 4), activation=SIGN).build((4,), 2),
    "gru": GRUNet((3,)).build((4, 2), 2),
    "two of gru": GRUNet((4, 3)).build((4, 2), 2),
    "lstm": LSTMNet((3,)).build((4, 2), 2),
    "two of lstm": LSTMNet((4, 3)).build((4, 2), 2),
}
ROUNDING = 1e-5


@cache
def compiled(name):
    return jax.jit(NETWORKS[name].apply)


def outputs(name, params):
    x = np.random.default_rng(3).standard_normal((64, *NETWORKS[name].input_shape)).astype(np.float32)
    return np.asarray(compiled(name)(jax.tree.map(np.float32, params), x))


def masked(params, draw):
    """A third of the weights are pruned."""
    return {
        layer: {n: a * (draw.random(a.shape) < 0.67) if n == "weight" else a for n, a in leaves.items()}
        for layer, leaves in params.items()
    }


def changed(name, params, changes):
    """Units of each hidden layer times their signs and sizes, then in this order, by the formulas, without unit groups."""
    found, layers = (
        arrays_of(NETWORKS[name], params),
        [layer for layer in NETWORKS[name].layers if not layer.stage.continues],
    )
    for layer, following, (signs, sizes, order) in zip(layers[:-1], layers[1:], changes, strict=True):
        gates = np.ones((layer.gates, len(order)))
        gates[min(2, layer.gates - 1)] = (
            signs * sizes
        )  # the candidates of a GRU and of an LSTM are the third gate
        columns = np.arange(layer.units).reshape(layer.gates, -1)[:, order].ravel()
        again = f"{layer.name}-recurrent"
        for own in {layer.name, again} & set(found):
            found[own] = {leaf: (a * gates.ravel())[..., columns] for leaf, a in found[own].items()}
        for reader in {following.name, again} & set(found):
            found[reader]["weight"] = (found[reader]["weight"] * signs[:, None])[order]
    return found


def planted(name, params, draw, order=False, size=True):
    """Random signs, sizes before signs, and orders."""
    changes = []
    for group in NETWORKS[name].unit_groups:
        sizes = np.exp(draw.standard_normal(group.units)) if "sign" in name and size else np.ones(group.units)
        orders = draw.permutation(group.units) if order else np.arange(group.units)
        changes.append((draw.choice([-1.0, 1.0], group.units), sizes, orders))
    return changed(name, params, changes)


CASES = given(name=st.sampled_from(list(NETWORKS)), seed=st.integers(0, 999), pruned=st.booleans())


def pair(name, seed, pruned, order=False):
    draw = np.random.default_rng((seed, 5))
    params = drawn(NETWORKS[name], seed)
    params = masked(params, draw) if pruned else params
    return params, planted(name, params, draw, order)


@settings(max_examples=25)
@CASES
def test_what_is_planted_leaves_the_function(name, seed, pruned):
    params, moved = pair(name, seed, pruned)
    np.testing.assert_allclose(outputs(name, moved), outputs(name, params), atol=ROUNDING)


@settings(max_examples=25)
@CASES
def test_it_is_gone_in_the_canonical_form_which_computes_the_same(name, seed, pruned):
    params, moved = pair(name, seed, pruned)
    for form in (Balanced(), UnitNorm()):
        one, other = (canonical(NETWORKS[name], p, form=form).params for p in (params, moved))
        assert apart(one, other) < ROUNDING
        np.testing.assert_allclose(outputs(name, one), outputs(name, params), atol=10 * ROUNDING)
        assert apart(one, canonical(NETWORKS[name], one, form=form).params) < ROUNDING


@settings(max_examples=25)
@CASES
def test_nothing_is_left_of_it_and_of_a_permutation_after_matching(name, seed, pruned):
    params, moved = pair(name, seed, pruned, order=True)
    network = NETWORKS[name]
    one, other = (canonical(network, p).params for p in (params, moved))
    found = match_weights(network, one, other, restarts=10)
    assert parameter_distance(one, permuted(network, other, found)) < ROUNDING


def likeness(one, other):
    """⟨A, B⟩/(‖A‖‖B‖) over all parameters but those of the outputs."""
    a, b = (
        np.concatenate(
            [np.ravel(p[k][n]) for k in sorted(p) for n in sorted(p[k]) if (k, n) != ("output", "bias")]
        )
        for p in (one, other)
    )
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("name", ["sign", "gru", "lstm"])
def test_matching_ends_at_the_best_of_all_orders_and_signs(name):
    """All 3! · 2³ of them, of networks that are not alike, without a canonical form."""
    network, same = NETWORKS[name], np.ones(3)
    for seed in range(4):
        one, other = arrays_of(network, drawn(network, seed)), drawn(network, 50 + seed)
        best = max(
            likeness(one, changed(name, other, [(np.array(signs), same, np.array(order))]))
            for order in permutations(range(3))
            for signs in product([-1.0, 1.0], repeat=3)
        )
        found = match_weights(network, one, other, restarts=40)
        moved = permuted(network, other, found)
        assert found.objective == pytest.approx(best, rel=1e-5)
        assert likeness(one, arrays_of(network, moved)) == pytest.approx(best, rel=1e-5)
        np.testing.assert_allclose(outputs(name, moved), outputs(name, other), atol=ROUNDING)


@pytest.mark.parametrize("name", ["two of signs", "two of gru", "two of lstm"])
def test_activations_find_signs(name):
    network, params = NETWORKS[name], drawn(NETWORKS[name], 1)
    moved = planted(name, params, np.random.default_rng(1), order=True, size=False)
    x = np.random.default_rng(3).standard_normal((200, *network.input_shape)).astype(np.float32)
    found = match_activations(network, params, moved, x)
    assert parameter_distance(params, permuted(network, moved, found)) < ROUNDING


def test_a_sign_is_not_odd_at_zero_so_units_without_a_bias_keep_theirs():
    network, name = NETWORKS["sign"], "sign"
    params = arrays_of(network, drawn(network, 0))
    params["dense1"]["bias"][1] = 0.0
    (group,) = network.unit_groups
    assert free_signs(params, group).tolist() == [True, False, True]
    flipped = jax.tree.map(np.asarray, rescale_units(params, group, np.array([1.0, -1.0, 1.0])))
    zero, apply = np.zeros((1, 4), np.float32), compiled(name)
    before, after = (np.asarray(apply(jax.tree.map(np.float32, p), zero)) for p in (params, flipped))
    assert np.max(np.abs(before - after)) > 0.1  # so this is no symmetry
    one, other = (canonical(network, p).params for p in (params, flipped))
    assert apart(one, other) > 0.1
    for p, form in ((params, one), (flipped, other)):
        wanted, got = (np.asarray(apply(jax.tree.map(np.float32, q), zero)) for q in (p, form))
        np.testing.assert_allclose(got, wanted, atol=ROUNDING)
    assert match_weights(network, params, flipped).signs["dense1"][1] == 1


def test_a_unit_of_signs_that_reads_nothing_is_constant_and_not_dead():
    network = NETWORKS["sign"]
    params = arrays_of(network, drawn(network, 0))
    params["dense1"]["weight"][:, 1] = params["dense1"]["bias"][1] = 0.0
    found = canonical(network, params)
    assert found.dead == {"dense1": 0}
    np.testing.assert_allclose(outputs("sign", found.params), outputs("sign", params), atol=ROUNDING)
    params["output"]["weight"][1] = 0.0
    assert canonical(network, params).dead == {"dense1": 1}


def test_the_size_of_a_unit_of_signs_says_nothing_about_its_death():
    network = NETWORKS["two of signs"]
    params = arrays_of(network, drawn(network, 0))
    small = arrays_of(network, params)
    for array in small["dense2"].values():
        array[..., 1] *= 1e-12
    one, other = (canonical(network, p) for p in (params, small))
    assert other.dead == {"dense1": 0, "dense2": 0}
    assert apart(one.params, other.params) < ROUNDING


@pytest.mark.parametrize(("name", "biased"), [("gru", True), ("gru", False), ("lstm", False)])
def test_a_recurrent_unit_without_inputs_has_one_sign_too(name, biased):
    network = NETWORKS[name]
    params = arrays_of(network, drawn(network, 0))
    first, second = (layer.name for layer in network.layers[:2])
    for array in params[first].values():
        array[..., 2 * 3 + 1 : 3 * 3] = 0.0  # of the candidates only that of unit 0 reads the inputs
    if biased:
        params[second]["weight"][:, 2 * 3 + 1 : 3 * 3] = (
            0.0  # the other units have a recurrent bias and nothing else
        )
    else:
        params[second]["weight"][0, 2 * 3 + 2] = 0.0  # unit 2 reads unit 1 alone
        if "bias" in params[second]:
            params[second]["bias"][2 * 3 + 1 : 3 * 3] = 0.0
    forms = [
        canonical(network, changed(name, params, [(np.array(signs), np.ones(3), np.arange(3))])).params
        for signs in product([-1.0, 1.0], repeat=3)
    ]
    assert max(apart(forms[0], form) for form in forms) < ROUNDING
    assert apart(forms[0], canonical(network, forms[0]).params) == 0


def test_a_maximum_of_signs_leaves_only_their_size():
    stages = (Convolution(3), Activate(SIGN), Pool(Pooling.MAX), Flatten(), Dense(2))
    (group,) = sequential(stages, (4, 4, 1), name="maximum of signs").unit_groups
    assert not group.flippable
    assert [axis.layer for axes in group.scaleless for axis in axes] == ["conv1", "conv1"]
