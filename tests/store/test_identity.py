import dataclasses

import pytest
from toy_study import Toy, ToyPlan

from ticketlab.claims.study import Cell
from ticketlab.networks.architectures import MLP
from ticketlab.store import identity as module
from ticketlab.store.identity import code_digest, dependencies, differences, identity
from ticketlab.tasks.sources import Boolean

CELL = Cell("plus-seed0", {"sign": "plus", "seed": 0})


@pytest.fixture(scope="module")
def depends():
    return dependencies(Toy(), ToyPlan(task=Boolean(bits=3)))


def test_the_same_is_the_same(depends):
    assert dependencies(Toy(), ToyPlan(task=Boolean(bits=3))) == depends
    assert identity(depends, CELL) == identity(dict(depends), CELL)


def test_everything_that_numbers_depend_on_tells_cells_apart(depends):
    plan = ToyPlan(task=Boolean(bits=3))
    others = [
        dependencies(Toy(), dataclasses.replace(plan, offset=1.0)),
        dependencies(Toy(), dataclasses.replace(plan, network=MLP(widths=(3,)))),
        dependencies(Toy(), dataclasses.replace(plan, task=Boolean(bits=3, target="parity"))),
        {**depends, "code": "0"},
        {**depends, "claim": "other"},
        {**depends, "libraries": {**depends["libraries"], "jax": "0"}},
        {**depends, "device": {**depends["device"], "kind": "abacus"}},
        {**depends, "data": {"task": "0"}},
    ]
    cells = [Cell("plus-seed1", CELL.settings), Cell(CELL.name, {"sign": "plus", "seed": 1})]
    found = [
        identity(depends, CELL),
        *(identity(o, CELL) for o in others),
        *(identity(depends, c) for c in cells),
    ]
    assert len(set(found)) == len(found)


def test_what_changes_no_number_does_not(depends):
    plan = ToyPlan(task=Boolean(bits=3), seeds=9, margin=0.1)
    cell = Cell(CELL.name, CELL.settings, weight=7.0, title="another title")
    assert identity(dependencies(Toy(), plan), cell) == identity(depends, CELL)


@pytest.mark.parametrize("setting", ["default_prng_impl", "threefry_partitionable", "random_seed_offset"])
def test_what_a_key_draws_counts_if_it_is_not_the_usual(depends, monkeypatch, setting):
    assert "random" not in depends["device"]  # cells that were kept before stay valid
    monkeypatch.setitem(module.RANDOM, setting, "another")
    assert dependencies(Toy(), ToyPlan(task=Boolean(bits=3)))["device"] != depends["device"]


def test_the_data_count_by_their_content(depends):
    assert depends["data"] == {"task": Boolean(bits=3).load().content_hash}


def test_differences_are_named():
    assert differences({"plan": 1, "code": 2, "data": 3}, {"plan": 1, "code": 0, "data": 0}) == [
        "data",
        "code",
    ]


def test_the_code_is_what_can_reach_a_cell(tmp_path, monkeypatch):
    import shutil
    from pathlib import Path

    import ticketlab

    package = tmp_path / "ticketlab"
    shutil.copytree(Path(ticketlab.__file__).parent, package)
    monkeypatch.setattr(module.ticketlab, "__file__", str(package / "__init__.py"))

    def digest():
        return code_digest.__wrapped__(Toy)

    before = digest()
    for unrelated in ("cli/main.py", "store/cells.py", "report/__init__.py", "plans.py"):
        with (package / unrelated).open("a") as file:
            file.write("# a comment\n")
        assert digest() == before, unrelated
    laws = package / "laws" / "verdict.py"
    laws.write_bytes(laws.read_bytes().replace(b"\n", b"\r\n"))
    assert digest() == before
    for related in ("laws/verdict.py", "errors.py", "tasks/sources/source.py"):
        with (package / related).open("a") as file:
            file.write("# a comment\n")
        assert digest() != before, related
        before = digest()
    (package / "networks" / "new.py").touch()
    assert digest() != before


def test_every_place_before_the_engine_counts():
    import ast
    from pathlib import Path

    order = Path(__file__).parents[1] / "test_reading_order.py"
    values = [
        n.value
        for n in ast.parse(order.read_text()).body
        if isinstance(n, ast.Assign) and n.targets[0].id == "ORDER"
    ]
    places = ast.literal_eval(values[0])
    reaching = [place.removesuffix(".py") for place in module.REACHING]
    without = (
        "compiled_programs",
        "figures",
    )  # where programs are kept, and what pages draw, changes no result
    assert reaching == [place for place in places[: places.index("claims") + 1] if place not in without]
