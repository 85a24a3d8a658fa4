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


def measured(seed: int) -> None:
    """A table of twelve examples, which another seed replaces."""
    rows = [f"{(seed * i) % 7},{i % 2}" for i in range(12)]
    Path("data.csv").write_text("\n".join(["a,label", *rows]))


OWN = ["lab", "--task", "csv:path=data.csv", "--seeds", "2", "--out", "lab"]


def test_other_data_are_run_again_and_then_not_again(ask) -> None:
    measured(3)
    assert ask(*OWN)[0] == 0
    before = json.loads(Path("lab/toy/data.json").read_text())
    measured(4)
    code, out, _ = ask(*OWN)
    assert code == 0
    assert "plus, seed 0 is run again: a result is kept, but its data differs." in out
    assert json.loads(Path("lab/toy/data.json").read_text())["task"]["hash"] != before["task"]["hash"]
    assert "seed 0" not in ask(*OWN)[1]


@pytest.mark.parametrize(
    ("function", "what"), [("code_digest", "code"), ("library_versions", "libraries"), ("device", "device")]
)
def test_other_code_libraries_or_device_are_run_again(ask, monkeypatch, function, what) -> None:
    assert ask(*WORDS)[0] == 0
    monkeypatch.setattr(f"ticketlab.store.identity.{function}", lambda *_: {"other": "1"})
    assert f"is run again: a result is kept, but its {what} differs." in ask(*WORDS)[1]


def test_damage_is_mended_as_by_a_run(ask) -> None:
    assert ask(*WORDS)[0] == 0
    digest = json.loads(Path("lab/toy/evidence.json").read_text())["digest"]
    next(Path("lab/toy/cells").glob("plus-seed1-*/draws.parquet")).write_bytes(b"PAR1")
    assert "plus, seed 1 is run again: its kept result is damaged" in ask(*WORDS)[1]
    for lost in ("evidence/draws.parquet", "verdict.json", "plan.toml", "report.html"):
        (Path("lab/toy") / lost).unlink()
        code, out, _ = ask(*WORDS)
        assert code == 0
        assert "holds      toy" in out
        assert (Path("lab/toy") / lost).exists()
    assert json.loads(Path("lab/toy/evidence.json").read_text())["digest"] == digest


def test_data_that_are_gone_end_the_lab_and_its_results_stay(ask) -> None:
    measured(3)
    assert ask(*OWN)[0] == 0
    stamps = {p: p.stat().st_mtime_ns for p in Path("lab").rglob("*") if p.suffix in (".html", ".parquet")}
    Path("data.csv").unlink()
    code, _, err = ask(*OWN)
    assert code == 2
    assert "no file or folder data.csv" in err
    measured(3)
    assert "seed 0" not in ask(*OWN)[1]
    stamps.pop(Path("lab/lab.html"))
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_results_of_data_that_cannot_be_used_any_more_are_left_out(ask) -> None:
    measured(3)
    assert ask(*OWN)[0] == 0
    Path("data.csv").write_text("a,label\n1,2,3\n")
    code, out, _ = ask(*OWN)
    assert code == 0
    assert "toy was left out: " in out
    assert "holds      toy" not in out
    assert "(0 claims)" in out
    measured(3)
    assert "holds      toy" in ask(*OWN)[1]
    assert json.loads(Path("lab/lab.json").read_text())["left_out"] == {}


def test_a_finished_lab_reads_its_data_once(ask, monkeypatch) -> None:
    from ticketlab.tasks.sources import Boolean

    studies = {"toy": "toy_study:Toy", "other": "toy_study:Other"}
    assert ask(*WORDS, studies=studies)[0] == 0
    load, read = Boolean.load, []
    monkeypatch.setattr(Boolean, "load", lambda self: read.append(self) or load(self))
    assert ask(*WORDS, studies=studies)[0] == 0
    assert len(read) == 1


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
        (["lab", "--seeds", "0"], "got --seeds 0; expected at least 1"),
        (["lab", "--network", "mlp:widths=-1"], "units in a dense layer"),
        (
            ["lab", "--coordinator", "h:1", "--processes", "2", "--process", "0"],
            "got --coordinator for a lab",
        ),
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


@pytest.mark.parametrize(
    ("option", "one", "other"), [("--task", "mnist", "cifar10"), ("--network", "gru", "lstm")]
)
def test_choices_with_the_same_fields_are_not_the_same_lab(ask, option, one, other) -> None:
    ask("lab", option, one, "--out", "lab")
    code, _, err = ask("lab", option, other, "--out", "lab")
    assert code == 2
    assert "which holds a lab of" in err
    assert f"'choice': '{one}'" in err


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
