"""What pages say of a claim, generated from its class, so that it cannot drift: statement, method, arms, plan, rules, sources.

A page asks for one part with a directive:

    ```{claim} plan tangent-minimum
    ```

The parts are functions from a study to Markdown; `claims` and `api` are about all claims and take no name. `results` may take
a data set after the name: the outcome of a plan on it.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import typing
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from claim_results import KEPT, kept, results
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from ticketlab.choices import choice_text, family, meanings, plain
from ticketlab.claims import CLAIMS
from ticketlab.claims.study import Study
from ticketlab.plans import find_study, presets

__all__ = ["ABOUT_ALL", "KEPT", "PARTS", "api", "claims", "kept", "results", "setup"]

PAGES = Path(__file__).parents[1] / "studies"


# --- all claims ---


def claims(studies: Mapping[str, str] = CLAIMS) -> str:
    """Every claim: its statement, its question, what a seed draws, and its page if it has one."""
    entries = []
    for name in studies:
        study = find_study(name, studies)
        title = f"[`{name}`](studies/{name}.md)" if (PAGES / f"{name}.md").exists() else f"`{name}`"
        entries.append(f"{title}\n: *{study.statement}* {study.question} {study.redraws}".rstrip())
    return "\n\n".join(entries)


def api(studies: Mapping[str, str] = CLAIMS) -> str:
    """The reference of every claim's module."""
    modules = [f".. automodule:: {place.partition(':')[0]}" for place in studies.values()]
    return "```{eval-rst}\n" + "\n\n".join(modules) + "\n```"


# --- one claim ---


def question(study: Study) -> str:
    return f"> **Claim.** {study.statement}\n\n**Question.** {study.question}"


def method(study: Study) -> str:
    return "\n\n".join([*study.method, *([study.redraws] if study.redraws else [])])


def arms(study: Study) -> str:
    return _table(("Arm", "Description", "Purpose"), [(a.name, a.description, a.purpose) for a in study.arms])


def plan(study: Study) -> str:
    """Every option, then what each preset changes."""
    default, hints = study.plan_type(), typing.get_type_hints(study.plan_type)
    meaning = meanings(study.plan_type)
    rows = [
        (
            f"`{f.name}`",
            _type(hints[f.name]),
            _value(getattr(default, f.name), hints[f.name]),
            meaning[f.name],
        )
        for f in dataclasses.fields(default)
    ]
    parts = [_table(("Option", "Type", "Default", "Meaning"), rows)]
    for name, preset in presets(study.plan_type).items():
        if name != "default":
            parts.append(f"The preset `{name}` differs in {_differences(default, preset, hints)}.")
    return "\n\n".join(parts)


def rule(study: Study) -> str:
    """The rule of the whole, then folded the rule of every question of the default plan."""
    asked = study.asked(study.plan_type())
    if asked is None:
        return ""
    gates = f"Conditions that must be met before anything is decided: {'; '.join(_joined(asked.gates()))}."
    parts = [asked.rule, *([gates] if asked.gates() else [])]
    for heading, rules in (
        ("The rule of each question that counts", asked.rules()),
        ("The rule of each side question", asked.side_rules()),
    ):
        if rules:
            parts.append(_folded(heading, _table(("Question", "Rule"), _grouped(rules))))
    return "\n\n".join(parts)


def sources(study: Study) -> str:
    entries = [f"- {s.key}: {s.citation}" + (f" <{s.url}>" if s.url else "") for s in study.sources]
    return "\n".join(entries)


PARTS: dict[str, Callable[..., str]] = {
    "question": question,
    "method": method,
    "arms": arms,
    "plan": plan,
    "rule": rule,
    "results": results,
    "sources": sources,
}
ABOUT_ALL: dict[str, Callable[[], str]] = {"claims": claims, "api": api}


# --- words ---


def _type(annotation: Any) -> str:
    """The type of an option, as people say it."""
    simple = {int: "whole number", float: "number", bool: "yes or no", str: "text", type(None): "`none`"}
    if annotation in simple:
        return simple[annotation]
    within = family(annotation)
    if within is not None:
        listed = ", ".join(f"`{name}`" for name in within.members)
        return within.noun if within.noun != "choice" else f"one of {listed}"
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple:
        return f"list: {_type(arguments[0])}"
    if typing.get_origin(annotation) is typing.Literal:
        return f"one of {', '.join(f'`{a}`' for a in arguments)}"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return f"one of {', '.join(f'`{member.value}`' for member in annotation)}"
    return " or ".join(_type(a) for a in arguments) or "record"


def _value(value: Any, annotation: Any) -> str:
    """A value as it is typed."""
    within = family(annotation)
    if within is not None:
        return f"`{choice_text(value, within)}`"
    if isinstance(value, tuple):
        item = typing.get_args(annotation)[0]
        allowed = typing.get_args(item)
        if allowed and value == allowed:
            return "all"
        return ", ".join(_value(v, item) for v in value) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{plain(value)}`"


def _differences(default: Any, preset: Any, hints: Mapping[str, Any]) -> str:
    changed = [
        f"`{f.name}` = {_value(getattr(preset, f.name), hints[f.name])}"
        for f in dataclasses.fields(default)
        if getattr(preset, f.name) != getattr(default, f.name)
    ]
    return "; ".join(changed) or "nothing"


def _grouped(rules: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Questions with the same rule share a row."""
    titles: dict[str, list[str]] = defaultdict(list)
    for title, words in rules:
        titles[words].append(title)
    return [("; ".join(_joined(named)), words) for words, named in titles.items()]


def _joined(titles: Iterable[str]) -> list[str]:
    """Titles that differ in what comes before the colon are one: "k = 0 / k = 20: the ticket is stable"."""
    about: dict[str, list[str]] = defaultdict(list)
    for title in titles:
        before, _, what = title.rpartition(": ")
        about[what].append(before)
    return [": ".join(filter(None, [_product(list(dict.fromkeys(of))), what])) for what, of in about.items()]


def _product(about: list[str]) -> str:
    """ "a, c", "a, d", "b, c" and "b, d" are "a / b × c / d"."""
    if len(about) == 1:
        return about[0]
    parts = [words.split(", ") for words in about]
    if len({len(words) for words in parts}) == 1:
        each = [list(dict.fromkeys(column)) for column in zip(*parts, strict=True)]
        if math.prod(len(column) for column in each) == len(about):
            return " × ".join(" / ".join(column) for column in each)
    return "; ".join(about)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _folded(heading: str, text: str) -> str:
    """HTML that the browser folds; between its tags is Markdown."""
    return f"<details><summary>{heading}</summary>\n\n{text}\n\n</details>"


# --- Sphinx ---


class Claim(SphinxDirective):
    """`{claim} PART CLAIM`, or `{claim} PART` for what is about all claims; or `{claim} results CLAIM DATA`."""

    required_arguments = 1
    optional_arguments = 2

    def run(self) -> list[nodes.Node]:
        part, *named = self.arguments
        text = ABOUT_ALL[part]() if not named else PARTS[part](find_study(named[0], CLAIMS), *named[1:])
        self.env.note_reread()
        node = nodes.container()
        self.state.nested_parse(
            StringList(text.splitlines(), source=f"claim {part}"), self.content_offset, node
        )
        return list(node.children)


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("claim", Claim)
    return {"parallel_read_safe": True}
