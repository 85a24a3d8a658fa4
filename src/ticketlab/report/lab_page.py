"""The page of a lab: the argument as a map, each part with its verdicts, what is undecided, and how sure all of it is together.

It is one file that loads nothing. The pages of the claims lie next to it, one click away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ticketlab.figures.figure import Figure, alone
from ticketlab.figures.forest import VERBS, badge, in_words
from ticketlab.figures.glossary import Glossary
from ticketlab.figures.html import prose
from ticketlab.figures.wording import listed, plural
from ticketlab.lab import Done, LabFolder, Part, Standing, standings
from ticketlab.lab.map import ArgumentMap, effect_of, question_of
from ticketlab.laws.multiplicity import p_value
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.report.many_verdicts import Judged, how_sure
from ticketlab.report.page import document, facts_html, figure_html, left_out_html
from ticketlab.store.failures import storing
from ticketlab.store.records import write_text

__all__ = ["Shown", "render_lab", "write_lab"]


@dataclass(frozen=True)
class Shown:
    """What the page says of one claim.

    Arguments:
        claim, statement: its name, and what people say.
        verdict: on the claim as a whole; None if there is none.
        verdicts: all.
        p: twice the smallest level at which it is decided as it is.
        page: where its own page lies, from this one.
    """

    claim: str
    statement: str
    verdict: Verdict | None
    verdicts: tuple[Verdict, ...]
    p: float
    page: str


def write_lab(folder: LabFolder, done: Sequence[Done], facts: Mapping[str, str]) -> Path:
    """Writes the page from the runs that are finished, and returns where it is."""
    shown = [_shown(each) for each in done]
    with storing(folder.path):
        write_text(folder.page, render_lab(shown, folder.record.left_out(), facts))
    return folder.page


def _shown(done: Done) -> Shown:
    verdicts = done.evidence.verdicts
    page = f"{done.folder.path.name}/{done.folder.report_path.name}"
    return Shown(done.study.claim, done.study.statement, done.whole, verdicts, p_value(done.outcome), page)


def render_lab(shown: Sequence[Shown], left_out: Mapping[str, str], facts: Mapping[str, str]) -> str:
    """The page as HTML text."""
    found = {each.claim: each.verdicts for each in shown}
    of = standings(found)
    by_claim = {each.claim: each for each in shown}
    sections = {
        "argument": ("The argument", _map(of)),
        "parts": ("Its parts", "".join(_part(each, by_claim, left_out) for each in of)),
        "others": ("Other claims", _others(shown, of)),
        "undecided": ("What is undecided", _undecided(shown)),
        "sure": ("How sure all of it is", _sure(shown)),
        "left-out": ("What was left out", left_out_html(left_out)),
    }
    head = (
        f'<p class="kicker">{escape(_counted(shown))}</p><h1>What is already inside this random network?</h1>'
        f"{facts_html(facts)}"
    )
    return document(
        "The argument – Ticketlab", "<b>Ticketlab</b> report on <b>all claims</b>", head, sections
    )


def _counted(shown: Sequence[Shown]) -> str:
    outcomes = [each.verdict.outcome for each in shown if each.verdict]
    counts = ", ".join(f"{outcomes.count(o)} {of[outcomes.count(o) != 1]}" for o, of in VERBS.items())
    return f"{plural(len(shown), 'claim')}: {counts}."


# --- the argument ---


def _map(of: Sequence[Standing]) -> str:
    links = {each.part.letter: f"part-{each.part.letter}" for each in of}
    held = [each.part.letter for each in of if each.outcome is Outcome.HOLDS and not each.undercut]
    title = (
        f"{'Part' if len(held) == 1 else 'Parts'} {listed(held)} of the argument {'holds' if len(held) == 1 else 'hold'}"
        if held
        else "No part of the argument holds as it stands"
    )
    caption = (
        "A box is a part of the argument; blue ones hold, orange ones fail, dashed ones are undecided or were not measured. "
        "An arrow leads from a part to what it supports, an orange one to what it speaks against. It is faint where its source "
        "does not hold. A part holds only if all that it needs was measured and holds. The numbers in a box are the effect of "
        "the question that decides the part, with its 95 % interval. The list of parts says what it asks."
    )
    return figure_html(Figure("argument", title, caption, alone(ArgumentMap(of, links))), 1, Glossary())


def _part(each: Standing, by_claim: Mapping[str, Shown], left_out: Mapping[str, str]) -> str:
    part = each.part
    rows = "".join(_claim(name, by_claim.get(name), left_out.get(name, "")) for name in _names(part))
    outcome = badge(each.outcome) if each.outcome else '<span class="badge">not measured</span>'
    if each.undercut:
        outcome += ' <span class="badge undecided">but undercut</span>'
    return (
        f'<article class="part" id="part-{part.letter}"><h3>{part.letter}. {escape(part.title)}</h3>'
        f'<p class="says">{escape(part.says)}</p>'
        f'<div class="answer">{outcome}<p class="reading">{prose(each.sentence)}</p></div>{_decides(each)}'
        f'<ul class="claims">{rows}</ul></article>'
    )


def _decides(each: Standing) -> str:
    """The question that decides the part, with its effect."""
    if each.deciding is None:
        return ""
    return f'<p class="says"><b>{prose(question_of(each))}</b>: {escape(effect_of(each))}.</p>'


def _claim(name: str, shown: Shown | None, why_not: str) -> str:
    if shown is None or shown.verdict is None:
        return f"<li>{escape(name)}: not measured. {prose(why_not)}</li>"
    said = prose(shown.verdict.reading)
    return (
        f'<li><a href="{escape(shown.page)}">{escape(name)}</a> {badge(shown.verdict.outcome)} '
        f'<span class="said">“{escape(shown.statement)}” {said}</span></li>'
    )


def _others(shown: Sequence[Shown], of: Sequence[Standing]) -> str:
    """The claims that no part of the argument asks for."""
    asked = {name for each in of for name in _names(each.part)}
    rows = "".join(_claim(each.claim, each, "") for each in shown if each.claim not in asked)
    return f'<ul class="claims">{rows}</ul>' if rows else ""


def _names(part: Part) -> list[str]:
    """The claims that a part asks for, and those that undercut it."""
    supports = (part.support, *(undercut.by for undercut in part.undercuts))
    return list(dict.fromkeys(asked.claim for support in supports for asked in support.asked()))


# --- what is undecided, and how sure the rest is ---


def _undecided(shown: Sequence[Shown]) -> str:
    of = [each for each in shown if each.verdict and each.verdict.outcome is Outcome.UNDECIDED]
    items = "".join(
        f'<li><a href="{escape(each.page)}">{escape(each.claim)}</a>: {prose(_why(each))}</li>' for each in of
    )
    return f"<ul>{items}</ul>" if items else ""


def _why(each: Shown) -> str:
    """What was found, and what would decide it: of the whole, or of the first question that holds it back."""
    assert each.verdict is not None
    if each.verdict.would_decide:
        return in_words(each.verdict)
    first = next((v for v in each.verdicts if v.headline and v.question and v.would_decide), None)
    return in_words(each.verdict) + (f" {first.question}: {first.would_decide}" if first else "")


def _sure(shown: Sequence[Shown]) -> str:
    """The claims with their p-values, raw and adjusted for all that were asked."""
    asked = [Judged((each.claim,), each.verdict.outcome, each.p) for each in shown if each.verdict]
    before = (
        "Every claim was decided at its own level, wrongly in at most 2.5 % of runs on each side. "
        f"{plural(len(asked), 'claim')} were asked at once."
    )
    return how_sure(asked, before, ("claim",), name="all-claims")
