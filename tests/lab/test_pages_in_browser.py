"""The pages of many runs, opened in Chromium: no text overlaps, nothing scrolls sideways, and everybody can read them."""

from pathlib import Path

import pytest
from in_browser import OVERLAPS, inaccessible, rgb

from ticketlab.claims import CLAIMS
from ticketlab.figures.palette import DARK, LIGHT
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.plans import find_study
from ticketlab.report.lab_page import Shown, render_lab

pytestmark = pytest.mark.page
pytest.importorskip("playwright.sync_api")
STUDIES = {"toy": "toy_study:Toy"}
SWEEP = ["sweep", "toy", "--task", "boolean:3", "--seeds", "2", "--out", "page"]
SWEEP += ["--over", "offset=0,0.4,0.8", "law.scale=0.1,0.4"]
RUN = ["run", "toy", "--task", "boolean:3", "--seeds"]


def shown(number: int, claim: str) -> Shown:
    """A claim with three planted questions, long ones among them."""
    outcome = list(Outcome)[number % 3]
    reading = "This is what was found for the claim as a whole, in a sentence."
    verdicts = [Verdict("", outcome, "Rule.", None, None, "", reading, key="claim")]
    for key in ("class", "score", "not-enough"):
        question = f"square loss, two hidden layers: {key} of the random network is not reliable"
        verdicts.append(
            Verdict(
                question,
                outcome,
                "Rule.",
                -2.69,
                (-13.49, 11.89),
                "% of the headroom above guessing",
                reading,
                key=key,
            )
        )
    page = f"{claim}/report.html"
    return Shown(
        claim, find_study(claim, CLAIMS).statement, verdicts[0], tuple(verdicts), 0.01 * number, page
    )


def lab(ask) -> Path:
    said = [shown(number, claim) for number, claim in enumerate(CLAIMS) if claim != "scaling"]
    left_out = {"scaling": "got a network of dense layers; expected a family of sizes."}
    facts = {"Data": "digits", "Network": "each claim's own", "Plans": "quick"}
    Path("lab.html").write_text(render_lab(said, left_out, facts), encoding="utf-8")
    return Path("lab.html")


def sweep(ask) -> Path:
    assert ask(*SWEEP)[0] == 0
    return Path("page/sweep.html")


def comparison(ask) -> Path:
    for seeds in ("2", "3"):
        assert ask(*RUN, seeds, "--out", f"run-{seeds}")[0] == 0
    assert ask("compare", "run-2", "run-3", "--out", "compared.html")[0] == 0
    return Path("compared.html")


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("made", [lab, pytest.param(sweep, marks=pytest.mark.slow), comparison])
def test_it_can_be_read_everywhere(browser, ask, made) -> None:
    file = made(ask).resolve()
    page = browser.new_page(color_scheme="light")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    for width in (1400, 800, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(OVERLAPS) == [[], 0], width
    page.set_viewport_size({"width": 1400, "height": 900})
    assert inaccessible(page) == []
    paper = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 400, "height": 900})
    assert page.evaluate(paper) == rgb(DARK.paper)
    assert inaccessible(page) == []
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(paper) == rgb(LIGHT.paper)
    assert requests == [file.as_uri()]
    page.close()
