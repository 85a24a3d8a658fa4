"""What only a process of its own can show: killing it, its imports and threads, its terminal, streams and signals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from toy_study import Toy

from ticketlab.cli import main
from ticketlab.engine.controls import shown

TOYS = Path(__file__).parents[1] / "toys"
TOY = [
    sys.executable,
    str(TOYS / "toy_cli.py"),
    "run",
    "toy",
    "--task",
    "boolean:3",
    "--seeds",
    "2",
    "--json",
]
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX streams and signals")
HEAVY = "jax numpy scipy sklearn plotly duckdb optax cattrs tyro rich"


@pytest.fixture(autouse=True)
def signals_as_from_a_terminal():
    """Tests that run in the background, or under nohup, inherit signals that are ignored, and hand them on."""
    ignored = [
        s
        for name in ("SIGINT", "SIGHUP")
        if (s := getattr(signal, name, None)) and signal.getsignal(s) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def environment(**more):
    path = os.pathsep.join([str(TOYS), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, **more}


def run(folder, **more):
    done = subprocess.run(
        TOY,
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout), done.stderr


def begin_and_wait(folder, cell):
    """A run that is asleep in a cell."""
    flag = folder / "asleep"
    process = subprocess.Popen(
        TOY,
        cwd=folder,
        env=environment(TOY_TROUBLE=f"sleep:{cell}", TOY_ASLEEP=str(flag)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    deadline = time.monotonic() + 60
    while not flag.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert flag.exists(), process.stderr.read()
    return process


def content(folder):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.glob("runs/*/cells/*/*")}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run from beginning to end, whose messages go into a file."""
    return run(tmp_path_factory.mktemp("whole"), CI="true")


def test_a_killed_run_goes_on_where_it_was_and_gives_the_same_evidence(tmp_path, uninterrupted):
    killed = tmp_path / "killed"
    killed.mkdir()
    process = begin_and_wait(killed, "minus-seed0")
    with process:
        second = subprocess.run(
            TOY, cwd=killed, env=environment(), capture_output=True, encoding="utf-8", timeout=120
        )
        assert second.returncode == 2
        assert f"in which process {process.pid} is running" in second.stderr
        process.kill()
    kept = content(killed)
    assert sorted({p.parent.name.rsplit("-", 1)[0] for p in kept}) == ["plus-seed0", "plus-seed1"]
    (next(killed.glob("runs/*")) / "cells" / ".partial-minus-seed0-0123").mkdir()

    resumed, said = run(killed)
    assert "2 of 4 cells will be reused from an earlier run" in said
    assert kept.items() <= content(killed).items()
    assert not list(killed.glob("runs/*/cells/.partial*"))
    whole, _ = uninterrupted
    assert resumed["digest"] == whole["digest"]
    assert resumed["verdicts"] == whole["verdicts"]


def test_a_log_file_gets_no_control_characters(uninterrupted):
    _, said = uninterrupted
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", said)
    assert "[0:0" in said


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_a_terminal_gets_a_live_line(tmp_path):
    import pty

    ours, theirs = pty.openpty()
    terminal = environment(TERM="xterm-256color", COLUMNS="100")
    terminal.pop("CI", None)
    with subprocess.Popen(TOY[:-1], cwd=tmp_path, env=terminal, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # Linux ends a pseudo-terminal with an error
            pass
    os.close(ours)
    text = shown.decode()
    assert process.returncode == 0
    assert "\x1b[" in text
    assert "━" in text
    assert "plus: holds." in text


@pytest.mark.parametrize(
    ("commands", "heavy"),
    [
        (["--help", "--version"], HEAVY),
        (["run toy --help", "plan toy", "claims", "run toy --sedes"], "jax sklearn plotly duckdb optax"),
    ],
    ids=["overview", "options"],
)
def test_what_computes_nothing_imports_nothing_heavy(commands, heavy):
    code = (
        "import sys; from ticketlab.cli import main\n"
        f"for words in {commands}:\n"
        "    main(words.split(), {'toy': 'toy_study:Toy'})\n"
        f"    print(words, *sorted(set('{heavy}'.split()) & set(sys.modules)), sep=';', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment(), check=True
    )
    said = done.stderr.splitlines()
    assert [line for line in said if line.split(";")[0] in commands] == commands


def test_threads_are_set_before_numpy_is_imported(tmp_path):
    code = (
        "import os, sys; from ticketlab.cli import main; assert 'numpy' not in sys.modules; main(['--version']); "
        "print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    )
    bare = {
        k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS") and not k.endswith("_THREADS")
    }
    for more, expected in (({}, None), ({"OMP_NUM_THREADS": "3"}, "3")):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**bare, **more}, check=True
        )
        found = done.stdout.split()[1:]
        assert len(set(found)) == 1
        assert found[0] == expected or (expected is None and int(found[0]) >= 1)


def test_a_terminal_without_unicode_gets_question_marks(tmp_path):
    done = subprocess.run(
        [sys.executable, str(TOYS / "toy_cli.py"), "data", "list"],
        capture_output=True,
        env=environment(PYTHONIOENCODING="ascii"),
        check=True,
    )
    assert b"?" in done.stdout
    assert b"Traceback" not in done.stderr


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "ticketlab", "rum"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Did you mean 'run'?" in done.stderr


@posix
def test_a_closed_pipe_ends_quietly(tmp_path):
    with subprocess.Popen(
        TOY[:-1], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        run.stdout.close()
        said = run.stderr.read()
    assert (run.returncode, said) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [TOY[2:-1], ["plan", "toy"], ["--help"]])
def test_a_full_device_is_said(tmp_path, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*TOY[:2], *words],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert "standard output cannot be written (no space left on device)" in done.stderr
    assert "Traceback" not in done.stderr


@posix
def test_closed_streams_do_not_end_in_files(tmp_path):
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *TOY[:-1]], cwd=tmp_path, env=environment()
    )
    assert done.returncode == 0
    assert list(tmp_path.glob("runs/*/report.html"))


@posix
@pytest.mark.parametrize("sent", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_is_an_interruption(tmp_path, sent):
    process = begin_and_wait(tmp_path, "plus-seed1")
    with process:
        process.send_signal(getattr(signal, sent))
        said = process.stderr.read()
    assert process.returncode == 130
    assert "1 finished cell kept. Continue from there: ticketlab run runs" in said
    assert said.endswith("ticketlab: interrupted\n")
    assert "Traceback" not in said


def helpers(process):
    """The processes in which its cells run."""
    return [c for c in psutil.Process(process.pid).children() if "spawn_main" in " ".join(c.cmdline())]


@posix
@pytest.mark.parametrize("sent", [pytest.param("SIGINT", marks=pytest.mark.slow), "SIGKILL"])
def test_processes_of_cells_end_with_the_one_that_writes(tmp_path, sent):
    (tmp_path / "wait-minus-seed1").touch()
    with subprocess.Popen(
        [*TOY, "--jobs", "2"],
        cwd=tmp_path,
        env=environment(TOY_FLAGS=str(tmp_path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("runs/*/cells/[!.]*"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(1.0)  # it reads the third cell back, in which an interruption becomes DuckDB's
        theirs = helpers(process)
        assert len(theirs) == 2
        if sent == "SIGINT":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all of them
        else:
            process.kill()
        said = process.stderr.read()
    _, alive = psutil.wait_procs(theirs, timeout=10)
    assert alive == []
    if sent == "SIGINT":
        assert process.returncode == 130
        assert "3 finished cells kept. Continue from there: ticketlab run runs" in said
        assert "--jobs 2" in said
        assert said.endswith("ticketlab: interrupted\n")
        assert "Traceback" not in said
    (tmp_path / "wait-minus-seed1").unlink()
    resumed, said = run(tmp_path)
    assert "3 of 4 cells will be reused" in said  # one process of one thread gives what several do
    assert resumed["outcome"] == "holds"


@posix
def test_an_interruption_that_others_make_another_exception_is_one(monkeypatch, capsys, tmp_path):
    def run(self, plan, cell, progress, devices):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("callback failed") from None

    monkeypatch.setattr(Toy, "run", run)
    monkeypatch.chdir(tmp_path)
    assert main(TOY[2:], {"toy": "toy_study:Toy"}) == 130
    assert capsys.readouterr().err.endswith("ticketlab: interrupted\n")


def test_a_fault_is_one_line_and_a_file(monkeypatch, capsys, tmp_path):
    def run(self, plan, cell, progress, devices):
        raise KeyError("of\nours")

    monkeypatch.setattr(Toy, "run", run)
    monkeypatch.chdir(tmp_path)
    assert main(TOY[2:], {"toy": "toy_study:Toy"}) == 1
    (line,) = [s for s in capsys.readouterr().err.splitlines() if s.startswith("ticketlab: ")]
    assert "this is a fault in Ticketlab" in line
    file = Path(re.search(r"The details are in (\S+);", line)[1])
    assert "KeyError" in file.read_text()
    assert "ticketlab run toy" in file.read_text()
    file.unlink()


def test_names_send_nothing_to_a_terminal(capsys):
    assert main(["r\x1b]0;gone\x07\x1b[31mred\x9b2J"], {"toy": "toy_study:Toy"}) == 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", capsys.readouterr().err)
    assert shown("a\x1b]0;title\x07b\x1b[2Jc\x1b]8;;http://x\x1b\\d\re\x7f\n") == "abcd?e?\n"
    assert shown("λ → é\t✓\n") == "λ → é\t✓\n"
