"""What counts as kept is on the disk: content is flushed before it has its name, and the name is flushed next."""

import os

import pytest
from toy_study import Toy, ToyPlan

from ticketlab.store.folder import RunFolder
from ticketlab.store.whole import write_whole
from ticketlab.tasks.sources import Boolean

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders are flushed by the system")
PLAN = ToyPlan(task=Boolean(bits=3), seeds=2)


@pytest.fixture
def events(monkeypatch):
    """What is flushed ("flush") and what gets its name ("name"), in order, by the number of the file."""
    found, fsync, replace = [], os.fsync, os.replace

    def flush(handle):
        found.append(("flush", os.fstat(handle).st_ino))
        fsync(handle)

    def rename(source, target):
        found.append(("name", os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", rename)
    return found


def test_a_file(tmp_path, events):
    write_whole(tmp_path / "a", b"content")
    number, folder = (tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino
    assert events == [("flush", number), ("name", number), ("flush", folder)]


def test_everything_that_a_run_keeps(tmp_path, events):
    RunFolder.of(Toy(), PLAN, tmp_path / "run").run(PLAN)
    cells = list((tmp_path / "run" / "cells").iterdir())
    files = [tmp_path / "run" / f"{name}.json" for name in ("evidence", "verdict", "data", "environment")]
    kept = [*cells, *files, tmp_path / "run" / "plan.toml", tmp_path / "run" / "evidence"]
    assert len(cells) == 4
    for place in kept:
        named = len(events) - 1 - events[::-1].index(("name", place.stat().st_ino))
        for file in [place, *(place.iterdir() if place.is_dir() else ())]:
            assert ("flush", file.stat().st_ino) in events[:named], file
        assert events[named + 1] == ("flush", place.parent.stat().st_ino)
