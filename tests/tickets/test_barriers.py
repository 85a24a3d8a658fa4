"""Barriers along lines, against loops written out; and what must hold of them whatever the networks are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import UserError
from ticketlab.networks import MLP, Normalisation, ResNet
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.tickets import barrier, lines, peak
from ticketlab.training import stack

PLAIN = MLP(widths=(7, 5)).build((4,), 3)
BATCH = ResNet((3, 4), normalisation=Normalisation.BATCH).build((6, 5, 2), 3)
LINEAR = MLP(widths=()).build((4,), 3)


def examples(network, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, *network.input_shape)).astype(np.float32)
    return x, np.eye(3, dtype=np.float32)[rng.integers(0, 3, n)]


def drawn(network, pairs, seed=0):
    keys = jax.random.split(jax.random.key(seed), 2 * pairs)
    return stack([network.init(k) for k in keys[:pairs]]), stack([network.init(k) for k in keys[pairs:]])


def row(tree, i):
    return jax.tree.map(lambda a: np.asarray(a[i], np.float64), tree)


def written_out(network, loss, one, other, x, y, train, points):
    """One pair and one α after the other, batch statistics from the training data at each."""
    pairs = len(jax.tree.leaves(one)[0])

    @jax.jit
    def apply(params):
        f = network if network.frozen is None else network.frozen(network.statistics(params, train))
        return f.apply(params, x)

    value = jax.jit(loss.value)
    losses, wrong = np.zeros((pairs, points)), np.zeros((pairs, points, len(x)), bool)
    for p in range(pairs):
        a, b = row(one, p), row(other, p)
        for i in range(points):
            alpha = i / (points - 1)
            params = jax.tree.map(lambda u, v, t=alpha: np.asarray((1 - t) * u + t * v, np.float32), a, b)
            outputs = np.asarray(apply(params))
            for n in range(len(x)):
                losses[p, i] += float(value(outputs[n : n + 1], y[n : n + 1])[0]) / len(x)
                wrong[p, i, n] = np.argmax(outputs[n]) != np.argmax(y[n])
    return losses, wrong


@pytest.mark.parametrize(
    ("network", "loss"), [(PLAIN, SOFTMAX_CROSS_ENTROPY), (BATCH, SOFTMAX_CROSS_ENTROPY), (PLAIN, SQUARE)]
)
def test_lines_are_those_written_out(network, loss):
    (x, y), (train, _) = examples(network, 30, 1), examples(network, 25, 2)
    one, other = drawn(network, 2)
    found = lines(network, loss, one, other, x, y, reference=train, points=5)
    losses, wrong = written_out(network, loss, one, other, x, y, train, 5)
    np.testing.assert_allclose(found.loss, losses, rtol=2e-4)
    assert np.mean(found.wrong != wrong) < 0.01  # a tie in rounding
    np.testing.assert_allclose(found.error, found.wrong.mean(axis=2))
    np.testing.assert_allclose(found.alphas, [0, 0.25, 0.5, 0.75, 1])


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=3))
def test_a_barrier_is_the_highest_less_the_mean_of_the_ends(values):
    found = barrier(np.array(values))
    for b, v in zip(found, values, strict=True):
        assert b == pytest.approx(max(v) - (v[0] + v[3]) / 2)
        assert b >= 0
    at = peak(np.array(values))
    assert [v[i] for v, i in zip(values, at, strict=True)] == [max(v) for v in values]


@pytest.mark.parametrize("network", [PLAIN, BATCH])
def test_there_is_no_barrier_between_a_network_and_itself(network):
    """Up to rounding: (1 − α)·a + α·a is not always a."""
    (x, y), (train, _) = examples(network, 40, 1), examples(network, 25, 2)
    one, _ = drawn(network, 2)
    found = lines(network, SOFTMAX_CROSS_ENTROPY, one, one, x, y, reference=train, points=6)
    assert barrier(found.error).max() <= 1 / 40
    np.testing.assert_allclose(barrier(found.loss), 0, atol=1e-5)
    np.testing.assert_array_equal(found.wrong[:, 0], found.wrong[:, -1])


@pytest.mark.parametrize("loss", [SOFTMAX_CROSS_ENTROPY, SQUARE])
def test_a_convex_loss_of_a_linear_model_has_no_barrier_beyond_its_higher_end(loss):
    """Convexity: ℓ(θ(α)) ≤ (1 − α)·ℓ_A + α·ℓ_B ≤ max(ℓ_A, ℓ_B)."""
    (x, y), (one, other) = examples(LINEAR, 50, 3), drawn(LINEAR, 4)
    found = lines(LINEAR, loss, one, other, x, y, reference=x, points=11)
    chord = found.loss[:, :1] + found.alphas * (found.loss[:, -1:] - found.loss[:, :1])
    assert (found.loss <= chord + 1e-5).all()
    assert (barrier(found.loss) <= abs(found.loss[:, 0] - found.loss[:, -1]) / 2 + 1e-5).all()


def test_permuted_units_make_a_barrier_where_the_functions_are_equal():
    """θ and its hidden units in another order compute the same, and what lies between them does not."""
    network = MLP(widths=(12,)).build((4,), 3)
    x, _ = examples(network, 200, 3)
    params = network.init(jax.random.key(0))
    y = np.eye(3, dtype=np.float32)[np.argmax(network.apply(params, x), axis=1)]  # so that it makes no error
    order = jnp.arange(12)[::-1]
    other = {
        "dense1": {"weight": params["dense1"]["weight"][:, order], "bias": params["dense1"]["bias"][order]},
        "output": {"weight": params["output"]["weight"][order], "bias": params["output"]["bias"]},
    }
    found = lines(network, SOFTMAX_CROSS_ENTROPY, stack([params]), stack([other]), x, y, reference=x)
    assert found.error[0, 0] == found.error[0, -1] == 0
    assert barrier(found.error)[0] > 0.05
    assert len(found.alphas) == 30


def test_batch_statistics_are_those_of_every_point_and_not_of_the_ends():
    (x, y), (train, _) = examples(BATCH, 20, 1), examples(BATCH, 25, 2)
    one, other = drawn(BATCH, 1)
    found = lines(BATCH, SOFTMAX_CROSS_ENTROPY, one, other, x, y, reference=train, points=3)
    a, b = row(one, 0), row(other, 0)
    middle = jax.tree.map(lambda u, v: np.asarray((u + v) / 2, np.float32), a, b)
    end = jax.tree.map(lambda u: np.asarray(u, np.float32), a)

    @jax.jit
    def loss(params, statistics_of):
        outputs = BATCH.frozen(BATCH.statistics(statistics_of, train)).apply(params, x)
        return SOFTMAX_CROSS_ENTROPY.values(outputs, y).mean()

    assert found.loss[0, 1] == pytest.approx(float(loss(middle, middle)), rel=1e-4)
    assert abs(found.loss[0, 1] - float(loss(middle, end))) > 0.01


def test_what_cannot_be_done_is_said():
    (x, y), (one, other) = examples(PLAIN, 5, 1), drawn(PLAIN, 1)
    with pytest.raises(UserError, match="1 point on a line"):
        lines(PLAIN, SQUARE, one, other, x, y, reference=x, points=1)
    single = MLP(widths=(3,)).build((4,), 1)
    one, other = drawn(single, 1)
    with pytest.raises(UserError, match="one output"):
        lines(single, SQUARE, one, other, x, y[:, :1], reference=x)
