"""The report: one HTML file that says what was asked, what came out, why one may believe it, and how to get it again.

The verdict comes first, then the figures, the tables, the method in words, the certificates, and how to reproduce. The
file contains everything it shows, and its content policy forbids it to load anything: it opens without a network, today and
in ten years. It is a pure function of the record, so the same run gives the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from plotly.offline import get_plotlyjs

from ticketlab.claims import page_of
from ticketlab.evidence.record import Record
from ticketlab.evidence.source import Source
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.forest import SYMBOLS
from ticketlab.figures.key import html_key
from ticketlab.figures.palette import DARK, LIGHT, dark_of
from ticketlab.figures.presentation import Presentation, plain
from ticketlab.figures.text_tables import TextTable, html_table, shown
from ticketlab.figures.wording import decimals, estimate, plural, span
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["render"]

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def render(record: Record) -> str:
    """The whole page of a record, as HTML text of about 5 MB, nearly all of it plotly.js."""
    show = presentation(record)
    sections = {
        "figures": _figures(show.figures, 1),
        "tables": _tables(record, show.summaries),
        "method": _method(record.method, record.sources),
        "certificates": _certificates(show, 1 + len(show.figures)),
        "reproduce": _reproduce(record),
    }
    sections = {name: text for name, text in sections.items() if text}
    links = "".join(f'<li><a href="#{name}">{HEADINGS[name]}</a></li>' for name in sections)
    return f"""<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(_title(record))}</title>
<style>
:root {{ {LIGHT.css()} }}
@media screen and (prefers-color-scheme: dark) {{ :root:not(.printing) {{ {DARK.css()} }} }}
{_asset("page.css")}</style>
</head>
<body>
<header class="top">
<p><b>Ticketlab</b> report on the claim <b>{escape(record.claim)}</b></p>
<nav aria-label="Contents"><ul>{links}</ul></nav>
</header>
<main>
{_verdict(record)}
{"".join(f'<section id="{n}"><h2>{HEADINGS[n]}</h2>{text}</section>' for n, text in sections.items())}
</main>
<script type="application/json" id="dark-of">{_json(dark_of())}</script>
<script>{get_plotlyjs()}</script>
<script>{_asset("page.js")}</script>
</body>
</html>
"""


HEADINGS = {
    "figures": "Figures",
    "tables": "Tables",
    "method": "Method",
    "certificates": "Certificates",
    "reproduce": "How to reproduce",
}


def _title(record: Record) -> str:
    outcome = f": {record.whole.outcome}" if record.whole else ""
    return f"{record.claim}{outcome} – Ticketlab"


# --- the verdict ---


def _verdict(record: Record) -> str:
    whole = record.whole
    answer = (
        f'<div class="answer">{_badge(whole.outcome)}<p class="reading">{escape(whole.reading)}</p></div>'
        if whole
        else '<div class="answer"><p class="reading">There is no verdict on the claim as a whole.</p></div>'
    )
    return f"""<section id="verdict" aria-labelledby="claim">
<p class="kicker">{escape(record.question)}</p>
<h1 id="claim">“{escape(record.statement)}”</h1>
{answer}
{_questions(record.questions)}
{_rules(record)}
{_facts(record.facts)}
{_open(record)}
</section>"""


def _badge(outcome: Outcome) -> str:
    return (
        f'<span class="badge {outcome}"><span aria-hidden="true">{SYMBOLS[outcome]}</span> {outcome}</span>'
    )


def _rules(record: Record) -> str:
    """The decision rules, folded: that of the claim as a whole first, then that of each question."""
    whole = [("The claim as a whole", record.whole.rule)] if record.whole and record.whole.rule else []
    named = whole + [(v.question, v.rule) for v in record.questions if v.rule]
    if not named:
        return ""
    items = "".join(f"<li><b>{escape(name)}.</b> {escape(rule)}</li>" for name, rule in named)
    summary = "The rules by which this was decided. They were fixed before the runs."
    return f'<details class="rule"><summary>{summary}</summary><ul>{items}</ul></details>'


def _questions(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(v.question)}{"" if v.headline else " (side question)"}</th><td>{_badge(v.outcome)}</td>'
        f'<td class="number">{_effect(v)}</td><td>{escape(v.reading)}</td></tr>'
        for v in verdicts
    )
    return (
        '<table class="verdicts"><thead><tr><th scope="col">Question</th><th scope="col">Answer</th>'
        '<th scope="col">Effect (95 % interval)</th><th scope="col">In words</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _effect(verdict: Verdict) -> str:
    if verdict.effect is None:
        return "–"
    shown = f"{estimate(verdict.effect, verdict.interval, sign=True, least=1)} <small>{escape(verdict.unit)}</small>"
    if verdict.deciding is None:
        return shown
    return f"{shown}<br><small>{_decides(verdict)}</small>"


def _decides(verdict: Verdict) -> str:
    """The wider interval of a question that is one of many."""
    places = decimals((verdict.deciding[1] - verdict.deciding[0]) / 2) if verdict.deciding else 0
    words = span(verdict.deciding, places, sign=True)
    return f"{100 * verdict.level:.4g} % interval: {words}" if words else ""


def _facts(facts: Mapping[str, str]) -> str:
    pairs = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())
    return f'<dl class="facts">{pairs}</dl>' if pairs else ""


def _open(record: Record) -> str:
    """What would decide the questions that are undecided, folded; those with the same answer in one item."""
    named: dict[str, list[str]] = {}
    for v in (record.whole, *record.questions):
        if v is not None and v.would_decide:
            named.setdefault(v.would_decide, []).append(v.question or "The claim as a whole")
    if not named:
        return ""
    items = "".join(
        f"<li><b>{escape('; '.join(who))}.</b> {escape(what)}</li>" for what, who in named.items()
    )
    return f'<details class="rule"><summary>What would decide what is undecided.</summary><ul>{items}</ul></details>'


# --- figures and tables ---


def _figures(figures: Iterable[Figure], first: int) -> str:
    return "".join(_figure(f, number) for number, f in enumerate(figures, first))


def _figure(figure: Figure, number: int) -> str:
    key = f"figure-{figure.key}"
    one = " one" if len(figure.panels) == 1 else ""
    panels = "".join(_panel(p, f"{key}-{i}", figure.title) for i, p in enumerate(figure.panels, 1))
    words = "".join(_words(p, f"{key}-{i}") for i, p in enumerate(figure.panels, 1))
    return f"""<figure id="{key}" aria-labelledby="{key}-title">
<div class="figure-head"><h3 id="{key}-title">Figure {number}. {escape(figure.title)}</h3>
{html_key(figure.marks)}</div><div class="panels{one}">{panels}</div>
<figcaption>{escape(figure.caption)}</figcaption>
<details class="words"><summary>Figure {number} in words</summary>{words}</details>
</figure>
"""


def _panel(panel: Panel, key: str, title: str) -> str:
    label = f"{title} ({panel.name})" if panel.name else title
    name = f"<h4>{escape(panel.name)}</h4>" if panel.name else ""
    return (
        f'<div class="panel">{name}'
        f'<div class="chart" id="{key}" role="img" aria-label="{escape(label)}" aria-describedby="{key}-words" '
        f'style="height: {panel.chart.layout.height}px"></div>'
        f'<script type="application/json">{_json(panel.chart.to_plotly_json())}</script></div>'
    )


def _words(panel: Panel, key: str) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in panel.words)
    return f'<ul id="{key}-words">{lines}</ul>'


def _tables(record: Record, summaries: Iterable[TextTable]) -> str:
    raw = "".join(
        f'<details><summary>{escape(name)} <span class="note">{plural(len(table), "row")}'
        f"{', measured' if table.measured else ''}</span></summary>{html_table(shown(table))}</details>"
        for name, table in record.evidence.tables.items()
    )
    every = f'<div class="raw"><h3>All tables of the evidence</h3>{raw}</div>' if raw else ""
    return "".join(map(html_table, summaries)) + every


def _certificates(show: Presentation, first: int) -> str:
    return _figures(show.certificates, first) + "".join(map(html_table, show.certificate_tables))


# --- method and reproduction ---


def _method(paragraphs: Iterable[str], sources: Sequence[Source]) -> str:
    numbers = {escape(s.key): i for i, s in enumerate(sources, 1)}
    text = "".join(f"<p>{_cited(p, numbers)}</p>" for p in paragraphs)
    items = "".join(f'<li id="source-{i}">{_source(s)}</li>' for i, s in enumerate(sources, 1))
    return text + (f'<h3>Sources</h3><ol class="sources">{items}</ol>' if items else "")


def _cited(paragraph: str, numbers: Mapping[str, int]) -> str:
    """Escaped text in which "[key]" of a known source is a link to it."""

    def link(match: re.Match[str]) -> str:
        key = match[1]
        return (
            f'<a class="cite" href="#source-{numbers[key]}">[{numbers[key]}]</a>'
            if key in numbers
            else match[0]
        )

    return re.sub(r"\[([^\[\]]+)\]", link, escape(paragraph))


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
<div class="scroll"><table class="pairs"><tbody>{environment}</tbody></table></div>
<h3>Plan</h3>
<pre><code>{escape(record.plan_text)}</code></pre>
"""


def _asset(name: str) -> str:
    return files("ticketlab.report").joinpath(name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )


def presentation(record: Record) -> Presentation:
    """What is shown of a run: its claim's own page, or the plain one."""
    return (page_of(record.claim) or plain)(record)
