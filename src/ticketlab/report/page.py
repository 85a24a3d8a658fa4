"""The report: one HTML file that says what was asked, what came out, why one may believe it, and how to get it again.

The verdict comes first, with its figure directly under the answer and the rules folded below it; then the figures, the tables,
the method in words, the certificates, and how to reproduce. The
file contains everything it shows, and its content policy forbids it to load anything: it opens without a network, today and
in ten years. It is a pure function of the record, so the same run gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape, unescape
from importlib.resources import files
from itertools import groupby
from operator import itemgetter

from plotly.offline import get_plotlyjs

from ticketlab.claims import page_of
from ticketlab.claims.wording import sentence
from ticketlab.evidence.record import Record
from ticketlab.evidence.source import Source
from ticketlab.figures.figure import Figure, Panel, Point
from ticketlab.figures.forest import badge, forest, in_words
from ticketlab.figures.glossary import Glossary
from ticketlab.figures.html import csv_text, json_text, prose
from ticketlab.figures.key import html_key
from ticketlab.figures.palette import DARK, LIGHT, dark_of
from ticketlab.figures.presentation import Presentation
from ticketlab.figures.text_tables import TextTable, html_table, save_buttons, shown
from ticketlab.figures.wording import plural, power

__all__ = ["document", "facts_html", "figure_html", "left_out_html", "render"]

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def render(record: Record) -> str:
    """The whole page of a record, as HTML text of about 5 MB, nearly all of it plotly.js."""
    show = presentation(record)
    first = forest(record.questions, show.asked)
    before, words = 1 if first else 0, Glossary()
    verdict = _verdict(record, first, words)
    sections = {
        "figures": ("Figures", _figures(show.figures, 1 + before, words)),
        "tables": ("Tables", _tables(record, (*show.published, *show.summaries))),
        "method": ("Method", _method(record.method, record.sources)),
        "certificates": ("Certificates", _certificates(show, 1 + before + len(show.figures), words)),
        "reproduce": ("How to reproduce", _reproduce(record)),
    }
    of = f"<b>Ticketlab</b> report on the claim <b>{escape(record.claim)}</b>"
    return document(_title(record), of, verdict, sections, f"<script>{get_plotlyjs()}</script>\n")


def document(
    title: str, of: str, first: str, sections: Mapping[str, tuple[str, str]], scripts: str = ""
) -> str:
    """A page as one file: its title, what it is of, what comes first, and sections with their headings by name, as HTML.

    A section without a text is left out.
    """
    filled = [(name, heading, text) for name, (heading, text) in sections.items() if text]
    links = "".join(f'<li><a href="#{name}">{heading}</a></li>' for name, heading, _ in filled)
    body = "".join(
        f'<section id="{name}"><h2>{heading}</h2>{text}</section>' for name, heading, text in filled
    )
    return f"""<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
:root {{ {LIGHT.css()} }}
@media screen and (prefers-color-scheme: dark) {{ :root:not(.printing) {{ {DARK.css()} }} }}
{_asset("page.css")}</style>
</head>
<body>
<header class="top">
<p>{of}</p>
<nav aria-label="Contents"><ul>{links}</ul></nav>
</header>
<main>
{first}
{body}
</main>
<script type="application/json" id="dark-of">{json_text(dark_of())}</script>
{scripts}<script>{_asset("page.js")}</script>
</body>
</html>
"""


def presentation(record: Record) -> Presentation:
    """What is shown of a run beyond its verdicts and tables: its claim's own page, or nothing."""
    present = page_of(record.claim)
    return present(record) if present else Presentation()


def _title(record: Record) -> str:
    outcome = f": {record.whole.outcome}" if record.whole else ""
    return f"{record.claim}{outcome} – Ticketlab"


# --- the verdict ---


def _verdict(record: Record, figure: Figure | None, words: Glossary) -> str:
    whole = record.whole
    answer = (
        f'<div class="answer">{badge(whole.outcome)}<p class="reading">{prose(in_words(whole))}</p></div>'
        if whole
        else '<div class="answer"><p class="reading">There is no verdict on the claim as a whole.</p></div>'
    )
    said = [text for v in (whole, *record.questions) if v for text in (v.question, v.reading)]
    sides = ["side question" for v in record.questions if not v.headline]
    explained = words.explain(record.question, *said, *sides)
    return f"""<section id="verdict" aria-labelledby="claim">
<p class="kicker">{prose(record.question)}</p>
<h1 id="claim">“{escape(record.statement)}”</h1>
{answer}
{_start(record.facts)}
{figure_html(figure, 1, words, "h2") if figure else ""}
{explained}
{_rules(record)}
{facts_html({k: v for k, v in record.facts.items() if k != "Start"})}
</section>"""


def _rules(record: Record) -> str:
    """The decision rules, folded: that of the claim as a whole first, then those of the questions, each rule once."""
    named: dict[str, list[str]] = {}
    if record.whole and record.whole.rule:
        named[record.whole.rule] = ["The claim as a whole"]
    for v in record.questions:
        if v.rule:
            named.setdefault(v.rule, []).append(v.question)
    if not named:
        return ""
    items = "".join(f"<li><b>{escape('; '.join(of))}.</b> {prose(rule)}</li>" for rule, of in named.items())
    summary = "The rules by which this was decided. They were fixed before the runs."
    return f'<details class="rule paper"><summary>{summary}</summary><ul>{items}</ul></details>'


def _start(facts: Mapping[str, str]) -> str:
    """That networks do not start at random, where they do not: it changes what the question is about."""
    said = facts.get("Start")
    return f"<p><b>Not a random start.</b> {prose(said)}</p>" if said else ""


def facts_html(facts: Mapping[str, str]) -> str:
    """What a reader wants to know first, by name."""
    pairs = "".join(f"<div><dt>{escape(k)}</dt><dd>{prose(v)}</dd></div>" for k, v in facts.items())
    return f'<dl class="facts">{pairs}</dl>' if pairs else ""


def left_out_html(left_out: Mapping[str, str]) -> str:
    """What was left out, and why."""
    items = "".join(f"<li>{escape(name)}: {prose(why)}</li>" for name, why in left_out.items())
    return f"<ul>{items}</ul>" if items else ""


# --- figures and tables ---


def _figures(figures: Iterable[Figure], first: int, words: Glossary) -> str:
    return _sections((f.section, figure_html(f, number, words)) for number, f in enumerate(figures, first))


def _sections(parts: Iterable[tuple[str, str]]) -> str:
    """Figures or tables by section, each of which can be folded; only the first is open. Those of no section are never folded."""
    text, opened = "", " open"
    for section, of in groupby(parts, key=itemgetter(0)):
        body = "".join(html for _, html in of)
        if section:
            head = f"<summary>{escape(sentence(section))}</summary>"
            body, opened = f'<details class="section paper"{opened}>{head}{body}</details>', ""
        text += body
    return text


def figure_html(figure: Figure, number: int, words: Glossary, heading: str = "h3") -> str:
    key = f"figure-{figure.key}"
    one = " one" if len(figure.panels) == 1 else ""
    panels = "".join(_panel(p, f"{key}-caption", figure.title) for p in figure.panels)
    named = (figure.title, figure.caption, *(p.name for p in figure.panels), *(m.label for m in figure.marks))
    points = [(panel.name, point) for panel in figure.panels for point in panel.chart.points()]
    return f"""<figure id="{key}" aria-labelledby="{key}-title">
<div class="figure-head"><{heading} id="{key}-title">Figure {number}. {prose(figure.title)}</{heading}>
{html_key(figure.marks)}</div><div class="panels{one}">{panels}</div>
<figcaption id="{key}-caption">{prose(figure.caption)}</figcaption>
{words.explain(*named)}
{save_buttons(key, _points_csv(points), ("svg", "png", "csv"))}
{_numbers(points, number)}
</figure>
"""


def _panel(panel: Panel, caption: str, title: str) -> str:
    label = f"{title} ({panel.name})" if panel.name else title
    name = f"<h4>{escape(panel.name)}</h4>" if panel.name else ""
    return f'<div class="panel">{name}{panel.chart.html(label, caption)}</div>'


LONGEST = 400  # rows of a figure's numbers on the page; the file has them all
HEAD = ("panel", "series", "at", "value", "low", "high")


def _points_csv(points: Sequence[tuple[str, Point]]) -> str:
    rows = ((name, p.series, p.at, p.value, p.low, p.high) for name, p in points)
    return csv_text(
        (*HEAD, "single"), ((*row, int(p.single)) for row, (_, p) in zip(rows, points, strict=True))
    )


def _numbers(points: Sequence[tuple[str, Point]], number: int) -> str:
    """The numbers of curves as a table, folded; rows with bars have theirs next to them."""
    shown = [(name, p) for name, p in points if not p.single and not isinstance(p.at, str)]
    if not shown or len(shown) > LONGEST:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><th scope="row">{escape(p.series)}</th>'
        + "".join(f"<td>{'' if v is None else power(float(v))}</td>" for v in (p.at, p.value, p.low, p.high))
        + "</tr>"
        for name, p in shown
    )
    heads = "".join(
        f'<th scope="col" class="{"label" if i < 2 else "value"}">{h}</th>' for i, h in enumerate(HEAD)
    )
    return (
        f'<details class="words"><summary>Figure {number} as a table</summary>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Figure {number} as a table"><table>'
        f"<caption>The numbers of figure {number}; low and high are the ends of 95 % intervals.</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _tables(record: Record, summaries: Iterable[TextTable]) -> str:
    raw = "".join(
        f'<details><summary>{escape(name)} <span class="note">{plural(len(table), "row")}'
        f"{', measured' if table.measured else ''}</span></summary>{html_table(shown(table))}</details>"
        for name, table in record.evidence.tables.items()
    )
    every = f'<div class="raw"><h3>All tables of the evidence</h3>{raw}</div>' if raw else ""
    return _sections((t.section, html_table(t)) for t in summaries) + every


def _certificates(show: Presentation, first: int, words: Glossary) -> str:
    tables = _sections((t.section, html_table(t)) for t in show.certificate_tables)
    return _figures(show.certificates, first, words) + tables


# --- method and reproduction ---


def _method(paragraphs: Iterable[str], sources: Sequence[Source]) -> str:
    numbers = {s.key: i for i, s in enumerate(sources, 1)}
    text = "".join(f"<p>{_cited(p, numbers)}</p>" for p in paragraphs)
    items = "".join(f'<li id="source-{i}">{_source(s)}</li>' for i, s in enumerate(sources, 1))
    return text + (f'<h3>Sources</h3><ol class="sources">{items}</ol>' if items else "")


def _cited(paragraph: str, numbers: Mapping[str, int]) -> str:
    """Escaped text in which "[key]" or "[key; key]" of known sources are links to them."""

    def link(match: re.Match[str]) -> str:
        keys = unescape(match[1]).split("; ")  # "&amp;" has a semicolon too
        if not all(key in numbers for key in keys):
            return match[0]
        links = (f'<a class="cite" href="#source-{numbers[key]}">{numbers[key]}</a>' for key in keys)
        return f"[{', '.join(links)}]"

    return re.sub(r"\[([^\[\]]+)\]", link, prose(paragraph))


def _source(source: Source) -> str:
    link = f' <a href="{escape(source.url)}">{escape(source.url)}</a>'
    return escape(source.citation) + (link if source.url.startswith(("https://", "http://")) else "")


def _reproduce(record: Record) -> str:
    environment = "".join(
        f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>'
        for k, v in record.environment.items()
    )
    return f"""<p>The same plan, code version and kind of device give the same evidence, bit for bit; other devices give the
same to rounding. The plan below is also in the run folder, as <code>plan.toml</code>.</p>
<pre><code>{escape(chr(10).join(record.commands))}</code></pre>
<p>Two runs with the same digest have the same evidence. It is the SHA-256 over every table that is not measured:
<code class="digest">{record.evidence.digest()}</code>.</p>
<h3>Environment</h3>
<div class="scroll" tabindex="0" role="region" aria-label="Environment">
<table class="pairs"><tbody>{environment}</tbody></table></div>
<h3>Plan</h3>
<pre><code>{escape(record.plan_text)}</code></pre>
"""


def _asset(name: str) -> str:
    return files("ticketlab.report").joinpath(name).read_text(encoding="utf-8")
