"""Drawing chunk after chunk into one table, such that a kill at any instant loses at most one chunk and counts none twice.

After each chunk the counts, the numbers of the finished chunks and the sampler's state are written together, as one file that
replaces the one before in one step (write elsewhere, flush, rename). So the file on disk is always the state after some whole
number of chunks. Who continues from it gets the same table, to the bit, as a run that was never stopped.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Int

from ticketlab.errors import UserError
from ticketlab.functions.counting import Counts, Tally
from ticketlab.functions.sampler import Sampler, State

__all__ = ["Collected", "Keeping", "KeptFile", "collect"]


@runtime_checkable
class Keeping(Protocol):
    """Where an unfinished collection is kept, as named arrays; a study's draft is one."""

    def read(self) -> Mapping[str, np.ndarray] | None:
        """What was written last; None if there is nothing."""

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps this in place of what was written before, in full or not at all."""


@dataclass(frozen=True)
class KeptFile:
    """A file that appears only in full.

    Arguments:
        path: where; its folder exists.
    """

    path: Path

    def read(self) -> Mapping[str, np.ndarray] | None:
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                return dict(stored)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{self.path}, which is no collection of functions ({error})", "a file that `collect` wrote"
            ) from error

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]
        partial = self.path.with_name(f".{self.path.name}.partial")
        with partial.open("wb") as stream:
            stream.write(content.getbuffer())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, self.path)


@dataclass(frozen=True)
class Collected:
    """What was drawn so far.

    Arguments:
        counts: of functions.
        chunks: the numbers of the finished chunks.
        tried: networks, runs or steps of a chain.
        trace: of chains: distances from the reference, `[draws, chains]`; no rows for independent draws.
        state: of the sampler after the last chunk.
    """

    counts: Counts
    chunks: Int[np.ndarray, "c"]
    tried: int
    trace: Int[np.ndarray, "draws chains"]
    state: State


def collect(
    sampler: Sampler,
    key: Array,
    chunks: int,
    *,
    keeping: Keeping | None = None,
    every: float = 0.0,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Collected:
    """Draws until the given number of chunks is finished.

    Arguments:
        sampler: of the functions.
        key: of all draws.
        chunks: in all, with those that were kept.
        keeping: where to continue from and to keep what is done; None: nowhere.
        every: seconds between writes; 0: after every chunk. The last chunk is always written.
        progress: called with the fraction done.

    Raises:
        UserError: if what was kept belongs to another key or to a sampler with other settings or data. Networks without a
            description of their layers are told apart by their names and shapes alone.

    Cost: that of the chunks; memory for the distinct functions.
    """
    kept = keeping.read() if keeping is not None else None
    done = _start(sampler, key) if kept is None else _continued(kept, sampler, key)
    tally, traces, state = Tally.of(done.counts), [done.trace], done.state
    finished, tried, written = done.chunks.tolist(), done.tried, time.monotonic()
    while len(finished) < chunks:
        number = int(state["chunk"])
        state, drawn = sampler.step(state)
        tally.add(drawn.functions, drawn.streams)
        traces += [] if drawn.trace is None else [drawn.trace.astype(np.int32)]
        finished, tried = [*finished, number], tried + drawn.tried
        due = len(finished) == chunks or time.monotonic() - written >= every
        if keeping is not None and due:
            now = _collected(tally, finished, tried, traces, state)
            keeping.write({**_arrays(now), "sampler": np.frombuffer(_fingerprint(sampler), np.uint8)})
            written = time.monotonic()
        progress(len(finished) / chunks)
    return _collected(tally, finished, tried, traces, state)


def _collected(
    tally: Tally, finished: list[int], tried: int, traces: list[np.ndarray], state: State
) -> Collected:
    some = [trace for trace in traces if len(trace)] or traces[:1]
    return Collected(tally.counts(), np.array(finished, np.int64), tried, np.concatenate(some), state)


def _start(sampler: Sampler, key: Array) -> Collected:
    counts = Tally(sampler.examples).counts()
    return Collected(counts, np.zeros(0, np.int64), 0, np.zeros((0, 0), np.int32), sampler.init(key))


def _continued(kept: Mapping[str, np.ndarray], sampler: Sampler, key: Array) -> Collected:
    done = _from_arrays(kept)
    if not np.array_equal(done.state["key"], jax.random.key_data(key)):
        raise UserError("a collection that was begun with another key", "the same key", "Use another file.")
    if kept["sampler"].tobytes() != _fingerprint(sampler):
        raise UserError(
            "a collection that was begun with other data or other settings",
            "the same sampler",
            "Use another file.",
        )
    return done


def _fingerprint(sampler: Any) -> bytes:
    """A hash of the sampler's settings and data."""
    digest = hashlib.sha256(type(sampler).__name__.encode())
    for field in fields(sampler) if is_dataclass(sampler) else ():
        value = getattr(sampler, field.name)
        if isinstance(value, jax.Array) and not jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            value = np.asarray(value)  # in words the middle of a long array is left out
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.digest()


def _arrays(done: Collected) -> dict[str, np.ndarray]:
    return {
        "functions": done.counts.functions,
        "counts": done.counts.by_stream,
        "examples": np.asarray(done.counts.examples),
        "chunks": done.chunks,
        "tried": np.asarray(done.tried),
        "trace": done.trace,
        **{f"state-{name}": np.asarray(array) for name, array in done.state.items()},
    }


def _from_arrays(kept: Mapping[str, np.ndarray]) -> Collected:
    return Collected(
        Counts(kept["functions"], kept["counts"], int(kept["examples"])),
        kept["chunks"],
        int(kept["tried"]),
        kept["trace"],
        {name.removeprefix("state-"): array for name, array in kept.items() if name.startswith("state-")},
    )
