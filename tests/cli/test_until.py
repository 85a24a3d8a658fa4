"""`--until decided`: planned looks, one after the other, none of them anew when the run goes on; and runs extended by hand."""

import json
import os
from unittest.mock import Mock

import pytest

from ticketlab import report
from ticketlab.cli import main
from ticketlab.cli.ending import Ending
from ticketlab.cli.looking import Finished, what_would_decide
from ticketlab.cli.options import read_requests
from ticketlab.errors import UserError
from ticketlab.laws.looks import spent
from ticketlab.laws.rules import ALPHA
from ticketlab.laws.verdict import Outcome
from ticketlab.store.records import read_record

STUDIES = {"hesitant": "toy_study:Hesitant"}
UNTIL = ("--seeds", "3", "--margin", "0.3", "--until", "decided")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the study that hesitates in a folder; returns the exit code, the result and what was said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "write", lambda folder: folder.report_path)

    def run(*words):
        code = main(["run", "hesitant", "--signs", "plus", "--out", "here", "--json", *words], STUDIES)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


def looks(tmp_path):
    (found,) = read_record(tmp_path / "here" / "looks.json")["looks"].values()
    return [(look["seeds"], look["most"], pytest.approx(look["level"])) for look in found]


def test_seeds_are_added_until_the_claim_is_decided(run, tmp_path):
    code, result, said = run(*UNTIL)
    assert code == 0
    assert (result["outcome"], result["plan"]["seeds"], result["look"]["number"]) == ("holds", 12, 3)
    assert looks(tmp_path) == [
        (3, 12, spent(0.25)),
        (6, 12, spent(0.5) - spent(0.25)),
        (12, 12, ALPHA - spent(0.5)),
    ]
    assert (
        "Look 1, at 3 of at most 12 seeds, is judged by 99.9985 % intervals: the claim as a whole is undecided."
        in said
    )
    assert "6 of 12 cells will be reused" in said
    assert len(list((tmp_path / "here" / "cells").glob("*-seed*"))) == 12
    verdict = next(v for v in result["verdicts"] if v["key"] == "mean")
    assert verdict["level"] == pytest.approx(1 - (ALPHA - spent(0.5)))  # Within: half of it on either side
    assert verdict["deciding"][0] < verdict["interval"][0]


def test_seeds_that_are_not_in_the_planned_sequence_are_named(run):
    assert "planned at" not in run(*UNTIL)[2]
    _, result, said = run("--seeds", "16", *UNTIL[2:])
    assert result["plan"]["seeds"] == 12
    assert "The looks at this run were planned at 3, 6, 12 seeds, and stay so, without one at 16." in said


def test_nobody_knows_from_one_seed_how_many_would_decide(run):
    said = run("--seeds", "1", "--margin", "0.1")[2]
    assert "At least 2 seeds are needed, about 0 s: ticketlab run here/plan.toml" in said
    assert "would decide the claim" not in said


def test_more_seeds_are_run_where_the_others_were(run):
    """Without the options by which a run was spread, no finished cell would be used again."""
    said = run("--seeds", "8", "--margin", "0.1", "--devices", "1")[2]
    assert "would decide the claim" in said
    assert "ticketlab run here/plan.toml --out here --devices 1 --seeds" in said


def test_a_run_that_goes_on_repeats_its_last_look_and_no_other(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_TROUBLE", "interrupt:plus-seed4")
    code, _, said = run(*UNTIL)
    assert code == 130
    assert "--until decided" in said
    assert looks(tmp_path) == [(3, 12, spent(0.25))]
    monkeypatch.delenv("TOY_TROUBLE")
    code, result, said = run("--seeds", "6", *UNTIL[2:])  # as its plan.toml has it by now
    assert (code, result["plan"]["seeds"]) == (0, 12)
    assert [seeds for seeds, *_ in looks(tmp_path)] == [3, 6, 12]
    before = (tmp_path / "here" / "looks.json").read_bytes()
    code, again, said = run(*UNTIL)
    assert (again["digest"], again["verdicts"]) == (result["digest"], result["verdicts"])
    assert (tmp_path / "here" / "looks.json").read_bytes() == before


def test_a_claim_that_is_not_decided_ends_with_the_last_look(run, tmp_path):
    code, result, _ = run(*UNTIL, "--offset", "0.3")  # the mean is on the margin
    assert (code, result["outcome"], result["plan"]["seeds"]) == (0, "undecided", 12)


def test_time_that_is_up_leaves_the_last_look_concluded(run, tmp_path, monkeypatch):
    from ticketlab.cli import looking

    monkeypatch.setattr(looking, "seconds_per_seed", lambda finished: 1e6)
    code, result, said = run(*UNTIL, "--at-most", "1h")
    assert (code, result["outcome"], result["plan"]["seeds"]) == (0, "undecided", 3)
    assert "The next look, at 6 seeds, would take about" in said

    monkeypatch.setattr(looking, "seconds_per_seed", lambda finished: 0.0)
    told = looking.Watched.finished

    def finished(self, cell, *more):
        told(self, cell, *more)
        if cell.name == "plus-seed4":
            self._end = 0.0

    monkeypatch.setattr(looking.Watched, "finished", finished)
    code, result, said = run(*UNTIL, "--at-most", "1h")
    assert (code, result["outcome"], result["plan"]["seeds"]) == (0, "undecided", 3)
    assert "The time is up." in said
    assert [seeds for seeds, *_ in looks(tmp_path)] == [3]


def test_a_look_takes_less_time_in_several_places(monkeypatch):
    from toy_study import ToyPlan

    from ticketlab.cli import looking
    from ticketlab.engine import Jobs

    monkeypatch.setattr(looking, "seconds_per_seed", lambda finished: 100.0)
    finished, display = Mock(looking.Finished, plan=ToyPlan(seeds=3)), Mock(looking.Watched, left=200.0)
    assert "would take about 5 min" in looking._too_long(finished, 6, display, None)
    assert looking._too_long(finished, 6, display, Jobs(2)) is None


def test_no_time_at_all(run):
    code, _, said = run(*UNTIL, "--at-most", "0.000001s")
    assert code == 2
    assert "ended before the first look" in said


def test_a_run_that_is_extended_by_hand_is_judged_at_the_level_of_its_look(run, tmp_path):
    _, first, _ = run("--seeds", "3")
    assert first["look"] == {"number": 1, "seeds": 3, "level": ALPHA, "most": None}
    _, second, said = run("--seeds", "8")
    assert second["look"]["level"] == pytest.approx(ALPHA * 6 / (4 * 3.14159265**2))
    assert (
        "Look 2 at this run, which was extended, is judged by 99.24 % intervals instead of 95 % ones." in said
    )
    _, again, _ = run("--seeds", "8")
    assert (again["look"], again["verdicts"]) == (second["look"], second["verdicts"])
    _, back, _ = run("--seeds", "3")
    assert back["verdicts"] == first["verdicts"]
    _, other, _ = run("--seeds", "8", "--margin", "0.4")  # another question
    assert other["look"]["number"] == 1
    run("--seeds", "8", "--until", "decided")  # what was begun by hand is not planned afterwards
    (question, _) = read_record(tmp_path / "here" / "looks.json")["looks"].values()
    assert all(look["most"] is None for look in question)


def test_without_a_folder_by_name_more_seeds_find_the_same_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "write", lambda folder: folder.report_path)
    for seeds in ("2", "3"):
        assert main(["run", "hesitant", "--signs", "plus", "--seeds", seeds], STUDIES) == 0
    assert len(os.listdir(tmp_path / "runs")) == 1
    assert "2 of 3 cells will be reused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30min", 1800), ("1h30min", 5400), ("0.5h", 1800)]
)
def test_times(text, seconds):
    (request,) = read_requests(["hesitant", "--until", "decided", "--at-most", text], STUDIES, "run")
    assert request.ending.seconds == seconds
    assert request.ending.words == ["--until", "decided", "--at-most", text]


def test_times_that_are_none():
    for words in (
        {"at_most": "30min"},
        {"until": "decided", "at_most": "soon"},
        {"until": "decided", "at_most": "0s"},
    ):
        with pytest.raises(UserError, match="--at-most"):
            Ending(**words)


@pytest.mark.parametrize(("own", "lines"), [("Longer.", 1), ("Longer. Wider.", 2), ("", 1)])
def test_what_would_decide_is_said_once(own, lines):
    """Of the claim it is not said again where it is what would decide the only question."""
    question = Mock(headline=True, key="score", question="as good", would_decide="Longer.")
    claim = Mock(key="claim", outcome=Outcome.UNDECIDED, enough_seeds=None, would_decide=own)
    finished = Mock(spec=Finished, claim=claim, evidence=Mock(verdicts=[claim, question]))
    assert [line for line in what_would_decide(finished) if line] == ["as good: Longer.", own][:lines]
