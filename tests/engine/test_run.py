import pytest
from toy_study import Toy, ToyPlan

from ticketlab.claims.study import Cell
from ticketlab.engine.keeper import WorkingMemory
from ticketlab.engine.run import Silence, run_study
from ticketlab.errors import NumericalFailure


class Watcher(Silence):
    def __init__(self):
        self.seen = []

    def begins(self, cells, kept):
        self.seen.append(("begins", len(cells), [c.name for c in kept]))

    def progress(self, cell, what, fraction, left):
        self.seen.append(("progress", cell.name, what, fraction))

    def finished(self, cell, brief, seconds, left):
        self.seen.append(("finished", cell.name, brief))

    def verdict(self, verdict):
        self.seen.append(("verdict", verdict.question))


class Keeping(WorkingMemory):
    def __init__(self):
        self.kept, self.saved = {}, []

    def has(self, cell):
        return cell.name in self.kept

    def load(self, cell):
        return self.kept.get(cell.name)

    def save(self, cell, tables, seconds):
        self.saved.append(cell.name)
        self.kept[cell.name] = tables
        return tables


def test_the_same_plan_gives_the_same_evidence():
    one, two = (run_study(Toy(), ToyPlan()) for _ in range(2))
    assert one.digest() == two.digest()
    assert one.verdicts == two.verdicts


def test_cells_run_in_order_and_each_verdict_is_told_as_soon_as_its_cells_are_there():
    watcher = Watcher()
    run_study(Toy(), ToyPlan(seeds=2), observer=watcher)
    events = [e[:2] for e in watcher.seen if e[0] != "progress"]
    assert events == [
        ("begins", 4),
        ("finished", "plus-seed0"),
        ("finished", "plus-seed1"),
        ("verdict", "plus"),
        ("finished", "minus-seed0"),
        ("finished", "minus-seed1"),
        ("verdict", "minus"),
        ("verdict", ""),
    ]
    assert ("progress", "plus-seed0", "drawing", 0.5) in watcher.seen
    assert next(e for e in watcher.seen if e[0] == "finished")[2].startswith("mean ")


@pytest.mark.parametrize("kind", ["numerical", "interrupt"])
def test_what_was_finished_before_trouble_is_kept_and_not_run_again(monkeypatch, kind):
    keeper = Keeping()
    monkeypatch.setenv("TOY_TROUBLE", f"{kind}:minus-seed1")
    with pytest.raises(NumericalFailure if kind == "numerical" else KeyboardInterrupt):
        run_study(Toy(), ToyPlan(), keeper)
    assert keeper.saved == ["plus-seed0", "plus-seed1", "plus-seed2", "minus-seed0"]

    monkeypatch.delenv("TOY_TROUBLE")
    watcher = Watcher()
    resumed = run_study(Toy(), ToyPlan(), keeper, watcher)
    assert watcher.seen[0] == ("begins", 6, ["plus-seed0", "plus-seed1", "plus-seed2", "minus-seed0"])
    assert keeper.saved[4:] == ["minus-seed1", "minus-seed2"]
    assert resumed.digest() == run_study(Toy(), ToyPlan()).digest()


def test_rows_stand_in_the_plans_order_whichever_cell_ran_first():
    keeper = Keeping()
    run_study(Toy(), ToyPlan(), keeper)
    del keeper.kept["plus-seed0"]
    again = run_study(Toy(), ToyPlan(), keeper)
    assert keeper.saved[6:] == ["plus-seed0"]
    assert again.digest() == run_study(Toy(), ToyPlan()).digest()


def test_a_kept_run_is_only_concluded_again():
    keeper = Keeping()
    first = run_study(Toy(), ToyPlan(), keeper)
    watcher = Watcher()
    second = run_study(Toy(), ToyPlan(), keeper, watcher)
    assert len(keeper.saved) == 6
    assert not [e for e in watcher.seen if e[0] in ("progress", "finished")]
    assert second.digest() == first.digest()
    assert second.verdicts == first.verdicts


def test_only_what_has_all_its_seeds_is_concluded_from():
    class Grouped(Toy):
        def cells(self, plan):
            return tuple(
                Cell(s, {"sign": s, "seed": 0}, seeds=(0, 1, 2), together=s == "plus") for s in plan.signs
            )

        def conclude(self, plan, tables, levels):
            seen.append(len(tables["draws"]))
            return super().conclude(plan, tables, levels)

    seen, keeper = [], Keeping()
    keeper.kept["plus-seeds1-2"] = Toy().run(ToyPlan(), Toy().cells(ToyPlan())[0])
    run_study(Grouped(), ToyPlan(), keeper)
    assert keeper.saved == ["plus-seed0", "minus-seed0", "minus-seed1", "minus-seed2"]
    assert seen == [40, 40, 40, 100]  # of 20 numbers each: of plus alone, then of all


def test_cells_need_names_of_their_own(monkeypatch):
    cells = Toy().cells(ToyPlan(seeds=1))
    monkeypatch.setattr(Toy, "cells", lambda self, plan: cells + cells[:1])
    with pytest.raises(ValueError, match="the same name"):
        run_study(Toy(), ToyPlan(seeds=1))
