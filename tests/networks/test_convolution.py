"""The convolution by matrix products against JAX's own, over shapes, strides and paddings, with its derivatives."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array

from ticketlab.networks import convolve, patches


def reference(a: Array, weight: Array, stride: int, padding: str) -> Array:
    return jax.lax.conv_general_dilated(
        a, weight, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def drawn(shape: tuple[int, ...], seed: int) -> Array:
    return jax.device_put(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


@settings(max_examples=12)  # each compiles a program
@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    channels=st.sampled_from(
        [1, 3, 70]
    ),  # from 64 columns on the rows of the window are multiplied one by one
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["SAME", "VALID"]),
)
def test_it_equals_the_librarys(
    height: int, width: int, channels: int, window: tuple[int, int], stride: int, padding: str
) -> None:
    height, width = max(height, window[0]), max(width, window[1])
    a, weight = drawn((2, height, width, channels), 0), drawn((*window, channels, 5), 1)
    strides = (stride, stride)

    @jax.jit
    def both_and_expected(a: Array, weight: Array) -> tuple[Array, Array, Array]:
        by_patches = patches(a, window, strides, padding) @ weight.reshape(-1, 5)
        return convolve(a, weight, strides, padding), by_patches, reference(a, weight, stride, padding)

    *both, expected = both_and_expected(a, weight)
    for result in both:
        np.testing.assert_allclose(result, expected, atol=1e-4 * channels**0.5)


@pytest.mark.parametrize("channels", [3, 70])
@pytest.mark.parametrize("stride", [1, 2])
def test_its_gradients_equal_the_librarys(channels: int, stride: int) -> None:
    a, weight = drawn((2, 6, 5, channels), 0), drawn((3, 3, channels, 4), 1)

    def ours(weight: Array, a: Array) -> Array:
        return jnp.sum(jnp.sin(convolve(a, weight, (stride, stride), "SAME")))

    def theirs(weight: Array, a: Array) -> Array:
        return jnp.sum(jnp.sin(reference(a, weight, stride, "SAME")))

    mine, other = (jax.jit(jax.grad(f, (0, 1)))(weight, a) for f in (ours, theirs))
    jax.tree.map(partial(np.testing.assert_allclose, atol=2e-4), mine, other)
