"""The batches of a step: a new order of all examples in every epoch, cut into batches.

The order of epoch e is a pure function of (order key, e), so that training can resume at any step. It is a swap-or-not
shuffle. In each of 8⌈log₂ n⌉ rounds every example x is paired with K − x mod n, and a hash of the pair decides whether the
two change places. This is arithmetic on vectors of integers, several times faster than the sort behind a random
permutation. With 32 examples per step, the sort would cost as much as training a small network. The constants of the
rounds are hashes too. JAX's own generator would be equally good, but takes as long to compile as the rest of a training
step.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Key, UInt32

__all__ = ["epoch_order"]

_GOLDEN_RATIO = 0x9E3779B9  # in units of 2⁻³²; its multiples are evenly spread


def epoch_order(key: Key[Array, ""], epoch: ArrayLike, examples: int) -> UInt32[Array, "n"]:
    """The order in which one epoch goes through the examples: a permutation of 0 … n−1.

    Arguments:
        key: the replica's order key.
        epoch: number of the epoch, from 0.
        examples: n, at least 1.

    Cost: 8⌈log₂ n⌉ passes over n integers.

    Source: Hoang, Morris and Rogaway, "An enciphering scheme based on a card shuffle", CRYPTO 2012, figure 2. The hash is the
    finaliser of MurmurHash3: well mixed, not secret.
    """
    n = jnp.uint32(examples)
    rounds = 8 * max(1, math.ceil(math.log2(examples)))
    words = [*jax.random.key_data(key).astype(jnp.uint32), jnp.asarray(epoch, jnp.uint32)]
    pivots, salts = (_hash_of_all(words, start) for start in (1, 2))  # 64 bits for each (key, epoch)

    def swap_or_not(r: Array, x: Array) -> Array:
        r = r.astype(jnp.uint32) * jnp.uint32(_GOLDEN_RATIO)
        pivot = _hash(pivots + r) % n
        partner = jnp.where(x <= pivot, pivot - x, pivot + n - x)
        swap = (
            _hash(jnp.maximum(x, partner) ^ _hash(salts + r)) >> 31 != 0
        )  # the same for both members of the pair
        return jnp.where(swap, partner, x)

    return lax.fori_loop(0, rounds, swap_or_not, jnp.arange(examples, dtype=jnp.uint32))


def _hash_of_all(words: list[Array], start: int) -> Array:
    h = jnp.uint32(start)
    for word in words:
        h = _hash((h * jnp.uint32(_GOLDEN_RATIO)) ^ word)
    return h


def _hash(h: Array) -> Array:
    h = (h ^ (h >> 16)) * jnp.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * jnp.uint32(0xC2B2AE35)
    return h ^ (h >> 16)
