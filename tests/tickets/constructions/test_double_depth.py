"""A masked random network is its target: for every law, with and without biases, on dense layers and convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks import MLP, Activation, AllConv, Convolution, Parameterisation, Pooling, ResNet
from ticketlab.networks.architectures import LeNet5
from ticketlab.tickets import density
from ticketlab.tickets.constructions import (
    DoubleDepth,
    HeNormal,
    PickOne,
    SubsetSum,
    Target,
    Uniform,
    agreement,
    certificate,
    collapsed_function,
    compact,
    gaps,
    require_untouched,
)


def drawn(architecture, shape, outputs, seed=0):
    """A target with biases."""
    params = jax.tree.map(np.asarray, architecture.build(shape, outputs).init(jax.random.key(seed)))
    rng = np.random.default_rng(seed)
    for leaves in params.values():
        if "bias" in leaves:
            leaves["bias"] = rng.normal(size=leaves["bias"].shape).astype(np.float32) * 0.1
    return Target(architecture, shape, outputs, params)


def outputs_of(target, x):
    return np.asarray(target.network.apply(jax.tree.map(jnp.asarray, target.params), x))


MLP_TARGET = drawn(MLP((7, 5)), (6,), 3)
INPUTS = np.random.default_rng(3).normal(size=(40, 6)).astype(np.float32)
PLANS = {
    "U[−1, 1]": DoubleDepth(),
    "carried constant": DoubleDepth(law=Uniform(biased=False)),
    "He": DoubleDepth(law=HeNormal()),
    "positive inputs": DoubleDepth(signed=False),
}


@pytest.fixture(scope="module")
def built():
    return {name: plan(MLP_TARGET, 1) for name, plan in PLANS.items()}


def inputs_of(name):
    return np.abs(INPUTS) if name == "positive inputs" else INPUTS


@pytest.mark.parametrize("name", PLANS)
def test_the_whole_masked_network_is_the_target_within_its_certificate(built, name):
    construction, x = built[name], inputs_of(name)
    found = np.asarray(construction.outputs(x))
    wanted = outputs_of(MLP_TARGET, x)
    error = np.linalg.norm(found - wanted, axis=1)
    bound = certificate(gaps(construction.collapse(construction)), np.linalg.norm(x, axis=1))
    assert np.all(error <= bound)
    assert error.max() < 0.05 * np.abs(wanted).max()
    assert density(construction.mask) < 0.25


@pytest.mark.parametrize("name", PLANS)
def test_every_weight_is_within_the_tolerance(built, name):
    for of in built[name].collapse(built[name]):
        largest = max(np.abs(of.layer.weight).max(), np.abs(of.layer.bias).max())
        assert of.largest <= 0.010001 * largest  # sums are rounded


@pytest.mark.parametrize("name", PLANS)
def test_what_the_mask_computes_follows_from_the_weights(built, name):
    """The collapsed matrices, applied in float64, give the outputs of the whole network."""
    construction, x = built[name], inputs_of(name).astype(np.float64)
    a = x
    for i, of in enumerate(construction.collapse(construction)):
        z = np.maximum(a, 0) @ of.weight + of.bias
        if of.negative is not None:
            z += np.maximum(-a, 0) @ of.negative
        a = np.maximum(z, 0) if i < 2 else z
    np.testing.assert_allclose(
        construction.outputs(inputs_of(name)), a, rtol=1e-3, atol=1e-5 * np.abs(a).max()
    )


def test_failures_are_repaired_with_fresh_units_and_counted(built):
    for construction in built.values():
        for report in construction.reports:
            assert report.failures[-1] == 0
            assert (report.units > 32 * report.sources) == (report.attempts > 1)
    assert any(r.attempts > 1 for c in built.values() for r in c.reports)


def test_failures_are_left_and_counted_when_nothing_is_repaired():
    plan = DoubleDepth(count=6, attempts=1)
    construction = plan(MLP_TARGET, 1)
    assert construction.failure_rate > 0.1
    first = construction.reports[0]
    collapsed = construction.collapse(construction)[0]
    limit = 0.01 * max(np.abs(collapsed.layer.weight).max(), np.abs(collapsed.layer.bias).max())
    beyond = (np.abs(collapsed.difference) > limit).sum()
    assert abs(int(beyond) - first.failures[0]) <= len(collapsed.bias)  # those of biases are counted apart


def test_too_few_attempts_are_no_result():
    with pytest.raises(NumericalFailure, match="after 2 attempts"):
        DoubleDepth(count=3, attempts=2)(MLP_TARGET, 1)


def test_a_failed_product_is_replaced_and_not_added_to():
    construction = DoubleDepth(count=120, tolerance=0.03, search=PickOne(), attempts=40)(MLP_TARGET, 0)
    assert any(r.attempts > 1 for r in construction.reports)
    for name, mask in construction.mask.items():
        if name in {layer.name for layer in construction.network.layers[1::2]}:
            assert mask.sum() <= 2 * 7 * 8  # one product for each weight and sign


def test_weights_are_proved_untouched(built):
    construction = built["U[−1, 1]"]
    assert require_untouched(construction) == require_untouched(PLANS["U[−1, 1]"](MLP_TARGET, 1))
    name = construction.network.layers[0].name
    weight = construction.params[name]["weight"]
    kept = weight[0, 0]
    try:
        weight[0, 0] = np.nextafter(kept, np.float32(2))
        with pytest.raises(NumericalFailure, match=name):
            require_untouched(construction)
    finally:
        weight[0, 0] = kept


def test_a_mask_that_mixes_sources_is_refused(built):
    construction = built["positive inputs"]
    mask = construction.masks[construction.network.layers[0].name]["weight"]
    column = int(mask.any(axis=0).argmax())
    kept = mask[:, column].copy()
    try:
        mask[:, column] = True
        with pytest.raises(NumericalFailure, match="reach one unit"):
            construction.collapse(construction)
    finally:
        mask[:, column] = kept


def test_zeros_of_the_target_are_free():
    params = jax.tree.map(np.copy, MLP_TARGET.params)
    params["dense1"]["weight"][:] = 0
    sparse = DoubleDepth()(Target(MLP((7, 5)), (6,), 3, params), 1)
    report = sparse.reports[0]
    assert report.wanted == 7  # its biases
    assert sparse.collapse(sparse)[0].difference.any() == np.False_


def small_images():
    return np.abs(np.random.default_rng(4).normal(size=(10, 8, 8, 2))).astype(np.float32)


@pytest.fixture(scope="module")
def convolutional():
    target = drawn(SmallConv(), (8, 8, 2), 3)
    return DoubleDepth(count=40, signed=False)(target, 2)


class SmallConv(LeNet5):
    """Two convolutions, one with a stride and zeros around; an average and a maximum pool."""

    def stages(self, outputs):
        from ticketlab.networks import Activate, Dense, Flatten, Pool

        act = Activate(Activation.RELU)
        first = (Convolution(3, 4, stride=2), act, Pool(Pooling.AVERAGE, 2))
        return (*first, Convolution(4, 2, padding="VALID"), act, Flatten(), Dense(outputs))


def test_a_masked_random_convolution_is_the_target_to_the_border(convolutional):
    target, x = convolutional.target, small_images()
    wanted = outputs_of(target, x)
    error = np.linalg.norm(np.asarray(convolutional.outputs(x)) - wanted, axis=1)
    bound = certificate(
        gaps(convolutional.collapse(convolutional)), np.linalg.norm(x.reshape(10, -1), axis=1)
    )
    assert np.all(error <= bound)
    assert error.max() < 0.05 * np.abs(wanted).max()
    hidden = convolutional.network.layers[0]
    assert hidden.weight_shape[:2] == (1, 1)


def test_the_certificate_counts_the_bias_of_a_convolution_at_every_pixel():
    """Small inputs and weights and large biases, so that little else than the errors of biases is left."""
    rng, shape = np.random.default_rng(0), (8, 8, 1)
    architecture = AllConv((2,))
    params = jax.tree.map(np.asarray, architecture.build(shape, 2).init(jax.random.key(0)))
    biases = {n: np.abs(rng.normal(size=p["bias"].shape)).astype(np.float32) for n, p in params.items()}
    params = {n: {"weight": 0.05 * p["weight"], "bias": biases[n]} for n, p in params.items()}
    target = Target(architecture, shape, 2, params)
    construction = DoubleDepth(16, tolerance=0.2, attempts=5, signed=False)(target, 0)
    x = np.abs(rng.normal(size=(20, *shape))).astype(np.float32) / 200
    error = np.linalg.norm(np.asarray(construction.outputs(x)) - outputs_of(construction.target, x), axis=1)
    bound = certificate(
        gaps(construction.collapse(construction)), np.linalg.norm(x.reshape(len(x), -1), axis=1)
    )
    assert np.all(error <= bound)
    assert np.all(error > 0.3 * bound)


def test_without_what_is_masked_the_network_is_the_same(built, convolutional):
    for construction, x in ((built["carried constant"], INPUTS), (convolutional, small_images())):
        whole = np.asarray(construction.outputs(x))
        np.testing.assert_allclose(compact(construction)(x), whole, atol=1e-5 * np.abs(whole).max())
        layers = collapsed_function(construction, construction.collapse(construction))
        np.testing.assert_allclose(layers(x), whole, atol=1e-5 * np.abs(whole).max())


def test_attack_and_certificate_enclose_the_largest_difference(built):
    found = agreement(
        built["carried constant"], INPUTS, np.random.default_rng(0), inputs=300, starts=8, steps=20
    )
    assert 0 < found.attack <= found.certificate
    assert 0 < found.beyond <= 1
    assert found.whole < 1e-5
    assert found.inputs >= 300
    given = np.asarray(built["carried constant"].outputs(INPUTS))
    wanted = outputs_of(MLP_TARGET, INPUTS)
    assert found.attack >= 1.2 * np.linalg.norm(given - wanted, axis=1).mean()


def test_no_more_inputs_than_are_given(built):
    """Then the given ones and the attack's are compared, and no random ones."""
    construction, rng = built["carried constant"], np.random.default_rng(0)
    found = agreement(construction, INPUTS, rng, inputs=1, starts=4, steps=2)
    assert found.inputs == len(INPUTS) + 2 * 4
    assert 0 < found.beyond <= 1


def test_a_mask_that_is_no_ticket_is_beyond_the_certificate_of_the_one_that_is(built):
    """The check can fail: a random mask of equally many weights is far from the target."""
    construction, x = built["positive inputs"], np.abs(INPUTS)
    rng = np.random.default_rng(0)
    random = jax.tree.map(lambda m: rng.permutation(m.ravel()).reshape(m.shape), construction.masks)
    other = jax.tree.map(np.multiply, construction.params, random)
    wanted = outputs_of(MLP_TARGET, x)
    outputs = np.asarray(construction.network.apply(other, x)) / construction.factor
    bound = certificate(gaps(construction.collapse(construction)), np.linalg.norm(x, axis=1))
    assert np.any(np.linalg.norm(outputs - wanted, axis=1) > bound)


def test_the_smallest_subsets_keep_fewer_weights(built):
    few = DoubleDepth(signed=False, search=SubsetSum(fewest=True))(MLP_TARGET, 1)
    assert few.kept < 0.7 * built["positive inputs"].kept
    assert few.size == built["positive inputs"].size


@pytest.mark.parametrize(
    "architecture",
    [MLP((4,), activation=Activation.TANH), ResNet((4,)), MLP((4,), parameterisation=Parameterisation.MUP)],
)
def test_other_networks_are_refused(architecture):
    shape = (8, 8, 1)
    params = jax.tree.map(np.asarray, architecture.build(shape, 2).init(jax.random.key(0)))
    with pytest.raises(UserError):
        Target(architecture, shape, 2, params)


def test_a_convolution_carries_no_constant():
    with pytest.raises(UserError, match="a law with biases"):
        DoubleDepth(law=HeNormal())(drawn(SmallConv(), (8, 8, 2), 3), 0)
    biased = DoubleDepth(law=HeNormal(sigma_b=0.3), signed=False)(drawn(SmallConv(), (8, 8, 2), 3), 0)
    wanted = outputs_of(biased.target, small_images())
    assert np.abs(np.asarray(biased.outputs(small_images())) - wanted).max() < 0.05 * np.abs(wanted).max()
