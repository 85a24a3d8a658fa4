"""One more layer, the multigraph, and what random signs would need: each checked like the double depth."""

import jax
import numpy as np
import pytest

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks import MLP, LeNet5, LeNet300100
from ticketlab.tickets.constructions import (
    OneMoreLayer,
    Target,
    WrittenEdges,
    certificate,
    collapsed_function,
    compact,
    gaps,
    require_untouched,
    sign_network,
)


def drawn(architecture, shape, outputs):
    params = jax.tree.map(np.asarray, architecture.build(shape, outputs).init(jax.random.key(0)))
    rng = np.random.default_rng(0)
    for leaves in params.values():
        leaves["bias"] = rng.normal(size=leaves["bias"].shape).astype(np.float32) * 0.1
    return Target(architecture, shape, outputs, params)


TARGET = drawn(MLP((7, 5)), (6,), 3)
INPUTS = np.random.default_rng(3).normal(size=(40, 6)).astype(np.float32)
PLANS = {
    "one more layer": OneMoreLayer(),
    "one more layer, positive inputs": OneMoreLayer(signed=False),
    "multigraph": WrittenEdges(bits=9),
}


@pytest.fixture(scope="module")
def built():
    return {name: plan(TARGET, 1) for name, plan in PLANS.items()}


@pytest.mark.parametrize("name", PLANS)
def test_it_is_the_target_within_its_certificate_and_its_weights_are_untouched(built, name):
    construction = built[name]
    x = INPUTS if construction.signed else np.abs(INPUTS)
    found = np.asarray(construction.outputs(x))
    wanted = np.asarray(TARGET.network.apply(TARGET.params, x))
    error = np.linalg.norm(found - wanted, axis=1)
    bound = certificate(gaps(construction.collapse(construction)), np.linalg.norm(x, axis=1))
    assert np.all(error <= bound)
    assert 0 < error.max() < 0.2 * np.abs(wanted).max()  # copies have errors of their own, which add up
    require_untouched(construction)
    np.testing.assert_allclose(compact(construction)(x), found, atol=1e-5 * np.abs(found).max())
    layers = collapsed_function(construction, construction.collapse(construction))
    np.testing.assert_allclose(layers(x), found, atol=1e-5 * np.abs(found).max())


def test_one_more_layer_is_one_more_and_its_copies_are_all_checked(built):
    construction = built["one more layer"]
    assert len(construction.network.layers) == len(TARGET.layers) + 1
    first = construction.collapse(construction)[0]
    assert first.copies is not None
    counts = np.bincount(first.copies[1], minlength=7)
    assert counts.min() >= 24  # copies of every unit, more where a weight was repaired
    limit = 0.0101 * max(np.abs(first.layer.weight).max(), np.abs(first.layer.bias).max())
    assert np.abs(first.difference).max() <= limit


def test_one_more_layer_computes_its_copies(built):
    """The hidden activations of the whole network are copies of the target's, each near to it."""
    construction = built["one more layer"]
    features = construction.network.features
    assert features is not None
    kept = jax.tree.map(np.multiply, construction.params, construction.masks)
    hidden = features(kept, construction.entering(INPUTS))[construction.network.layers[1].name]
    wanted = TARGET.network.features(TARGET.params, INPUTS)["dense1"]
    first = construction.collapse(construction)[0]
    scale = construction.reports[0].scale
    made = np.asarray(hidden) / scale
    close = [np.abs(made - np.asarray(wanted)[:, [unit]]).max(axis=0).min() for unit in range(7)]
    assert max(close) < 0.05
    assert made.shape[1] > len(first.copies[1])  # and copies of the constant


def test_one_more_layer_repairs_with_copies_or_says_that_it_cannot():
    with pytest.raises(NumericalFailure, match="copies"):
        OneMoreLayer(count=3, attempts=2)(TARGET, 1)
    left = OneMoreLayer(count=6, attempts=1)(TARGET, 1)
    assert left.failure_rate > 0.01
    assert all(r.attempts == 1 for r in left.reports)


def test_convolutions_have_no_one_more_layer_here():
    shape = (28, 28, 1)
    target = drawn(LeNet5(), shape, 10)
    with pytest.raises(UserError, match="dense layers"):
        OneMoreLayer()(target, 0)
    with pytest.raises(UserError, match="dense layers"):
        sign_network(target, 0.01)


def test_the_multigraph_halves_its_error_with_every_bit():
    errors = [
        max(of.largest for of in c.collapse(c)) for c in (WrittenEdges(bits=b)(TARGET) for b in (4, 8, 12))
    ]
    assert errors[1] <= errors[0] / 8
    assert errors[2] <= errors[1] / 8
    construction = WrittenEdges(bits=4)(TARGET)
    assert construction.size == 8 * (TARGET.weights)
    everything = jax.tree.map(np.ones_like, construction.masks)
    sums = jax.tree.map(lambda a, m: np.abs((a * m).sum(axis=(0, 1))).max(), construction.params, everything)
    assert not any(jax.tree.leaves(sums))


def test_random_signs_need_a_network_too_large_to_draw():
    target = drawn(LeNet300100(), (784,), 10)
    of = sign_network(target, 0.01)
    assert of.digits == 7
    assert of.depth == 24
    assert of.weights > 1e10
    assert sign_network(target, 1e-4).weights < 3 * of.weights  # the logarithm of 1/ε only
    small = sign_network(TARGET, 0.01)
    sizes, copies = [(7, 7), (8, 5), (6, 3)], small.copies
    assert small.weights == 8 * sum((copies * 2 * (d + k)) ** 2 for d, k in sizes)
