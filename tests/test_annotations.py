"""While the tests run, calls are checked against annotations, those of inner functions too."""

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
