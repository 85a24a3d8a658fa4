"""Training refuses targets that its loss does not accept, and a score that one output cannot miss."""

import jax
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP
from ticketlab.tasks.losses import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARE, SQUARED_HINGE
from ticketlab.training import (
    BinaryAccuracy,
    Ending,
    Interpolation,
    Replicas,
    Sgd,
    TrainingData,
    TrainingPlan,
    train,
)

NETWORK = MLP(widths=(8,)).build((2,), 1)
X = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
BITS = np.array([[0], [1], [1], [1]], np.float32)
PLAN = TrainingPlan(
    steps=400, batch=None, optimiser=Sgd(0.3), stop=Interpolation(), evaluate_every=8, score=BinaryAccuracy()
)


def trained(loss, y, plan=PLAN, network=NETWORK):
    params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 4))
    return train(network, loss, TrainingData(X, y), plan, Replicas(params, jax.random.key(1)))


def test_one_output_learns_zeros_and_ones_with_the_logistic_loss():
    result = trained(LOGISTIC, BITS)
    assert set(result.endings) == {Ending.INTERPOLATED}
    outputs = np.array(jax.vmap(NETWORK.apply, in_axes=(0, None))(result.params, X))
    assert ((outputs > 0) == (BITS > 0)).all()


@pytest.mark.parametrize("loss", [LOGISTIC, SQUARED_HINGE])
def test_signs_are_no_targets_of_these_losses(loss):
    with pytest.raises(UserError, match=loss.name):
        trained(loss, 2 * BITS - 1)


def test_one_column_is_no_distribution():
    with pytest.raises(UserError, match="one-hot rows"):
        trained(SOFTMAX_CROSS_ENTROPY, BITS)


def test_validation_targets_are_checked_too():
    params = jax.vmap(NETWORK.init)(jax.random.split(jax.random.key(0), 1))
    data = TrainingData(X, BITS, X, 2 * BITS - 1)
    with pytest.raises(UserError, match="numbers from 0 to 1"):
        train(NETWORK, LOGISTIC, data, PLAN, Replicas(params, jax.random.key(1)))


def test_the_largest_of_one_output_decides_nothing():
    with pytest.raises(UserError, match="BinaryAccuracy"):
        trained(SQUARE, 2 * BITS - 1, TrainingPlan(stop=Interpolation(), batch=None))
