"""The page as a reader meets it: opened in Chromium with the network shut, in light, in dark, on a telephone and on paper."""

from dataclasses import dataclass, field

import pytest

from ticketlab.figures.palette import DARK, LIGHT
from ticketlab.report.page import render

pytestmark = pytest.mark.page
sync_api = pytest.importorskip("playwright.sync_api")

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


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
def browser(browser_path):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(browser, file):
    """The page; everything but the file itself is refused and counted."""
    opened = Opened(browser.new_page(viewport={"width": 1200, "height": 900}))

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
            e.layout.width === e.clientWidth &&
            getComputedStyle(e.querySelector(".xtitle")).fill === getComputedStyle(document.querySelector(".kicker")).color)"""
    )


def colour_of(page, selector, what):
    return page.eval_on_selector(selector, f"e => getComputedStyle(e).{what}")


def rgb(colour):
    return "rgb({}, {}, {})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))


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
    assert len(boxes) == 21
    assert all(layers >= 1 and overflow <= 0 for layers, overflow in boxes)


def test_charts_have_names_and_descriptions_for_screen_readers(page):
    described = page.eval_on_selector_all(
        ".chart",
        "all => all.map(e => [e.ariaLabel, document.getElementById(e.getAttribute('aria-describedby')).textContent])",
    )
    assert all(name and any(c.isdigit() for c in text) for name, text in described)


def test_words_and_tables_open(page):
    for details, content in ((".words", "ul"), (".raw details", "table")):
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


@pytest.mark.parametrize("width", [360, 500, 768])
def test_narrow_screens_scroll_down_only(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".panel").first.bounding_box()["width"] <= width


def test_paper_is_light_and_complete(page):
    page.emulate_media(media="print", color_scheme="dark")
    drawn(page)
    assert colour_of(page, "body", "backgroundColor") == rgb(LIGHT.paper)
    assert colour_of(page, ".xtitle", "fill") == rgb(LIGHT.soft)
    assert page.locator("details.words").first.locator("ul").first.is_visible()
    page.emulate_media(media="screen", color_scheme="dark")
    drawn(page)
    assert colour_of(page, ".xtitle", "fill") == rgb(DARK.soft)
    assert not page.locator("details.words").first.locator("ul").first.is_visible()


def test_a_pdf_of_sensible_length(page):
    page.emulate_media(color_scheme="dark")
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    assert 8 <= pdf.count(b"/Type /Page\n") <= 16


def test_charts_can_be_saved(page):
    with page.expect_download() as download:
        page.locator(".save").first.dispatch_event("click")
    assert download.value.suggested_filename == "figure-verdict-1.svg"
    assert "<svg" in download.value.path().read_text(encoding="utf-8")


def test_after_all_this_nothing_went_wrong_and_nothing_was_asked_for(opened, file):
    assert opened.troubles == []
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] in ([], [file.as_uri()])


def test_the_policy_refuses_what_a_script_would_load(opened):
    assert opened.page.evaluate("fetch('https://example.org/').then(() => false, () => true)")
    assert not [url for url in opened.requests if "example.org" in url]
