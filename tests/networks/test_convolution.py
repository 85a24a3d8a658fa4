"""The convolution and its gradients against XLA's in double precision: shapes, strides, paddings, replicas, every way."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array

from ticketlab.networks import convolution as module
from ticketlab.networks import convolve, patches

# Height and width, channels and units, window, stride, padding.
CASES = [
    ((7, 6), (3, 5), (3, 3), 1, "SAME"),
    ((7, 12), (3, 5), (3, 2), 2, "SAME"),
    ((8, 9), (2, 4), (5, 3), 2, "VALID"),
    ((9, 12), (5, 1), (4, 1), 1, "VALID"),
    ((7, 14), (2, 4), (2, 2), 3, "VALID"),
    ((8, 12), (2, 4), (1, 1), 2, "SAME"),
    ((7, 6), (16, 20), (3, 3), 1, "SAME"),
]


def reference(a: Array, weight: Array, stride: int, padding: str) -> Array:
    return jax.lax.conv_general_dilated(
        a, weight, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def drawn(shape: tuple[int, ...], seed: int, dtype: Any = np.float64) -> Array:
    return jax.device_put(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def operands(case: Any, lead: tuple[int, ...] = (), dtype: Any = np.float64) -> tuple[Array, Array]:
    size, (channels, units), window, _, _ = case
    return drawn((*lead, 3, *size, channels), 0, dtype), drawn((*lead, *window, channels, units), 1, dtype)


def losses(case: Any) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """A scalar of the outputs, ours and theirs."""
    *_, stride, padding = case

    def ours(a: Array, weight: Array) -> Array:
        return jnp.sum(jnp.sin(convolve(a, weight, (stride, stride), padding)))

    def theirs(a: Array, weight: Array) -> Array:
        return jnp.sum(jnp.sin(reference(a, weight, stride, padding)))

    return ours, theirs


def assert_same(mine: Any, other: Any) -> None:
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-11), mine, other)


@settings(max_examples=12)  # each compiles a program
@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    channels=st.sampled_from([1, 3, 70]),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["SAME", "VALID"]),
)
def test_it_equals_the_librarys(
    height: int, width: int, channels: int, window: tuple[int, int], stride: int, padding: str
) -> None:
    height, width = max(height, window[0]), max(width, window[1])
    a = drawn((2, height, width, channels), 0, np.float32)
    weight = drawn((*window, channels, 5), 1, np.float32)
    strides = (stride, stride)

    @jax.jit
    def both_and_expected(a: Array, weight: Array) -> tuple[Array, Array, Array]:
        by_patches = patches(a, window, strides, padding) @ weight.reshape(-1, 5)
        return convolve(a, weight, strides, padding), by_patches, reference(a, weight, stride, padding)

    *both, expected = both_and_expected(a, weight)
    for result in both:
        np.testing.assert_allclose(result, expected, atol=1e-4 * channels**0.5)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("way", ["chosen", 1, 2, 3, "rows", "products", "two images at once"])
def test_outputs_and_both_gradients(case: Any, way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With any number of columns at a time, by whole rows, and by products of all or some images."""

    def seconds(form: Any, channels: int, units: int) -> tuple[float, int]:
        if way == "rows":
            return np.inf, 1
        return 0.0, way if form.out[1] % way == 0 else 1

    with jax.enable_x64(True):
        if way in ("products", "two images at once"):
            monkeypatch.setattr(module, "_THIN", 1)
        elif way != "chosen":
            monkeypatch.setattr(module, "_seconds", seconds)
        if way == "two images at once":
            monkeypatch.setattr(module, "_images_at_once", lambda *shape: 2)
        arrays = operands(case)
        # A new function each time: JAX remembers what it has compiled.
        mine, other = (jax.jit(jax.value_and_grad(lambda *x, f=f: f(*x), (0, 1))) for f in losses(case))
        assert_same(mine(*arrays), other(*arrays))


@pytest.mark.parametrize("case", CASES[:3], ids=str)
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)], ids=str)
@pytest.mark.parametrize("replicas", [1, 3])
def test_many_replicas(case: Any, axes: tuple[int | None, int | None], replicas: int) -> None:
    """Gradients of each replica, and of all together in what they share."""
    with jax.enable_x64(True):
        many, one = operands(case, (replicas,)), operands(case)
        arrays = tuple(m if k == 0 else o for m, o, k in zip(many, one, axes, strict=True))

        def gradients(f: Callable[..., Array]) -> Any:
            each = jax.vmap(jax.grad(f, (0, 1)), axes)
            together = jax.grad(lambda *x: jnp.sum(jax.vmap(f, axes)(*x)), (0, 1))
            return jax.jit(lambda *x: (each(*x), together(*x)))(*arrays)

        assert_same(*map(gradients, losses(case)))


def test_replicas_of_replicas() -> None:
    with jax.enable_x64(True):
        a, weight = drawn((4, 3, 2, 5, 6, 2), 0), drawn((3, 3, 3, 2, 4), 1)

        def outer(f: Callable[..., Array]) -> Array:
            return jax.jit(jax.vmap(jax.vmap(f), in_axes=(0, None)))(a, weight)

        assert_same(outer(convolve), outer(lambda a, w: reference(a, w, 1, "SAME")))


@pytest.mark.parametrize("case", CASES[:2], ids=str)
def test_derivatives_of_derivatives(case: Any) -> None:
    """Forward over reverse, which is how products with the Hessian are taken."""
    with jax.enable_x64(True):
        arrays = operands(case)
        tangents = tuple(jnp.cos(a) for a in arrays)

        def product(f: Callable[..., Array]) -> Any:
            return jax.jit(lambda *x: jax.jvp(jax.grad(f, (0, 1)), x, tangents))(*arrays)

        assert_same(*map(product, losses(case)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_other_devices_compute_the_same(case: Any) -> None:
    """Their rules, run here."""
    size, _, window, stride, padding = case
    with jax.enable_x64(True):
        a, weight = operands(case)
        z, pull = jax.vjp(lambda a, w: reference(a, w, stride, padding), a, weight)
        around = tuple(jax.lax.padtype_to_pads(size, window, (stride, stride), padding))
        expected = {"outputs": (a, weight, z)} | {
            gives: (*given, result)
            for gives, given, result in zip(
                ("inputs", "weights"), ((z, weight), (a, z)), pull(z), strict=True
            )
        }
        for gives, (x, y, result) in expected.items():
            form = module._Form(gives, (stride, stride), around, size, window)  # type: ignore[arg-type]
            assert_same(module._on_other_devices(x, y, form=form), result)


def test_the_way_does_not_depend_on_the_number_of_replicas() -> None:
    """A replica has the same bits alone and among others."""
    a, weight = operands(CASES[0], (3,), np.float32)
    gradient = jax.jit(jax.vmap(jax.grad(losses(CASES[0])[0], (0, 1))))
    alone, among = gradient(a[:1], weight[:1]), gradient(a, weight)
    jax.tree.map(lambda one, all_: np.testing.assert_array_equal(one[0], all_[0]), alone, among)
