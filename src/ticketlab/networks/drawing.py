"""From a key to the parameters of a network: draws of unit variance, times the standard deviation of each layer.

All weights come from one draw and all biases from another, because compiling each random generator takes a third of a
second. With one draw per layer, a network of five layers took seven seconds. Outside of a compiled program, a draw is made at
the next of a few common lengths and cut on the host, so that another network needs no other generator: number i of a draw
does not depend on its length. Draws are always in float32, so that a key means the same network in every precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.networks.initialisation import Distribution
from ticketlab.networks.layers import DrawnLayer, Shape
from ticketlab.networks.params import Params

__all__ = ["draw_parameters"]

SHORTEST = 2048  # numbers of a draw outside of a compiled program

# Unit variance each; U(−√3, √3) has variance 1.
_UNIT_DRAWS: Mapping[Distribution, Callable[[Array, int], Array]] = {
    Distribution.NORMAL: lambda key, n: jax.random.normal(key, (n,), jnp.float32),
    Distribution.UNIFORM: lambda key, n: jax.random.uniform(key, (n,), jnp.float32, -(3**0.5), 3**0.5),
    # Not `rademacher`, whose signs depend on the enabled precision.
    Distribution.SIGNED_CONSTANT: lambda key, n: (
        2 * jax.random.bernoulli(key, jnp.float32(0.5), (n,)).astype(jnp.float32) - 1
    ),
}


def draw_parameters(key: Array, layers: Sequence[DrawnLayer], distribution: Distribution) -> Params:
    """`{layer name: {"weight": …, "bias": …}}`, float32; the same key gives the same parameters.

    Arguments:
        key: of the whole network.
        layers: in order of depth.
        distribution: of the weights; biases are Gaussian or zero.
    """
    weight_key, bias_key = jax.random.split(key)
    drawn = [p for p in layers if p.start is None]
    weights = _arrays(
        _UNIT_DRAWS[distribution],
        weight_key,
        tuple(p.layer.weight_shape for p in drawn),
        tuple(p.weight_sd for p in drawn),
    )
    with_bias = [p for p in drawn if p.layer.has_bias]
    biases = _arrays(
        _UNIT_DRAWS[Distribution.NORMAL],
        bias_key,
        tuple((p.layer.units,) for p in with_bias),
        tuple(p.bias_sd for p in with_bias),
    )
    params = {p.layer.name: _constant(p) for p in layers}
    for p, weight in zip(drawn, weights, strict=True):
        params[p.layer.name]["weight"] = weight
    for p, bias in zip(with_bias, biases, strict=True):
        params[p.layer.name]["bias"] = bias
    return params


def _constant(p: DrawnLayer) -> dict[str, Array]:
    """The parameters of a layer that is not drawn; empty for a layer that is drawn."""
    if p.start is None:
        return {}
    weight = {"weight": jnp.full(p.layer.weight_shape, p.start, jnp.float32)}
    return {**weight, "bias": jnp.zeros(p.layer.units, jnp.float32)} if p.layer.has_bias else weight


def _arrays(
    draw: Callable[[Array, int], Array], key: Array, shapes: tuple[Shape, ...], sds: tuple[float, ...]
) -> list[Array]:
    """Arrays of these shapes and standard deviations, cut one after the other from one draw."""
    numbers = sum(math.prod(shape) for shape in shapes)
    if isinstance(key, jax.core.Tracer):
        return _cut(draw(key, numbers), shapes, sds) if any(sds) else _zeros(shapes)
    drawn = _common(draw, numbers, key) if any(sds) else np.zeros(numbers, np.float32)
    return jax.device_put(_cut(drawn, shapes, sds))


def _zeros(shapes: tuple[Shape, ...]) -> list[Array]:
    return [jnp.zeros(shape, jnp.float32) for shape in shapes]


def _cut(drawn: Any, shapes: tuple[Shape, ...], sds: tuple[float, ...]) -> list[Any]:
    ends = [0, *accumulate(math.prod(shape) for shape in shapes)]
    parts = [drawn[start:end] for start, end in pairwise(ends)]
    return [np.float32(sd) * part.reshape(shape) for sd, part, shape in zip(sds, parts, shapes, strict=True)]


def _common(draw: Callable[[Array, int], Array], numbers: int, key: Array) -> np.ndarray:
    """The first numbers of a draw of common length."""
    return np.asarray(_drawn(draw, max(SHORTEST, 1 << (numbers - 1).bit_length()), key))[:numbers]


@partial(jax.jit, static_argnums=(0, 1))
def _drawn(draw: Callable[[Array, int], Array], numbers: int, key: Array) -> Array:
    return draw(key, numbers)
