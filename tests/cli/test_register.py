"""A protocol is written before the run; the run says so, and names every way in which it differs."""

import dataclasses
import json
from pathlib import Path

import pytest

from ticketlab.report.protocol_page import render_protocol
from ticketlab.report.stored import record
from ticketlab.store import RunFolder
from ticketlab.store.deviations import deviations
from ticketlab.store.protocol import protocol_of, read_protocol

STUDIES = {"toy": "toy_study:Toy", "hesitant": "toy_study:Hesitant"}


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("p.toml").write_text('claim = "toy"\nseeds = 2\n')


def registered(folder: str) -> str:
    return record(RunFolder.open(Path(folder), STUDIES)).facts.get("Registered", "")


def test_a_run_of_the_plan_says_that_nothing_differs(ask) -> None:
    code, out, err = ask("register", "p.toml")
    assert (code, err) == (0, "")
    digest = read_protocol(Path("p.protocol.json")).digest
    assert f"digest    {digest}" in out
    assert digest in Path("p.protocol.html").read_text()
    code, out, _ = ask("run", "p.toml", "--out", "r")
    assert code == 0
    assert f"protocol  {digest[:16]}…" in out
    assert "Nothing differs." in out
    assert registered("r").endswith("Nothing differs.")
    assert registered("r") in Path("r/report.html").read_text()
    assert ask("run", "r/plan.toml", "--out", "r")[0] == 0
    assert registered("r").endswith("Nothing differs.")


def test_a_run_without_protocol_says_nothing(ask) -> None:
    code, out, _ = ask("run", "p.toml", "--out", "r", "--json")
    assert code == 0
    assert json.loads(out)["protocol"] is None
    assert registered("r") == ""


def test_another_option_and_an_unplanned_look_are_named(ask) -> None:
    ask("register", "p.toml")
    code, out, _ = ask("run", "p.toml", "--out", "r", "--margin", "0.4", "--json")
    assert code == 0
    assert json.loads(out)["protocol"]["differs"] == ["margin is 0.4 instead of 0.5"]
    assert ask("run", "p.toml", "--out", "s")[0] == 0
    code, out, _ = ask("run", "p.toml", "--out", "s", "--seeds", "3", "--json")
    assert code == 0
    differs = json.loads(out)["protocol"]["differs"]
    assert differs == ["seeds is 3 instead of 2", "the look at 3 seeds was not planned"]


def test_planned_looks_are_as_registered(ask) -> None:
    Path("p.toml").write_text('claim = "hesitant"\nseeds = 2\nmargin = 0.01\n')
    assert ask("register", "p.toml", "--until", "decided")[0] == 0
    assert read_protocol(Path("p.protocol.json")).looks == (2, 4, 8)
    assert ask("run", "p.toml", "--out", "r", "--until", "decided")[0] == 0
    assert registered("r").endswith("Nothing differs.")
    assert ask("run", "p.toml", "--out", "s")[0] == 0
    assert "the look at 2 seeds was not planned" in registered("s")


def test_every_field_that_differs_is_named(ask) -> None:
    assert ask("run", "p.toml", "--out", "r")[0] == 0
    folder = RunFolder.open(Path("r"), STUDIES)
    plan = folder.study.plan_type(seeds=2)
    early = dataclasses.replace(protocol_of(folder.study, plan), written="2000-01-01T00:00:00+00:00")
    assert deviations(early, folder) == []
    changes = {
        "claim": ("hesitant", "the claim is toy instead of hesitant"),
        "statement": ("Nothing is so.", "this version of Ticketlab states the claim in other words"),
        "question": ("Is nothing so?", "this version of Ticketlab asks the question in other words"),
        "rule": ("It holds always.", "this version of Ticketlab has other rules"),
        "rules": ((("always", "Holds always."),), "this version of Ticketlab has other rules"),
        "sides": ((("x", "y"),), "this version of Ticketlab has other side questions"),
        "gates": (("another gate",), "this version of Ticketlab has other gates"),
        "plan": ({**early.plan, "offset": 0.5}, "instead of 0.5"),
        "data": ({"task": "0" * 64}, "the content of the data (task) is another one"),
        "looks": ((1,), "the look at 2 seeds was not planned"),
        "cells": (7, "the number of cells is 4 instead of 7"),
        "version": ("0.0.1", "instead of 0.0.1"),
        "written": ("2100-01-01T00:00:00+00:00", "4 of 4 cells were finished before"),
    }
    assert list(changes) == [field.name for field in dataclasses.fields(early)]
    for name, (value, said) in changes.items():
        changed = dataclasses.replace(early, **{name: value})
        found = deviations(changed, folder)
        assert any(said in clause for clause in found)
        assert len(found) == (2 if name == "looks" else 1)  # the number of cells follows from the looks
        assert (changed.digest == early.digest) == (name == "written")


def test_a_protocol_is_not_changed_afterwards(ask) -> None:
    ask("register", "p.toml")
    before = Path("p.protocol.json").read_text()
    assert ask("register", "p.toml")[0] == 0
    assert Path("p.protocol.json").read_text() == before
    Path("p.toml").write_text('claim = "toy"\nseeds = 3\n')
    code, _, err = ask("register", "p.toml")
    assert code == 2
    assert "another protocol" in err
    assert Path("p.protocol.json").read_text() == before


def test_an_altered_protocol_is_refused(ask) -> None:
    ask("register", "p.toml")
    file = Path("p.protocol.json")
    file.write_text(file.read_text().replace('"seeds": 2', '"seeds": 9'))
    code, _, err = ask("run", "p.toml", "--out", "r")
    assert code == 2
    assert "was altered" in err
    assert not Path("r").exists()


def test_a_folder_of_another_protocol_is_refused(ask) -> None:
    ask("register", "p.toml")
    assert ask("run", "p.toml", "--out", "r")[0] == 0
    Path("q.toml").write_text('claim = "toy"\nseeds = 2\nmargin = 0.4\n')
    ask("register", "q.toml")
    code, _, err = ask("run", "q.toml", "--out", "r")
    assert code == 2
    assert "a run under another protocol" in err


def test_the_page_has_every_rule_of_a_claim() -> None:
    from ticketlab.claims import CLAIMS
    from ticketlab.plans import find_study, toml

    study = find_study("tangent-minimum", CLAIMS)
    plan = study.plan_type()
    protocol = protocol_of(study, plan)
    page = render_protocol(protocol, toml(study.claim, plan, comments=False))
    assert len(protocol.rules) == 2
    assert all(title in page for title, _ in (*protocol.rules, *protocol.sides))
    assert protocol.digest in page
    assert protocol.cells == 24
    assert "<script src" not in page


def test_the_digest_is_of_everything_but_the_time() -> None:
    from toy_study import Toy, ToyPlan

    protocol = protocol_of(Toy(), ToyPlan())
    assert dataclasses.replace(protocol, written="2000-01-01T00:00:00+00:00").digest == protocol.digest
    for name in ("claim", "question", "rule", "version"):
        assert dataclasses.replace(protocol, **{name: "other"}).digest != protocol.digest
    assert protocol_of(Toy(), ToyPlan(margin=0.4)).digest != protocol.digest
