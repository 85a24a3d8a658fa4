"""Four devices and two processes give what one device gives, product by product and solution by solution."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import device_program
import jax
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tangent import Devices

PROGRAM = Path(device_program.__file__)


@cache
def alone(part: str) -> dict[str, np.ndarray]:
    """On JAX's single device, as in all other tests."""
    return {"part": device_program.a_part, "everything": device_program.everything}[part](None)


def tolerance(name: str) -> float:
    """The order of sums differs, nothing else; solutions differ by no more than their certificates allow (gap 10⁻¹², rooted)."""
    return 1e-5 if "solution" in name or "float32" in name else 1e-12


def assert_same(found: Path, part: str) -> None:
    with np.load(found) as arrays:
        assert set(arrays) == set(alone(part))
        for name, expected in alone(part).items():
            scale = np.abs(expected).max()
            np.testing.assert_allclose(arrays[name], expected, atol=tolerance(name) * scale, err_msg=name)


def start(devices: int, *arguments: str) -> subprocess.Popen[str]:
    """The program in a separate process with this number of devices."""
    flags = os.environ.get("XLA_FLAGS", "")
    environment = os.environ | {
        "XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
    }
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def ended() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def wait(process: subprocess.Popen[str], ended: ExitStack) -> None:
    ended.callback(process.kill)
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 0, said


PARTS = ["part", "everything"]


@pytest.mark.slow  # `cli/test_spread` has a run on two processes
@pytest.mark.parametrize("part", PARTS)
def test_four_devices_are_one(part: str, tmp_path: Path, ended: ExitStack) -> None:
    wait(start(4, str(tmp_path / "four.npz"), part, "4"), ended)
    assert_same(tmp_path / "four.npz", part)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_two_processes_are_one(part: str, tmp_path: Path, ended: ExitStack) -> None:
    """With two devices each, so that sums cross the borders of devices and of processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    outs = [tmp_path / f"{i}.npz" for i in range(2)]
    processes = [start(2, str(out), part, "4", coordinator, "2", str(i)) for i, out in enumerate(outs)]
    for process in processes:
        ended.callback(process.kill)
    for process in processes:
        wait(process, ended)
    for out in outs:
        assert_same(out, part)


def test_devices_that_are_not_there() -> None:
    with pytest.raises(UserError, match="xla_force_host_platform_device_count"):
        Devices.found(len(jax.devices()) + 1)
    with pytest.raises(UserError, match="0 devices"):
        Devices.found(0)
