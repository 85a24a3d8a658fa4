"""Evidence is what was written, whatever the folder is called, and the same bits as from a folder with a plain name."""

import numpy as np
import pytest
from toy_study import Toy, ToyPlan

from ticketlab.engine.run import run_study
from ticketlab.evidence.tables import Column, Table
from ticketlab.store.folder import RunFolder
from ticketlab.store.tables import read_table, write_table
from ticketlab.tasks.sources import Boolean

PLAN = ToyPlan(task=Boolean(bits=3), seeds=2)
NAMES = (
    "seed=7",
    "sign=plus",
    "value=9",
    "x[1]",
    "[!a]",
    "**",
    "*",
    "?",
    "{a,b}",
    " sp ace ",
    "it's",
    'quo"te',
    "new\nline",
    "back\\slash",
    "~",
    "$x;%41",
    "-dash",
)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A folder in which runs of every name lie next to each other, each with numbers of its own."""
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize("name", NAMES)
def test_every_table_comes_back_next_to_folders_that_the_name_as_a_pattern_would_match(crowded, name):
    own = float(NAMES.index(name))
    for folder, value in ((crowded / "x1", -1.0), (crowded / "a", -2.0), (crowded / name, own)):
        folder.mkdir(exist_ok=True)
        table = Table("t", (Column("seed", np.arange(3)), Column("value", np.full(3, value))))
        record = write_table(table, folder)
    assert read_table("t", record, crowded / name).digest() == table.digest()


@pytest.mark.parametrize("name", NAMES)
def test_a_run_gives_the_same_evidence_in_any_folder(tmp_path, monkeypatch, name):
    expected = run_study(Toy(), PLAN)
    place = tmp_path / name / name
    for _ in ("run", "resumed"):
        assert RunFolder.of(Toy(), PLAN, place).run(PLAN).digest() == expected.digest()
    opened = RunFolder.open(place, {"toy": "toy_study:Toy"}).evidence()
    assert opened.digest() == expected.digest()
    assert opened.verdicts == expected.verdicts
    monkeypatch.chdir(tmp_path / name)  # and as a relative path, as it is typed
    assert RunFolder.of(Toy(), PLAN, type(place)(name)).run(PLAN).digest() == expected.digest()
