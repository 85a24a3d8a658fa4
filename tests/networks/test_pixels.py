"""Sums over pixels and their adjoint are those of NumPy, under derivatives and for many replicas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from ticketlab.networks.pixels import spread, summed


def drawn(*shape: int) -> Array:
    return jax.device_put(np.random.default_rng(0).standard_normal(shape))


def test_sum_and_spread() -> None:
    with jax.enable_x64(True):
        z, b = drawn(3, 5, 4, 2), drawn(2)
        np.testing.assert_allclose(summed(z), np.sum(z, axis=(0, 1, 2)), rtol=1e-12)
        np.testing.assert_array_equal(spread(b, z), np.broadcast_to(b, z.shape))


@pytest.mark.parametrize("replicas", [1, 3])
def test_derivatives_for_replicas(replicas: int) -> None:
    with jax.enable_x64(True):
        z, b = drawn(replicas, 3, 5, 4, 2), drawn(replicas, 2)

        def ours(z: Array, b: Array) -> Array:
            return jnp.sum(jnp.sin(summed(jnp.cos(z + spread(b, z)))))

        def plain(z: Array, b: Array) -> Array:
            return jnp.sum(jnp.sin(jnp.sum(jnp.cos(z + b), axis=(0, 1, 2))))

        def derivatives(f):
            gradient = jax.grad(f, (0, 1))
            return jax.vmap(lambda *x: jax.jvp(gradient, x, x))(z, b)

        jax.tree.map(
            lambda mine, other: np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12),
            *map(derivatives, (ours, plain)),
        )
