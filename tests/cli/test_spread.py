"""A run spread over devices and processes gives what one device gives; bad numbers of either are refused."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import jax
import numpy as np
import pytest

from ticketlab.claims import CLAIMS
from ticketlab.cli import main
from ticketlab.evidence.tables import Evidence
from ticketlab.store import RunFolder

# fmt: off
PLAN = ["run", "tangent-minimum", "--task", "boolean:train=60,validation=28,test=40", "--network", "mlp:6", "--losses", "square",
        "--ridges", "0.01", "--step-sizes", "1", "--epochs", "1", "--doublings", "0",
        "--extensions", "0"]
# fmt: on


@pytest.fixture
def ended() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "ticketlab", *PLAN, *words],
        cwd=folder,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def two(folder: Path, ended: ExitStack, *words: str, other: tuple[str, ...] = ()) -> list[tuple[int, str]]:
    """Exit code and output of two processes of two devices each, which see nothing of each other's folders."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = ["--coordinator", f"127.0.0.1:{port}", "--processes", "2", "--devices", "2", "--out", "two"]
    processes = [
        start(folder / str(i), *words, *together, "--process", str(i), *(other if i else ()))
        for i in range(2)
    ]
    for process in processes:
        ended.callback(process.kill)
    said = [process.communicate(timeout=300)[0] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def kept(folder: Path) -> Evidence:
    return RunFolder.open(folder, CLAIMS).evidence()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("alone") / "one"
    assert main([*PLAN, "--seeds", "1", "--out", str(folder)], CLAIMS) == 0
    return kept(folder)


def assert_same(found: Evidence, expected: Evidence) -> None:
    """The order of sums differs, and nothing else."""
    assert found.tables.keys() == expected.tables.keys()
    for name, table in expected.tables.items():
        if table.measured:
            continue
        assert len(found.tables[name]) == len(table)
        for column in (c.name for c in table.columns):
            mine, theirs = found.tables[name][column], table[column]
            if theirs.dtype.kind != "f":
                np.testing.assert_array_equal(mine, theirs, err_msg=f"{name}.{column}")
            elif column in ("test_score", "validation_score", "train_loss", "relative_motion"):
                np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6, err_msg=f"{name}.{column}")


@pytest.mark.slow
def test_four_devices(alone: Evidence, tmp_path: Path, ended: ExitStack) -> None:
    process = start(tmp_path, "--seeds", "1", "--devices", "4", "--out", "four")
    ended.callback(process.kill)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "plan.toml --out four --devices 4" in " ".join(said.split())
    assert_same(kept(tmp_path / "four"), alone)
    spread = RunFolder.open(tmp_path / "four", CLAIMS).environment()["device"]["spread"]
    assert spread == {"devices": 4, "processes": 1}


def test_two_processes(alone: Evidence, tmp_path: Path, ended: ExitStack) -> None:
    (first, said), (second, whispered) = two(tmp_path, ended, "--seeds", "1")
    assert (first, second) == (0, 0), said + whispered
    assert_same(kept(tmp_path / "0" / "two"), alone)
    assert (tmp_path / "0" / "two" / "report.html").exists()
    assert list((tmp_path / "1").iterdir()) == []  # only the first writes,
    assert "took" not in whispered  # and speaks


@pytest.mark.slow
def test_two_processes_go_on_with_the_cells_that_the_first_has(tmp_path: Path, ended: ExitStack) -> None:
    for seeds, before in (("1", 0), ("2", 1), ("2", 2)):
        (first, said), (second, whispered) = two(tmp_path, ended, "--seeds", seeds)
        assert (first, second) == (0, 0), said + whispered
        assert (f"{before} of {seeds} cells will be reused" in said) == (before > 0)


@pytest.mark.slow
def test_two_processes_that_were_asked_different_things(tmp_path: Path, ended: ExitStack) -> None:
    for code, said in two(tmp_path, ended, "--seeds", "1", other=("--tolerance", "0.1")):
        assert code == 2
        assert "got processes that differ in their plan; expected the same plan" in said
        assert "Traceback" not in said


@pytest.mark.slow
def test_the_others_end_with_a_process_that_cannot_go_on(tmp_path: Path, ended: ExitStack) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "two").write_text("a file in the way")
    (first, said), (second, whispered) = two(tmp_path, ended, "--seeds", "1")
    assert first == 2
    assert "which is a file" in said
    if second == -signal.SIGABRT:  # JAX was first to notice
        assert "another task died" in whispered
    else:
        assert second == 2
        assert "the end of another of the 2 processes" in whispered
    assert "Traceback" not in said + whispered


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--devices", "0"], "got --devices 0; expected 1 to 256"),
        (["--devices", "-1"], "got --devices -1"),
        (["--devices", "3"], "got 3 devices; expected 1 to"),
        (["--coordinator", "here:1"], "got --coordinator alone; expected all of"),
        (["--processes", "2", "--process", "0"], "got --processes and --process alone"),
        (
            ["--coordinator", "here:1", "--processes", "2", "--process", "2"],
            "got --process 2 of --processes 2",
        ),
        (["--coordinator", "here", "--processes", "2", "--process", "1"], "got 'here' as the coordinator"),
    ],
)
def test_bad_numbers(words: list[str], why: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert len(jax.devices()) < 3  # and from here on as many as there are
    assert main([*PLAN, "--out", str(tmp_path / "run"), *words], CLAIMS) == 2
    said = capsys.readouterr().err
    assert why in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()
