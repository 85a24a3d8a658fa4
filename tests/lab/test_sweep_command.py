"""The command: a grid of plans killed at random instants and continued, what cannot be run, and the map."""

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "toys"))

from ticketlab.store import RunFolder

STUDIES = {"toy": "toy_study:Toy", "hesitant": "toy_study:Hesitant"}
TOYS = Path(__file__).parents[1] / "toys"
OVER = ["--over", "offset=0,0.2,0.4,0.6,0.8", "law.scale=0.1,0.2,0.4,0.8,1.6"]
WORDS = ["sweep", "toy", "--task", "boolean:3", "--seeds", "2", "--out", "map", *OVER]
FEW = [
    "--over",
    "offset=0,0.4,0.8",
    "law.scale=0.1,0.2,0.4,1.6",
]  # enough to be killed five times after two plans each
pytestmark = pytest.mark.usefixtures("workplace")


def digests(folder: Path) -> dict[str, str]:
    studies = {"toy": "toy_study:Toy"}
    return {
        run.parent.name: RunFolder.open(run.parent, studies).evidence().digest()
        for run in folder.glob("*/evidence.json")
    }


def outcomes(folder: Path) -> dict[str, str]:
    found = {}
    for file in folder.glob("*/verdict.json"):
        found[file.parent.name] = next(
            v["outcome"] for v in json.loads(file.read_text())["verdicts"] if not v["question"]
        )
    return found


@pytest.mark.slow
def test_killed_at_random_instants_it_ends_with_the_bits_of_an_uninterrupted_one(ask) -> None:
    random.seed(8)
    words = [*WORDS[: -len(OVER) - 2], *FEW]
    command = [sys.executable, str(TOYS / "toy_cli.py"), *words, "--out", "killed"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TOYS), *filter(None, sys.path)])}
    kills = 0
    for _ in range(40):
        running = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        begun = len(list(Path("killed").glob("*/plan.toml")))
        until = time.monotonic() + 60
        while (
            running.poll() is None and len(list(Path("killed").glob("*/plan.toml"))) < begun + 2 and kills < 5
        ):
            assert time.monotonic() < until
            time.sleep(0.01)
        if kills < 5 and running.poll() is None:
            time.sleep(random.random() * 0.2)
            running.kill()
            kills += 1
        out = running.communicate(timeout=120)[0]
        if running.returncode == 0:
            break
    assert running.returncode == 0, out
    assert kills == 5
    code, _, err = ask(*words, "--out", "map")
    assert (code, err) == (0, "")
    whole = digests(Path("map"))
    assert len(whole) == 12
    assert digests(Path("killed")) == whole
    page = Path("killed/sweep.html").read_text()
    assert page == Path("map/sweep.html").read_text()


def test_the_map_shows_where_it_holds_and_counts_the_verdicts_and_is_not_run_again(ask) -> None:
    assert ask(*WORDS)[0] == 0
    page = Path("map/sweep.html").read_text()
    found = list(outcomes(Path("map")).values())
    holds, fails = found.count("holds"), found.count("fails")
    assert holds > 0
    assert fails > 0
    assert f"25 plans: the claim holds at {holds}, fails at {fails} and is undecided at 0." in page
    first = page[: page.index('id="questions"', page.index("</nav>"))]
    assert len(re.findall(r'fill="var\(--blue\)" fill-opacity', first)) == holds
    assert len(re.findall(r'fill="var\(--vermilion\)" fill-opacity', first)) == fails
    assert "25 verdicts on the claim were asked, on 50 questions in all" in page
    assert 'href="offset=0.8,law.scale=1.6/report.html"' in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script src" not in page
    stamps = {p: p.stat().st_mtime_ns for p in Path("map").glob("*/evidence.json")}
    code, out, _ = ask(*WORDS)
    assert code == 0
    assert "1 of 25" not in out
    assert {p: p.stat().st_mtime_ns for p in Path("map").glob("*/evidence.json")} == stamps
    assert Path("map/sweep.html").read_text() == page


def test_other_data_and_damage_are_run_again_and_nothing_else(ask) -> None:
    words = ["sweep", "toy", "--out", "map", "--over", "task=one.csv,two.csv", "--seeds", "2"]
    table = ["a,label", *(f"{i},{i % 2}" for i in range(12))]
    for name in ("one.csv", "two.csv"):
        Path(name).write_text("\n".join(table))
    assert ask(*words)[0] == 0
    page = Path("map/sweep.html").read_text()
    Path("two.csv").write_text("\n".join([*table, "12,1"]))
    code, out, _ = ask(*words)
    assert code == 0
    assert "task=two.csv, 1 of 1" in out
    assert "plus, seed 0 is run again: a result is kept, but its data differs." in out
    next(Path("map/task=one.csv/cells").glob("plus-seed1-*/draws.parquet")).unlink()
    out = ask(*words)[1]
    assert "task=one.csv, 1 of 1" in out
    assert "plus, seed 1 is run again: its kept result is damaged" in out
    assert "1 of 1" not in ask(*words)[1]
    assert Path("map/sweep.html").read_text() == page


def test_results_of_data_that_cannot_be_used_any_more_are_left_out_until_they_can(ask) -> None:
    words = ["sweep", "toy", "--out", "map", "--over", "seeds=1,2", "--task", "data.csv"]
    good = "\n".join(["a,label", *(f"{i},{i % 2}" for i in range(12))])
    Path("data.csv").write_text(good)
    assert ask(*words)[0] == 0
    page = Path("map/sweep.html").read_text()
    Path("data.csv").write_text("a,label\n1,2,3\n")
    out = ask(*words)[1]
    assert "seeds=1 was left out: " in out
    assert "(0 plans)" in out
    Path("data.csv").write_text(good)
    assert "(2 plans)" in ask(*words)[1]
    assert json.loads(Path("map/sweep.json").read_text())["left_out"] == {}
    assert Path("map/sweep.html").read_text() == page


def test_what_cannot_be_run_is_left_out_with_its_reason(ask, monkeypatch) -> None:
    monkeypatch.setenv("TOY_TROUBLE", "user:plus-seed1")
    code, out, _ = ask("sweep", "toy", "--out", "map", "--over", "seeds=1,2")
    assert code == 0
    assert "seeds=2 was left out: " in out
    reason = json.loads(Path("map/sweep.json").read_text())["left_out"]["seeds=2"]
    page = Path("map/sweep.html").read_text()
    assert reason.split(".")[0][:40] in page.replace("&#x27;", "'")
    assert "1 have no answer" in page


def test_an_undecided_question_is_drawn_with_its_number(ask) -> None:
    code, out, _ = ask("sweep", "hesitant", "--out", "map", "--seeds", "2", "--over", "margin=0.05,0.5,5")
    assert code == 0
    found = outcomes(Path("map"))
    assert found["margin=5"] == "holds"
    assert "undecided" in found.values()
    page = Path("map/sweep.html").read_text()
    assert "Numbers are effects (the mean, in V)" in page
    assert "Heavy dashed lines" not in page  # the margin is an axis, so the edges differ
    assert out.count("margin=5") >= 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep", "toy"], "got 0 axes; expected one or two"),
        (["sweep", "--over", "seeds=1,2"], "got 0 claims; expected one"),
        (["sweep", "toy", "--over", "sedes=1,2"], "Did you mean 'seeds'?"),
        (["sweep", "toy", "--over", "seeds=1,one"], "'one' for seeds"),
        (["sweep", "toy", "--over", "seeds=1,1"], "each value once"),
        (["sweep", "toy", "--over", "seeds=0,1"], "seeds = 0"),
        (["sweep", "toy", "--over", "law.high=1,2"], "the option 'high' of Gaussian"),
        (["sweep", "toy", "--over", "seeds=1", "margin=1", "offset=1"], "got 3 axes"),
        (["sweep", "toy", "--over", "seeds=1", "seeds=2"], "twice"),
        (["sweep", "toy", "--over", "seeds=1", "--coordinator", "h:1", "--processes", "2", "--process", "0"], "--coordinator"),
    ],
)  # fmt: skip
def test_mistakes_are_explained_before_anything_runs(ask, words, said) -> None:
    code, out, err = ask(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert not Path("sweeps").exists()


def test_a_sweep_with_an_infinite_option_is_continued(ask) -> None:
    for _ in range(2):
        assert ask("sweep", "toy", "--out", "map", "--over", "seeds=1,2", "--margin", "inf")[0] == 0


def test_the_edges_of_a_rule_are_drawn_where_all_plans_share_them(ask) -> None:
    assert ask("sweep", "hesitant", "--out", "map", "--seeds", "2", "--over", "offset=0,3")[0] == 0
    page = Path("map/sweep.html").read_text()
    assert "Heavy dashed lines are the edges of where the question holds, −0.5 to 0.5." in page


def test_another_sweep_is_not_written_into(ask) -> None:
    assert ask("sweep", "toy", "--out", "map", "--over", "seeds=1,2")[0] == 0
    code, _, err = ask("sweep", "toy", "--out", "map", "--over", "seeds=1,3")
    assert code == 2
    assert "which holds a sweep of" in err


def test_an_interruption_says_how_to_go_on(ask, monkeypatch) -> None:
    monkeypatch.setenv("TOY_TROUBLE", "interrupt:plus-seed1")
    code, out, _ = ask("sweep", "toy", "--out", "map", "--over", "seeds=1,2")
    assert code == 130
    assert "Continue from there: ticketlab sweep toy --out map --over seeds=1,2" in out
    monkeypatch.delenv("TOY_TROUBLE")
    assert ask("sweep", "toy", "--out", "map", "--over", "seeds=1,2")[0] == 0
