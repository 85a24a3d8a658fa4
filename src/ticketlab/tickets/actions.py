"""What becomes of the weights once a mask is chosen: of those that it keeps (mask 1) and of those that it removes (mask 0).

Mask-1 actions say where the kept weights start: where they were drawn (*rewind*), drawn anew (*reinitialise*), their own values
in another order (*reshuffle*, within each layer), or ± the standard deviation of the layer's initial weights (*constant*). Each
comes with the sign that the weight was drawn with, or without: then the sign is that of the new value, or, where that has none of
its own, a coin's.

Mask-0 actions say what the removed weights are, for ever: *zero*; the value they were drawn with, *frozen*; or that only if
training made them larger, |w_f| > |w_i|, and else zero (*frozen if grown*). Its reverse, *frozen if shrunk*, is a control.

What starts and what is frozen are two sets of parameters, and the network is their sum. Training moves the one and never sees the
other (`training.Sum`), so a frozen weight cannot move, and the proof that a removed weight took no part holds for it too.

Source: Zhou, Lan, Liu & Yosinski 2019, arXiv 1905.01067, sections 3 (mask-1 actions, figure 5) and 4 (mask-0 actions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array

from ticketlab.networks.network import Params
from ticketlab.tickets.criterion import Seen
from ticketlab.tickets.masks import Mask, weights_of

__all__ = [
    "Acted",
    "Constant",
    "Frozen",
    "FrozenIfGrown",
    "FrozenIfShrunk",
    "MaskOne",
    "MaskZero",
    "Reinitialise",
    "Reshuffle",
    "Rewind",
    "Zero",
    "acted",
    "laid",
]

Weights = Mapping[str, np.ndarray]


@runtime_checkable
class MaskOne(Protocol):
    """Where kept weights start."""

    def values(self, seen: Seen, mask: Mask, key: Array) -> Weights:
        """A value for every weight; only those that are kept count."""


@runtime_checkable
class MaskZero(Protocol):
    """What removed weights are."""

    def values(self, seen: Seen) -> Weights:
        """A value for every weight; only those that are removed count."""


@dataclass(frozen=True)
class Rewind:
    """w_i, or |w_i| with the sign of a coin."""

    keep_sign: bool = True

    def values(self, seen: Seen, mask: Mask, key: Array) -> Weights:
        return _each(seen, key, self.keep_sign, lambda name, w, key: _coin(key, np.abs(w)))


@dataclass(frozen=True)
class Reinitialise:
    """The weights of another draw of the network, or their magnitudes with the signs of w_i."""

    keep_sign: bool = False

    def values(self, seen: Seen, mask: Mask, key: Array) -> Weights:
        drawn = weights_of(seen.network, seen.network.init(key))
        return _each(seen, key, self.keep_sign, lambda name, w, key: drawn[name])


@dataclass(frozen=True)
class Reshuffle:
    """The kept weights of the layer in another order, or their magnitudes with the signs of w_i."""

    keep_sign: bool = False

    def values(self, seen: Seen, mask: Mask, key: Array) -> Weights:
        def permuted(name: str, w: np.ndarray, key: Array) -> np.ndarray:
            result = w.copy()
            result[mask[name]] = np.asarray(jax.random.permutation(key, w[mask[name]]))
            return result

        return _each(seen, key, self.keep_sign, permuted)


@dataclass(frozen=True)
class Constant:
    """σ of the layer, the root of the mean square of its initial weights, with the sign of w_i or of a coin."""

    keep_sign: bool = True

    def values(self, seen: Seen, mask: Mask, key: Array) -> Weights:
        def constant(name: str, w: np.ndarray, key: Array) -> np.ndarray:
            return _coin(key, np.full_like(w, np.sqrt(np.mean(np.square(w, dtype=np.float64)))))

        return _each(seen, key, self.keep_sign, constant)


@dataclass(frozen=True)
class Zero:
    """0."""

    def values(self, seen: Seen) -> Weights:
        return {name: np.zeros_like(w) for name, w in weights_of(seen.network, seen.initial).items()}


@dataclass(frozen=True)
class Frozen:
    """w_i."""

    def values(self, seen: Seen) -> Weights:
        return weights_of(seen.network, seen.initial)


@dataclass(frozen=True)
class FrozenIfGrown:
    """w_i where |w_f| > |w_i|, else 0: only what training moved towards zero is put there."""

    def values(self, seen: Seen) -> Weights:
        return _frozen_where(self, seen, lambda initial, final: final > initial)


@dataclass(frozen=True)
class FrozenIfShrunk:
    """w_i where |w_f| ≤ |w_i|, else 0: the reverse."""

    def values(self, seen: Seen) -> Weights:
        return _frozen_where(self, seen, lambda initial, final: final <= initial)


@dataclass(frozen=True)
class Acted:
    """A network under a mask, before it is trained: f(x, start + frozen).

    Arguments:
        start: parameters, zero where a weight is removed.
        frozen: what removed weights are; zero everywhere else.
    """

    start: Params
    frozen: Params

    @property
    def params(self) -> Params:
        """The parameters of the untrained network."""
        return jax.tree.map(np.add, self.start, self.frozen)


def acted(seen: Seen, mask: Mask, one: MaskOne, zero: MaskZero, key: Array) -> Acted:
    """What a mask and its two actions make of a network; biases stay as they were drawn.

    Arguments:
        seen: θ_i, and θ_f where the mask-0 action asks for it.
        mask: which weights are kept.
        one, zero: what becomes of those that are, and of those that are not.
        key: for actions that draw.

    Raises:
        UserError: where θ_f is asked for and not there.
    """
    return laid(seen.initial, mask, one.values(seen, mask, key), zero.values(seen))


def laid(params: Params, mask: Mask, ones: Weights, zeros: Weights) -> Acted:
    """The one set of weights where a mask keeps, the other where it removes; all other parameters as they are."""
    initial = jax.tree.map(np.asarray, params)

    def filled(name: str, leaf: str, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if leaf != "weight" or name not in mask:
            return array, np.zeros_like(array)
        kept, nothing = mask[name], np.zeros_like(array)
        return (
            np.where(kept, ones[name], nothing).astype(array.dtype),
            np.where(kept, nothing, zeros[name]).astype(array.dtype),
        )

    both = {
        name: {leaf: filled(name, leaf, a) for leaf, a in leaves.items()} for name, leaves in initial.items()
    }
    start, frozen = (
        {name: {leaf: pair[i] for leaf, pair in leaves.items()} for name, leaves in both.items()}
        for i in (0, 1)
    )
    return Acted(start, frozen)


def _each(
    seen: Seen, key: Array, keep_sign: bool, value: Callable[[str, np.ndarray, Array], np.ndarray]
) -> Weights:
    """`value` of every layer, with a key of its own; with the signs of w_i where they are kept."""
    found = {}
    for i, (name, w) in enumerate(weights_of(seen.network, seen.initial).items()):
        new = value(name, w, jax.random.fold_in(key, i))
        found[name] = np.abs(new) * np.sign(w) if keep_sign else new
    return found


def _coin(key: Array, magnitudes: np.ndarray) -> np.ndarray:
    heads = np.asarray(jax.random.bernoulli(jax.random.fold_in(key, 1), shape=magnitudes.shape))
    return np.where(heads, magnitudes, -magnitudes)


def _frozen_where(
    action: object, seen: Seen, keep: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Weights:
    seen.require(action, "final")
    initial, final = (weights_of(seen.network, p) for p in (seen.initial, seen.final))
    return {n: np.where(keep(np.abs(w), np.abs(final[n])), w, np.zeros_like(w)) for n, w in initial.items()}
