"""Actions on the weights after a mask is chosen: on those that it keeps (mask 1) and on those that it removes (mask 0).

Mask-1 actions set the start of the kept weights: their initial values (*rewind*), a new draw (*reinitialise*), the same values
in another order within each layer (*reshuffle*), or ± the standard deviation of the layer's initial weights (*constant*). Each
action can keep the initial sign of a weight. Otherwise the sign is that of the new value, or random if the new value has none.

Mask-0 actions fix the removed weights permanently: at *zero*, or at their initial values (*frozen*). *Frozen if grown* keeps
the initial value only if training made the weight larger, |w_f| > |w_i|; otherwise the weight is zero. Its reverse, *frozen if
shrunk*, is a control.

The starting weights and the frozen weights are two sets of parameters, and the network is their sum. Training moves the first
and never touches the second (`training.Sum`), so a frozen weight cannot move. The proof that removed weights took no part
holds for frozen weights too.

Source: Zhou, Lan, Liu & Yosinski 2019, arXiv 1905.01067, sections 3 (mask-1 actions, figure 5) and 4 (mask-0 actions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array

from ticketlab.networks.network import Params
from ticketlab.tickets.criterion import Seen
from ticketlab.tickets.masks import Mask, weights_in, weights_of, with_weights

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
    """The start of the kept weights."""

    def values(self, seen: Seen, mask: Mask, key: Array) -> Weights:
        """A value for every weight; only those of kept weights are used."""


@runtime_checkable
class MaskZero(Protocol):
    """The values of the removed weights."""

    def values(self, seen: Seen) -> Weights:
        """A value for every weight; only those of removed weights are used."""


@dataclass(frozen=True)
class Rewind:
    """w_i, or |w_i| with a random sign."""

    keep_sign: bool = True

    def values(self, seen: Seen, mask: Mask, key: Array) -> Weights:
        return _each(seen, key, self.keep_sign, lambda name, w, key: _coin(key, np.abs(w)))


@dataclass(frozen=True)
class Reinitialise:
    """The weights of a new draw of the network, or their magnitudes with the signs of w_i."""

    keep_sign: bool = False

    def values(self, seen: Seen, mask: Mask, key: Array) -> Weights:
        drawn = weights_of(seen.network, seen.network.drawn(key))
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
    """σ of the layer, the root mean square of its initial weights, with the sign of w_i or a random sign."""

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
    """w_i where |w_f| > |w_i|, else 0: only weights that training moved towards zero are set to zero."""

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
        frozen: the values of removed weights; zero elsewhere.
    """

    start: Params
    frozen: Params

    @property
    def params(self) -> Params:
        """The parameters of the untrained network."""
        return jax.tree.map(np.add, self.start, self.frozen)


def acted(seen: Seen, mask: Mask, one: MaskOne, zero: MaskZero, key: Array) -> Acted:
    """A network after a mask and its two actions; biases keep their initial values.

    Arguments:
        seen: θ_i, and θ_f if the mask-0 action needs it.
        mask: which weights are kept.
        one, zero: the actions on kept and on removed weights.
        key: for random actions.

    Raises:
        UserError: if θ_f is needed but missing.
    """
    return laid(seen.initial, mask, one.values(seen, mask, key), zero.values(seen))


def laid(params: Params, mask: Mask, ones: Weights, zeros: Weights) -> Acted:
    """One set of weights where a mask keeps, the other where it removes; other parameters unchanged."""
    initial = jax.tree.map(np.asarray, params)

    def where(mask: Mask, values: Weights, of: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {n: np.where(m, values[n], np.zeros_like(of[n])).astype(of[n].dtype) for n, m in mask.items()}

    of = weights_in(initial, mask)
    start = with_weights(initial, where(mask, ones, of))
    nothing = jax.tree.map(np.zeros_like, initial)
    frozen = with_weights(nothing, where({n: ~m for n, m in mask.items()}, zeros, of))
    return Acted(start, frozen)


def _each(
    seen: Seen, key: Array, keep_sign: bool, value: Callable[[str, np.ndarray, Array], np.ndarray]
) -> Weights:
    """`value` of every layer with its own key, and with the signs of w_i if these are kept."""
    found = {}
    for i, (name, w) in enumerate(weights_of(seen.network, seen.initial).items()):
        new = value(name, w, _fold_in(key, i))
        found[name] = np.abs(new) * np.sign(w) if keep_sign else new
    return found


def _coin(key: Array, magnitudes: np.ndarray) -> np.ndarray:
    return np.where(np.asarray(_heads(key, magnitudes.shape)), magnitudes, -magnitudes)


_fold_in = jax.jit(jax.random.fold_in)  # compiled, for what is drawn thousands of times


@partial(jax.jit, static_argnums=1)
def _heads(key: Array, shape: tuple[int, ...]) -> Array:
    return jax.random.bernoulli(jax.random.fold_in(key, 1), shape=shape)


def _frozen_where(
    action: object, seen: Seen, keep: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Weights:
    seen.require(action, "final")
    initial, final = (weights_of(seen.network, p) for p in (seen.initial, seen.final))
    return {n: np.where(keep(np.abs(w), np.abs(final[n])), w, np.zeros_like(w)) for n, w in initial.items()}
