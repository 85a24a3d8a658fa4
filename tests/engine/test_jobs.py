"""Cells in several processes: the same evidence as in one, whatever happens to the processes."""

import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_keeper import Keeping, Said
from toy_study import Leaving, Toy, ToyPlan

from ticketlab.claims.study import Cell
from ticketlab.engine import jobs, parcels
from ticketlab.engine.jobs import Jobs, share_gpus
from ticketlab.engine.run import Silence, run_study
from ticketlab.engine.runner import Runner
from ticketlab.engine.threads import POOLS, thread_counts
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.tasks.pinned import check_pinned, pinned
from ticketlab.tasks.sources import Boolean
from ticketlab.tickets.ticket import Ticket

posix = pytest.mark.skipif(os.name == "nt", reason="killed by a signal")
PLAN = ToyPlan(task=Boolean(bits=3))


@pytest.fixture
def flags(tmp_path, monkeypatch):
    """A folder of files that tell cells what to do."""
    monkeypatch.setenv("TOY_FLAGS", str(tmp_path))
    return tmp_path


@pytest.fixture
def two():
    """Two processes, started when there is a cell; so after a test has set their environment."""
    path = [str(Path(__file__).parents[1] / "toys"), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch, Jobs(2) as runner:
        patch.setenv("PYTHONPATH", os.pathsep.join(path))
        yield runner


def begun(flags):
    return Counter((flags / "begun").read_text().split())


@pytest.fixture(scope="module")
def alone():
    return run_study(Toy(), PLAN)


def test_the_evidence_is_that_of_one_process(two, alone):
    keeper, said = Keeping(), Said()
    assert isinstance(two, Runner)
    for _ in range(2):  # the same processes again
        found = run_study(Toy(), PLAN, keeper, said, runner=two)
        assert found.digest() == alone.digest()
        assert found.verdicts == alone.verdicts
    assert Counter(keeper.saved) == Counter({c.name: 2 for c in Toy().cells(PLAN)})
    assert {("plus-seed0", "drawing"), ("minus-seed2", "drawing")} <= set(said.said)


@posix
def test_a_killed_process_is_replaced_and_its_cell_repeated(two, flags, alone):
    for number in range(jobs.DEATHS):
        (flags / f"kill-plus-seed1-{number}").touch()
    said = Said()
    assert run_study(Toy(), PLAN, observer=said, runner=two).digest() == alone.digest()
    assert begun(flags)["plus-seed1"] == jobs.DEATHS + 1
    assert begun(flags).total() == 6 + jobs.DEATHS
    assert ("plus-seed1", "again, since its process was killed") in said.said


def test_drafts_and_tickets_are_kept_here(two, monkeypatch):
    keeper = Keeping()
    keeper.draft(Cell("plus-seed0")).kept = {"stage": np.array(4)}
    run_study(Leaving(), replace(PLAN, seeds=1), keeper, runner=two)
    tickets = keeper.drafts["plus-seed0"].tickets
    assert tickets["ticket"].about == {"of": "plus-seed0", "stage": "5"}
    np.testing.assert_array_equal(tickets["ticket"].start["dense"]["weight"], [[0.0]])


def test_a_ticket_of_a_user_s_model_comes_with_its_files():
    own = {"trained": {"dense.weight": np.ones((1, 1))}, "trained-pruned": {"dense.weight_orig": np.zeros(1)}}
    before = Ticket({}, {}, about={"of": "x"}, own=own)
    after = parcels.ticket_of(parcels.packed_ticket(before))
    assert after.about == before.about
    assert {kind: list(files) for kind, files in after.own.items()} == {
        kind: list(files) for kind, files in own.items()
    }
    np.testing.assert_array_equal(after.own["trained"]["dense.weight"], own["trained"]["dense.weight"])


def test_cells_are_recorded_with_the_thread_counts_of_the_processes(monkeypatch):
    for name in POOLS:
        monkeypatch.delenv(name, raising=False)
    with Jobs(2):
        assert thread_counts(os.environ) == dict.fromkeys(POOLS, "1")
    assert thread_counts(os.environ) == {}
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # the user's own is that of the processes too
    with Jobs(2):
        assert thread_counts(os.environ) == dict.fromkeys(POOLS, "3")
    assert thread_counts(os.environ) == {"OMP_NUM_THREADS": "3"}


@posix
def test_a_cell_that_kills_every_process_is_given_up_after_the_others(two, flags):
    for number in range(9):
        (flags / f"kill-plus-seed0-{number}").touch()
    keeper = Keeping()
    with pytest.raises(
        NumericalFailure, match="plus, seed 0: killed 4 processes, probably for lack of memory"
    ):
        run_study(Toy(), PLAN, keeper, runner=two)
    assert begun(flags)["plus-seed0"] == 4
    assert sorted(keeper.saved) == sorted(c.name for c in Toy().cells(PLAN) if c.name != "plus-seed0")


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("numerical", NumericalFailure, "the residual is 1e-3"),
        ("user", UserError, "got a toy mistake; expected none."),
        ("interrupt", KeyboardInterrupt, None),
    ],
)
def test_an_error_comes_back_as_itself_when_the_other_cell_is_done(
    two, flags, monkeypatch, kind, error, words
):
    class Patient(Silence):
        """Lets the other cell go on when the first has failed."""

        def progress(self, cell, what, fraction, left):
            if what.startswith("failed"):
                (flags / "wait-plus-seed1").unlink()

    monkeypatch.setenv("TOY_TROUBLE", f"{kind}:plus-seed0")
    (flags / "wait-plus-seed1").touch()
    keeper = Keeping()
    with pytest.raises(error, match=words) as raised:
        run_study(Toy(), PLAN, keeper, Patient(), runner=two)
    assert (kind == "user") == (str(raised.value) == "got a toy mistake; expected none.")
    assert "toy_study.py" in raised.value.__notes__[0]  # where in the other process
    assert begun(flags) == {"plus-seed0": 1, "plus-seed1": 1}
    assert keeper.saved == ["plus-seed1"]


def test_a_run_that_cannot_store_leaves_no_process_at_work(two, flags):
    class Full(Keeping):
        def save(self, cell, tables, seconds):
            raise UserError("a full disk")

    (flags / "wait-plus-seed1").touch()
    with pytest.raises(UserError, match="a full disk"):
        run_study(Toy(), PLAN, Full(), runner=two)
    assert [helper for helper in two._helpers if helper.cell] == []
    (flags / "wait-plus-seed1").unlink()
    assert run_study(Toy(), PLAN, runner=two).digest() == run_study(Toy(), PLAN).digest()


def test_data_that_have_changed_are_refused_in_every_process():
    with pinned({PLAN.task: "another content"}):
        order = parcels.ordered(Toy(), PLAN)
    with (
        parcels.opened(order) as (_, plan),
        pytest.raises(UserError, match="data that changed during the run"),
    ):
        check_pinned(plan.task, plan.task.load().content_hash, "data")
    with parcels.opened(parcels.ordered(Toy(), PLAN)) as (study, plan):
        assert (type(study), plan) == (Toy, PLAN)
        check_pinned(plan.task, plan.task.load().content_hash, "data")


def test_a_study_that_others_cannot_import_is_refused(two):
    class Here(Toy):
        pass

    with pytest.raises(UserError, match="which other processes cannot import"):
        run_study(Here(), PLAN, runner=two)


@pytest.mark.parametrize(
    "error",
    [
        UserError("a", "b", "c"),
        NumericalFailure("by 1e-3"),
        ValueError("no"),
        MemoryError(),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "made of five parts"),
        type("Theirs", (Exception,), {})("of a library"),
    ],
)
def test_errors_travel_as_words(error):
    back = parcels.error_of(parcels.packed_error(error))
    odd = isinstance(error, UnicodeDecodeError) or type(error).__name__ == "Theirs"
    assert type(back) is (RuntimeError if odd else type(error))
    assert str(error) in str(back)
    if isinstance(error, UserError):
        assert (back.got, back.expected, back.do) == ("a", "b", "c")


def test_cells_and_tables_travel_bit_for_bit():
    cell = Cell("a", {"loss": "square", "sizes": [1, 2]}, 2.0, "square loss", (3, 4), True, "of")
    assert parcels.cell_of(parcels.packed_cell(cell)) == cell
    tables = Toy().run(PLAN, Toy().cells(PLAN)[0])
    back = parcels.tables_of(parcels.packed_tables(tables))
    assert {name: t.digest() for name, t in back.items()} == {name: t.digest() for name, t in tables.items()}
    assert [(c.unit, c.meaning) for c in back["draws"].columns] == [
        (c.unit, c.meaning) for c in tables["draws"].columns
    ]
    assert back["times"].measured


def test_each_process_has_a_gpu_in_turn(monkeypatch):
    shares = []
    for number in range(3):
        environment = {"CUDA_VISIBLE_DEVICES": "4,7"}
        share_gpus(environment, number)
        shares.append(environment["CUDA_VISIBLE_DEVICES"])
    assert shares == ["4", "7", "4"]
    none = {"CUDA_VISIBLE_DEVICES": ""}
    share_gpus(none, 1)
    assert none["CUDA_VISIBLE_DEVICES"] == ""


def test_processes_that_never_begin_are_explained(monkeypatch):
    monkeypatch.setattr(jobs, "_serve", sys.exit)
    with Jobs(1) as runner, pytest.raises(UserError, match="processes that end before they begin"):
        run_study(Toy(), PLAN, runner=runner)
