import json
import os
import shutil

import pytest
from toy_study import Toy, ToyPlan

from ticketlab.errors import UserError
from ticketlab.store.cells import CellFolders, cell_records

PLAN = ToyPlan(seeds=1)
CELL = Toy().cells(PLAN)[0]
DEPENDS = {
    "claim": "toy",
    "plan": {"offset": None, "widest": float("inf")},
    "code": "c",
    "data": {},
    "libraries": {},
    "device": {},
}


@pytest.fixture
def tables():
    return Toy().run(PLAN, CELL)


@pytest.fixture
def notes():
    return []


def keeper(tmp_path, notes, **changes):
    return CellFolders(tmp_path / "cells", {**DEPENDS, **changes}, notes.append)


def test_a_cell_is_loaded_as_save_gave_it(tmp_path, notes, tables):
    saved = keeper(tmp_path, notes).save(CELL, tables, 1.23456)
    loaded = keeper(tmp_path, notes).load(CELL)
    assert {n: t.digest() for n, t in loaded.items()} == {n: t.digest() for n, t in saved.items()}
    assert loaded["draws"].columns[3].unit == "V"
    assert loaded["draws"].columns[3].meaning == "the number drawn"
    assert loaded["times"].measured
    assert not loaded["draws"].measured
    assert notes == []


def test_a_cell_that_another_process_has_kept_by_now_is_taken_from_there(tmp_path, notes, tables):
    one, other = keeper(tmp_path, notes), keeper(tmp_path, notes)
    assert one.load(CELL) is other.load(CELL) is None
    first = one.save(CELL, tables, 1.0)
    second = other.save(CELL, Toy().run(PLAN, CELL), 2.0)
    assert {n: t.digest() for n, t in second.items()} == {n: t.digest() for n, t in first.items()}
    (record,) = cell_records(tmp_path / "cells")
    assert record["seconds"] == 1.0


def test_the_record_says_what_the_cell_depends_on(tmp_path, notes, tables):
    keeper(tmp_path, notes).save(CELL, tables, 1.23456)
    (record,) = cell_records(tmp_path / "cells")
    assert record["seconds"] == 1.235
    assert record["title"] == "plus, seed 0"
    settings = {"sign": "plus", "seed": 0}
    assert record["depends"]["cell"] == {"name": "plus-seed0", "settings": settings, "seeds": []}
    assert record["depends"]["claim"] == "toy"
    assert record["finished"].endswith("+00:00")
    assert record["identity"].startswith(keeper(tmp_path, notes).place(CELL).name.split("-")[-1])


@pytest.mark.parametrize("changed", ["plan", "code", "data", "libraries", "device"])
def test_a_cell_of_another_plan_code_or_data_is_not_used_and_that_is_said(tmp_path, notes, tables, changed):
    keeper(tmp_path, notes).save(CELL, tables, 1.0)
    assert keeper(tmp_path, notes, **{changed: {"other": 1}}).load(CELL) is None
    assert notes == [f"plus, seed 0 is run again: a result is kept, but its {changed} differs."]
    assert keeper(tmp_path, notes).load(CELL) is not None


@pytest.mark.parametrize("file", ["cell.json", "draws.parquet"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_cell_is_run_again_with_a_note(tmp_path, notes, tables, file, damage):
    place = keeper(tmp_path, notes).place(CELL)
    keeper(tmp_path, notes).save(CELL, tables, 1.0)
    content = bytearray((place / file).read_bytes())
    match damage:
        case "truncate":
            (place / file).write_bytes(content[: len(content) // 2])
        case "flip":
            content[len(content) // 2] ^= 1
            (place / file).write_bytes(content)
        case "remove":
            (place / file).unlink()
    assert keeper(tmp_path, notes).load(CELL) is None
    assert len(notes) == 1
    assert "its kept result is damaged" in notes[0]
    assert file in notes[0]
    keeper(tmp_path, notes).save(CELL, tables, 1.0)
    assert keeper(tmp_path, notes).load(CELL) is not None


def test_a_cell_moved_to_another_name_is_not_believed(tmp_path, notes, tables):
    first = keeper(tmp_path, notes)
    first.save(CELL, tables, 1.0)
    second = keeper(tmp_path, notes, code="d")
    shutil.move(first.place(CELL), second.place(CELL))
    assert second.load(CELL) is None
    assert "another cell" in notes[0]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path, notes, tables):
    folder = tmp_path / "cells"
    (folder / ".partial-plus-seed0-0123").mkdir(parents=True)
    (folder / ".partial-plus-seed0-0123" / "draws.parquet").write_bytes(b"half")
    kept = keeper(tmp_path, notes)
    assert list(folder.iterdir()) == []
    assert kept.load(CELL) is None


def test_nothing_is_there_until_all_is_there(tmp_path, notes, tables, monkeypatch):
    kept = keeper(tmp_path, notes)

    def die(source, target):
        if not str(target).endswith(".json"):
            raise KeyboardInterrupt
        return replace(source, target)

    replace = os.replace
    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        kept.save(CELL, tables, 1.0)
    assert kept.load(CELL) is None
    assert cell_records(tmp_path / "cells") == []


def test_a_full_disk_loses_nothing_that_is_finished(tmp_path, notes, tables, monkeypatch):
    kept = keeper(tmp_path, notes)
    kept.save(CELL, tables, 1.0)
    other = Toy().cells(PLAN)[1]

    def full(source, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(UserError, match="Free some space"):
            kept.save(other, tables, 1.0)
    assert keeper(tmp_path, notes).load(CELL) is not None
    assert keeper(tmp_path, notes).load(other) is None


def test_files_are_plain_json_and_parquet(tmp_path, notes, tables):
    keeper(tmp_path, notes).save(CELL, tables, 1.0)
    place = keeper(tmp_path, notes).place(CELL)
    assert sorted(p.name for p in place.iterdir()) == ["cell.json", "draws.parquet", "times.parquet"]
    assert json.loads((place / "cell.json").read_text())["tables"]["draws"]["rows"] == 20
    assert (place / "draws.parquet").read_bytes()[:4] == b"PAR1"
