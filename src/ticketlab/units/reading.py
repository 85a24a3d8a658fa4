"""Responses of units: one number for each unit and example, read in blocks of units.

A unit of a dense layer responds with its feature. A channel of a convolution has a response at every pixel; it counts as
two units, its spatial maximum and its spatial mean. Ranks need a unit's responses to all examples at once. So a reader
gives whole rows, for as many units as memory holds. A network passes over the data again for the next block of units.

Every reader can be scanned: a network, random linear filters of the input, or a matrix of numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.errors import UserError
from ticketlab.networks.evaluation import block_rows, estimated_statistics
from ticketlab.networks.network import Network, Params

__all__ = ["Group", "LinearFilters", "Matrix", "NetworkUnits", "Responses", "brightness"]

Pooling = Literal["", "maximum", "mean"]
MEMORY = 1024**3  # bytes of responses that are held at once


@dataclass(frozen=True)
class Group:
    """Units that are read together.

    Arguments:
        layer: the name of the layer.
        units: how many.
        pooling: over the pixels of a channel; empty for a dense layer.
    """

    layer: str
    units: int
    pooling: Pooling = ""

    @property
    def title(self) -> str:
        return f"{self.layer}, spatial {self.pooling}" if self.pooling else self.layer


class Responses(ABC):
    """Units with their responses to the same examples.

    Arguments:
        groups: in order of depth; their units are numbered one after the other.
        examples: n.
    """

    groups: tuple[Group, ...]
    examples: int

    @property
    def units(self) -> int:
        return sum(group.units for group in self.groups)

    @abstractmethod
    def read(self, start: int, stop: int) -> Float[np.ndarray, "units n"]:
        """The responses of units `start` to `stop` − 1 to all examples, float32."""

    def blocks(self, memory: int = MEMORY) -> Iterator[tuple[int, Float[np.ndarray, "units n"]]]:
        """All units in blocks that take at most `memory` bytes, with the number of the first unit of each.

        Cost: one reading for each block; a network passes over all examples each time.
        """
        most = max(1, memory // (4 * max(self.examples, 1)))
        for start in range(0, self.units, most):
            yield start, self.read(start, min(start + most, self.units))


@dataclass(frozen=True, eq=False)
class Matrix(Responses):
    """Responses that are there already.

    Arguments:
        values: `[units, n]`.
        layer: their name.
    """

    values: Float[np.ndarray, "units n"]
    layer: str = "units"
    groups: tuple[Group, ...] = field(init=False)
    examples: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", (Group(self.layer, len(self.values)),))
        object.__setattr__(self, "examples", self.values.shape[1])

    def read(self, start: int, stop: int) -> Float[np.ndarray, "units n"]:
        return self.values[start:stop].astype(np.float32)


@dataclass(frozen=True, eq=False)
class LinearFilters(Responses):
    """Random linear filters w·x of the input, w Gaussian: the control for "a unit of a random network".

    Filter i is the same for every number of filters and every block.

    Arguments:
        x: inputs `[n, …]`.
        count: the number of filters.
        seed: of the draw.
    """

    x: Float[np.ndarray, "n ..."]
    count: int
    seed: int
    groups: tuple[Group, ...] = field(init=False)
    examples: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", (Group("random linear filters", self.count),))
        object.__setattr__(self, "examples", len(self.x))

    def read(self, start: int, stop: int) -> Float[np.ndarray, "units n"]:
        flat = np.asarray(self.x, np.float32).reshape(self.examples, -1)
        drawn = [
            np.random.default_rng([self.seed, i]).standard_normal(flat.shape[1]) for i in range(start, stop)
        ]
        return np.asarray(drawn, np.float32) @ flat.T


def brightness(x: Float[np.ndarray, "n ..."]) -> Matrix:
    """The mean of every input, as one unit: what total brightness alone detects."""
    return Matrix(np.asarray(x, np.float32).reshape(len(x), -1).mean(axis=1)[None], "brightness")


@dataclass(frozen=True, eq=False)
class NetworkUnits(Responses):
    """All hidden units of a network, layer by layer, after their activation functions.

    Arguments:
        network, params: f and θ.
        x: inputs `[n, *input_shape]`.
        reference: training inputs, from which batch statistics are estimated; None takes x. Other networks ignore them.

    Raises:
        UserError: for a network without a description of its layers, or without hidden layers.
    Cost: one forward pass for each block that is read.
    """

    network: Network
    params: Params
    x: Any
    reference: Any = None
    groups: tuple[Group, ...] = field(init=False)
    examples: int = field(init=False)

    def __post_init__(self) -> None:
        self.network.require_layers("reading its units")
        alone = self.network
        if alone.frozen is not None:
            reference = self.x if self.reference is None else self.reference
            alone = alone.frozen(estimated_statistics(alone, self.params, jnp.asarray(reference)))
            object.__setattr__(self, "network", alone)
        one = jax.ShapeDtypeStruct((1, *alone.input_shape), jnp.float32)
        assert alone.features is not None
        groups: list[Group] = []
        for name, of in jax.eval_shape(alone.features, self.params, one).items():
            poolings: tuple[Pooling, ...] = ("maximum", "mean") if of.ndim > 2 else ("",)
            groups += [Group(name, of.shape[-1], pooling) for pooling in poolings]
        if not groups:
            raise UserError(f"{alone.name}, which has no hidden units", "a network with a hidden layer")
        object.__setattr__(self, "groups", tuple(groups))
        object.__setattr__(self, "examples", len(self.x))

    def read(self, start: int, stop: int) -> Float[np.ndarray, "units n"]:
        found = np.empty((stop - start, self.examples), np.float32)
        rows = min(block_rows(self.network, self.params), self.examples)
        for first in range(0, self.examples, rows):
            # The last block reaches back, so that all have one size and one compiled program.
            first = min(first, self.examples - rows)
            block = _pooled(self.network)(self.params, jnp.asarray(self.x[first : first + rows]))
            found[:, first : first + rows] = np.asarray(block)[start:stop]
        return found


@lru_cache(maxsize=64)
def _pooled(network: Network) -> Any:
    """`(params, x) -> [units, n]`, all layers one below the other."""

    def responses(params: Params, x: Array) -> Array:
        assert network.features is not None
        parts = []
        for of in network.features(params, x).values():
            pixels = tuple(range(1, of.ndim - 1))
            parts += [jnp.max(of, axis=pixels), jnp.mean(of, axis=pixels)] if pixels else [of]
        return jnp.concatenate([part.T for part in parts]).astype(jnp.float32)

    return jax.jit(responses)
