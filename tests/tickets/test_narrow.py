"""A narrow network in a wide one: the same function, the same training, the requested number of parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP, ConvNet, LeNet300100, Parameterisation, ResNet, parameter_count
from ticketlab.tasks.losses import SQUARE
from ticketlab.tickets import embedded, nearest_size, units_kept
from ticketlab.tickets.narrow import parameters_of
from ticketlab.training import Adam, Replicas, TrainingData, TrainingPlan, stack, train


def test_parameters_are_counted_without_drawing_them():
    for architecture, shape in (
        (LeNet300100(), (28, 28)),
        (ResNet((3, 4)), (4, 4, 2)),
        (ConvNet(bias=False), (8, 8, 2)),
    ):
        network = architecture.build(shape, 3)
        assert parameters_of(network) == count(network)


def count(network):
    return parameter_count(jax.eval_shape(network.init, jax.random.key(0)))


@pytest.mark.parametrize(
    ("architecture", "shape"), [(MLP((12, 9)), (5,)), (ConvNet(), (8, 8, 2))], ids=["mlp", "conv"]
)
def test_the_function_is_the_narrow_networks(architecture, shape):
    wide, narrow = architecture.build(shape, 3), architecture.widened(0.4).build(shape, 3)
    keep, params = units_kept(wide, narrow), narrow.init(jax.random.key(1))
    inside = embedded(keep, params)
    assert sum(int(k.sum()) for k in jax.tree.leaves(keep)) == count(narrow)
    assert all((a[~k] == 0).all() for a, k in zip(*map(jax.tree.leaves, (inside, keep)), strict=True))
    x = jax.random.normal(jax.random.key(2), (6, *shape))
    outputs = jax.jit(wide.apply)(inside, x), jax.jit(narrow.apply)(params, x)
    np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-6)


def test_it_trains_as_the_narrow_network_does():
    architecture = MLP((12, 9))
    wide, narrow = architecture.build((5,), 3), architecture.widened(0.4).build((5,), 3)
    keep, params = units_kept(wide, narrow), narrow.init(jax.random.key(1))
    inside = embedded(keep, params)
    rng = np.random.default_rng(0)
    data = TrainingData(*(rng.normal(size=(40, n)).astype(np.float32) for n in (5, 3)))
    plan, order = TrainingPlan(steps=30, batch=8, optimiser=Adam(0.01)), jax.random.key(3)
    masks = jax.tree.map(lambda k: k[None], keep)
    one = train(wide, SQUARE, data, plan, Replicas(stack([inside]), order, masks=masks))
    other = train(narrow, SQUARE, data, plan, Replicas(stack([params]), order))
    expected = embedded(keep, jax.tree.map(lambda a: jnp.asarray(a[0]), other.params))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-3, atol=1e-5), one.params, expected)


@pytest.mark.parametrize("share", [0.9, 0.21, 0.036, 0.004])
def test_the_nearest_number_of_parameters(share):
    wide = LeNet300100().build((28, 28), 10)
    wanted = round(share * count(wide))
    found = nearest_size(LeNet300100(), wide, wanted)
    step = 784 + 100 + 300  # what one more unit in each layer costs, about
    assert abs(count(found) - wanted) <= step
    assert found.input_shape == (28, 28)


def test_all_parameters_are_the_whole_network():
    wide = LeNet300100().build((28, 28), 10)
    assert count(nearest_size(LeNet300100(), wide, count(wide))) == count(wide)


def test_a_network_that_cannot_be_so_small_is_refused():
    """The size is near the request, or it is refused, also at the narrowest network."""
    architecture = MLP((12, 9))
    wide, least = architecture.build((5,), 3), 5 + 1 + 1 + 1 + 3 + 3
    for wanted in (least + 2, least, least - 1):
        assert count(nearest_size(architecture, wide, wanted)) == least
    with pytest.raises(UserError, match=f"at least {least}, what one unit"):
        nearest_size(architecture, wide, least // 2)
    linear = MLP(()).build((64,), 10)
    assert count(nearest_size(MLP(()), linear, 650)) == 650
    for wanted in (100, 649):
        with pytest.raises(UserError, match="expected a network with hidden layers"):
            nearest_size(MLP(()), linear, wanted)
    normalised = ResNet((3, 4))
    with pytest.raises(UserError, match="which has normalisations"):
        nearest_size(normalised, normalised.build((4, 4, 2), 2), 10)


@pytest.mark.parametrize(
    ("architecture", "shape", "message"),
    [
        (ResNet((3, 4)), (4, 4, 2), "which has normalisations"),
        (MLP((8,), parameterisation=Parameterisation.NTK), (4,), "depends on width"),
    ],
)
def test_what_has_no_narrow_network_inside_says_so(architecture, shape, message):
    wide, narrow = (a.build(shape, 2) for a in (architecture, architecture.widened(0.5)))
    with pytest.raises(UserError, match=message):
        units_kept(wide, narrow)
