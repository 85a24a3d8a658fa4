"""Canonical forms: the same function, the same arrays after any planted symmetry, and the least norm of all rescalings."""

from functools import cache

import jax
import numpy as np
import pytest
from scipy.optimize import minimize
from symmetry_cases import BATCH, CHANNELS, NETWORKS, SHAPE, apart, drawn, inputs, planted

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    Dense,
    Flatten,
    Normalise,
    ResNet,
    pure_network,
    sequential,
)
from ticketlab.networks.stages import Convolution
from ticketlab.networks.stages.attention import Attention
from ticketlab.networks.stages.embedding import Embedding, Positions
from ticketlab.networks.stages.per_step import EveryStep, FeedForward, PerStep
from ticketlab.networks.stages.sequence import LastStep, Rows
from ticketlab.symmetry import Balanced, Canonical, UnitNorm, canonical, in_order
from ticketlab.symmetry.places import arrays_of, by_unit, unit_norms
from ticketlab.symmetry.scale_groups import scale_groups

FORMS = [Balanced(), UnitNorm()]
OUTPUTS = 1e-5  # relative
ARRAYS = 1e-5
AGAIN = 1e-6


@cache
def found(name: str, form) -> Canonical:
    network = NETWORKS[name]
    return canonical(network, drawn(network, 1), form=form, reference=inputs(network))


@cache
def compiled(network):
    return jax.jit(network.apply)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_function_stays_the_same(name):
    network, x = NETWORKS[name], inputs(NETWORKS[name])
    expected = np.asarray(compiled(network)(drawn(network, 1), x))
    for form in FORMS:
        got = np.asarray(compiled(found(name, form).network)(found(name, form).params, x))
        assert np.max(np.abs(got - expected)) < OUTPUTS * np.max(np.abs(expected))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_second_time_changes_nothing(name, form):
    once = found(name, form)
    again = canonical(once.network, once.params, form=form)
    assert apart(once.params, again.params) < AGAIN


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_any_planted_rescaling_and_permutation_ends_in_the_same_arrays(name, form):
    once = found(name, form)
    for seed in range(2):
        other = canonical(once.network, planted(once.network, once.params, seed)[0], form=form)
        if form == Balanced():  # unit norms differ only by rounding from unit to unit after a normalisation
            ordered = [in_order(once.network, c.params) for c in (once, other)]
            assert apart(*ordered) < ARRAYS
        unmoved = canonical(
            once.network, planted(once.network, once.params, seed, permute=False)[0], form=form
        )
        assert apart(once.params, unmoved.params) < ARRAYS


def test_the_planted_symmetries_change_the_arrays():
    """Otherwise the tests above would say nothing."""
    for name, network in NETWORKS.items():
        once = found(name, Balanced())
        moved, _ = planted(once.network, once.params, 0)
        assert apart(once.params, moved) > 0.1, network.name


def test_balanced_units_have_equal_norms_on_both_sides():
    once = found("residual", Balanced())
    arrays = arrays_of(once.network, once.params)
    for group in scale_groups(once.network):
        into, out = (
            unit_norms(arrays, a, group.units.units) for a in (group.units.incoming, group.units.outgoing)
        )
        np.testing.assert_allclose(into, out, rtol=1e-5)


def test_the_balanced_form_has_the_least_norm_of_all_rescalings():
    """Against a general minimiser over the logarithms of all factors."""
    network = MLP((3, 2)).build((2,), 2)
    params = arrays_of(network, drawn(network, 0))
    weights = {(layer, name): a for layer, leaves in params.items() for name, a in leaves.items()}

    def squares(logs):
        one, two = np.exp(logs[:3]), np.exp(logs[3:])
        total = np.sum((weights["dense1", "weight"] * one) ** 2) + np.sum(
            (weights["dense1", "bias"] * one) ** 2
        )
        total += np.sum((weights["dense2", "weight"] / one[:, None] * two) ** 2)
        total += np.sum((weights["dense2", "bias"] * two) ** 2)
        return total + np.sum((weights["output", "weight"] / two[:, None]) ** 2)

    least = minimize(squares, np.zeros(5), method="BFGS", options={"gtol": 1e-10}).fun
    got = canonical(network, params).params
    hidden = [
        a for layer, leaves in got.items() for n, a in leaves.items() if (layer, n) != ("output", "bias")
    ]
    assert sum(np.sum(a**2) for a in hidden) == pytest.approx(least, rel=1e-8)
    assert least < 0.99 * squares(np.zeros(5))


def test_unit_norms_are_one_and_the_read_out_has_the_scale():
    once = found("mlp", UnitNorm())
    arrays = arrays_of(once.network, once.params)
    for group in once.network.unit_groups:
        np.testing.assert_allclose(unit_norms(arrays, group.incoming, group.units), 1, rtol=1e-6)


def test_dead_units_are_counted_and_silenced():
    network = NETWORKS["mlp"]
    params = arrays_of(network, drawn(network, 1))
    first, second, _ = network.unit_groups
    for axis in second.outgoing:
        by_unit(params, axis)[:] = 0.0  # nobody reads the second layer, so nothing of the first two is alive
    once = canonical(network, params)
    assert [once.dead[g.layer] for g in network.unit_groups] == [16, 12, 0]
    assert not any(np.any(once.params[layer]["weight"]) for layer in ("dense1", "dense2", "dense3"))
    one_less = arrays_of(network, drawn(network, 1))
    for axis in first.incoming:
        by_unit(one_less, axis)[3] = 0.0
    once = canonical(network, one_less)
    assert [once.dead[g.layer] for g in network.unit_groups] == [1, 0, 0]
    assert not np.any(once.params["dense2"]["weight"][3])


def test_a_scale_before_a_normalisation_over_the_batch_is_void():
    network, x = NETWORKS["residual, batch"], inputs(NETWORKS["residual, batch"], 64)
    params = drawn(network, 1)
    first = network.layers[0].name
    larger = {**params, first: {"weight": 30 * params[first]["weight"]}}
    one, other = (canonical(network, p, reference=x) for p in (params, larger))
    assert apart(one.params, other.params) < 1e-3  # ε = 1e-5 next to a variance of order one
    assert one.network.statistics is None


def test_the_common_factor_before_a_normalisation_over_channels_can_be_fixed():
    network = ResNet((6, 8), normalisation=CHANNELS).build(SHAPE, 3)
    params = drawn(network, 1)
    larger = {**params, "conv1": {n: 30 * a for n, a in params["conv1"].items()}}
    for form in (Balanced(common=True), UnitNorm(common=True)):
        one, other = (canonical(network, p, form=form) for p in (params, larger))
        assert apart(one.params, other.params) < ARRAYS
        again = canonical(network, one.params, form=form)
        assert apart(one.params, again.params) < AGAIN
    one, other = (canonical(network, p) for p in (params, larger))
    assert apart(one.params, other.params) > 1


def test_the_common_addend_before_a_normalisation_over_channels_is_taken_away():
    network = ResNet((6, 8), normalisation=CHANNELS).build(SHAPE, 3)
    params = drawn(network, 1)
    shifted = {**params, "conv1": {n: a + 0.5 for n, a in params["conv1"].items()}}
    one, other = (canonical(network, p) for p in (params, shifted))
    assert apart(one.params, other.params) < ARRAYS


def test_what_cannot_be_done_is_said():
    network = ResNet((3,), normalisation=BATCH).build(SHAPE, 3)
    with pytest.raises(UserError, match="reference"):
        canonical(network, drawn(network, 0))
    without = MLP((3,), bias=False, normalisation=BATCH).build(SHAPE, 3)
    with pytest.raises(UserError, match="without a shift"):  # the mean would be lost
        canonical(without, drawn(without, 0), reference=inputs(without))
    user = pure_network(lambda key: {"w": key}, lambda p, x: x, input_shape=(2,), outputs=2)
    with pytest.raises(UserError, match="description"):
        canonical(user, {})
    small, large = (MLP((units,)).build((2,), 2) for units in (3, 4))
    with pytest.raises(UserError, match="one network"):
        canonical(large, drawn(small, 0))


def test_factors_that_do_not_settle_are_a_failure(monkeypatch):
    monkeypatch.setattr("ticketlab.symmetry.balance.SWEEPS", 1)
    with pytest.raises(NumericalFailure, match="after 1 sweeps"):
        canonical(NETWORKS["mlp"], drawn(NETWORKS["mlp"], 0))


RELU = Activate(Activation.RELU)
READERS = {"dense": FeedForward(Activation.RELU, 2), "attention": Attention(2), "answers": EveryStep(8)}
PLACES = {  # what is normalised or read is not one layer's units, pixel by pixel
    "flat, channels": ((Convolution(4), Flatten(), Normalise(CHANNELS), Dense(3)), (4, 4, 1)),
    "positions, batch": (
        (Embedding(5, 3), Positions(), Normalise(BATCH), PerStep(2), LastStep(), Dense(2)),
        (3,),
    ),
    "rows": ((Convolution(2), RELU, Rows(), EveryStep(8)), (4, 4, 1)),
}


@pytest.mark.parametrize("name", PLACES)
def test_the_function_stays_the_same_whatever_the_places_are(name):
    network = sequential(*PLACES[name], name=name)
    x = np.random.default_rng(0).integers(0, 5, (16, *network.input_shape)).astype(np.float32)
    params = drawn(network, 1)
    once = canonical(network, params, reference=x)
    expected, got = (
        np.asarray(jax.jit(n.apply)(p, x)) for n, p in ((network, params), (once.network, once.params))
    )
    assert np.max(np.abs(got - expected)) < OUTPUTS * np.max(np.abs(expected))


@pytest.mark.parametrize("reader", READERS)
def test_a_channel_that_is_read_as_rows_has_a_feature_for_each_pixel(reader):
    stages = (Convolution(2), Rows(), READERS[reader], *([] if reader == "answers" else [EveryStep(8)]))
    for group in sequential(stages, (4, 4, 1), name=reader).unit_groups:
        for axis in (*group.incoming, *group.outgoing):
            assert axis.view[axis.axis] == group.units
