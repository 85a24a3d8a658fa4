"""The contract: pure functions as a network, and the errors for a missing description or a wrong output shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks import MLP, Network, parameter_count, pure_network


def linear(outputs: int = 2) -> Network:
    def init(key: Array) -> Array:
        return jax.random.normal(key, (3, 2))

    def apply(params: Array, x: Array) -> Array:
        return x @ params

    return pure_network(init, apply, input_shape=(3,), outputs=outputs, name="my model")


def test_pure_functions_are_a_network() -> None:
    network = linear()
    params, x = network.init(jax.random.key(0)), jnp.ones((4, 3))
    np.testing.assert_array_equal(network.apply(params, x), x @ params)
    assert network.layers == ()
    assert network.unit_groups == ()


def test_what_needs_a_description_says_so() -> None:
    with pytest.raises(UserError, match=r"'my model', which has no description.*masks by unit"):
        linear().require_layers("masks by unit")


def test_the_zoo_has_a_description() -> None:
    assert [layer.name for layer in MLP((4,)).build((3,), 2).require_layers("a test")] == ["dense1", "output"]


def test_outputs_of_the_wrong_shape_are_refused() -> None:
    network = linear(outputs=5)
    with pytest.raises(UserError, match=r"\(4, 2\) from my model.*\[4, 5\]"):
        network.apply(jnp.ones((3, 2)), jnp.ones((4, 3)))


def test_parameters_are_counted() -> None:
    network = MLP((4,)).build((3,), 2)
    params = network.init(jax.random.key(0))
    assert parameter_count(params) == 3 * 4 + 4 + 4 * 2 + 2
    assert parameter_count(jax.eval_shape(network.init, jax.random.key(0))) == parameter_count(params)
