"""Effective weights: exactly those on which the outputs depend, found by differentiating networks that have only paths.

With tanh and without biases a weight's derivative is zero for all inputs unless its unit reads something that is reached, and is
read by something that reaches an output. A normalised unit is not zero, but constant, when nothing reaches any unit of its layer.
"""

from functools import cache

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import UserError
from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Normalise,
    Pool,
    Pooling,
    Repeat,
    Residual,
    ResNet,
    sequential,
)
from ticketlab.tickets import (
    effective_density,
    effective_mask,
    full_mask,
    over_parameters,
    random_mask,
    weights_of,
)

TANH = Activate(Activation.TANH)


def network(*stages, shape=(4, 4, 2)):
    return sequential(stages, shape, name="test", bias=False)


NETWORKS = {
    "mlp": network(Dense(5), TANH, Dense(4), TANH, Dense(2), shape=(3,)),
    "cnn": network(
        *(
            Convolution(3),
            TANH,
            Pool(Pooling.AVERAGE),
            Convolution(4),
            TANH,
            Flatten(),
            Dense(4),
            TANH,
            Dense(2),
        )
    ),
    "residual": network(
        *(Convolution(4), TANH, Residual((Convolution(3), TANH, Convolution(4))), TANH),
        *(Residual((Convolution(5, stride=2), TANH)), GlobalAverage(), Dense(3)),
    ),
    "normalised": network(
        *(
            Convolution(4),
            Normalise(),
            TANH,
            Residual((Convolution(3), Normalise(), TANH, Convolution(4), Normalise())),
        ),
        *(TANH, Residual((Convolution(5, stride=2), Normalise())), TANH, GlobalAverage(), Dense(3)),
    ),
    "a sum that is normalised": network(
        *(Convolution(4), Normalise(), TANH, Residual((Convolution(5, stride=2), TANH, Convolution(5)))),
        *(Normalise(), TANH, GlobalAverage(), Dense(3)),
    ),
}


def derivatives(network, mask):
    """Whether each weight's derivative differs from zero for some of a few inputs and outputs, in float64."""
    with jax.enable_x64(True):
        params = drawn(network)
        masked = jax.tree.map(np.multiply, params, over_parameters(mask, params))
        x = np.random.default_rng(1).normal(size=(4, *network.input_shape))
        found = weights_of(network, jacobian(network)(masked, x))
    return {name: (np.abs(found[name]).max(axis=(0, 1)) > 1e-11) & array for name, array in mask.items()}


@cache
def jacobian(network):
    return jax.jit(jax.jacrev(network.apply))


@cache
def drawn(network):
    return jax.tree.map(lambda a: np.asarray(a, np.float64), jax.jit(network.init)(jax.random.key(0)))


def whole_windows(rng, shape, share, pixels):
    """A random mask over pairs of channels, the same at each place of a kernel and at each pixel of a flattened image."""
    pairs = rng.random((shape[-2] // pixels, shape[-1])) < share
    return np.broadcast_to(np.tile(pairs, (pixels, 1)), shape).copy()


@pytest.mark.parametrize("name", NETWORKS)
@given(st.integers(0, 10**6), st.floats(0.05, 0.9))
def test_effective_weights_are_those_that_the_outputs_depend_on(name, seed, share):
    net = NETWORKS[name]
    shapes = {n: a.shape for n, a in full_mask(net).items()}
    rng = np.random.default_rng(seed)
    # where a kernel's weight is applied does not count, so kernels and pixels are kept whole
    if name in ("cnn", "residual", "a sum that is normalised"):
        mask = {n: whole_windows(rng, s, share, pixels=4 if n == "dense1" else 1) for n, s in shapes.items()}
    else:
        counts = {n: int(rng.binomial(np.prod(s), share)) for n, s in shapes.items()}
        mask = random_mask(shapes, counts, jax.random.key(seed))
    expected, found = derivatives(net, mask), effective_mask(net, mask)
    for layer in mask:
        np.testing.assert_array_equal(found[layer], expected[layer], err_msg=layer)


def test_a_whole_network_is_effective_and_an_empty_layer_leaves_nothing():
    net = MLP((6, 5)).build((4,), 3)
    assert effective_density(net, full_mask(net)) == 1
    cut = {**full_mask(net), "dense2": np.zeros((6, 5), bool)}
    assert effective_density(net, cut) == 0


def test_an_empty_body_of_a_residual_sum_is_passed_by():
    net = ResNet((3, 4)).build((4, 4, 2), 2)
    empty = {name: array & (name != "conv3") for name, array in full_mask(net).items()}
    found = effective_mask(net, empty)
    assert found["output"].all()
    assert found["conv1"].all()
    assert not found["conv2"].any()  # it is read by the empty layer alone


def test_what_has_no_effective_density_says_so():
    repeated = network(Dense(4), Repeat((Dense(4), TANH), 2), Dense(2), shape=(3,))
    with pytest.raises(UserError, match="several times"):
        effective_mask(repeated, full_mask(repeated))
    added = network(Residual((Dense(4), TANH, Dense(3))), Dense(2), shape=(3,))
    with pytest.raises(UserError, match="adds its inputs or outputs"):
        effective_mask(added, full_mask(added))
