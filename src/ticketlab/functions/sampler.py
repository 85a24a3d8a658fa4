"""The interface of everything that draws functions: `init(key) -> state`, `step(state) -> state, drawn`.

A state is a few named arrays, so it can be kept in a file, and a step is a pure function of it. A step draws a whole chunk. Run
i of a sampler of independent draws has a key of its own, made from the sampler's key and i, so a chunk is its run numbers and
nothing else. A chain's state holds where it is; the randomness of a step follows from the key and the number of the chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from ticketlab.errors import UserError
from ticketlab.functions.counting import STREAMS

__all__ = [
    "Drawn",
    "Sampler",
    "State",
    "checked_labels",
    "chunk_generator",
    "chunk_key",
    "first_state",
    "next_chunk",
    "run_numbers",
    "sampler_key",
    "streams_of",
]

State: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Drawn:
    """What one step drew.

    Arguments:
        functions: packed labels on the held-out examples.
        streams: the independent stream of each.
        tried: networks, runs or steps of a chain that it took.
        trace: of chains: on how many held-out examples each draw differs from the sampler's reference, `[draws, chains]`.
    """

    functions: UInt8[np.ndarray, "n bytes"]
    streams: Int[np.ndarray, "n"]
    tried: int
    trace: Int[np.ndarray, "draws chains"] | None = None


@runtime_checkable
class Sampler(Protocol):
    """Draws functions from one law."""

    @property
    def examples(self) -> int:
        """m, the number of held-out examples."""

    def init(self, key: Array) -> State:
        """The state before the first chunk."""

    def step(self, state: State) -> tuple[State, Drawn]:
        """The next chunk."""


def first_state(key: Array, **arrays: np.ndarray) -> dict[str, np.ndarray]:
    """The state of a sampler before its first chunk, with what else it needs."""
    return {"key": np.asarray(jax.random.key_data(key)), "chunk": np.asarray(0, np.int64), **arrays}


def next_chunk(state: State, **arrays: np.ndarray) -> dict[str, np.ndarray]:
    """The state after a chunk."""
    return {**state, **arrays, "chunk": np.asarray(state["chunk"] + 1, np.int64)}


def sampler_key(state: State) -> Array:
    """The sampler's key."""
    return jax.random.wrap_key_data(jnp.asarray(state["key"]))


def chunk_key(state: State) -> Array:
    """A key for this chunk alone."""
    return jax.random.fold_in(sampler_key(state), int(state["chunk"]))


def chunk_generator(state: State) -> np.random.Generator:
    """NumPy's generator for this chunk alone."""
    return np.random.default_rng([*np.asarray(state["key"]).ravel().tolist(), int(state["chunk"])])


def checked_labels(labels: np.ndarray, examples: int) -> np.ndarray:
    """Labels of the training examples as booleans; UserError for anything but n zeros and ones."""
    y = np.asarray(labels)
    if y.shape != (examples,) or not examples or not np.isin(y, (0, 1)).all():
        raise UserError(
            f"labels of shape {y.shape} with the values {np.unique(y)[:5].tolist()} for {examples} examples",
            "one label 0 or 1 for each training example",
        )
    return y.astype(bool)


def run_numbers(state: State, chunk: int) -> Int[np.ndarray, "n"]:
    """The numbers of the runs of this chunk; UserError from 2³² on, where keys would repeat."""
    first = int(state["chunk"]) * chunk
    if first + chunk > 2**32:
        raise UserError(f"run {first + chunk:,} of one key", "at most 4,294,967,296", "Take another key.")
    return first + np.arange(chunk)


def streams_of(numbers: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """The stream of each run or chain."""
    return numbers % STREAMS
