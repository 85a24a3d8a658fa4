"""Runs side by side: their sizes, what differs between their plans, and every question's answers."""

import re
from pathlib import Path

import pytest

STUDIES = {"toy": "toy_study:Toy", "hesitant": "toy_study:Hesitant"}
pytestmark = pytest.mark.usefixtures("workplace")


def run(ask, name, *words, claim="toy") -> None:
    assert ask("run", claim, "--out", name, *words)[0] == 0


def test_two_runs_of_one_claim_differ_by_what_was_asked(ask) -> None:
    run(ask, "few", "--seeds", "2")
    run(ask, "many", "--seeds", "4", "--margin", "0.01")
    code, out, err = ask("compare", "few", "many", "--out", "pages/c.html")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines() if line.startswith(("few", "many"))]
    assert [row[:3] for row in rows] == [["few", "toy", "holds"], ["many", "toy", "fails"]]
    page = Path("pages/c.html").read_text()
    differs = page[
        page.index('id="differences"') : page.index('id="questions"', page.index('id="differences"'))
    ]
    names = re.findall(r'<th scope="row">(.*?)</th>', differs)
    assert names == ["seeds", "margin"]
    assert 'href="../few/report.html"' in page
    assert page.count('<table class="bars forest"') == 2
    assert "toy: holds in 1 run, fails in 1 run" in page
    assert "have the same evidence" not in page
    assert "<script src" not in page


def test_equal_runs_are_said_to_be_equal(ask) -> None:
    run(ask, "one", "--seeds", "2")
    run(ask, "two", "--seeds", "2")
    assert ask("compare", "one", "two")[0] == 0
    page = Path("comparison.html").read_text()
    assert "one and two have the same evidence, bit for bit." in page
    assert "toy: nothing." in page


def test_a_difference_beyond_the_digits_shown_is_told_and_links_lead_to_any_folder(ask) -> None:
    run(ask, "50% #1", "--seeds", "2", "--margin", "0.12341")
    run(ask, "what?", "--seeds", "2", "--margin", "0.12342")
    assert ask("compare", "50% #1", "what?")[0] == 0
    page = Path("comparison.html").read_text()
    assert '<th scope="row">margin</th><td>0.12341</td><td>0.12342</td>' in page
    assert 'href="50%25%20%231/report.html"' in page
    assert 'href="what%3F/report.html"' in page


def test_other_claims_have_figures_of_their_own(ask) -> None:
    run(ask, "a", "--seeds", "2")
    run(ask, "b", "--seeds", "2", claim="hesitant")
    assert ask("compare", "a", "b")[0] == 0
    page = Path("comparison.html").read_text()
    assert "2 runs of 2 claims" in page
    assert 'id="figure-toy-questions"' in page
    assert 'id="figure-hesitant-questions"' in page


def test_the_folder_of_a_sweep_is_all_of_its_runs(ask) -> None:
    assert ask("sweep", "toy", "--out", "map", "--over", "seeds=1,2,3")[0] == 0
    code, out, _ = ask("compare", "map")
    assert code == 0
    assert [f"seeds={n}" in out for n in (1, 2, 3)] == [True] * 3


def test_runs_of_a_sweep_that_are_not_finished_are_named(ask, monkeypatch) -> None:
    monkeypatch.setenv("TOY_TROUBLE", "interrupt:plus-seed2")
    assert ask("sweep", "toy", "--out", "map", "--over", "seeds=1,2,3")[0] == 130
    code, out, _ = ask("compare", "map")
    assert code == 0
    assert "left out  map/seeds=3, which is not finished" in out
    assert "Not finished, and left out: map/seeds=3." in Path("comparison.html").read_text()


def test_a_long_name_leaves_room_for_the_other_columns(ask) -> None:
    for name in ("a", "b"):
        run(ask, f"{name * 100}/{name * 100}", "--seeds", "1")
    _, out, _ = ask("compare", *(f"{name * 100}/{name * 100}" for name in ("a", "b")))
    assert out.count("holds") == 2


def test_a_lost_plan_is_restored(ask) -> None:
    run(ask, "one", "--seeds", "2")
    assert ask("sweep", "toy", "--out", "map", "--over", "seeds=1,2")[0] == 0
    for lost in ("one", "map/seeds=2"):
        Path(lost, "plan.toml").unlink()
    code, out, err = ask("compare", "one", "map")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["one", "map/seeds=1", "map/seeds=2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare"], "0 runs"),
        (["compare", "few"], "1 run;"),
        (["compare", "few", "few"], "1 run;"),
        (["compare", "few", "nothing"], "nothing, which holds no finished run"),
        (["compare", "few", "half"], "not finished"),
        (["compare", "few", "other", "--out", "."], "., which is a folder; expected a file"),
    ],
)
def test_mistakes_are_explained(ask, monkeypatch, words, said) -> None:
    run(ask, "few", "--seeds", "2")
    run(ask, "other", "--seeds", "1")
    monkeypatch.setenv("TOY_TROUBLE", "interrupt:minus-seed1")
    assert ask("run", "toy", "--seeds", "2", "--out", "half")[0] == 130
    code, _, err = ask(*words)
    assert code == 2
    assert said in err
    assert not Path("comparison.html").exists()
