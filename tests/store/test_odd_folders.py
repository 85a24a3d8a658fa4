"""Evidence is what was written, whatever the folder is called, and the same bits as from a folder with a plain name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from toy_study import Toy, ToyPlan

from ticketlab import report
from ticketlab.claims import CLAIMS
from ticketlab.engine.run import run_study
from ticketlab.evidence.tables import Column, Table
from ticketlab.plans import find_study, read_plan
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


ODD = Path("seed=7") / "x[1]" / "**" / "{a,b}" / 'it\'s "one"\ntwo' / " sp ace "
WINE = 'task = "bundled:name=wine,train=60,validation=40,test=70"\n'
SMALL = "seeds = 2\nsteps = 20\nbatch = 16\n"
SMALLEST = {  # a plan of few seconds for each claim; claims that are not here run their quick preset
    "tangent-minimum": 'network = "mlp:16"\nseeds = 2\nridges = [1e-2, 1e-1]\nstep_sizes = [1.0, 2.5]\nepochs = 2\n',
    "newton-step": 'network = "mlp:32"\nseeds = 2\ngradient_steps = [0.3, 1.0]\nridges = [1e-2, 1.0]\ntimes = 4\n'
    "steps = 300\nconverged = 0.5\n",
    "linear-regime": 'network = "mlp:64"\nseeds = 2\nshares = [0.125, 1.0]\ndepths = [1]\nlosses = ["square"]\n'
    "steps = 20\nkernel_examples = 12\ntolerance = 1e-4\n",
    "winning-ticket": f'network = "mlp:12x8"\n{SMALL}levels = 2\ndensity = 0.65\nevaluate_every = 10\n',
    "many-optima": f'network = "mlp:12x8"\n{SMALL}points = 3\nrestarts = 0\n',
    "linear-mode": f'network = "mlp:12x8"\n{SMALL}rewind_steps = [0, 5]\ncopies = 2\nlevels = 1\npoints = 3\n',
    "masking-is-training": f'network = "mlp:12x8"\n{SMALL}levels = 2\ndensity = 0.65\nevaluate_every = 10\n',
    "untrained-subnetwork": f'network = "mlp:12x8"\n{SMALL}densities = [0.2]\nwidths = []\ndistributions = []\nbits = 0\n',
    "tail-exponent": 'tasks = ["teacher:dimensions=2,train=120,validation=60,test=300"]\nnetworks = ["ReLU"]\nseeds = 2\n'
    "widths = [1, 2, 4, 8, 60]\ntickets = 5000\nstep_sizes = [0.03, 0.1, 0.3]\nsteps = 40\n",
    "multi-prize": f'network = "mlp:12x8"\n{SMALL}',
}


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claims_evidence_is_the_same_wherever_its_folder_lies(tmp_path, claim):
    """Read in a folder whose names could mean something, and then in one with a plain name."""
    study = find_study(claim, CLAIMS)
    plan = study.plan_type.presets()["quick"]
    if claim in SMALLEST:
        data = "" if "tasks = " in SMALLEST[claim] else WINE
        (tmp_path / "plan.toml").write_text(f'claim = "{claim}"\n{data}{SMALLEST[claim]}')
        _, plan = read_plan(tmp_path / "plan.toml", CLAIMS)
    folder = RunFolder.of(study, plan, tmp_path / ODD)
    evidence = folder.run(plan)
    assert report.write(folder).exists()
    plain = tmp_path / "plain"
    shutil.move(folder.path, plain)
    opened = RunFolder.open(plain, CLAIMS).evidence()
    assert opened.digest() == evidence.digest()
    assert repr(opened.verdicts) == repr(
        evidence.verdicts
    )  # an effect that is not known is NaN, which equals nothing
    cells = {p: p.stat().st_mtime_ns for p in (plain / "cells").rglob("*")}
    assert RunFolder.of(study, plan, plain).run(plan).digest() == evidence.digest()
    assert {p: p.stat().st_mtime_ns for p in (plain / "cells").rglob("*")} == cells
