"""While the tests run, calls are checked against annotations, those of inner functions too."""

import checked_annotations
import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from ticketlab.networks import pure_network


def test_inner_functions_made_by_one_function_are_checked_and_stay_themselves():
    networks = {
        k: pure_network(lambda key: key, lambda params, x: x[:, : params + 1], input_shape=(3,), outputs=k)
        for k in (1, 2)
    }
    for k, network in networks.items():
        assert network.apply(k - 1, jnp.ones((4, 3))).shape == (4, k)
        with pytest.raises(TypeCheckError, match="checked_apply"):
            network.apply(k - 1, "no array")


def test_calls_are_checked_again_in_every_test(monkeypatch):
    network = pure_network(lambda key: key, lambda params, x: x, input_shape=(3,), outputs=3)
    monkeypatch.setattr(checked_annotations.Calls, "checked", 2)
    for _ in range(2):
        monkeypatch.setattr(checked_annotations.Calls, "test", checked_annotations.Calls.test + 1)
        for _ in range(2):
            with pytest.raises(TypeCheckError):
                network.apply(0, "no array")
        with pytest.raises(AttributeError, match="shape"):
            network.apply(0, "no array")
