"""The interface of all contractions of the tangent kernel, and the layout of a layer's arrays for them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.networks.layers import Layer

__all__ = ["Contraction", "Factor", "Way", "by_position", "count", "positions"]

Factor = Any  # the data of a contraction for a block of examples: a tuple of arrays, examples first


class Contraction(ABC):
    """Computes a part of K from the factors of two blocks of examples."""

    title: ClassVar[str]

    @abstractmethod
    def full(self, left: Factor, right: Factor) -> Float[Array, "n k m k"]:
        """K(n c, m c')."""

    @abstractmethod
    def mean(self, left: Factor, right: Factor) -> Float[Array, "n m"]:
        """1/k Σ_c K(n c, m c)."""

    @abstractmethod
    def diagonal(self, factor: Factor) -> Float[Array, "n k"]:
        """K(n c, n c)."""


@dataclass(frozen=True)
class Way:
    """A contraction with its operations per pair of examples and per example, and the size of one example's factor."""

    contraction: Contraction
    pair: float
    example: float
    numbers: int

    def flops(self, pairs: float, examples: int) -> float:
        return self.pair * pairs + self.example * examples


def count(mask: Any, size: int) -> int:
    """The number of entries, out of `size`, that a mask keeps: True (all), False (none), or an array."""
    return size if mask is True else 0 if mask is False else int(np.sum(np.asarray(mask)))


def positions(layer: Layer) -> int:
    """T, the number of times that a layer's parameters are applied to one example."""
    return math.prod(layer.output_shape[:-1])


def by_position(layer: Layer, delta: Array) -> Float[Array, "n k positions units"]:
    """Cotangents `[k, n, …, units]`, in the order of the sweeps, with examples moved to the front."""
    k, n = delta.shape[:2]
    return jnp.swapaxes(delta.reshape(k, n, positions(layer), layer.units), 0, 1)
