"""The same plan gives the same bits: run twice, killed midway, in one chunk or in many, by file or by options."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ticketlab.claims.tangent_minimum.claim import TangentMinimum
from ticketlab.cli import main
from ticketlab.engine.run import run_study
from ticketlab.evidence.tables import Column, Evidence, Table
from ticketlab.figures.html import prose
from ticketlab.plans import read_plan, toml
from ticketlab.store.folder import RunFolder
from ticketlab.training import groups, loop

STUDIES = {"tangent-minimum": "ticketlab.claims.tangent_minimum.claim:TangentMinimum"}
OPTIONS = [
    *("--task", "bundled:name=wine,train=60,validation=40,test=70", "--network", "mlp:128", "--seeds", "2"),
    *("--ridges", "0.01", "0.1", "--step-sizes", "0.5", "1", "--epochs", "2"),
    *("--doublings", "0", "--extensions", "0"),
]


def test_run_twice(plan, evidence):
    again = run_study(TangentMinimum(), plan)
    assert again.digest() == evidence.digest()
    assert again.verdicts == evidence.verdicts


def test_a_run_folder_gives_back_the_bits(plan, evidence, tmp_path):
    folder = RunFolder.of(TangentMinimum(), plan, tmp_path / "run")
    assert folder.run(plan).digest() == evidence.digest()
    assert folder.evidence().digest() == evidence.digest()


@pytest.mark.parametrize("loss", ["square", "cross-entropy"])
def test_replicas_in_one_chunk_or_in_many(plan, cells, compared, monkeypatch, loss):
    """Four replicas in four groups: as many at a time as there are workers, or one, as the memory allows."""
    layouts, needed = [], []

    def watched(program, lanes, params, replicas, resources, layout=loop.layout):
        needed.append(groups._bytes_per_replica(program, lanes, params)[1])
        layouts.append(layout(program, lanes, params, replicas, resources))
        return layouts[-1]

    monkeypatch.setattr(loop, "layout", watched)
    monkeypatch.setattr(groups, "default_workers", lambda platform: 4)
    digests = {Evidence(cells[f"{loss}-seed0"]).digest()}
    for much in (True, False):  # the second holds one group and a half
        monkeypatch.setattr(
            groups, "available_bytes", lambda device, m=much: 10**12 if m else needed[0] * 3 // 2
        )
        digests.add(compared(plan, loss).digest())
    assert [(of.width, of.workers) for of in layouts] == [(1, 4), (1, 1)]
    assert len(digests) == 1


def test_the_plan_file_and_the_options_ask_the_same(plan, evidence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "tangent-minimum", *OPTIONS]) == 0
    (tmp_path / "plan.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert read_plan(tmp_path / "plan.toml", STUDIES) == ("tangent-minimum", plan)

    results = []
    for words in (["plan.toml"], ["tangent-minimum", *OPTIONS]):  # the second finds the first one's cells
        assert main(["run", *words, "--json"]) == 0
        out, said = capsys.readouterr()
        results.append(json.loads(out))
    assert "4 of 4 cells will be reused" in said
    assert results[0]["folder"] == results[1]["folder"]
    assert results[0]["plan"] == results[1]["plan"]
    assert {r["digest"] for r in results} == {evidence.digest()}
    page = (tmp_path / results[0]["report"]).read_text(encoding="utf-8")
    assert prose(evidence.verdicts[0].reading) in page


def test_a_changed_plan_takes_only_the_cells_that_stay_valid(plan, tmp_path, monkeypatch):
    ran = []
    tables = TangentMinimum.run

    def run(self, plan, cell, *more):
        ran.append(cell.name)
        return tables(self, plan, cell, *more)

    monkeypatch.setattr(TangentMinimum, "run", run)
    one = dataclasses.replace(plan, losses=("square",), seeds=1)
    for changed, fresh in (
        (one, ["square-seed0"]),
        (dataclasses.replace(one, seeds=2, margin=0.5), ["square-seed1"]),
        (dataclasses.replace(one, epochs=1), ["square-seed0"]),
    ):
        ran.clear()
        RunFolder.of(TangentMinimum(), changed, tmp_path).run(changed)
        assert ran == fresh


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_killed_midway_and_started_again(plan, tmp_path):
    (tmp_path / "plan.toml").write_text(toml("tangent-minimum", plan), encoding="utf-8")
    command = [sys.executable, "-m", "ticketlab", "run", "plan.toml", "--json", "--out", "run"]
    with (
        open(tmp_path / "said", "w") as said,
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=said) as process,
    ):
        deadline = time.monotonic() + 400
        while not _finished_cells(tmp_path) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, (tmp_path / "said").read_text()
    kept = _finished_cells(tmp_path)
    assert 0 < len({p.parent for p in kept}) < 4

    def finish(*folder):
        return subprocess.run(
            [*command[:-1], *folder], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
        )

    done = finish("run")
    assert "of 4 cells will be reused from an earlier run" in done.stderr
    assert kept.items() <= _finished_cells(tmp_path).items()
    # Both in processes of their own: how many threads share a sum decides its last bits, and this process has its own counts.
    assert json.loads(done.stdout)["digest"] == json.loads(finish("uninterrupted").stdout)["digest"]


def _finished_cells(folder):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.glob("run/cells/[!.]*/*")}


def test_a_nan_is_a_nan_whatever_its_bits():
    """0/0 has another sign bit than the NaN that a file gives back."""
    one, two = (Table("t", (Column("c", np.array([1.0, np.copysign(np.nan, sign)])),)) for sign in (1, -1))
    assert one["c"].tobytes() != two["c"].tobytes()
    assert one.digest() == two.digest()
