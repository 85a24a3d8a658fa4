"""Exactly `count` largest entries of an array, in a compiled program; `ranking.highest` does the same on the host.

A sort in every training step would take far longer than the step: 88 ms for 392 000 entries, where bisection takes 1.4 ms and
interpolation 0.6 ms (one thread). Numbers ≥ 0 have the same order as their bits, so there is an integer threshold t with
    #{bits ≥ t} ≥ count > #{bits ≥ t + 1}.
Interpolation of the count narrows its bounds; every third step halves them, so that the search always ends. If several entries
equal the threshold, a second bisection over their index keeps the first ones.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

__all__ = ["largest"]


def largest(sizes: Float[Array, "..."], count: Int[ArrayLike, ""]) -> Bool[Array, "..."]:
    """Marks the `count` largest entries; ties go to the lower index.

    Arguments:
        sizes: numbers ≥ 0, float32 or float64; the result is undefined for negative numbers or NaN.
        count: from 0 to the number of entries; may differ between replicas.

    Cost: about ten passes over the array, 20 more if entries at the threshold are equal.
    """
    flat = jnp.abs(sizes.ravel())  # −0 has other bits than 0
    whole = jnp.int64 if flat.dtype == jnp.float64 else jnp.int32
    bits = lax.bitcast_convert_type(flat, whole)
    count = jnp.asarray(count, jnp.int32)
    low, above = _threshold(flat, bits, count)
    ends = _first(bits == low, count - above)
    return ((bits > low) | ((bits == low) & (jnp.arange(len(bits)) < ends))).reshape(sizes.shape)


def _threshold(flat: Array, bits: Array, count: Array) -> tuple[Array, Array]:
    """The threshold, and the number of entries above it."""
    wide = bits.dtype
    start = (wide.type(0), jnp.max(bits) + 1, jnp.int32(len(bits)), jnp.int32(0), jnp.int32(0))

    def going(bounds: Any) -> Array:
        low, high, at_least, _, _ = bounds
        return (high - low > 1) & (at_least != count)

    def narrower(bounds: Any) -> Any:
        low, high, at_least, above, turn = bounds
        low_value, high_value = (lax.bitcast_convert_type(b, flat.dtype) for b in (low, high))
        share = ((at_least - count) / jnp.maximum(at_least - above, 1)).astype(flat.dtype)
        guess = lax.bitcast_convert_type(low_value + share * (high_value - low_value), wide)
        halfway = low + (high - low) // 2
        middle = jnp.where(turn % 3 == 2, halfway, jnp.clip(guess, low + 1, high - 1))
        found = jnp.sum(bits >= middle, dtype=jnp.int32)
        enough = found >= count
        return (
            jnp.where(enough, middle, low),
            jnp.where(enough, high, middle),
            jnp.where(enough, found, at_least),
            jnp.where(enough, above, found),
            turn + 1,
        )

    low, _, at_least, above, _ = lax.while_loop(going, narrower, start)
    exact = at_least == count  # then all entries that reach the lower bound are selected
    return jnp.where(exact, low - 1, low), jnp.where(exact, at_least, above)


def _first(among: Array, wanted: Array) -> Array:
    """The index before which `wanted` of them lie; searched only if some are needed."""
    end = jnp.where(wanted > 0, len(among), 0).astype(jnp.int32)

    def going(bounds: Any) -> Array:
        low, high = bounds
        return high - low > 1

    def narrower(bounds: Any) -> Any:
        low, high = bounds
        middle = low + (high - low) // 2
        enough = jnp.sum(among & (jnp.arange(len(among)) < middle), dtype=jnp.int32) >= wanted
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    _, high = lax.while_loop(going, narrower, (jnp.int32(0), end))
    return high
