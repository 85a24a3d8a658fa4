"""From a run folder to its page: what was stored is read, put into words, and written next to it as `report.html`.

The page names no folder and no time of day, so that a run repeated elsewhere gives the same page but for measured times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ticketlab.engine.estimate import spoken
from ticketlab.evidence.record import Record
from ticketlab.figures.wording import plural, power, quantity
from ticketlab.plans import structure
from ticketlab.report.page import render
from ticketlab.store.deviations import registration
from ticketlab.store.folder import RunFolder
from ticketlab.store.records import write_text

__all__ = ["choices_in_words", "record", "value_in_words", "write"]


def write(folder: RunFolder) -> Path:
    """Writes the page of a finished run into its folder, and returns where it is.

    Raises UserError when the run is not finished, a file is damaged, or the folder cannot be written.
    """
    write_text(folder.report_path, render(record(folder)))
    return folder.report_path


def record(folder: RunFolder) -> Record:
    """What the page shows of a finished run. Raises UserError when it is not finished, or a file is damaged."""
    study, plan = folder.study, folder.plan_table()
    return Record(
        claim=study.claim,
        statement=study.statement,
        question=study.question,
        method=study.described(),
        sources=study.sources,
        plan=plan,
        plan_text=folder.plan_text,
        facts={
            **choices_in_words(plan),
            **_data(folder.data()),
            **_remarks(folder),
            **_effort(folder.cells()),
            **_look(folder),
            **_registered(folder),
        },
        environment=dict(_lines(folder.environment())),
        commands=("ticketlab run plan.toml",),
        evidence=folder.evidence(),
    )


def choices_in_words(plan: Mapping[str, Any]) -> dict[str, str]:
    """What a reader asks first: which data, which network, how many seeds."""
    first = {name: plan[name] for name in ("task", "network", "seeds") if name in plan}
    return {name.capitalize(): value_in_words(value) for name, value in first.items()}


def _data(data: Mapping[str, Any]) -> dict[str, str]:
    """The targets' names, how doubtful parts of the data were read, and where networks start if not at random."""
    targets = [str(own["target"]) for own in data.values() if own["target"]]
    notes = dict.fromkeys(str(note) for own in data.values() for note in own["notes"])  # alike data, one note
    starts = [str(own["start"]) for own in data.values() if "start" in own]
    facts = {"Target": ", ".join(targets), "Notes on the data": " ".join(notes), "Start": " ".join(starts)}
    return {name: text for name, text in facts.items() if text}


def _remarks(folder: RunFolder) -> dict[str, str]:
    """What the study left out of this plan, and why."""
    said = " ".join(folder.study.remarks(structure(folder.plan_table(), folder.study.plan_type)))
    return {"Left out": said} if said else {}


def _look(folder: RunFolder) -> dict[str, str]:
    """That a run was looked at before, and what it is judged by for that."""
    look = folder.look()
    return {"Looks": f"{look.words()}."} if look is not None and look.extended else {}


def _registered(folder: RunFolder) -> dict[str, str]:
    """That a run was registered before, and whether anything differs."""
    said = registration(folder)
    return {"Registered": said} if said else {}


def _effort(cells: list[dict[str, Any]]) -> dict[str, str]:
    seconds = sum(float(cell["seconds"]) for cell in cells)
    return {"Time": f"{spoken(seconds)} for {plural(len(cells), 'cell')}"} if cells else {}


def _lines(environment: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Names and words of an environment, nested records on lines of their own."""
    for name, value in environment.items():
        if text := value_in_words(value):
            yield f"{within}{name}", text
        if isinstance(value, Mapping):
            nested = {k: v for k, v in value.items() if isinstance(v, Mapping)}
            yield from _lines(nested, f"{within}{name}, ")


def value_in_words(value: Any) -> str:
    """A stored value in words: "digits", "512 × 512", "jax 0.10.0, numpy 2.3.1"; of a choice its name and settings."""
    match value:
        case None | "" | "none":
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return quantity(value)
        case float():
            return power(value)
        case str():
            return value
        case Mapping():
            shown = {k: v for k, v in value.items() if not isinstance(v, Mapping) or "choice" in v}
            pairs = [(k, value_in_words(v)) for k, v in shown.items()]
            return ", ".join(
                text if k == "choice" else f"{k.replace('_', ' ')} {text}" for k, text in pairs if text
            )
        case _:
            numbers = all(isinstance(v, int | float) for v in value)
            return (" × " if numbers else ", ").join(value_in_words(v) for v in value)
