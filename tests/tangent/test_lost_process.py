"""One of two processes is killed during a solve: the other soon reports it, and both resume from the checkpoint."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import lost_program
import numpy as np
import pytest

from ticketlab.tangent import checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")]

SOON = 45  # seconds in which the end of a process is known: that of a connection at once, that of a host by heartbeats after 30


def start(folder: Path, loss: str, stack: ExitStack) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    program = [sys.executable, str(lost_program.__file__), str(folder), loss, coordinator, "2"]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    processes = [
        subprocess.Popen(
            [*program, str(i)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    for process in processes:
        stack.callback(end, process)
    return processes


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    with process:  # closes its pipe
        pass


def iterations(folder: Path, process: int) -> list[float]:
    """The relative gaps or residuals that were seen."""
    log = folder / f"log-{process}"
    return [float(line.rsplit(" ", 1)[1]) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.parametrize(("loss", "lines"), [("square", 25), ("cross-entropy", 5)])
@pytest.mark.parametrize("killed", [1, 0])
def test_killed_and_started_again(
    loss: str, lines: int, killed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    lost_program.solve(alone, loss, 0, None, pause=0.0)
    whole, together = iterations(alone, 0), tmp_path / "together"
    together.mkdir()
    with ExitStack() as stack:
        processes = start(together, loss, stack)
        deadline = time.monotonic() + 200
        while len(iterations(together, killed)) < lines and time.monotonic() < deadline:
            assert all(p.poll() is None for p in processes), [p.communicate()[0] for p in processes]
            time.sleep(0.02)
        processes[killed].send_signal(signal.SIGKILL)
        began = time.monotonic()
        said, _ = processes[1 - killed].communicate(timeout=SOON)
        print(f"known after {time.monotonic() - began:.1f} s, exit code {processes[1 - killed].returncode}")
        assert processes[1 - killed].returncode != 0
        if killed == 1:
            assert "the end of another of the 2 processes" in said
        else:  # JAX, which cannot be without its coordinator, may be faster than we
            assert "the end of another of the 2 processes" in said or "another task died" in said
    assert (together / "checkpoint.npz").exists()
    before = iterations(together, 0)
    assert before[-1] > 1e-10  # in the middle
    (together / "log-0").unlink()

    with ExitStack() as stack:
        for process in start(together, loss, stack):
            said, _ = process.communicate(timeout=300)
            assert process.returncode == 0, said
    resumed = iterations(together, 0)
    assert resumed[0] < 0.1 * whole[0]  # not from the beginning
    # … but from what the killed ones had reached
    assert min(abs(resumed[0] / gap - 1) for gap in before) < 0.01
    if loss == "square":  # Newton steps from there may be damped more often than those of the whole solve
        assert len(resumed) < len(whole)
    with np.load(alone / "solution-0.npz") as expected:
        for i in range(2):
            with np.load(together / f"solution-{i}.npz") as found:
                assert np.linalg.norm(found["step"] - expected["step"]) < 1e-5 * np.linalg.norm(
                    expected["step"]
                )
