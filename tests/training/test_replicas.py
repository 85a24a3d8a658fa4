"""Replicas: what must agree along their axis is checked where they are made."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP
from ticketlab.training import Replicas, TrainingData, stack

NETWORK = MLP(widths=(3,)).build((2,), 2)
PARAMS = stack([NETWORK.init(jax.random.key(s)) for s in range(2)])
KEY = jax.random.key(0)


def test_stacking():
    assert len(Replicas(PARAMS, KEY)) == 2
    jax.tree.map(
        np.testing.assert_array_equal, jax.tree.map(lambda a: a[1], PARAMS), NETWORK.init(jax.random.key(1))
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"params": {}}, "params of shapes"),
        ({"params": {"a": jnp.zeros((2, 3)), "b": jnp.zeros((3, 3))}}, "one leading axis of replicas"),
        ({"params": {"a": jnp.zeros(())}}, "Stack the parameters"),
        ({"params": {"a": jnp.zeros((2, 3), jnp.bfloat16)}}, "params of bfloat16"),
        ({"params": {"a": jnp.zeros((2, 3)), "b": jnp.zeros(2, jnp.int32)}}, "params of int32"),
        ({"order_keys": jnp.zeros(2, jnp.uint32)}, "order_keys of type uint32"),
        ({"order_keys": jax.random.split(KEY, 3)}, r"order_keys of shape \(3,\)"),
        ({"step_sizes": np.ones(3)}, r"step_sizes of shape \(3,\)"),
        ({"step_sizes": np.array([0.1, -0.1])}, r"step sizes \[0.1, -0.1\]"),
        ({"step_sizes": np.array([0.1, np.nan])}, "positive numbers"),
        ({"centred": np.array([True] * 3)}, r"centred of shape \(3,\)"),
        ({"masks": {"other": np.ones(2)}}, "masks whose structure differs"),
        ({"masks": jax.tree.map(lambda a: a[:1], PARAMS)}, "masks whose shapes differ"),
        ({"centre": jax.tree.map(lambda a: a[:1], PARAMS)}, "centre whose shapes differ"),
    ],
)
def test_what_does_not_agree_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        Replicas(**{"params": PARAMS, "order_keys": KEY, **arguments})


def test_a_number_is_no_key():
    with pytest.raises(UserError, match="order_keys of type int"):
        Replicas.__init__.__wrapped__(object.__new__(Replicas), PARAMS, 0)


def test_lists_are_data():
    data = object.__new__(TrainingData)
    TrainingData.__init__.__wrapped__(data, [[0.0, 1.0]], [[1, 0]])
    assert data.x.shape == data.y.shape == (1, 2)
    assert data.validation_x is None
