"""The command: every claim in turn, what cannot be run with its reason, an interruption and what comes after it, and the page."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "toys"))

from ticketlab.errors import UserError

STUDIES = {"toy": "toy_study:Toy"}
WORDS = ["lab", "--task", "boolean:3", "--seeds", "2", "--out", "lab"]
pytestmark = pytest.mark.usefixtures("workplace")


def test_it_runs_every_claim_and_writes_one_page(ask) -> None:
    code, out, err = ask(*WORDS)
    assert (code, err) == (0, "")
    assert "holds      toy" in out
    page = Path("lab/lab.html").read_text()
    assert "toy/report.html" in page
    assert "How sure all of it is" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script src" not in page
    assert json.loads(Path("lab/toy/verdict.json").read_text())["verdicts"]


def test_a_finished_claim_is_not_run_again(ask) -> None:
    first = ask(*WORDS)
    stamp = Path("lab/toy/evidence.json").stat().st_mtime_ns
    page = Path("lab/lab.html").read_text()
    code, out, _ = ask(*WORDS)
    assert code == first[0] == 0
    assert "plus, seed" not in out
    assert Path("lab/toy/evidence.json").stat().st_mtime_ns == stamp
    assert Path("lab/lab.html").read_text() == page


def test_an_interruption_keeps_what_is_finished(ask, monkeypatch) -> None:
    monkeypatch.setenv("TOY_TROUBLE", "interrupt:plus-seed1")
    code, out, _ = ask(*WORDS)
    assert code == 130
    assert "Continue from there: ticketlab lab --task boolean:3 --seeds 2 --out lab" in out
    assert not Path("lab/lab.html").exists()
    monkeypatch.delenv("TOY_TROUBLE")
    kept = {p: p.stat().st_mtime_ns for p in Path("lab/toy/cells").iterdir()}
    assert ask(*WORDS)[0] == 0
    assert kept
    assert all(p.stat().st_mtime_ns == at for p, at in kept.items())
    assert Path("lab/lab.html").exists()


def test_what_cannot_be_run_is_left_out_with_its_reason(ask, monkeypatch) -> None:
    monkeypatch.setenv("TOY_TROUBLE", "user:plus-seed1")
    code, out, _ = ask(*WORDS)
    assert code == 0
    assert "toy was left out: " in out
    reason = json.loads(Path("lab/lab.json").read_text())["left_out"]["toy"]
    page = Path("lab/lab.html").read_text()
    assert "What was left out" in page
    assert reason.split(".")[0] in page.replace("&#x27;", "'")


def test_a_numerical_failure_is_left_out_too(ask, monkeypatch) -> None:
    monkeypatch.setenv("TOY_TROUBLE", "numerical:plus-seed1")
    code, out, _ = ask(*WORDS)
    assert code == 0
    assert "left out   toy" in out


def test_a_failing_disk_ends_the_lab(ask, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise UserError("no space left", "") from OSError(28, "No space left on device")

    monkeypatch.setattr("ticketlab.cli.running.run_request", full)
    code, _, err = ask(*WORDS)
    assert code == 2
    assert "no space left" in err
    assert json.loads(Path("lab/lab.json").read_text())["left_out"] == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lab", "--only", "tox"], "got claim 'tox'; expected one of toy. Did you mean 'toy'?"),
        (["lab", "--task", "dijits"], "digits"),
        (
            ["lab", "--preset", "quik"],
            "got --preset quik; expected one of default, quick. Did you mean 'quick'?",
        ),
        (["lab", "--network", "mlp:widths=-1"], "units in a dense layer"),
    ],
)
def test_mistakes_are_explained_before_anything_runs(ask, words, said) -> None:
    code, out, err = ask(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert not Path("lab").exists()


def test_another_lab_or_another_folder_is_not_written_into(ask) -> None:
    assert ask(*WORDS)[0] == 0
    code, _, err = ask("lab", "--task", "boolean:4", "--seeds", "2", "--out", "lab")
    assert code == 2
    assert "which holds a lab of" in err
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("…")
    code, _, err = ask("lab", "--out", "mine")
    assert code == 2
    assert "which is not empty" in err
    assert [p.name for p in Path("mine").iterdir()] == ["thesis.tex"]


def test_a_damaged_record_is_written_again(ask) -> None:
    assert ask(*WORDS)[0] == 0
    Path("lab/lab.json").write_text("{")
    assert ask(*WORDS)[0] == 0
    assert json.loads(Path("lab/lab.json").read_text())["asked"]["seeds"] == 2


def test_data_of_the_same_name_keep_the_plans_numbers_of_examples() -> None:
    from ticketlab.claims import CLAIMS
    from ticketlab.lab import LabPlan
    from ticketlab.plans import find_study
    from ticketlab.tasks.sources import Digits

    study = find_study("ladder", CLAIMS)
    own = study.plan_type().task
    assert LabPlan(task=Digits()).plan(study).task == own
    assert LabPlan(task=Digits(train=50)).plan(study).task == Digits(train=50)
    assert LabPlan(preset="quick").plan(study) == study.plan_type.presets()["quick"]


def test_a_claim_without_a_network_is_left_out_if_one_is_asked_for() -> None:
    from ticketlab.claims import CLAIMS
    from ticketlab.lab import LabPlan
    from ticketlab.networks.architectures import MLP
    from ticketlab.plans import find_study

    without = [c for c in CLAIMS if not hasattr(find_study(c, CLAIMS).plan_type(), "network")]
    for claim in without:
        with pytest.raises(UserError, match="takes a network"):
            LabPlan(network=MLP(widths=(8,))).plan(find_study(claim, CLAIMS))
