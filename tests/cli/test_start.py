"""`--start FILE` on the command line: plans, claims that need random starts, what a run says, and files that change."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ticketlab.claims import CLAIMS
from ticketlab.cli import main
from ticketlab.networks.pretrained import Pretrained
from ticketlab.networks.start_file import StartFile
from ticketlab.plans import find_study, presets, read_plan
from ticketlab.store.data import _known
from ticketlab.tasks.sources import Boolean, Digits

STARTED = ("tangent-minimum", "newton-step", "linear-regime", "winning-ticket", "linear-mode")
TASK = "digits:train=40,validation=30,test=60"
SMALL = [
    "--task",
    TASK,
    "--network",
    "mlp:widths=6",
    "--losses",
    "square",
    "--seeds",
    "2",
    "--epochs",
    "2",
    "--doublings",
    "0",
]
SMALL += ["--ridges", "0.01", "0.1", "--step-sizes", "0.5", "1.0", "--extensions", "0"]


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pretrained = ["pretrain", "--task", TASK, "--network", "mlp:widths=6", "--steps", "20", "--batch", "20"]
    assert main([*pretrained, "--out", "first.safetensors"]) == 0
    return tmp_path / "first.safetensors"


def identities(run):
    """Of the cells behind a run's evidence."""
    return set(json.loads((run / "evidence.json").read_text(encoding="utf-8"))["cells"])


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_starts_there_or_says_why_not(claim, capsys):
    """Nothing is read: a claim that needs random starts refuses the plan itself."""
    code = main(["plan", claim, "--start", "first.safetensors"])
    printed = capsys.readouterr()
    if claim in STARTED:
        assert code == 0
        assert 'start = "first.safetensors"' in printed.out
    else:
        assert code == 2
        assert "at random: this study" in printed.err or "a claim with one network" in printed.err


def test_a_plan_file_says_where_it_starts(tmp_path, capsys):
    assert (
        main(["plan", "tangent-minimum", "--network", "mlp:widths=6", "--start", "a.safetensors:anew=output"])
        == 0
    )
    (tmp_path / "plan.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    _, plan = read_plan(tmp_path / "plan.toml", CLAIMS)
    base = presets(find_study("tangent-minimum", CLAIMS).plan_type)["default"].network
    assert plan.network == Pretrained("a.safetensors", type(base)(widths=(6,)), anew=("output",))


def test_pretraining_writes_a_start(start, capsys):
    assert {name: a.shape for name, a in load_file(start).items()} == {
        "dense1/weight": (64, 6), "dense1/bias": (6,), "output/weight": (6, 10), "output/bias": (10,),
    }  # fmt: skip
    permuted = start.with_name("permuted.safetensors")
    words = ["pretrain", "--task", TASK, "--network", "mlp:widths=6", "--steps", "20", "--permuted-labels"]
    assert main([*words, "--out", str(permuted)]) == 0
    assert not np.array_equal(load_file(start)["output/bias"], load_file(permuted)["output/bias"])
    assert main([*words, "--out", str(start.parent / "no" / "folder.safetensors")]) == 2
    assert "a folder that does not exist" in capsys.readouterr().err
    table = start.parent / "table.csv"
    table.write_text("a,b\n" + "".join(f"{i * i % 7},{i % 2}\n" for i in range(40)))
    short = ["pretrain", "--task", str(table), "--network", "mlp:widths=6", "--steps", "2"]
    assert main([*short, "--out", str(start.parent / "table.safetensors")]) == 0
    assert "task: Target 'b'" in capsys.readouterr().out
    assert main([*words, "--steps", "0"]) == 2
    assert "got --steps 0; expected at least 1" in capsys.readouterr().err
    assert main([*words, "--out", "."]) == 2
    assert "got --out ., which is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pretrained", "task", "said"),
    [
        (True, Digits(), "It was trained on examples of this data set: seeds draw some of these for testing"),
        (True, Boolean(), ""),
        (
            False,
            Digits(),
            "The file does not say what it was trained on. If it was on examples of this data set, seeds draw",
        ),
    ],
)
def test_a_start_that_knows_test_examples_is_named(start, pretrained, task, said):
    if not pretrained:
        save_file(load_file(start), start)
    dataset, of_start = task.load(), StartFile.read(str(start)).metadata
    known = _known(of_start, dataset)
    assert said in known
    assert bool(said) is bool(known)
    assert _known(of_start, replace(dataset, official_test=60)) == ""


@pytest.mark.slow
def test_a_run_says_where_it_starts(start, capsys):
    """On the screen, in the record and on the page; another content of the file is another cell."""
    asked = ["run", "tangent-minimum", *SMALL, "--start", "first.safetensors:anew=output", "--out", "run"]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "Every seed starts at the parameters of first.safetensors" in said
    assert "trained on examples of this data set" in " ".join(said.split())
    run = start.parent / "run"
    record = json.loads((run / "data.json").read_text(encoding="utf-8"))
    assert "output/bias and output/weight anew" in json.dumps(record)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Every seed starts at the parameters of first.safetensors" in page
    kept = identities(run)
    arrays = load_file(start)
    save_file({**arrays, "dense1/bias": arrays["dense1/bias"] + 1}, start)
    assert main(asked) == 0
    assert not kept & identities(run)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--start", "none.safetensors"], "no file none.safetensors"),
        (["--start", "first.safetensors", "--network", "mlp:widths=7"], "'dense1/bias' has the shape (6,)"),
        (["--start", "first.safetensors:anew=dense9"], "anew='dense9'"),
        (["--start", "first.safetensors:part=best"], "one of trained, start"),
        (["--start", "first.safetensors:base=conv"], "the file's network as --network"),
    ],
)
def test_mistakes_leave_no_folder(start, words, said, capsys):
    assert main(["run", "tangent-minimum", *SMALL, *words, "--out", "run"]) == 2
    assert said in capsys.readouterr().err
    assert not (start.parent / "run").exists()
