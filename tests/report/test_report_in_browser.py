"""The pages as a reader meets them: opened in Chromium with the network shut, in light, in dark, on a telephone and on paper."""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from in_browser import OVERLAPS, inaccessible, rgb

from ticketlab.claims import CLAIMS
from ticketlab.figures.palette import DARK, LIGHT
from ticketlab.report.page import render

pytestmark = pytest.mark.page
sync_api = pytest.importorskip("playwright.sync_api")


@dataclass
class Opened:
    """A page with what went wrong on it and what it asked for."""

    page: sync_api.Page
    troubles: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def file(record, tmp_path_factory):
    place = tmp_path_factory.mktemp("report") / "report.html"
    place.write_text(render(record), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def opened(browser, file):
    """The page; everything but the file itself is refused and counted."""
    opened = Opened(browser.new_page(viewport={"width": 1200, "height": 900}))
    opened.page.set_default_timeout(180_000)  # a machine that does much else draws slowly

    def answer(route):
        opened.requests.append(route.request.url)
        if route.request.url == file.as_uri():
            route.continue_()
        else:
            route.abort()

    def note(message):
        if message.type in ("error", "warning"):
            opened.troubles.append(message.text)

    opened.page.route("**/*", answer)
    opened.page.on("console", note)
    opened.page.on("pageerror", lambda error: opened.troubles.append(str(error)))
    opened.page.goto(file.as_uri())
    return opened


@pytest.fixture
def page(opened):
    """The page on a wide, light screen, whatever the test before made of it."""
    opened.page.set_viewport_size({"width": 1200, "height": 900})
    opened.page.emulate_media(media="screen", color_scheme="light")
    drawn(opened.page)
    return opened.page


def drawn(page):
    """Waits until every chart is as wide as its place, in the colours of the page."""
    page.wait_for_function(
        """() => [...document.querySelectorAll(".chart")].every((e) =>
            e.closest('details:not([open])') || e.layout.width === e.clientWidth &&
            getComputedStyle(e.querySelector(".xtitle")).fill === getComputedStyle(document.querySelector(".kicker")).color)"""
    )


def colour_of(page, selector, what):
    return page.eval_on_selector(selector, f"e => getComputedStyle(e).{what}")


def test_title_language_and_verdict(page, record):
    assert page.title() == "tangent-minimum: undecided – Ticketlab"
    assert page.get_attribute("html", "lang") == "en-GB"
    assert page.locator(".answer .reading").inner_text() == record.evidence.verdicts[0].reading
    assert "undecided" in page.locator(".answer .badge").inner_text()


def test_every_chart_is_drawn_inside_the_page(page):
    boxes = page.eval_on_selector_all(
        ".chart",
        "all => all.map(e => [e.querySelectorAll('.main-svg').length, e.scrollWidth - e.clientWidth])",
    )
    assert len(boxes) == 12
    assert all(layers >= 1 and overflow <= 0 for layers, overflow in boxes)


def test_the_verdicts_figure_is_under_the_badge_and_the_rules_are_folded_below(page):
    badge, forest, rules = (
        page.locator(s).first.bounding_box() for s in (".answer .badge", ".forest", "details.rule")
    )
    assert badge["y"] < forest["y"] < 700
    assert forest["y"] + forest["height"] < rules["y"]
    assert not page.locator("details.rule li").first.is_visible()


def test_words_and_tables_open(page):
    for details, content in ((".words", "table"), (".raw details", "table")):
        first = page.locator(details).first
        assert not first.locator(content).first.is_visible()
        first.locator("summary").click()
        assert first.locator(content).first.is_visible()
        first.locator("summary").click()


def test_light_and_dark_follow_the_system(page):
    assert colour_of(page, "body", "backgroundColor") == rgb(LIGHT.paper)
    assert colour_of(page, ".xtitle", "fill") == rgb(LIGHT.soft)
    page.emulate_media(color_scheme="dark")
    drawn(page)
    assert colour_of(page, "body", "backgroundColor") == rgb(DARK.paper)
    assert colour_of(page, ".xtitle", "fill") == rgb(DARK.soft)


TOYS = {  # claim: the tests that invent its numbers, and the function that does
    "detector-neuron": ("test_detector_neuron_page", "toy_record"),
    "disconnected-detector": ("test_disconnected_detector_page", "toy_record"),
    "edge-contribution": ("test_edge_contribution_page", "toy_record"),
    "existence-bounds": ("test_existence_bounds_page", "toy_record"),
    "gp-performance": ("test_gp_performance_page", "toy_record"),
    "ladder": ("test_ladder_page", "toy_record"),
    "linear-mode": ("test_linear_mode_page", "toy_record"),
    "linear-regime": ("test_linear_regime_page", "toy_record"),
    "many-optima": ("test_many_optima_page", "toy_record"),
    "masking-is-training": ("test_masking_page", "toy_record"),
    "multi-prize": ("test_learned_masks_page", "toy_prizes"),
    "multigraph": ("test_multigraph_page", "toy_record"),
    "newton-step": ("test_newton_step_page", "toy_record"),
    "random-filters": ("test_random_filters_page", "toy_record"),
    "random-pick": ("test_random_pick_page", "toy_record"),
    "scaling": ("test_scaling_page", "toy_record"),
    "same-ticket": ("test_same_ticket_page", "toy_record"),
    "symmetry-breaking": ("test_symmetry_breaking_page", "toy_record"),
    "tail-exponent": ("test_tail_exponent_page", "toy_record"),
    "tangent-sampling": ("test_tangent_sampling_page", "toy_record"),
    "ticket-tail": ("test_ticket_tail_page", "toy_record"),
    "untrained-subnetwork": ("test_learned_masks_page", "toy_record"),
    "winning-ticket": ("test_winning_ticket_page", "toy_record"),
}


READ = ("detector-neuron", "random-pick", "tangent-minimum")
"""Claims whose pages have all kinds of tables and figures between them."""


def test_every_claim_is_named(record):
    assert set(CLAIMS) == {*TOYS, record.claim}


@pytest.mark.parametrize(
    "claim", [pytest.param(c, marks=() if c in READ else pytest.mark.slow) for c in sorted(CLAIMS)]
)
def test_no_text_overlaps_and_nothing_scrolls_sideways(browser, record, claim, tmp_path):
    made = record if claim not in TOYS else toy(record, *TOYS[claim])
    file = tmp_path / "report.html"
    file.write_text(render(made), encoding="utf-8")
    page = browser.new_page()
    page.set_default_timeout(180_000)  # a machine that does much else draws slowly
    for width in (1400, 800, 400):
        page.set_viewport_size({"width": width, "height": 900})
        if page.url == "about:blank":
            page.goto(file.as_uri())
        drawn(page)
        assert page.evaluate(OVERLAPS) == [[], 0], width
    page.close()


@pytest.mark.parametrize(
    "claim",
    [pytest.param(c, marks=() if c == "detector-neuron" else pytest.mark.slow) for c in sorted(CLAIMS)],
)
def test_everybody_can_read_it(browser, record, claim, tmp_path):
    made = record if claim not in TOYS else toy(record, *TOYS[claim])
    file = tmp_path / "report.html"
    file.write_text(render(made), encoding="utf-8")
    page = browser.new_page(viewport={"width": 800, "height": 900})
    page.goto(file.as_uri())
    drawn(page)
    assert inaccessible(page) == []
    page.close()


def toy(record, module, function):
    """A record of invented numbers, from the tests of a page."""
    spec = importlib.util.spec_from_file_location(f"toys_{module}", Path(__file__).with_name(f"{module}.py"))
    tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    return getattr(tests, function)(record)


def test_sections_are_drawn_when_they_are_opened_and_paper_has_them_all(browser, record, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(render(toy(record, "test_linear_regime_page", "toy_of_two_depths")), encoding="utf-8")
    page = browser.new_page()
    page.set_default_timeout(180_000)
    page.goto(file.as_uri())
    charts, reading = (
        page.locator(".section .chart .main-svg:first-child"),
        page.locator(".forest .said").first,
    )
    drawn(page)
    half = charts.count()
    assert 0 < half < page.locator(".section .chart").count()
    assert not reading.is_visible()
    page.locator("#figures .section").last.locator("summary").first.click()
    page.wait_for_function(
        "half => document.querySelectorAll('.section .main-svg:first-child').length === 2 * half", arg=half
    )
    page.locator("#figures .section").last.locator("summary").first.click()
    page.emulate_media(media="print")
    drawn(page)
    assert all(page.locator(".section").evaluate_all("all => all.map(e => e.open)"))
    assert reading.is_visible()
    page.emulate_media(media="screen")
    with page.expect_download() as download:
        page.locator("#figure-verdict [data-kind=svg]").click()
    saved = download.value.path().read_text(encoding="utf-8")
    assert ">deeper<" in saved  # of questions
    assert ">Folded.<" not in saved  # what was found
    page.close()


def test_overlapping_texts_are_found(browser):
    page = browser.new_page()
    page.set_content("<figure id=f><p style='margin: 0'>one</p><p style='margin: -1em 0 0'>two</p></figure>")
    assert page.evaluate(OVERLAPS) == [["f: one | two"], 0]
    page.close()


def test_paper_is_light_and_complete(page):
    page.emulate_media(media="print", color_scheme="dark")
    drawn(page)
    assert colour_of(page, "body", "backgroundColor") == rgb(LIGHT.paper)
    assert colour_of(page, ".xtitle", "fill") == rgb(LIGHT.soft)
    assert not page.locator(".tools").first.is_visible()
    assert page.locator(".forest tbody tr").last.is_visible()
    page.emulate_media(media="screen", color_scheme="dark")
    drawn(page)
    assert colour_of(page, ".xtitle", "fill") == rgb(DARK.soft)
    assert page.locator(".tools").first.is_visible()


def test_a_pdf_of_sensible_length(page):
    page.emulate_media(color_scheme="dark")
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    assert 8 <= pdf.count(b"/Type /Page\n") <= 16


@pytest.mark.parametrize(
    ("figure", "kind", "start"),
    [
        ("#figure-verdict", "svg", b"<svg"),
        ("#figure-ridge-path", "svg", b"<svg"),
        ("#figure-ridge-path", "png", b"\x89PNG"),
        ("#figure-ridge-path", "csv", b"panel,series,at,value,low,high,single\n"),
        ("#tables .table", "csv", b"group,arm,"),
    ],
)
def test_figures_and_tables_can_be_saved_by_a_visible_button(page, figure, kind, start):
    button = page.locator(f"{figure} [data-kind={kind}]").first
    assert button.is_visible()
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename.endswith(f".{kind}")
    content = download.value.path().read_bytes()
    assert content.startswith(start)
    assert b"var(--" not in content


def test_a_series_can_be_hidden_and_a_chart_enlarged(page):
    figure = page.locator("#figure-ridge-path")
    lines = figure.locator(".chart").first.locator(".scatterlayer .trace")
    count = lines.count()
    key = figure.locator(".key button").first
    key.click()
    assert key.get_attribute("aria-pressed") == "false"
    assert lines.count() < count
    key.click()
    assert lines.count() == count
    zoom = figure.get_by_role("button", name="Zoom")
    zoom.click()
    assert figure.locator(".chart").first.evaluate("e => e.layout.dragmode") == "zoom"
    zoom.click()
    assert figure.locator(".chart").first.evaluate("e => e.layout.dragmode") is False


def test_after_all_this_nothing_went_wrong_and_nothing_was_asked_for(opened, file):
    assert opened.troubles == []
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] in ([], [file.as_uri()])


def test_the_policy_refuses_what_a_script_would_load(opened):
    assert opened.page.evaluate("fetch('https://example.org/').then(() => false, () => true)")
    assert not [url for url in opened.requests if "example.org" in url]
