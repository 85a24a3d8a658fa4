"""The page as text: its order, that nothing is loaded or breaks out of its place, and that it is reproducible."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Column, Evidence, Table
from ticketlab.laws.verdict import Outcome
from ticketlab.report.page import render

EMPTY = {"meta", "br", "hr", "img", "link", "input"}


class Reader(HTMLParser):
    """Elements in order, and the text outside scripts and styles; complains about tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)


@pytest.fixture(scope="module")
def html(record):
    return render(record)


@pytest.fixture(scope="module")
def page(html):
    return Reader(html)


@pytest.fixture(scope="module")
def words(page):
    return re.sub(r"\s+", " ", " ".join(page.text))


def test_same_record_same_bytes(record, html):
    assert render(record) == html


def test_the_verdict_comes_first(words, record):
    whole = record.evidence.verdicts[0]
    order = [
        record.statement,
        whole.reading,
        "Figure 1.",
        whole.rule,
        "Figure 2.",
        "Tables",
        "Method",
        "Certificates",
        "How to reproduce",
    ]
    places = [words.index(text, 200) for text in order]
    assert places == sorted(places)


def test_every_question_has_its_answer_number_and_reading(words, record):
    for verdict in record.evidence.verdicts[1:]:
        assert verdict.question in words
        assert verdict.reading in words
    assert "−0.32 (−0.73 to +0.09)" in words
    assert "✗ fails" in words
    assert "? undecided" in words


def test_headings_go_down_one_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_chart_has_a_name_and_is_described_by_its_caption_alone(page):
    ids = {a["id"]: tag for tag, a in page.elements if "id" in a}
    assert len(ids) == sum("id" in a for _, a in page.elements), "ids are unique"
    charts = [a for tag, a in page.elements if a.get("class") in ("chart", "bars", "bars forest")]
    assert len(charts) == 1 + 4 + 4 + 8 + 4 + 4 + 2
    assert all(a["aria-label"] and ids[a["aria-describedby"]] == "figcaption" for a in charts)


def test_references_within_the_page_lead_somewhere(page):
    ids = {a["id"] for _, a in page.elements if "id" in a}
    targets = [a["href"][1:] for tag, a in page.elements if tag == "a" and a["href"].startswith("#")]
    assert "source-1" in targets
    assert set(targets) <= ids


def test_nothing_is_loaded(html, page):
    assert not [a for _, a in page.elements if "src" in a or "srcset" in a]
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "img", "object", "base")]
    assert "default-src 'none'" in html
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_tables_have_captions_and_heads(page):
    tables = sum(tag == "table" for tag, _ in page.elements)
    bars = sum(
        a.get("class", "").startswith("bars") for tag, a in page.elements if tag == "table"
    )  # described by the figure
    assert (
        sum(tag == "caption" for tag, _ in page.elements) == tables - bars - 1
    )  # the environment has a heading
    assert all("scope" in a for tag, a in page.elements if tag == "th")


def test_how_to_reproduce(words, record):
    assert record.evidence.digest() in words
    assert 'claim = "tangent-minimum"' in words
    assert "ticketlab run plan.toml" in words
    assert "jax 0.10.0" in words


def test_text_from_outside_stays_text(record):
    evil = "<script>alert(1)</script>\" onload='x'"
    verdicts = tuple(
        replace(v, question=v.question and evil, reading=evil, rule=evil, unit=evil)
        for v in record.evidence.verdicts
    )
    table = Table(evil, (Column(evil, record.evidence.tables["arms"]["arm"], evil, evil),))
    spoilt = replace(
        record,
        statement=evil,
        question=evil,
        method=(evil, f"[{evil}]"),
        sources=(Source("k", evil, "javascript:alert(1)"),),
        plan_text=evil,
        facts={evil: evil},
        environment={evil: evil},
        commands=(evil,),
        evidence=Evidence({**record.evidence.tables, evil: table}, verdicts),
    )
    html = render(spoilt)
    assert "<script>alert" not in html
    assert 'href="javascript' not in html
    Reader(html)


def test_a_claim_without_figures_of_its_own(record):
    other = replace(record, claim="some-other-claim")
    page = Reader(render(other))
    assert sum(tag == "figure" for tag, _ in page.elements) == 1
    assert "Certificates" not in " ".join(page.text)


def test_without_verdicts(record):
    html = render(replace(record, evidence=Evidence({})))
    assert "There is no verdict on the claim as a whole." in html
    Reader(html)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_a_sign_and_a_word(record, outcome):
    whole = replace(record.evidence.verdicts[0], outcome=outcome)
    html = render(replace(record, evidence=Evidence({}, (whole,))))
    sign = {"holds": "✓", "fails": "✗", "undecided": "?"}[outcome]
    assert f'<span class="badge {outcome}"><span aria-hidden="true">{sign}</span> {outcome}</span>' in html


def test_unknown_citations_stay_as_they_are(record):
    html = render(replace(record, method=("See [nobody1999] and [Lee et al. 2019].",)))
    assert "[nobody1999]" in html
    assert '[<a class="cite" href="#source-2">2</a>]' in html


def test_two_sources_in_one_citation(record):
    html = render(
        replace(record, method=("See [Jacot et al. 2018; Lee et al. 2019] and [Lee et al. 2019; nobody].",))
    )
    assert '[<a class="cite" href="#source-1">1</a>, <a class="cite" href="#source-2">2</a>]' in html
    assert "[Lee et al. 2019; nobody]" in html


def test_a_source_of_two_authors_is_cited(record):
    text, sources = "See [A & B 2020; Lee et al. 2019] and [A & C].", (Source("A & B 2020", "A, B."),)
    html = render(replace(record, method=(text,), sources=(*sources, *record.sources[1:])))
    links = '[<a class="cite" href="#source-1">1</a>, <a class="cite" href="#source-2">2</a>]'
    assert f"See {links} and [A &amp; C]." in html


def test_every_figure_and_table_can_be_saved(page):
    figures = sum(tag == "figure" for tag, _ in page.elements)
    kinds = [a["data-kind"] for tag, a in page.elements if tag == "button" and "data-kind" in a]
    assert kinds.count("svg") == kinds.count("png") == figures
    folded = [a for _, a in page.elements if a.get("class") == "words"]
    tables = sum(tag == "caption" for tag, _ in page.elements) - len(folded)
    assert kinds.count("csv") == figures + tables


def test_size(html):
    assert len(html) < 6_000_000
