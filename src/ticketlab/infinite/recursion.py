"""The recursion through all stages of a network, for each example with itself and for each of one block with each of another.

An example with itself gives the variances that stages ask for, in order; pairs of examples read them. Both passes apply the same
rules, so they agree in every detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ticketlab.compiler import fast_products
from ticketlab.infinite.lags import Lags, of_right
from ticketlab.infinite.rules import through, wanted_lags
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks import Flatten, Network
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Step

__all__ = ["Recipe", "entered", "itself", "itself_compiled", "pair", "pair_compiled"]


@dataclass(frozen=True)
class Recipe:
    """What is static in a compiled program."""

    network: Network
    ntk: bool
    trained: frozenset[str] | None
    terms: int = 32


def entered(network: Network) -> tuple[tuple[Step, ...], Shape]:
    """The stages after a Flatten of the inputs, and the shape that reaches them."""
    steps, shape = network.steps, network.input_shape
    while steps and isinstance(steps[0].stage, Flatten):
        steps, shape = steps[1:], steps[0].stage.shape(shape)
    return steps, shape


def _start(recipe: Recipe, x1: Array, x2: Array, crossed: bool) -> tuple[State, tuple[Step, ...], Shape]:
    """Mean products of the inputs' channels; their units are the channels, and depend on no parameters."""
    steps, shape = entered(recipe.network)
    lags = wanted_lags(steps, shape, ())[0]
    pixels = shape[:-1]
    x1, x2 = (x.reshape(x.shape[0], *shape) for x in (x1, x2))
    products = _products(x1, x2, lags, pixels, crossed) / shape[-1]
    state = State(
        products,
        jnp.zeros((), products.dtype) if recipe.ntk else None,
        lags,
        pixels,
        crossed,
        means=(jnp.mean(x1, axis=-1), jnp.mean(x2, axis=-1)),
    )
    return state.masked(), steps, shape


def _products(x1: Array, x2: Array, lags: Lags, pixels: Shape, crossed: bool) -> Array:
    """Σ_c x1(p, c) x2(p + l, c), `[*batch, *lags, *pixels]`."""
    if not pixels:
        return x1 @ x2.T if crossed else jnp.sum(x1 * x2, axis=-1)
    total: Any = 0.0
    ones = (1,) * len(pixels)
    for channel in range(x1.shape[-1]):
        left = x1[..., channel].reshape(x1.shape[0], *(1,) * crossed, *ones, *pixels)
        right = of_right(x2[..., channel], lags, pixels)
        total = total + left * right
    return total


def itself(recipe: Recipe, x: Array) -> tuple[tuple[Array, ...], Array, Array | None, Array]:
    """Each example with itself: the variances that stages ask for, Σ, Θ, and the largest tail of a series."""
    state, steps, shape = _start(recipe, x, x, crossed=False)
    recursion = Recursion(recipe.trained, recipe.terms)
    end = through(steps, shape, state, (), recursion).settled()
    tails = [jnp.max(tail) for tail in recursion.tails]
    largest = jnp.max(jnp.stack(tails)) if tails else jnp.zeros(())
    return tuple(recursion.variances), end.nngp, end.ntk, largest


def pair(
    recipe: Recipe, x1: Array, x2: Array, left: tuple[Array, ...], right: tuple[Array, ...]
) -> tuple[Array, Array | None]:
    """Each example of a block with each of another."""
    state, steps, shape = _start(recipe, x1, x2, crossed=True)
    recursion = Recursion(recipe.trained, recipe.terms, (iter(left), iter(right)))
    end = through(steps, shape, state, (), recursion).settled()
    return end.nngp, end.ntk


_compiled = partial(jax.jit, static_argnums=0, compiler_options=fast_products())
itself_compiled, pair_compiled = _compiled(itself), _compiled(pair)
