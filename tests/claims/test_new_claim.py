"""A new claim is one folder with two files: nothing else is edited, and it has command line, plan file, run, resume and page."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import ticketlab

TESTS = Path(__file__).parents[1]
WORDS = (
    ("claims",),
    ("plan", "coin-flips", "--bias", "0.2"),
    ("run", "coin-flips", "--json", "--seeds", "3"),
    ("run", "coin-flips", "--json", "--seeds", "8"),  # extended: three coins are kept
    ("run", "plan.toml", "--json", "--out", "biased"),
    ("report", "biased"),
)
CODE = """
import contextlib, io, json, pathlib, sys
from ticketlab.cli import main
said = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    if words[0] == "plan":
        pathlib.Path("plan.toml").write_text(out.getvalue(), encoding="utf-8")
    said.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(said))
"""


def test_one_folder_of_two_files_is_a_claim(tmp_path):
    package = tmp_path / "packages" / "ticketlab"
    shutil.copytree(Path(ticketlab.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TESTS / "toys" / "coin_flips", package / "claims" / "coin_flips")
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(WORDS)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(package.parent), "TICKETLAB_CACHE": "off"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    claims, plan, first, more, biased, page = json.loads(done.stdout)
    assert [code for code, *_ in (claims, plan, first, more, biased, page)] == [0] * 6, (first, more, biased)
    assert "coin-flips" in claims[1]
    assert "# the share of heads away from one half that still counts as fair." in plan[1]

    one, eight, unfair = (json.loads(of[1]) for of in (first, more, biased))
    assert one["folder"] == eight["folder"]
    assert "1 of 2 cells will be reused" in more[2]
    assert (eight["outcome"], eight["look"]["number"]) == ("holds", 2)
    assert unfair["outcome"] == "fails"
    html = (tmp_path / page[1].strip()).read_text(encoding="utf-8")
    for words in ("A coin is fair.", "heads are half of all flips", "their share of the flips"):
        assert words in html


def test_the_docs_list_it(monkeypatch):
    """By the generator that the documentation uses, which is given the list of folders."""
    monkeypatch.syspath_prepend(str(TESTS.parent / "docs" / "_ext"))
    import claim_pages

    from ticketlab.claims import CLAIMS

    monkeypatch.syspath_prepend(str(TESTS / "toys"))
    entry = claim_pages.claims({**CLAIMS, "coin-flips": "coin_flips.claim:CoinFlips"})
    assert "*A coin is fair.* Flip coins many times." in entry
