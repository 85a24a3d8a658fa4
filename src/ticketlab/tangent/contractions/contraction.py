"""What every way to contract a part of the tangent kernel is, and how a layer's arrays are laid out for it."""

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

Factor = Any  # what a contraction needs to know of a block of examples: a tuple of arrays, examples first


class Contraction(ABC):
    """How a part of K is computed from factors of two blocks of examples."""

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
    """A contraction with its operations for a pair of examples and for one example, and the numbers in one example's factor."""

    contraction: Contraction
    pair: float
    example: float
    numbers: int

    def flops(self, pairs: float, examples: int) -> float:
        return self.pair * pairs + self.example * examples


def count(mask: Any, size: int) -> int:
    """How many of so many numbers a mask keeps: True (all), False (none), or an array."""
    return size if mask is True else 0 if mask is False else int(np.sum(np.asarray(mask)))


def positions(layer: Layer) -> int:
    """P: how often a layer's parameters are applied to one example."""
    return math.prod(layer.output_shape[:-1])


def by_position(layer: Layer, delta: Array) -> Float[Array, "n k positions units"]:
    """Cotangents `[k, n, …, units]`, outputs first as they are swept, with examples first."""
    k, n = delta.shape[:2]
    return jnp.swapaxes(delta.reshape(k, n, positions(layer), layer.units), 0, 1)
