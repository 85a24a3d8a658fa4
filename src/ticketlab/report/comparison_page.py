"""Runs side by side: what was asked of each, what differs between their plans, and each question's answers under one axis.

The page shows what the runs found, each judged by its own rule. It tests no difference between runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.forest import Forest, badge, in_words
from ticketlab.figures.glossary import Glossary
from ticketlab.figures.html import prose
from ticketlab.figures.text_tables import TextTable, html_table
from ticketlab.figures.wording import MISSING, estimate, listed, plural
from ticketlab.lab import Done
from ticketlab.laws.verdict import Verdict
from ticketlab.report.page import document, figure_html
from ticketlab.report.stored import choices_in_words, value_in_words
from ticketlab.store.failures import storing
from ticketlab.store.records import write_text

__all__ = ["render_comparison", "side_by_side", "write_comparison"]

Runs = Mapping[str, Done]
"""The runs by their labels."""
NOTE = (
    "Each run is judged by its own rule. Intervals that overlap do not show that two runs agree, and one run that holds next to "
    "one that fails does not show that they differ."
)


def write_comparison(file: Path, runs: Runs, unfinished: Sequence[str] = ()) -> Path:
    """Writes the page, with links to the pages of the runs, and returns where it is.

    Arguments:
        file: the page.
        runs: the runs.
        unfinished: those that are left out because they are not finished.
    """
    paths = {label: os.path.relpath(done.folder.report_path, file.parent) for label, done in runs.items()}
    links = {label: quote(Path(path).as_posix()) for label, path in paths.items()}
    with storing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, render_comparison(runs, links, unfinished))
    return file


def render_comparison(runs: Runs, links: Mapping[str, str], unfinished: Sequence[str] = ()) -> str:
    """The page as HTML text. `links` has the page of each run."""
    claims = _by_claim(runs)
    without = f"<p>Not finished, and left out: {escape(listed(unfinished))}.</p>" if unfinished else ""
    sections = {
        "runs": ("The runs", html_table(side_by_side(runs)) + without + _same(runs) + _pages(runs, links)),
        "differences": ("What differs between their plans", "".join(map(_differences, claims.values()))),
        "questions": ("The questions", _figures(claims)),
    }
    head = (
        f'<p class="kicker">{plural(len(runs), "run")} of {plural(len(claims), "claim")}</p><h1>Runs side by side</h1>'
        f"<p>{NOTE}</p>"
    )
    return document("Runs side by side – Ticketlab", "<b>Ticketlab</b> comparison of runs", head, sections)


def side_by_side(runs: Runs) -> TextTable:
    """A row for each run: its claim, data, network, seeds and verdict, with the effect of its question if it has only one."""
    rows = tuple(
        (
            label,
            done.study.claim,
            str(done.whole.outcome) if done.whole else "no verdict",
            _effect(done),
            *_choices(done),
        )
        for label, done in runs.items()
    )
    head = ("run", "claim", "verdict", "effect (95 % interval)", "seeds", "data", "network")
    return TextTable("What was asked of each run, and found.", head, rows, labels=2, name="runs")


def _choices(done: Done) -> tuple[str, str, str]:
    words = choices_in_words(done.folder.plan_table())
    return words.get("Seeds", "–"), words.get("Task", "–"), words.get("Network", "–")


def _effect(done: Done) -> str:
    """Of the only question that counts for the claim."""
    of = [v for v in done.evidence.verdicts if v.question and v.headline]
    if len(of) != 1 or of[0].effect is None:
        return f"{plural(len(of), 'question')}"
    return f"{estimate(of[0].effect, of[0].interval, sign=True, least=1)} {of[0].unit}"


def _by_claim(runs: Runs) -> dict[str, Runs]:
    found: dict[str, dict[str, Done]] = {}
    for label, done in runs.items():
        found.setdefault(done.study.claim, {})[label] = done
    return dict(found)


def _same(runs: Runs) -> str:
    """The runs with the same evidence, bit for bit."""
    by_digest: dict[str, list[str]] = {}
    for label, done in runs.items():
        by_digest.setdefault(done.evidence.digest(), []).append(label)
    said = [
        f"{listed(labels)} have the same evidence, bit for bit."
        for labels in by_digest.values()
        if len(labels) > 1
    ]
    return f"<p>{escape(' '.join(said))}</p>" if said else ""


def _pages(runs: Runs, links: Mapping[str, str]) -> str:
    items = "".join(
        f'<li><a href="{escape(links[label])}">{escape(label)}</a> {badge(done.whole.outcome) if done.whole else ""} '
        f'<span class="said">{prose(in_words(done.whole)) if done.whole else ""}</span></li>'
        for label, done in runs.items()
    )
    return f'<ul class="claims">{items}</ul>'


# --- what differs ---


def _differences(runs: Runs) -> str:
    """The options and versions that are not the same in all runs of one claim."""
    if len(runs) < 2:
        return ""
    claim = next(iter(runs.values())).study.claim
    facts = [dict(_flat(_facts(done))) for done in runs.values()]
    names = list(dict.fromkeys(name for each in facts for name in each))
    told = ((name, _told([[each[name]] if name in each else [] for each in facts])) for name in names)
    rows = tuple((name, *words) for name, words in told if len(set(words)) > 1)
    if not rows:
        return f"<p>{escape(claim)}: nothing.</p>"
    return html_table(
        TextTable(f"{claim}: what is not the same.", ("", *runs), rows, name=f"differences-{claim}")
    )


def _told(found: Sequence[list[Any]]) -> list[str]:
    """An option of each run in words, or exactly where different values would read the same; empty lists have none."""
    exact = [repr(value) for of in found for value in of or [MISSING]]
    words = [value_in_words(of[0]) if of else MISSING for of in found]
    return words if len(set(words)) == len(set(exact)) else exact


def _facts(done: Done) -> dict[str, Any]:
    environment = {
        name: value
        for name, value in done.folder.environment().items()
        if name in ("ticketlab", "commit", "libraries", "device")
    }
    data = {where: str(own["hash"])[:12] for where, own in done.folder.data().items() if "hash" in own}
    return {**done.folder.plan_table(), "content of the data": data, **environment}


def _flat(value: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Names with dots, and their values."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{within}{name}.")
        else:
            yield f"{within}{name}".removesuffix(".choice"), inner


# --- questions ---


def _figures(claims: Mapping[str, Runs]) -> str:
    """A figure for each claim: the questions as panels, in each a row for each run. Side questions are folded."""
    words, text = Glossary(), ""
    figures = [figure for claim, runs in claims.items() for figure in _of_claim(claim, runs)]
    for number, figure in enumerate(figures, 1):
        drawn = figure_html(figure, number, words)
        folded = (
            f'<details class="section paper"><summary>{escape(figure.section)}</summary>{drawn}</details>'
        )
        text += folded if figure.section else drawn
    return text


def _of_claim(claim: str, runs: Runs) -> Iterator[Figure]:
    for headline, section in ((True, ""), (False, f"{claim}: side questions")):
        asked = dict.fromkeys(
            v.question
            for done in runs.values()
            for v in done.evidence.verdicts
            if v.question and v.headline is headline
        )
        if asked:
            panels = tuple(Panel(question, Forest(_rows(runs, question), head="Run")) for question in asked)
            key = f"{claim}-{'questions' if headline else 'sides'}"
            yield Figure(key, _title(claim, runs, len(asked), headline), CAPTION, panels, section)


CAPTION = (
    "A row is a run. Signs are estimates, thick bars their 95 % intervals, thin ones the intervals that decide where those are "
    "wider. The shaded part of a row is where its question holds."
)


def _title(claim: str, runs: Runs, count: int, headline: bool) -> str:
    """ "tangent-minimum: holds in 1 run, fails in 2 runs"."""
    if not headline:
        return f"{claim}: {plural(count, 'side question')}"
    outcomes = [str(done.whole.outcome) for done in runs.values() if done.whole]
    counts = [f"{outcome} in {plural(outcomes.count(outcome), 'run')}" for outcome in dict.fromkeys(outcomes)]
    return f"{claim}: {', '.join(counts) or 'no verdict'}"


def _rows(runs: Runs, question: str) -> tuple[Verdict, ...]:
    """The verdicts on a question, named by their runs."""
    return tuple(
        replace(v, question=label, headline=True)
        for label, done in runs.items()
        for v in done.evidence.verdicts
        if v.question == question
    )
