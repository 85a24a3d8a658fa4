"""Normalisation over the batch: against statistics by hand, and as a function of each example alone once they are fixed."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_cases import batch, random_params
from network_reference import reference

from ticketlab.errors import UserError
from ticketlab.networks import (
    MLP,
    VGG,
    Activate,
    Activation,
    ConvNet,
    Convolution,
    Dense,
    GlobalAverage,
    Normalisation,
    Normalise,
    Repeat,
    Residual,
    ResNet,
    ResNet20,
    centred,
    estimated_statistics,
    evaluate,
    permute_units,
    sequential,
)
from ticketlab.networks import evaluation as evaluation_module
from ticketlab.networks.evaluation import block_rows, intermediate_bytes
from ticketlab.tangent import Jacobian, tangent_kernel

TANH, OVER = Activate(Activation.TANH), Normalise(Normalisation.BATCH)
STAGES = (
    *(
        Convolution(3),
        OVER,
        TANH,
        Residual((Convolution(4, stride=2), OVER, TANH, Convolution(4), OVER)),
        TANH,
    ),
    *(GlobalAverage(), Dense(5), OVER, TANH, Dense(2)),
)
NETWORK = sequential(STAGES, (5, 6, 2), name="batch")
applied, statistics = jax.jit(NETWORK.apply), jax.jit(NETWORK.statistics)


def close(one, other, tolerance=2e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), one, other)


def case(n=7):
    return random_params(NETWORK), batch(NETWORK, n)


def by_hand(params, x):
    """Mean, variance and outputs of the first normalisation of STAGES, written out in float64 over a loop of channels."""
    z = conv(x, params["conv1"]["weight"])
    found, a = [], np.zeros_like(z)
    for c in range(z.shape[-1]):
        values = [z[n, i, j, c] for n in range(len(z)) for i in range(z.shape[1]) for j in range(z.shape[2])]
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        found.append((mean, variance))
        scale, shift = (float(params["conv1-norm"][leaf][c]) for leaf in ("weight", "bias"))
        a[..., c] = (z[..., c] - mean) / np.sqrt(variance + 1e-5) * scale + shift
    return np.array(found).T, a


def conv(x, weight):
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    n, height, width, _ = x.shape
    z = np.zeros((n, height, width, weight.shape[-1]))
    for i in range(height):
        for j in range(width):
            z[:, i, j] = np.einsum("npqc,pqcu->nu", padded[:, i : i + 3, j : j + 3], weight)
    return z


def test_statistics_and_activations_are_those_by_hand():
    params, x = case()
    (mean, variance), a = by_hand(params, x)
    found = NETWORK.statistics(params, x)
    close(found["conv1-norm"], (mean, variance))
    close(jax.jit(NETWORK.features)(params, x)["conv1"], np.tanh(a))
    assert list(found) == ["conv1-norm", "conv2-norm", "conv3-norm", "dense1-norm"]


def test_with_the_statistics_of_a_batch_the_network_computes_what_it_computes_on_the_batch():
    params, x = case()
    frozen = NETWORK.frozen(NETWORK.statistics(params, x))
    np.testing.assert_array_equal(frozen.apply(params, x), NETWORK.apply(params, x))
    assert frozen.statistics is None


def test_a_frozen_network_is_a_function_of_each_example_alone_and_the_network_is_not():
    params, x = case()
    frozen = NETWORK.frozen(statistics(params, batch(NETWORK, 9, seed=1)))
    apply = jax.jit(frozen.apply)
    one_by_one = np.concatenate([apply(params, x[i : i + 1]) for i in range(len(x))])
    close(apply(params, x), one_by_one)
    assert not np.allclose(applied(params, x)[:3], applied(params, x[:3]), atol=1e-3)


def test_scaling_the_weights_before_a_normalisation_changes_next_to_nothing():
    params, x = case()
    scaled = {**params, "conv1": {"weight": 50 * params["conv1"]["weight"]}}
    close(applied(scaled, x), applied(params, x), 1e-3)


def test_a_layer_before_has_no_bias():
    with_bias = {layer.name for layer in NETWORK.layers if layer.has_bias}
    assert with_bias == {"conv1-norm", "conv2-norm", "conv3-norm", "conv4", "dense1-norm", "output"}


def test_blocks_of_examples_are_put_together(monkeypatch):
    """Combined statistics of the first normalisation equal those of all examples at once, up to the number of blocks."""
    params, x = case(40)
    monkeypatch.setattr(evaluation_module, "ROWS", 8)
    (mean, variance), _ = by_hand(params, x[:32])
    estimated = jax.jit(partial(estimated_statistics, NETWORK))
    close(estimated(params, x)["conv1-norm"], (mean, variance))
    (mean, variance), _ = by_hand(params, x[:8])
    close(estimated(params, x[:11])["conv1-norm"], (mean, variance))


def test_blocks_are_as_small_as_the_network_is_large():
    """A power of two, and the largest whose block stays below the bound."""
    plain, conv = MLP((4,)).build((3,), 2), ConvNet(2, width=16).build((32, 32, 3), 10)
    assert block_rows(plain, random_params(plain)) == 1024
    params = jax.eval_shape(conv.init, jax.random.key(0))
    rows = block_rows(conv, params)
    each = intermediate_bytes(conv.apply, params, jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32))
    assert rows * each <= evaluation_module.BLOCK_BYTES < 2 * rows * each


def test_evaluation_in_blocks_is_evaluation(monkeypatch):
    plain = MLP((4,)).build((3,), 2)
    params, x = random_params(plain), batch(plain, 11)
    whole = plain.apply(params, x)
    for rows in (1, 2, 4):
        monkeypatch.setattr(evaluation_module, "ROWS", rows)
        close(evaluate(plain, params, x, x), whole)


def test_evaluation_takes_statistics_from_the_reference_and_from_nothing_else(monkeypatch):
    params, x = case(30)
    train = batch(NETWORK, 20, seed=4)
    expected = jax.jit(NETWORK.frozen(statistics(params, train)).apply)(params, x)
    monkeypatch.setattr(evaluation_module, "ROWS", 1024)
    close(jax.jit(partial(evaluate, NETWORK))(params, x, train), expected)
    plain = MLP((4,)).build((3,), 2)
    weights, inputs = random_params(plain), batch(plain, 5)
    np.testing.assert_array_equal(evaluate(plain, weights, inputs, inputs[:0]), plain.apply(weights, inputs))


def test_units_can_be_permuted():
    params, x = case()
    for group in NETWORK.unit_groups:
        assert not group.rescalable
        order = np.random.default_rng(1).permutation(group.units)
        close(applied(permute_units(params, group, order), x), applied(params, x))


def test_the_tangent_space_of_a_frozen_network_is_that_of_its_reference():
    """Its structured kernel against the Jacobian by differentiation, in float64."""
    params, x = case(3)
    frozen = NETWORK.frozen(statistics(params, batch(NETWORK, 9, seed=1)))
    kernel = np.asarray(tangent_kernel(Jacobian(frozen, params, x)))
    rows = jax.jit(jax.jacobian(lambda p: frozen.apply(p, x)))(params)
    flat = np.concatenate([np.asarray(a).reshape(3 * 2, -1) for a in jax.tree.leaves(rows)], axis=1)
    close(kernel, flat @ flat.T, 2e-4)


@pytest.mark.parametrize(
    "refused",
    [
        lambda params, x: Jacobian(NETWORK, params, x),
        lambda params, x: centred(NETWORK, params),
    ],
)
def test_what_needs_a_function_of_each_example_refuses_the_network(refused):
    params, x = case()
    with pytest.raises(
        UserError, match=r"depend on the other examples.*function of each example alone.*frozen"
    ):
        refused(params, x)


def test_a_repetition_refuses_it():
    with pytest.raises(UserError, match="inside a repetition"):
        sequential((Repeat((Dense(3), Residual((OVER, Dense(3)))), 2), Dense(1)), (3,), name="again")


def test_over_channels_nothing_has_changed():
    """The reference of the other tests, without batches, agrees with a frozen network whose statistics are 0 and 1."""
    params, x = case(2)
    nothing = {
        layer.name: (jnp.zeros(layer.units), jnp.full(layer.units, 1 - 1e-5))
        for layer in NETWORK.layers
        if layer.stage.of_batch
    }
    plain = tuple(_without(s) for s in STAGES)
    layers = tuple(dataclasses.replace(layer) for layer in NETWORK.layers if layer.stage.weighted)
    kept = {
        **params,
        **{
            n: {"weight": jnp.ones_like(params[n]["weight"]), "bias": jnp.zeros_like(params[n]["bias"])}
            for n in nothing
        },
    }
    outputs_of = jax.jit(NETWORK.frozen(nothing).apply)
    for n, example in enumerate(np.asarray(x)):
        outputs, _ = reference(tuple(s for s in plain if s), layers, kept, example)
        close(outputs_of(kept, x)[n], outputs, 1e-4)


def _without(stage):
    if isinstance(stage, Normalise):
        return None
    if isinstance(stage, Residual):
        return Residual(tuple(s for s in stage.stages if not isinstance(s, Normalise)))
    return stage


@pytest.mark.parametrize("over", list(Normalisation))
def test_both_normalisations_have_the_same_layers(over):
    of_batch = over is Normalisation.BATCH
    for network in (ResNet((3, 4), normalisation=over), ResNet20(2, over), VGG(11, 2, over)):
        built = network.build((32, 32, 3), 10)
        assert any(layer.stage.of_batch for layer in built.layers) is of_batch
        assert (built.statistics is not None) is of_batch
        assert f"over {'the batch' if of_batch else 'channels'}" in built.name or not of_batch
