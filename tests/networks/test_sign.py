"""Sign activations: what they compute, their surrogate derivative, their place among stages, and what they lack."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from ticketlab import tangent
from ticketlab.errors import UserError
from ticketlab.networks import (
    MLP,
    Activate,
    Activation,
    ConvNet,
    Normalise,
    Pool,
    Residual,
    ResNet,
    sequential,
    straight_through,
)
from ticketlab.networks.stages import Dense, Flatten, Normalisation
from ticketlab.networks.stages.activation import activate
from ticketlab.tasks import SQUARE, Digits

SIGN = Activation.SIGN


def test_signs_and_the_derivative_that_takes_the_place_of_their_own():
    z = jnp.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 2.0])
    assert activate(SIGN, z).tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]
    slope = jax.vmap(jax.grad(lambda a: activate(SIGN, a)))(z)
    np.testing.assert_allclose(slope, 2 * np.maximum(0, 1 - np.abs(z)), atol=1e-6)


def test_straight_through_has_the_one_value_and_the_other_derivative():
    a = jnp.float32(0.1)
    value, slope = jax.value_and_grad(lambda x: straight_through(jnp.round(x), x**2))(a)
    assert value == 0
    assert slope == np.float32(0.2)


def test_pools_and_normalisations_come_before_signs():
    stages = ConvNet(2, activation=SIGN, normalisation=Normalisation.CHANNELS).stages(10)
    kinds = [type(stage).__name__ for stage in stages[:7]]
    assert kinds == ["Convolution", "Normalise", "Activate", "Convolution", "Pool", "Normalise", "Activate"]
    assert [type(s) for s in ConvNet(2).stages(10)[:5]][3:] == [Activate, Pool]
    assert ConvNet(2).stages(10) == ConvNet(2, normalisation=None).stages(10)
    assert (
        sum(isinstance(s, Normalise) for s in MLP((5, 4), normalisation=Normalisation.CHANNELS).stages(3))
        == 2
    )
    assert "normalised" in MLP((5, 4), activation=SIGN, normalisation=Normalisation.CHANNELS).describe()


def test_what_reaches_the_next_layer_is_binary():
    network = MLP((6, 5), activation=SIGN, normalisation=Normalisation.CHANNELS).build((4,), 3)
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    for hidden in network.features(network.init(jax.random.key(0)), x).values():
        assert set(np.unique(hidden).tolist()) == {-1.0, 1.0}


def test_units_of_signs_are_flipped_and_only_what_writes_them_has_a_factor():
    for group in MLP((6, 5), activation=SIGN).build((4,), 3).unit_groups:
        assert not group.rescalable
        assert group.flippable
        assert group.jumps
        assert group.scaleless == (group.incoming,)


def test_a_network_of_signs_has_no_tangent_space():
    task = Digits(train=50).task(seed=0)
    network = MLP((6,), activation=SIGN).build(task.input_shape, task.outputs)
    with pytest.raises(UserError, match="have derivative zero and are trained with a surrogate"):
        tangent.minimise(
            network, network.init(jax.random.key(0)), task, loss=SQUARE, ridge=tangent.Relative(1e-2)
        )


def test_a_sign_within_a_sum_is_found():
    inner = Residual((Dense(4), Activate(SIGN), Dense(4)))
    assert sequential((Flatten(), Dense(4), inner, Dense(2)), (3,), name="sum").surrogate
    assert not ResNet(channels=(4, 6)).build((6, 6, 1), 3).surrogate


def test_a_sign_by_its_name_is_one(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as in a user's program
    assert Activate("sign").surrogate
    with pytest.raises(UserError, match="one of relu"):
        Activate("signs")
