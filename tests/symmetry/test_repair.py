"""REPAIR: units between two networks have the interpolated moments, written out layer by layer; and what it does to barriers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from symmetry_cases import BATCH, NETWORKS, SHAPE, apart, drawn, inputs

from ticketlab.errors import UserError
from ticketlab.networks import MLP, ResNet
from ticketlab.symmetry import canonical, moments, repaired, repaired_between
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tickets import lines
from ticketlab.training import stack

MLP_NETWORK = NETWORKS["mlp"]


def written_out(one, other, alpha, x):
    """Three dense layers in NumPy: each is corrected, then the next is measured."""
    mid = jax.tree.map(lambda a, b: (1 - alpha) * a + alpha * b, one, other)
    flat = x.reshape(len(x), -1).astype(np.float64)
    a, b, m, found = flat, flat, flat, {}
    for layer in ("dense1", "dense2", "dense3"):
        za, zb, zm = (h @ p[layer]["weight"] + p[layer]["bias"] for h, p in ((a, one), (b, other), (m, mid)))
        mean, sd = ((1 - alpha) * f(za, axis=0) + alpha * f(zb, axis=0) for f in (np.mean, np.std))
        scale = sd / zm.std(axis=0)
        found[layer] = (
            mid[layer]["weight"] * scale,
            scale * mid[layer]["bias"] + mean - scale * zm.mean(axis=0),
        )
        a, b = np.maximum(za, 0), np.maximum(zb, 0)
        m = np.maximum((zm - zm.mean(axis=0)) * scale + mean, 0)
    return found


def test_the_correction_is_the_one_written_out():
    one, other, x = drawn(MLP_NETWORK, 1), drawn(MLP_NETWORK, 2), inputs(MLP_NETWORK, 64)
    between = jax.jit(lambda alpha: repaired_between(MLP_NETWORK, alpha, one, other, jnp.asarray(x)))
    got = between(0.3)
    for layer, (weight, bias) in written_out(one, other, 0.3, x).items():
        np.testing.assert_allclose(got[layer]["weight"], weight, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(got[layer]["bias"], bias, rtol=1e-4, atol=1e-4)
    assert apart(jax.tree.map(np.asarray, between(0.0)), one) < 1e-4  # the ends are what they were


@pytest.mark.parametrize(
    "name",
    ["ntk", *(pytest.param(n, marks=pytest.mark.slow) for n in ("residual, channels", "residual, batch"))],
)
def test_every_corrected_layer_has_the_moments_it_was_given(name):
    network, x = NETWORKS[name], inputs(NETWORKS[name], 16)
    forms = [canonical(network, drawn(network, seed), reference=x) for seed in (1, 2)]
    network, (one, other) = forms[0].network, (form.params for form in forms)
    middle = jax.tree.map(lambda a, b: (a + b) / 2, one, other)

    @jax.jit
    def moved(one, middle):
        target = moments(network, one, x)
        return target, moments(network, repaired(network, middle, target, x), x)

    target, got = moved(one, middle)
    assert len(target) > 1
    for layer, (mean, sd) in target.items():
        np.testing.assert_allclose(got[layer][0], mean, atol=1e-4)
        np.testing.assert_allclose(got[layer][1], sd, rtol=1e-3, atol=1e-4)


def test_repair_restores_the_spread_of_outputs_and_keeps_the_ends_of_a_line():
    """Outputs collapse halfway between two deep random networks."""
    network = MLP((32,) * 4).build((4,), 3)
    one, other = drawn(network, 1), drawn(network, 2)
    x = np.random.default_rng(0).standard_normal((256, 4)).astype(np.float32)
    apply = jax.jit(network.apply)
    targets = np.eye(3, dtype=np.float32)[np.argmax(np.asarray(apply(other, x)), axis=1)]
    at = lines(
        *(network, SOFTMAX_CROSS_ENTROPY, stack([one]), stack([other]), x, targets),
        reference=x,
        points=3,
        between=repaired_between,
    )
    assert not at.wrong[0, -1].any()  # the labels are those of the second end
    middle = jax.tree.map(lambda a, b: (a + b) / 2, one, other)
    halfway = jax.jit(lambda: repaired_between(network, 0.5, one, other, jnp.asarray(x)))()
    spreads = [float(np.std(np.asarray(apply(params, x)))) for params in (one, other, middle, halfway)]
    ends = (spreads[0] + spreads[1]) / 2
    assert spreads[2] < 0.5 * ends
    assert spreads[3] > 2 * spreads[2]


def test_what_cannot_be_repaired_is_said():
    without = NETWORKS["without biases"]
    with pytest.raises(UserError, match="bias"):
        moments(without, drawn(without, 0), jnp.asarray(inputs(without)))
    repeated = NETWORKS["repeated"]
    with pytest.raises(UserError, match="several times"):
        moments(repeated, drawn(repeated, 0), jnp.asarray(inputs(repeated)))
    batch = ResNet((3,), normalisation=BATCH).build(SHAPE, 3)
    with pytest.raises(UserError, match="batch"):
        moments(batch, drawn(batch, 0), jnp.asarray(inputs(batch)))
