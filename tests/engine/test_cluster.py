"""Cells on a Dask cluster of this host: the evidence of one process, whatever happens to workers, scheduler and client."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from toy_keeper import Keeping, Said
from toy_study import Leaving, Toy, ToyPlan

from ticketlab.cli import main
from ticketlab.engine.places import Address, Local, Slurm
from ticketlab.engine.run import run_study
from ticketlab.engine.runner import Runner
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.store import RunFolder
from ticketlab.store.identity import dependencies
from ticketlab.tasks.sources import Boolean

distributed = pytest.importorskip(
    "distributed", reason="Dask is not installed: pip install 'ticketlab[cluster]'"
)
pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="processes are killed by signals"),
    pytest.mark.filterwarnings("default"),  # those of Dask and Tornado are not ours
]

from toy_cluster import ToyCluster, allow_failures, depends  # noqa: E402 (it needs Dask)

from ticketlab.engine.cluster import Cluster  # noqa: E402
from ticketlab.engine.clusters import job_script  # noqa: E402

TOYS = Path(__file__).parents[1] / "toys"
PLAN = ToyPlan(task=Boolean(bits=3))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two workers, for all tests here."""
    import dask

    cluster = ToyCluster(tmp_path_factory.mktemp("cluster"), workers=2)
    with dask.config.set(cluster.settings()):
        yield cluster
    cluster.end()


@pytest.fixture
def flags(cluster):
    for file in [*cluster.folder.glob("*-*"), *cluster.folder.glob("begun")]:
        file.unlink()
    return cluster.folder


@pytest.fixture
def workers(cluster, flags):
    """A runner on the two workers, when both are there."""
    with Cluster(Address(cluster.address), depends, patience=60) as runner:
        runner._client.wait_for_workers(2, timeout=60)
        yield runner


def begun(flags):
    file = flags / "begun"
    return Counter(file.read_text().split() if file.exists() else ())


def run(runner, study=None, plan=PLAN, keeper=None, observer=None):
    study = study or Toy()
    runner.device(study, plan, lambda text: None)
    return run_study(study, plan, keeper, observer, runner=runner)


def eventually(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_killed_workers_and_a_scheduler_that_is_started_again_change_no_bit(cluster, workers, flags):
    assert isinstance(workers, Runner)
    for number in range(3):
        (flags / f"kill-plus-seed1-{number}").touch()
    (flags / "wait-minus-seed2").touch()

    def restart():
        eventually(lambda: begun(flags)["minus-seed2"])
        cluster.scheduler.kill()
        (flags / "wait-minus-seed2").unlink()

    thread = threading.Thread(target=restart)
    thread.start()
    keeper, said = Keeping(), Said()
    found = run(workers, keeper=keeper, observer=said)
    thread.join()
    alone = run_study(Toy(), PLAN)
    assert found.digest() == alone.digest()
    assert found.verdicts == alone.verdicts
    assert not list(flags.glob("kill-*"))
    assert begun(flags)["plus-seed1"] >= 4  # and once more if the scheduler died before it was kept
    assert sorted(keeper.saved) == sorted(c.name for c in Toy().cells(PLAN))
    assert ("minus-seed2", "waiting for the scheduler to come back") in said.said


def test_tickets_and_progress_come_back(workers):
    keeper, said = Keeping(), Said()
    plan = replace(PLAN, seeds=1)
    found = run(workers, Leaving(), plan, keeper, said)
    assert found.digest() == run_study(Leaving(), plan).digest()
    ticket = keeper.drafts["minus-seed0"].tickets["ticket"]
    assert ticket.about == {"of": "minus-seed0", "stage": "1"}
    np.testing.assert_array_equal(ticket.start["dense"]["weight"], [[0.0]])
    assert {name for name, _ in said.said} == {"plus-seed0", "minus-seed0"}


def test_a_cell_that_kills_its_worker_is_given_up_after_the_others(workers, flags):
    (flags / "kill-plus-seed0-0").touch()
    workers._client.run_on_scheduler(allow_failures, 0)
    keeper = Keeping()
    with pytest.raises(NumericalFailure, match="plus, seed 0: killed 1 worker, probably for lack of memory"):
        run(workers, keeper=keeper)
    workers._client.run_on_scheduler(allow_failures, 3)
    assert sorted(keeper.saved) == sorted(c.name for c in Toy().cells(PLAN) if c.name != "plus-seed0")


def test_an_error_comes_back_as_itself(workers, flags):
    (flags / "fail-plus-seed0").touch()
    keeper = Keeping()
    with pytest.raises(UserError, match="got a toy mistake; expected none.") as raised:
        run(workers, keeper=keeper)
    assert raised.value.got == "a toy mistake"
    assert begun(flags)["plus-seed0"] == 1
    assert "plus-seed0" not in keeper.saved


def test_workers_that_differ_are_refused(workers, flags):
    (flags / "odd-1").touch()
    with pytest.raises(UserError, match="workers that differ .*tls://127.0.0.1:.* in its libraries"):
        workers.device(Toy(), PLAN, lambda text: None)


def test_a_worker_that_differs_later_is_not_used(workers, flags):
    plan = replace(PLAN, margin=0.4)  # which no worker has compared yet
    workers.device(Toy(), plan, lambda text: None)
    (flags / "odd-0").touch()
    said = Said()
    assert run_study(Toy(), plan, observer=said, runner=workers).digest() == run_study(Toy(), plan).digest()
    assert list(workers._refused.values()) == ["libraries"]
    assert any("differs in its libraries" in what for _, what in said.said)
    (flags / "odd-1").touch()
    workers._patience = 0.5
    with pytest.raises(UserError, match="workers that differ"):
        run_study(Toy(), replace(plan, margin=0.3), runner=workers)


def test_a_killed_client_goes_on_with_what_is_kept(cluster, flags, tmp_path, monkeypatch, capsys):
    for name, value in cluster.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOYS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.chdir(tmp_path)
    words = ["run", "toy", "--task", "boolean:3", "--out", "run", "--cluster", cluster.address, "--json"]
    (flags / "wait-minus-seed1").touch()
    client = subprocess.Popen(
        [sys.executable, str(TOYS / "toy_cli.py"), *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    with client:
        eventually(lambda: client.poll() is not None or len(list(Path("run/cells").glob("[!.]*-*"))) == 5)
        assert client.poll() is None, client.stderr.read()
        assert main(words, {"toy": "toy_study:Toy"}) == 2  # the folder has one writer
        assert f"in which process {client.pid} is running" in capsys.readouterr().err
        client.kill()
    (flags / "wait-minus-seed1").unlink()
    again = RunFolder.of(Toy(), PLAN, Path("run"))
    with Cluster(Address(cluster.address), dependencies) as runner:
        found = again.run(PLAN, runner=runner)
    assert begun(flags) == {c.name: 2 if c.name == "minus-seed1" else 1 for c in Toy().cells(PLAN)}
    assert found.digest() == run_study(Toy(), PLAN).digest()
    device = again.environment()["device"]
    assert device == dependencies(Toy(), PLAN)["device"]
    assert device["threads"]["NPROC"] == "1"


def listening(process):
    return {
        connection.laddr.ip
        for one in [process, *process.children(recursive=True)]
        for connection in one.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_cluster_of_this_host_has_tls_and_listens_to_this_host_alone(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOYS), os.environ.get("PYTHONPATH", "")]))
    before = psutil.Process().children(recursive=True)
    with Cluster(Local(1), depends) as runner:
        assert run(runner).digest() == run_study(Toy(), PLAN).digest()
        assert runner._address.startswith("tls://127.0.0.1:")
        assert all(worker.startswith("tls://127.0.0.1:") for worker in runner._workers)
        assert listening(psutil.Process()) == {"127.0.0.1"}
        with pytest.raises(OSError):  # noqa: PT011 (a handshake that fails in several ways)
            distributed.Client(runner._address, security=distributed.Security.temporary(), timeout=2)
    eventually(
        lambda: (
            [c for c in psutil.Process().children(True) if c not in before and "spawn_main" in c.cmdline()]
            == []
        )
    )


@pytest.fixture
def as_from_a_terminal():
    """A process in the background, or under nohup, ignores Ctrl-C, and hands that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("as_from_a_terminal")
def test_ctrl_c_ends_the_workers_of_this_host_in_silence(flags, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOYS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TOY_FLAGS", str(flags))
    (flags / "wait-plus-seed1").touch()
    words = ["run", "toy", "--task", "boolean:3", "--seeds", "2", "--out", "run", "--cluster", "local:1"]
    with subprocess.Popen(
        [sys.executable, str(TOYS / "toy_cli.py"), *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    ) as client:
        eventually(lambda: client.poll() is not None or begun(flags)["plus-seed1"])
        theirs = psutil.Process(client.pid).children(recursive=True)
        os.killpg(client.pid, signal.SIGINT)  # as a terminal does it: to all of them
        said, _ = client.communicate(timeout=60)
    assert client.returncode == 130, said
    assert "1 finished cell kept. Continue from there" in said
    assert "--cluster local:1" in said
    assert "Traceback" not in said
    assert psutil.wait_procs(theirs, timeout=10)[1] == []


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """A Slurm that runs a job at once on this host."""
    tools = tmp_path / "tools"
    tools.mkdir()
    at_once = [
        f'cat "$1" > {tmp_path}/job',
        f"bash {tmp_path}/job > {tmp_path}/log 2>&1 &",  # the script itself is removed when sbatch returns
        f"echo $! > {tmp_path}/pid",
        "echo Submitted batch job 7",
    ]
    scripts = {"sbatch": "\n".join(at_once), "scancel": "exit 0"}
    for name, text in scripts.items():
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tools), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOYS), os.environ.get("PYTHONPATH", "")]))
    yield tmp_path
    with contextlib.suppress(OSError, psutil.NoSuchProcess):
        job = psutil.Process(int((tmp_path / "pid").read_text()))
        for one in [*job.children(recursive=True), job]:
            one.kill()


def test_jobs_of_slurm_are_workers(sbatch):
    place = Slurm(jobs=1, interface="lo", shared=str(sbatch), queue="short", memory="1GB")
    with Cluster(place, depends, patience=60) as runner:
        (keys,) = sbatch.glob(".ticketlab-keys-*")
        assert stat.S_IMODE(keys.stat().st_mode) == 0o700
        assert run(runner).digest() == run_study(Toy(), PLAN).digest()
        job = psutil.Process(int((sbatch / "pid").read_text()))
        assert listening(job) == {"127.0.0.1"}
    assert not keys.exists()
    script = (sbatch / "job").read_text()
    assert "#SBATCH -p short" in script
    assert "export NPROC=1" in script


def test_jobs_that_never_begin_are_explained(sbatch):
    (sbatch / "tools" / "sbatch").write_text("#!/bin/bash\necho Submitted batch job 7\n")
    place = Slurm(jobs=1, interface="lo", shared=str(sbatch))
    with (
        Cluster(place, depends, patience=0.5) as runner,
        pytest.raises(UserError, match="without a worker for .* `squeue` shows why"),
    ):
        runner.device(Toy(), PLAN, lambda text: None)


@pytest.mark.parametrize("command", ["run toy", "lab", "sweep toy --over seeds=1,2"])
def test_a_jobs_script_is_printed_and_nothing_is_started(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [*command.split(), "--cluster", "slurm:queue=gpu,account=me,gpus=1,walltime=1-12,dry_run=true"]
    assert main(words, {"toy": "toy_study:Toy"}) == 0
    assert list(tmp_path.iterdir()) == []
    script = capsys.readouterr().out
    assert script == job_script(Slurm(queue="gpu", account="me", gpus=1, walltime="1-12"))
    for line in ("#SBATCH -p gpu", "#SBATCH -A me", "#SBATCH -t 1-12", "#SBATCH --gres=gpu:1"):
        assert line in script.splitlines()
    assert "--protocol tls://" in script


def test_a_dry_run_starts_no_cluster():
    with pytest.raises(UserError, match="got slurm:dry_run=true"), Cluster(Slurm(dry_run=True), depends):
        pass


def test_keys_are_asked_for(tmp_path):
    import dask

    with (
        dask.config.set({"distributed.comm.tls.ca-file": None}),
        pytest.raises(UserError, match="without DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
        Cluster(Address("tls://127.0.0.1:1"), depends),
    ):
        pass


def test_nobody_answers(cluster):
    nowhere = Cluster(Address("tls://127.0.0.1:1"), depends, patience=0.5)
    with pytest.raises(UserError, match="no scheduler that answers"), nowhere:
        pass


def test_without_dask_the_extra_is_named(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'ticketlab\[cluster\]'"), Cluster(Local(1), depends):
        pass


def test_a_schedulers_file_names_it(tmp_path):
    from ticketlab.engine.places import parse_place

    (tmp_path / "scheduler.json").write_text(json.dumps({"address": "tls://10.0.0.1:8786"}))
    assert parse_place(str(tmp_path / "scheduler.json")) == Address("tls://10.0.0.1:8786")
