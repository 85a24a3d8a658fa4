"""Drafts: whole or not there, of their own cell only, gone when the cell is finished."""

import json

import numpy as np
import pytest
from toy_study import Toy, ToyPlan

from ticketlab.claims.study import Draft
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.store import drafts, read_ticket
from ticketlab.store.cells import CellFolders
from ticketlab.store.folder import RunFolder
from ticketlab.tickets import Ticket

PLAN = ToyPlan(seeds=1)
CELL, OTHER = Toy().cells(PLAN)
ARRAYS = {
    "a b": np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::-1],
    "mask": np.array([True, False]),
    "number": np.array(3),
    "none": np.zeros((0, 4), np.float32),
    "key": np.array([1, 2], np.uint32),
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(drafts, "EVERY", 0.0)


def keeper(tmp_path, **depends):
    return CellFolders(tmp_path / "cells", {"claim": "toy", **depends})


def test_a_draft_is_read_as_it_was_written_last(tmp_path):
    draft = keeper(tmp_path).draft(CELL)
    assert isinstance(draft, Draft)
    assert draft.read() is None
    draft.write({"older": np.ones(3)})
    draft.write(ARRAYS)
    found = keeper(tmp_path).draft(CELL).read()
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)


def test_tickets_stay_where_the_cell_left_them(tmp_path):
    """With what the cell depends on in the file, under a name that no other plan's cell has."""
    left = Ticket({"dense1": {"weight": np.eye(2)}}, {"dense1": np.eye(2, dtype=bool)}, about={"seed": "0"})
    keeper(tmp_path).draft(CELL).leave("seed-0", left)
    keeper(tmp_path, code="other").draft(CELL).leave("seed-0", left)
    keeper(tmp_path).save(CELL, {}, 1.0)
    files = sorted((tmp_path / "tickets").rglob("*"))
    assert [f.name for f in files if f.is_file()] == ["seed-0.safetensors"] * 2
    own = tmp_path / "tickets" / keeper(tmp_path).place(CELL).name / "seed-0.safetensors"
    found = read_ticket(own)
    np.testing.assert_array_equal(found.start["dense1"]["weight"], np.eye(2))
    assert json.loads(found.about["depends"])["claim"] == "toy"
    assert found.about["seed"] == "0"


def test_it_is_not_that_of_another_cell_or_plan(tmp_path):
    keeper(tmp_path).draft(CELL).write(ARRAYS)
    assert keeper(tmp_path).draft(OTHER).read() is None
    assert keeper(tmp_path, code="other").draft(CELL).read() is None


def test_a_damaged_draft_is_none(tmp_path):
    keeper(tmp_path).draft(CELL).write(ARRAYS)
    (file,) = (tmp_path / "cells").glob("*.draft")
    file.write_bytes(file.read_bytes()[:-3])
    assert keeper(tmp_path).draft(CELL).read() is None


def test_a_draft_of_types_that_numpy_has_not_is_none(tmp_path):
    header = b'{"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}'
    (tmp_path / "t").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert drafts.DraftFile(tmp_path / "t", tmp_path, {}).read() is None


def test_a_moment_later_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(drafts, "EVERY", 1000.0)
    draft = keeper(tmp_path).draft(CELL)
    draft.write(ARRAYS)
    assert draft.read() is None


def test_a_finished_cell_needs_no_draft(tmp_path):
    keeper(tmp_path, code="other").draft(CELL).write(ARRAYS)
    keeper(tmp_path).draft(CELL).write(ARRAYS)
    keeper(tmp_path).draft(OTHER).write(ARRAYS)
    keeper(tmp_path).save(CELL, Toy().run(PLAN, CELL), 1.0)
    assert keeper(tmp_path).draft(CELL).read() is None
    assert [f.name.rsplit("-", 1)[0] for f in (tmp_path / "cells").glob("*.draft")] == [OTHER.name]


def test_a_draft_that_cannot_be_written_is_said(tmp_path):
    draft = keeper(tmp_path).draft(CELL)
    (tmp_path / "cells").rmdir()
    with pytest.raises(UserError, match="a failure to write"):
        draft.write(ARRAYS)


class Counting(Toy):
    """Counts to three in its draft, and is interrupted at two the first time."""

    interrupted = True

    def resume(self, plan, cell, draft, progress, devices=None):
        found = draft.read()
        count = 0 if found is None else int(found["count"])
        while count < 3:
            count += 1
            draft.write({"count": np.array(count)})
            if count == 2 and Counting.interrupted:
                Counting.interrupted = False
                raise KeyboardInterrupt
            self.counted = [*getattr(self, "counted", []), count]
        return self.run(plan, cell, progress)


def test_a_study_goes_on_within_its_cell(tmp_path):
    study = Counting()
    folder = RunFolder.of(study, PLAN, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        folder.run(PLAN)
    evidence = folder.run(PLAN)
    assert study.counted == [1, 3, 1, 2, 3]  # the first cell goes on, the second begins
    assert evidence.digest() == run_study(Toy(), PLAN).digest()
    assert not list((tmp_path / "run" / "cells").glob("*.draft"))
