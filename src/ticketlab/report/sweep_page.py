"""The page of a sweep: the map of where a claim holds, those of its questions, and how many verdicts that is.

It is one file that loads nothing. The pages of the plans lie next to it, one click on the map away.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ticketlab.choices import plain
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.forest import VERBS, in_words
from ticketlab.figures.glossary import Glossary
from ticketlab.figures.phase_map import PhaseMap, Spot
from ticketlab.figures.wording import estimate, listed, plural, quantity
from ticketlab.lab import Done, Grid, Place, SweepFolder
from ticketlab.laws.multiplicity import p_value
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.plans import toml
from ticketlab.report.many_verdicts import Judged, how_sure
from ticketlab.report.page import document, facts_html, figure_html, left_out_html
from ticketlab.report.stored import choices_in_words
from ticketlab.store.failures import storing
from ticketlab.store.records import write_text

__all__ = ["Found", "render_sweep", "write_sweep"]

MOST_PANELS = 8  # questions that are drawn


@dataclass(frozen=True)
class Found:
    """What was found with one plan.

    Arguments:
        verdicts: the claim as a whole, and its questions.
        p: twice the smallest level at which the claim is decided as it is.
        page: where its own page lies, from this one.
    """

    verdicts: tuple[Verdict, ...]
    p: float
    page: str

    @property
    def whole(self) -> Verdict | None:
        return next((v for v in self.verdicts if not v.question), None)

    def of(self, question: str) -> Verdict | None:
        return next((v for v in self.verdicts if v.question == question), None)


def write_sweep(folder: SweepFolder, done: Mapping[str, Done]) -> Path:
    """Writes the page from the plans that are finished, and returns where it is."""
    found = {name: _found(each) for name, each in done.items()}
    page = render_sweep(
        folder.study.claim, folder.study.statement, folder.grid, found, folder.record.left_out()
    )
    with storing(folder.path):
        write_text(folder.page, page)
    return folder.page


def _found(done: Done) -> Found:
    page = f"{done.folder.path.name}/{done.folder.report_path.name}"
    return Found(done.evidence.verdicts, p_value(done.outcome), page)


def render_sweep(
    claim: str, statement: str, grid: Grid, found: Mapping[str, Found], left_out: Mapping[str, str]
) -> str:
    """The page as HTML text.

    Arguments:
        claim, statement: its name, and what people say.
        grid: the plans.
        found: by the names of the places.
        left_out: the reasons, by the same names.
    """
    sections = {
        "map": ("Where it holds", _map(grid, found)),
        "questions": ("The questions", _questions(grid, found, headline=True)),
        "sides": ("Side questions", _questions(grid, found, headline=False)),
        "sure": ("How many verdicts that is", _sure(grid, found)),
        "left-out": ("What was left out", left_out_html(left_out)),
        "plan": ("How to reproduce", _reproduce(claim, grid)),
    }
    facts = {
        **_same(grid),
        **{axis.title.capitalize(): ", ".join(axis.values) for axis in grid.axes},
    }
    kicker = f'<p class="kicker">{escape(_counted(grid, found))}</p>'
    head = f"{kicker}<h1>“{escape(statement)}”</h1>{facts_html(facts)}"
    return document(
        f"{claim}, a sweep – Ticketlab", f"<b>Ticketlab</b> sweep of <b>{escape(claim)}</b>", head, sections
    )


def _same(grid: Grid) -> dict[str, str]:
    """Data, network and seeds, without what an axis changes."""
    table = plain(grid.places[0].plan)
    for axis in sorted(grid.axes, key=lambda axis: -axis.depth):
        *outer, last = axis.name.split(".")
        within = table
        for name in outer:
            within = within[name]
        within.pop(last if last in within else f"{last}s")  # `width` is that of all `widths`
    return choices_in_words(table)


def _counted(grid: Grid, found: Mapping[str, Found]) -> str:
    wholes = [each.whole.outcome for each in found.values() if each.whole]
    counts = listed([f"{said} at {wholes.count(o)}" for o, (said, _) in VERBS.items()])
    more = f"; {len(grid.places) - len(found)} have no answer" if len(found) < len(grid.places) else ""
    return f"{plural(len(grid.places), 'plan')}: the claim {counts}{more}."


def _reproduce(claim: str, grid: Grid) -> str:
    over = shlex.join(f"{axis.name}={','.join(map(_quoted, axis.values))}" for axis in grid.axes)
    text = toml(claim, grid.places[0].plan, comments=False)
    return (
        f"<pre><code>ticketlab sweep plan.toml --over {escape(over)}</code></pre><p>This is plan.toml. Of the options on the "
        f"axes it has the first values; the others are the same for all plans.</p><pre><code>{escape(text)}</code></pre>"
    )


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if {",", '"'} & {*value} else value


# --- maps ---

EXPLAINED = (
    "Each cell is a plan: ✓ on blue holds, ✗ on orange fails, ? on grey is undecided, a dashed cell has no answer. Hover over "
    "a cell to read what was found, click it for the page of its run."
)


def _map(grid: Grid, found: Mapping[str, Found]) -> str:
    """The claim as a whole; with the effect of its question if it has only one."""
    titles = _titles(found)
    one = titles[0] if len(titles) == 1 else ""
    caption = EXPLAINED + (_of_effect(found, one) if one else "")
    figure = Figure("map", _title(grid, found), caption, (Panel("", _phase(grid, found, one, whole=True)),))
    return figure_html(figure, 1, Glossary())


def _questions(grid: Grid, found: Mapping[str, Found], *, headline: bool) -> str:
    """A map for each question that counts for the claim, where there are several; or for each side question."""
    titles = _titles(found, headline=headline)
    several = len(_titles(found)) > 1
    if not titles or (headline and not several):
        return ""
    panels = tuple(Panel(title, _phase(grid, found, title)) for title in titles[:MOST_PANELS])
    more = f" {len(titles) - MOST_PANELS} further questions are on the pages of the runs." * (
        len(titles) > MOST_PANELS
    )
    kind = (
        "question that counts for the claim"
        if headline
        else "side question, which does not count for the claim"
    )
    caption = f"As above, for each {kind}.{_of_effect(found, titles[0], unit=False)}{more}"
    key, number = ("questions", 2) if headline else ("sides", 2 + several)
    return figure_html(Figure(key, _of_questions(found, titles), caption, panels), number, Glossary())


def _of_questions(found: Mapping[str, Found], titles: Sequence[str]) -> str:
    def at(title: str) -> int:
        return sum(
            v is not None and v.outcome is Outcome.HOLDS for v in (each.of(title) for each in found.values())
        )

    most, least = max(titles, key=at), min(titles, key=at)
    if most == least:
        return f"“{most}” holds at {plural(at(most), 'plan')}"
    return f"Of {len(titles)} questions, “{most}” holds at most plans ({at(most)}), “{least}” at fewest ({at(least)})"


def _title(grid: Grid, found: Mapping[str, Found]) -> str:
    outcomes = [each.whole.outcome for each in found.values() if each.whole]
    counts = [f"{said} at {outcomes.count(o)}" for o, (said, _) in VERBS.items() if o in outcomes]
    return f"Of {plural(len(grid.places), 'plan')}, the claim {listed(counts) or 'has no verdict at any'}"


def _titles(found: Mapping[str, Found], *, headline: bool = True) -> list[str]:
    """The questions that count for the claim, or the side questions, that have a number at some plan."""
    asked = (v for each in found.values() for v in each.verdicts if v.question and v.effect is not None)
    return list(dict.fromkeys(v.question for v in asked if v.headline is headline))


def _of_effect(found: Mapping[str, Found], title: str, *, unit: bool = True) -> str:
    """What the numbers and contours are."""
    known = next(v for each in found.values() if (v := each.of(title)) is not None and v.effect is not None)
    named = f"{title}, in {known.unit}" if unit else "each question's own"
    region = _region(found, title)
    where = f", {_extent(region)}" if unit and region else ""
    heavy = f" Heavy dashed lines are the edges of where the question holds{where}." if region else ""
    lines = "thin lines join equal effects, as if they were linear between the middles of cells."
    return f" Numbers are effects ({named}); {lines}{heavy}"


def _region(found: Mapping[str, Found], title: str) -> tuple[float, float] | None:
    """Where the question holds; None if it is not known, or an option on an axis changes it."""
    of = {v.region for each in found.values() if (v := each.of(title)) is not None}
    return of.pop() if len(of) == 1 else None


def _extent(region: tuple[float, float]) -> str:
    """ "−1 to 1", "above 0", "below 5"."""
    low, high = (quantity(end) for end in region)
    if math.isfinite(region[0]) and math.isfinite(region[1]):
        return f"{low} to {high}"
    return f"above {low}" if math.isfinite(region[0]) else f"below {high}"


def _phase(grid: Grid, found: Mapping[str, Found], title: str, *, whole: bool = False) -> PhaseMap:
    """The first axis upwards and the second across; a single axis across."""
    across, up = grid.axes[-1], grid.axes[0] if len(grid.axes) > 1 else None
    of = [v for each in found.values() if (v := each.of(title)) is not None] if title else []
    spots = {
        (place.index[-1], place.index[0] if up else 0): _spot(place, found[place.name], title, whole)
        for place in grid.places
        if place.name in found
    }
    return PhaseMap(
        (across.title, across.values),
        (up.title, up.values) if up else ("", ("",)),
        spots,
        of[0].unit if of else "",
        _region(found, title) if of else None,
    )


def _spot(place: Place, found: Found, title: str, whole: bool) -> Spot:
    numbered = found.of(title) if title else None
    verdict = found.whole if whole else numbered
    said = in_words(verdict) if verdict else "There is no verdict."
    effect, interval = (numbered.effect, numbered.interval) if numbered else (None, None)
    words = f"{', '.join(place.values)}: {verdict.outcome if verdict else 'no verdict'}. {said}"
    return Spot(verdict.outcome if verdict else None, effect, interval, words, found.page)


# --- how sure ---


def _sure(grid: Grid, found: Mapping[str, Found]) -> str:
    """All plans with their verdicts, and which remain if the share of wrong ones is controlled."""
    titles = _titles(found)
    one = titles[0] if len(titles) == 1 else ""
    asked = [
        Judged(place.values, each.whole.outcome, each.p, (_number(each, one),) if one else ())
        for place in grid.places
        if (each := found.get(place.name)) is not None and each.whole
    ]
    questions = sum(len([v for v in each.verdicts if v.question]) for each in found.values())
    before = (
        f"{plural(len(asked), 'verdict')} on the claim were asked, on {plural(questions, 'question')} in all. Each was "
        "decided at its own level, wrongly in at most 2.5 % of runs on each side. If the truth lay at an edge of the rule "
        f"everywhere, about {0.025 * len(asked):.1f} of {len(asked)} would be wrong by chance. So a single cell that differs "
        "from its neighbours means little."
    )
    return how_sure(
        asked, before, tuple(axis.title for axis in grid.axes), (one,) if one else (), name="all-plans"
    )


def _number(found: Found, title: str) -> str:
    verdict = found.of(title)
    return estimate(verdict.effect, verdict.interval, sign=True, least=1) if verdict else "–"
