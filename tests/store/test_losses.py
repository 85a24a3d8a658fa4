"""What is lost or changed around a run: its plan, its data, its folder, a bit of a draft."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from toy_study import Toy, ToyPlan

from ticketlab.claims.start import drawn_task
from ticketlab.claims.winning_ticket.claim import WinningTicketPlan
from ticketlab.errors import UserError
from ticketlab.report import stored
from ticketlab.store import drafts
from ticketlab.store.cells import CellFolders
from ticketlab.store.data import read_data
from ticketlab.store.folder import RunFolder
from ticketlab.tasks.sources import Boolean, Csv

STUDIES = {"toy": "toy_study:Toy"}
PLAN = ToyPlan(task=Boolean(bits=3), seeds=2)


@pytest.mark.parametrize("content", [None, b"", b"\x00claim", b"seeds = 2\n", b"\xff\xfe"])
@pytest.mark.parametrize("concluded", [True, False])
def test_a_lost_plan_is_restored_from_the_records(tmp_path, content, concluded):
    folder = RunFolder.of(Toy(), PLAN, tmp_path / "run")
    evidence = folder.run(PLAN)
    file = folder.path / "plan.toml"
    whole = file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    if not concluded:
        (folder.path / "evidence.json").unlink()
    cells = {p: p.stat().st_mtime_ns for p in (folder.path / "cells").rglob("*")}
    assert RunFolder.open(folder.path, STUDIES).plan_text == folder.plan_text
    assert file.read_bytes() == whole
    file.unlink()
    assert folder.run(PLAN).digest() == evidence.digest()
    assert {p: p.stat().st_mtime_ns for p in (folder.path / "cells").rglob("*")} == cells


def test_what_was_edited_is_no_damage(tmp_path):
    folder = RunFolder.of(Toy(), PLAN, tmp_path / "run")
    folder.run(PLAN)
    edited = folder.plan_text.replace("seeds = 2", "seeds = 5")
    (folder.path / "plan.toml").write_text(edited)
    assert RunFolder.open(folder.path, STUDIES).plan_text == edited


class Editing(Toy):
    """Somebody writes the data anew within the second cell."""

    def run(self, plan, cell, progress=None, devices=None):
        if cell.settings == {"sign": "plus", "seed": 1}:
            write_csv(plan.task.path, 1)
        return Toy.run(self, plan, cell, progress or (lambda what, fraction: None))


def write_csv(path, seed):
    numbers = np.random.default_rng(seed).normal(size=(60, 2))
    rows = [f"{a:.4f},{b:.4f},{'yes' if a > 0 else 'no'}" for a, b in numbers]
    with open(path, "w") as file:
        file.write("\n".join(["a,b,label", *rows, ""]))


def test_data_that_change_during_a_run_end_it(tmp_path):
    path = tmp_path / "data.csv"
    write_csv(path, 0)
    plan = ToyPlan(task=Csv(path=str(path)), seeds=2)
    folder = RunFolder.of(Editing(), plan, tmp_path / "run")
    with pytest.raises(UserError, match=r"data that changed during the run \(task\)"):
        folder.run(plan)
    assert folder.kept_cells() == 1


def test_data_that_are_written_again_as_they_were_do_not(tmp_path):
    path = tmp_path / "data.csv"
    write_csv(path, 1)
    plan = ToyPlan(task=Csv(path=str(path)), seeds=2)
    folder = RunFolder.of(Editing(), plan, tmp_path / "run")
    folder.run(plan)
    assert folder.kept_cells() == 4


class Borrowing(Toy):
    """Somebody changes the data while a cell reads them, and puts them back with their old times before it ends."""

    def run(self, plan, cell, progress=None, devices=None):
        path = Path(plan.task.path)
        before, times = path.read_bytes(), path.stat()
        write_csv(path, 1)
        try:
            assert len(drawn_task(plan.task, 0).train) == 36
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return Toy.run(self, plan, cell, progress or (lambda what, fraction: None))


def test_data_that_are_changed_only_while_a_cell_reads_them_end_the_run(tmp_path):
    path = tmp_path / "data.csv"
    write_csv(path, 0)
    plan = ToyPlan(task=Csv(path=str(path)), seeds=2)
    folder = RunFolder.of(Borrowing(), plan, tmp_path / "run")
    with pytest.raises(UserError, match=r"data that changed during the run \(data.csv\)"):
        folder.run(plan)
    assert folder.kept_cells() == 0
    assert len(drawn_task(plan.task, 0).train) == 36  # nothing is pinned after the run


def test_a_cell_reads_data_again_whose_time_was_put_back(tmp_path):
    path = tmp_path / "data.csv"
    write_csv(path, 0)
    times = path.stat()
    one = drawn_task(Csv(path=str(path)), 0).content_hash
    write_csv(path, 1)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert drawn_task(Csv(path=str(path)), 0).content_hash != one


def test_notes_on_data_are_said_and_kept_and_shown(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,visits\n" + "1.5,yes\n2.5,no\n" * 12)
    plan = ToyPlan(task=Csv(path=str(path)), seeds=2)
    folder, said = RunFolder.of(Toy(), plan, tmp_path / "run"), []
    folder.run(plan, note=said.append)
    notes = [
        "The last column, 'visits', is taken for the target.",
        "5 of 5 test examples have the same inputs as a training example.",
    ]
    assert said == ["task: The target is 'visits'.", *(f"task: {note}" for note in notes)]
    assert folder.data()["task"]["notes"] == notes
    facts = stored.record(folder).facts
    assert facts["Target"] == "visits"
    assert facts["Notes on the data"] == " ".join(notes)


def test_batches_that_are_larger_than_the_training_data_are_said(tmp_path):
    write_csv(tmp_path / "data.csv", 0)
    plan = WinningTicketPlan(task=Csv(path=str(tmp_path / "data.csv")), batch=60)
    assert "There are 36 training examples: a step takes them all, not 60." in read_data(plan)["task"].notes
    assert read_data(dataclasses.replace(plan, batch=36))["task"].notes == ()


def test_data_that_cannot_be_used_leave_no_folder(tmp_path):
    plan = ToyPlan(task=Csv(path=str(tmp_path / "none.csv")), seeds=2)
    with pytest.raises(UserError, match="no file or folder"):
        RunFolder.of(Toy(), plan, tmp_path / "run").run(plan)
    assert not (tmp_path / "run").exists()


class Removing(Toy):
    place = None

    def run(self, plan, cell, progress=None, devices=None):
        shutil.rmtree(self.place, ignore_errors=True)
        return Toy.run(self, plan, cell, progress or (lambda what, fraction: None))


def test_a_folder_that_is_removed_is_said(tmp_path):
    study = Removing()
    study.place = tmp_path / "run"
    with pytest.raises(UserError, match="a folder that stays in place during the run"):
        RunFolder.of(study, PLAN, study.place).run(PLAN)


def test_any_flipped_bit_of_a_draft_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(drafts, "EVERY", 0.0)
    said = []
    cell = Toy().cells(PLAN)[0]
    keeper = CellFolders(tmp_path / "cells", {"claim": "toy"}, said.append)
    keeper.draft(cell).write({"weights": np.arange(4.0)})
    (file,) = (tmp_path / "cells").glob("*.draft")
    whole = file.read_bytes()
    for i in range(len(whole)):
        file.write_bytes(whole[:i] + bytes([whole[i] ^ 0x40]) + whole[i + 1 :])
        assert keeper.draft(cell).read() is None
        assert not file.exists()
    assert len(said) == len(whole)
    file.write_bytes(whole)
    np.testing.assert_array_equal(keeper.draft(cell).read()["weights"], np.arange(4.0))


@pytest.mark.parametrize("damaged", ["looks.json", "looks-copy.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"looks": {}, "sha256": "0"}'])
def test_damaged_looks_are_restored_from_their_copy(tmp_path, damaged, content):
    folder = RunFolder.of(Toy(), PLAN, tmp_path / "run")
    folder.run(PLAN)
    more = dataclasses.replace(PLAN, seeds=4)
    RunFolder.of(Toy(), more, folder.path).run(more)
    looks = folder.looks().so_far()
    assert [look.seeds for look in looks] == [2, 4]
    file = folder.path / damaged
    whole = file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert folder.looks().so_far() == looks
    RunFolder.of(Toy(), more, folder.path).run(more)
    assert file.read_bytes() == whole


def test_looks_that_are_lost_twice_are_not_made_up(tmp_path):
    folder = RunFolder.of(Toy(), PLAN, tmp_path / "run")
    folder.run(PLAN)
    for name in ("looks.json", "looks-copy.json"):
        (folder.path / name).write_bytes(b"{}")
    with pytest.raises(UserError, match="the level of another look is unknown"):
        folder.run(PLAN)
