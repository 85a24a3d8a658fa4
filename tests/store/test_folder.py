import dataclasses
import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from toy_study import Toy, ToyPlan

from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Evidence
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.plans import read_plan
from ticketlab.store import folder as store_folder
from ticketlab.store.folder import RunFolder, default_place
from ticketlab.tasks.sources import Boolean, Digits, Mnist, Npz

STUDIES = {"toy": "toy_study:Toy", "other": "toy_study:Toy"}
PLAN = ToyPlan(task=Boolean(bits=3), seeds=2)


def finish(path, plan=PLAN, study=None):
    study = study or Toy()
    folder = RunFolder.of(study, plan, path)
    return folder, folder.run(plan)


def test_a_finished_run_can_be_opened_and_says_the_same(tmp_path):
    folder, evidence = finish(tmp_path / "run")
    opened = RunFolder.open(tmp_path / "run", STUDIES)
    assert opened.claim == "toy"
    assert opened.plan_text == folder.plan_text
    assert opened.plan_table()["task"]["choice"] == "boolean"
    assert opened.evidence().digest() == evidence.digest()
    assert opened.evidence().verdicts == evidence.verdicts
    assert json.loads((tmp_path / "run" / "evidence.json").read_text())["digest"] == evidence.digest()
    assert [c["title"] for c in opened.cells()] == [
        "plus, seed 0",
        "plus, seed 1",
        "minus, seed 0",
        "minus, seed 1",
    ]
    assert read_plan(tmp_path / "run" / "plan.toml", STUDIES) == ("toy", PLAN)


def test_kept_evidence_is_that_of_a_run_without_a_folder(tmp_path):
    _, evidence = finish(tmp_path / "run")
    plain = run_study(Toy(), PLAN)
    assert evidence.verdicts == plain.verdicts
    for name, table in plain.tables.items():
        if not table.measured:
            for c in table.columns:
                np.testing.assert_array_equal(evidence.tables[name][c.name], c.values)


def test_a_second_run_touches_no_cell_and_concludes_the_same(tmp_path):
    _, first = finish(tmp_path / "run")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "cells").rglob("*")}
    _, second = finish(tmp_path / "run")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "cells").rglob("*")} == times
    assert second.digest() == first.digest()


def test_more_seeds_use_the_cells_there_are(tmp_path):
    finish(tmp_path / "run")
    before = set((tmp_path / "run" / "cells").iterdir())
    folder, _ = finish(tmp_path / "run", dataclasses.replace(PLAN, seeds=3))
    assert before < set((tmp_path / "run" / "cells").iterdir())
    assert len(folder.cells()) == 6


def test_another_plan_in_the_folder_leaves_no_old_conclusions(tmp_path):
    finish(tmp_path / "run")
    (tmp_path / "run" / "report.html").write_text("page")
    changed = dataclasses.replace(PLAN, offset=1.0)
    folder = RunFolder.of(Toy(), changed, tmp_path / "run")
    with folder.work(changed) as keeper:
        assert all(keeper.load(cell) is None for cell in Toy().cells(changed))
    assert not folder.report_path.exists()
    with pytest.raises(UserError, match=r"not finished \(4 cells are kept\)"):
        RunFolder.open(tmp_path / "run", STUDIES).evidence()


def test_other_data_in_the_folder_leave_no_old_conclusions(tmp_path):
    """An interrupted run would otherwise show the old verdicts next to the new data."""
    arrays = {"x": np.arange(36.0).reshape(12, 3), "y": np.arange(12) % 2}
    np.savez(tmp_path / "data.npz", **arrays)
    plan = dataclasses.replace(PLAN, task=Npz(path=str(tmp_path / "data.npz")))
    folder, _ = finish(tmp_path / "run", plan)
    with folder.work(plan):
        assert folder.finished()
    np.savez(tmp_path / "data.npz", **{**arrays, "x": arrays["x"] + 1})
    with folder.work(plan):
        pass
    with pytest.raises(UserError, match=r"not finished \(4 cells are kept\)"):
        RunFolder.open(tmp_path / "run", STUDIES).evidence()


def test_what_is_not_a_run_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for name, said in (("file", "which is a file"), ("full", "which holds other files")):
        with pytest.raises(UserError, match=said):
            finish(tmp_path / name)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"
    assert len(list((tmp_path / "full").iterdir())) == 1
    for name in ("none", "full", "file"):
        with pytest.raises(UserError, match=r"holds no plan\.toml"):
            RunFolder.open(tmp_path / name, STUDIES)


def test_a_run_of_another_claim_is_left_alone(tmp_path):
    finish(tmp_path / "run")
    plan = tmp_path / "run" / "plan.toml"
    plan.write_text(plan.read_text().replace('claim = "toy"', 'claim = "other"'))
    with pytest.raises(UserError, match="a run of other; expected a run of toy"):
        finish(tmp_path / "run")


def test_a_damaged_conclusion_is_said_and_mended(tmp_path):
    _, evidence = finish(tmp_path / "run")
    (tmp_path / "run" / "evidence" / "draws.parquet").write_bytes(b"PAR1")
    folder = RunFolder.open(tmp_path / "run", STUDIES)
    with pytest.raises(UserError, match="Repair it from the kept cells: ticketlab run"):
        folder.evidence()
    finish(tmp_path / "run")
    assert folder.evidence().digest() == evidence.digest()
    (tmp_path / "run" / "verdict.json").write_text("{")
    with pytest.raises(UserError, match=r"verdict\.json is not a whole record"):
        folder.evidence()


def test_what_processes_of_one_thread_began_is_finished_by_them(tmp_path, monkeypatch):
    """With other threads no kept cell would be used again."""
    finish(tmp_path / "run")
    (tmp_path / "run" / "evidence.json").unlink()
    folder = RunFolder.open(tmp_path / "run", STUDIES)
    with pytest.raises(UserError, match=r"Finish it: ticketlab run \S+ --out \S+$"):
        folder.evidence()
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with pytest.raises(UserError, match=r"Finish it: ticketlab run .* --jobs \d+$"):
        folder.evidence()
    (tmp_path / "run" / "environment.json").write_text("{")
    with pytest.raises(UserError, match=r"Finish it: ticketlab run \S+ --out \S+$"):
        folder.evidence()


def test_verdicts_come_back_as_they_were(tmp_path):
    verdicts = (
        Verdict("", Outcome.UNDECIDED, "rule", None, None, "points", "Nobody knows."),
        Verdict("q", Outcome.FAILS, "rule", -0.1, (-math.inf, 0.1 + 0.2), "points", "λ", headline=False),
    )
    folder = RunFolder.of(Toy(), PLAN, tmp_path / "run")
    with folder.work(PLAN) as keeper:
        folder.keep(Evidence({}, verdicts), keeper, PLAN)
    assert folder.evidence().verdicts == verdicts


def test_the_environment_names_no_person_and_no_machine(tmp_path):
    import getpass
    import socket

    folder, _ = finish(tmp_path / "run")
    text = (tmp_path / "run" / "environment.json").read_text()
    assert folder.environment()["libraries"].keys() >= {"jax", "numpy"}
    assert folder.environment()["device"]["platform"]
    for private in (str(Path.home()) + os.sep, str(tmp_path), getpass.getuser() + "@"):
        assert private not in text
    assert socket.gethostname() not in re.findall(r"[\w.-]+", text)  # a short one may be part of a word


def test_flags_with_paths_are_not_recorded(monkeypatch):
    from ticketlab.store.identity import device

    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/home/me/dump --xla_cpu_enable_fast_math=false")
    assert device()["xla_flags"] == "--xla_cpu_enable_fast_math=false"


def test_the_usual_place_names_claim_task_and_plan():
    pattern = r"^toy-{}-[0-9a-f]{{8}}$"
    for task, name in (
        (Digits(), "digits"),
        (Npz(path="/data/my birds.npz"), "my-birds"),
        (Boolean(), "boolean"),
        (Mnist(folder="data/mnist"), "mnist"),
    ):
        place = default_place("toy", ToyPlan(task=task))
        assert place.parent == Path("runs")
        assert re.match(pattern.format(name), place.name)
    assert default_place("toy", ToyPlan()) == default_place("toy", ToyPlan(seeds=3, margin=0.5))
    assert default_place("toy", ToyPlan()) == default_place("toy", ToyPlan(seeds=4))  # to be extended
    assert default_place("toy", ToyPlan()) != default_place("toy", ToyPlan(margin=0.4))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere"
)
def test_a_read_only_folder_is_explained(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="no permission to write"):
        finish(tmp_path / "run")


def test_no_permission_is_explained(tmp_path, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match="Give another folder with --out"):
        finish(tmp_path / "run")


@pytest.mark.parametrize("error", [UserError("a density that no level has", "another"), KeyboardInterrupt()])
def test_a_run_that_was_refused_leaves_nothing(tmp_path, monkeypatch, error):
    def refuse(self, plan, cell, *more):
        if cell.name == refused:
            raise error
        return run(self, plan, cell, *more)

    run = Toy.run
    monkeypatch.setattr(Toy, "run", refuse)
    place, mine = tmp_path / "runs" / "one", tmp_path / "mine"
    mine.mkdir()
    refused = "plus-seed0"
    for path in (place, mine):
        with pytest.raises(type(error)):
            finish(path)
    assert not (tmp_path / "runs").exists()
    assert mine.exists()  # it was there before
    refused = "plus-seed1"
    with pytest.raises(type(error)):
        finish(place)
    assert [file.name.rsplit("-", 1)[0] for file in (place / "cells").iterdir()] == ["plus-seed0"]


class Killed(BaseException):
    pass


def test_a_run_that_is_killed_at_its_start_is_continued(tmp_path, monkeypatch):
    """After any of its first files, in a folder that was there before, so that nothing is removed."""
    kept = {name: getattr(store_folder, name) for name in ("write_text", "write_record")}
    _, undisturbed = finish(tmp_path / "undisturbed")
    for after in range(3):
        path, written = tmp_path / f"after-{after}", []
        path.mkdir()

        def dying(name, after=after, written=written):
            def write(*args):
                kept[name](*args)
                written.append(args[0].name)
                if len(written) > after:
                    raise Killed

            return write

        with monkeypatch.context() as patch:
            for name in kept:
                patch.setattr(store_folder, name, dying(name))
            with pytest.raises(Killed):
                finish(path)
        assert [p.name for p in path.iterdir() if not p.name.startswith(".")] != []
        assert finish(path)[1].digest() == undisturbed.digest()
