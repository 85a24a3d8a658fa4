"""A collection that is killed, at any instant, and continued is to the bit the one that was never killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import UserError
from ticketlab.functions import Drawn, KeptFile, collect, packed
from ticketlab.functions import collecting as module
from ticketlab.functions.sampler import chunk_generator, first_state, next_chunk, run_numbers

KEY = jax.random.key(3)


@dataclass(frozen=True)
class Walk:
    """Chains of random labels: each step flips some labels of where they were."""

    examples: int = 5
    chains: int = 4

    def init(self, key):
        return first_state(key, labels=np.zeros((self.chains, self.examples), bool))

    def step(self, state):
        labels = state["labels"] ^ (
            chunk_generator(state).random((3, self.chains, self.examples)) < 0.3
        ).cumsum(0).astype(bool)
        trace = labels.sum(axis=2)
        functions = packed(labels.reshape(-1, self.examples))
        drawn = Drawn(functions, np.tile(np.arange(self.chains), 3), 12, trace)
        return next_chunk(state, labels=labels[-1]), drawn


class Killed(BaseException):
    """The process dies here."""


def same(one, other):
    assert (one.counts.functions == other.counts.functions).all()
    assert (one.counts.by_stream == other.counts.by_stream).all()
    assert (one.chunks == other.chunks).all()
    assert (one.trace == other.trace).all()
    assert one.tried == other.tried
    assert one.state["chunk"] == other.state["chunk"]


INSTANTS = [(module.np, "savez"), (module.os, "fsync"), (module.os, "replace"), (Walk, "step")]
WHOLE = collect(Walk(), KEY, 9)


@given(kills=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3), st.booleans()), max_size=6))
def test_nothing_is_lost_or_counted_twice(tmp_path_factory, kills):
    keeping = KeptFile(tmp_path_factory.mktemp("collection") / "functions.npz")
    for at, instant, after in kills:
        owner, name = INSTANTS[instant]
        real, calls = getattr(owner, name), iter(range(1, 100))

        def dying(*args, real=real, calls=calls, at=at, after=after, **kwargs):
            due = next(calls) == at
            if due and not after:
                raise Killed
            result = real(*args, **kwargs)
            if due:
                raise Killed
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, dying)
            with contextlib.suppress(Killed):
                collect(Walk(), KEY, 9, keeping=keeping)
        kept = keeping.read()
        if kept is not None:  # a whole number of chunks, each once
            assert kept["chunks"].tolist() == list(range(len(kept["chunks"])))
            assert kept["counts"].sum() == 12 * len(kept["chunks"])
    same(collect(Walk(), KEY, 9, keeping=keeping), WHOLE)


def test_more_chunks_continue_a_finished_collection(tmp_path):
    keeping = KeptFile(tmp_path / "functions.npz")
    collect(Walk(), KEY, 4, keeping=keeping)
    same(collect(Walk(), KEY, 9, keeping=keeping), WHOLE)


def test_writes_may_be_rare(tmp_path):
    keeping = KeptFile(tmp_path / "functions.npz")
    done = []
    collect(
        Walk(), KEY, 9, keeping=keeping, every=1e9, progress=lambda f: done.append(keeping.read() is None)
    )
    assert done == 8 * [True] + [False]


def test_another_law_is_not_continued(tmp_path):
    keeping = KeptFile(tmp_path / "functions.npz")
    collect(Walk(), KEY, 1, keeping=keeping)
    with pytest.raises(UserError, match="another key"):
        collect(Walk(), jax.random.key(4), 2, keeping=keeping)
    with pytest.raises(UserError, match="same sampler"):
        collect(Walk(examples=6), KEY, 2, keeping=keeping)
    for nothing in (b"nothing", b""):
        (tmp_path / "functions.npz").write_bytes(nothing)
        with pytest.raises(UserError, match="no collection"):
            collect(Walk(), KEY, 2, keeping=keeping)


@dataclass(frozen=True)
class Given(Walk):
    """The same of some data."""

    x: object = None


def test_other_data_in_the_middle_of_a_long_array_are_other_data(tmp_path):
    """The words for an array of JAX leave its middle out."""
    keeping = KeptFile(tmp_path / "functions.npz")
    x = np.zeros(2000, np.float32)
    collect(Given(x=jax.device_put(x)), KEY, 1, keeping=keeping)
    collect(Given(x=x), KEY, 1, keeping=keeping)
    x[1000] = 1
    with pytest.raises(UserError, match="same sampler"):
        collect(Given(x=jax.device_put(x)), KEY, 2, keeping=keeping)


def test_no_key_is_used_twice():
    """Keys are made of 32 bits of a run's number, so run 2³² would be run 0."""
    chunk = 2**20
    assert run_numbers({"chunk": np.asarray(2**12 - 1)}, chunk)[-1] == 2**32 - 1
    with pytest.raises(UserError, match="at most 4,294,967,296"):
        run_numbers({"chunk": np.asarray(2**12)}, chunk)


@pytest.mark.slow
def test_a_killed_process_continues(tmp_path):
    """SIGKILL at random times, until a process gets to the end."""
    file = tmp_path / "functions.npz"
    code = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); from test_collecting import *; import time\n"
        "real = Walk.step\n"
        "def slow(self, state):\n    time.sleep(0.05); return real(self, state)\n"
        "Walk.step = slow\n"
        f"collect(Walk(), KEY, 60, keeping=KeptFile(__import__('pathlib').Path({str(file)!r})))"
    )
    rng, kills = np.random.default_rng(0), 0
    while True:
        before = _written(file)
        process = subprocess.Popen([sys.executable, "-c", code])
        while _written(file) == before and process.poll() is None:  # it starts slowly on a busy machine
            time.sleep(0.05)
        try:
            process.wait(timeout=2 * rng.random())
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    assert process.returncode == 0
    assert kills >= 1
    same(collect(Walk(), KEY, 60, keeping=KeptFile(file)), collect(Walk(), KEY, 60))


def _written(file):
    return file.stat().st_mtime_ns if file.exists() else 0
