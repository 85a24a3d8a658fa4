"""How far responses change, and what motions are: by hand, and what must be zero, one or equal."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.networks import MLP, LeNet5, Normalisation
from ticketlab.networks.evaluation import evaluate
from ticketlab.tickets import bits, change, cosine, full_mask, motion, random_mask, responses, weights_of

KEY = jax.random.key(0)


def test_responses_are_pre_activations():
    network = MLP(widths=(6, 5)).build((4,), 3)
    params, x = network.init(KEY), np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    found, a = responses(network, params, x, x), x
    for name in ("dense1", "dense2", "output"):
        z = a @ np.asarray(params[name]["weight"]) + np.asarray(params[name]["bias"])
        np.testing.assert_allclose(found[name], z, rtol=1e-5, atol=1e-6)
        a = np.maximum(z, 0)
    np.testing.assert_allclose(found["output"], network.apply(params, x), rtol=1e-5, atol=1e-6)


def test_an_example_alone_responds_as_among_others():
    """Batch statistics are those of the reference, as they are when a network is evaluated."""
    network = MLP(widths=(6, 5), normalisation=Normalisation.BATCH).build((4,), 3)
    params, x = network.init(KEY), np.random.default_rng(0).normal(size=(29, 4)).astype(np.float32)
    found = responses(network, params, x[:9], x[9:])
    outputs = evaluate(network, params, jnp.asarray(x[:9]), jnp.asarray(x[9:]))
    np.testing.assert_allclose(found["output"], outputs, rtol=1e-5, atol=1e-6)
    for name, z in responses(network, params, x[:1], x[9:]).items():
        np.testing.assert_allclose(z, found[name][:1], rtol=1e-5, atol=1e-6)


def test_a_channel_responds_at_every_pixel():
    network = LeNet5().build((12, 12, 1), 3)
    x = np.ones((2, 12, 12, 1), np.float32)
    found = responses(network, network.init(KEY), x, x)
    assert found["conv1"].shape == (2 * 12 * 12, 6)
    assert found["output"].shape == (2, 3)


def test_changes_by_hand():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40, 5)) + 1
    other = np.stack([3 * z[:, 0] - 2, -z[:, 1], z[:, 2], np.full(40, 0.7), rng.normal(size=40)], axis=1)
    found = change({"a": z}, {"a": other})["a"]
    slow = [1 - np.corrcoef(z[:, u], other[:, u])[0, 1] for u in (0, 1, 2, 4)]
    np.testing.assert_allclose(found.decorrelation[[0, 1, 2, 4]], slow, atol=1e-12)
    np.testing.assert_allclose(found.decorrelation[:4], [0, 2, 0, 1], atol=1e-12)  # the fourth is constant
    np.testing.assert_allclose(
        found.relative, np.sqrt(np.mean((other - z) ** 2, axis=0) / np.mean(z**2, axis=0))
    )
    nothing = change({"a": np.zeros((4, 2))}, {"a": np.zeros((4, 2))})["a"]
    assert nothing.decorrelation.tolist() == [0, 0]
    assert np.isnan(nothing.relative).all()


def test_bits_are_the_logarithm_of_how_many_masks_there_are():
    mask = random_mask({"a": (2, 3), "b": (4, 1)}, {"a": 2, "b": 3}, KEY)
    masks = {n: sum(1 for _ in itertools.combinations(range(m.size), int(m.sum()))) for n, m in mask.items()}
    assert bits(mask) == pytest.approx(math.log2(masks["a"] * masks["b"]))
    assert bits(full_mask(MLP(widths=(6,)).build((4,), 3))) == pytest.approx(0, abs=1e-9)


def test_motions_by_hand():
    start = {"a": np.array([3.0, -4.0]), "b": np.array([[2.0, 0.0]])}
    end = {"a": np.array([3.0, 0.0]), "b": np.array([[2.0, 1.0]])}
    found = motion(start, end)
    assert found.distance == pytest.approx(math.sqrt(17 / 29))
    assert found.bits == pytest.approx((16 / (2 * 12.5) + 1 / (2 * 2)) / math.log(2))
    other = {"a": np.array([5.0, -2.0]), "b": np.array([[2.0, 0.0]])}
    assert cosine(start, end, other) == pytest.approx(8 / (math.sqrt(17) * math.sqrt(8)))
    assert cosine(start, end, end) == pytest.approx(1)
    assert math.isnan(cosine(start, start, end))
    zeros = {n: 0 * w for n, w in start.items()}
    assert motion(start, zeros).distance == pytest.approx(1)
    assert math.isnan(motion(zeros, zeros).distance)
    assert motion(zeros, zeros).bits == 0


def test_random_zeros_have_no_direction_and_shrinking_has():
    network = MLP(widths=(60, 60)).build((30,), 10)
    start = weights_of(network, network.init(KEY))
    counts = {n: w.size // 2 for n, w in start.items()}
    mask = random_mask({n: w.shape for n, w in start.items()}, counts, KEY)
    masked = {n: np.where(mask[n], w, 0) for n, w in start.items()}
    noise = {n: w + np.random.default_rng(1).normal(size=w.shape) for n, w in start.items()}
    shrunk = {n: 0.5 * w for n, w in start.items()}
    assert abs(cosine(start, masked, noise)) < 0.05
    assert cosine(start, masked, shrunk) == pytest.approx(math.sqrt(0.5), abs=0.03)
