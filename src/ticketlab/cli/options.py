"""A plan's fields as options: `seeds: int = 5` becomes `--seeds INT`, a choice becomes `--network NAME[:field=value,…]`.

The parser is made by tyro from the plan's own dataclass, so there is no second list of options to keep in step. Claims come
first; the options after them belong to all claims that are run. A preset or a plan file changes the defaults, and options
change those.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from ticketlab.choices import choice_text, family, suggestion
from ticketlab.errors import UserError
from ticketlab.plans import find_study, parse_choice, presets, read_plan
from ticketlab.studies.study import Study

__all__ = ["Request", "parse", "read_requests"]


@dataclass(frozen=True)
class Request:
    """One study to run, as asked on the command line.

    Arguments:
        study: what is asked.
        plan: with which options.
        out: the run folder, or None for the usual one.
        json: whether to print the result for machines.
    """

    study: Study
    plan: Any
    out: Path | None
    json: bool


def read_requests(words: Sequence[str], studies: Mapping[str, str], command: str) -> list[Request]:
    """What the words after `ticketlab run` (or `plan`) ask for, one request a claim."""
    asked = _positional(words, studies)
    return [_request(words, claim, studies, command) for claim in asked]


def parse(cls: Any, words: Sequence[str], *, command: str, description: str, default: Any = None) -> Any:
    """An instance of a dataclass from words; tyro prints help and mistakes, and ends the process with 0 or 2."""
    settings = (tyro.conf.EnumChoicesFromValues, tyro.conf.FlagCreatePairsOff)
    given = {} if default is None else {"default": default}
    return tyro.cli(
        cls,
        args=list(words),
        prog=f"ticketlab {command}",
        description=description,
        config=settings,
        registry=_choices(),
        **given,
    )


def _request(words: Sequence[str], asked: str, studies: Mapping[str, str], command: str) -> Request:
    from_file = asked.endswith(".toml")
    claim, base = read_plan(Path(asked), studies) if from_file else (asked, None)
    study = find_study(claim, studies)
    named = presets(study.plan_type)
    if base is not None:
        named = {"default": base}
    first = _parse(words, study, named, "default", command)
    options = first if first.preset == "default" else _parse(words, study, named, first.preset, command)
    for word in options.claims:
        if not word.endswith(".toml"):
            find_study(word, studies)
    out = options.out / claim if options.out and len(options.claims) > 1 else options.out
    return Request(study, options.plan, out, options.json)


def _parse(words: Sequence[str], study: Study, named: Mapping[str, Any], preset: str, command: str) -> Any:
    """The words as claims, plan options and general options, with a preset's values as defaults."""
    plan_type = study.plan_type
    positional = Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(
            metavar="CLAIM|PLAN.toml …",
            help="what to run; `ticketlab claims` lists the claims",
            help_behavior_hint="",
        ),
    ]
    preset_type: Any = Literal[tuple(named)]
    options = [
        ("claims", positional, dataclasses.field(default=())),
        ("plan", Annotated[plan_type, tyro.conf.arg(name="")], dataclasses.field(default=named[preset])),
        (
            "preset",
            Annotated[preset_type, _help("a ready-made plan, whose values the other options change")],
            "default",
        ),
        (
            "out",
            Annotated[Path | None, _help("the run folder; by default runs/<claim>-<task>-<plan>", "")],
            None,
        ),
        (
            "json",
            Annotated[bool, _help("print the result as one JSON document, all else to the error stream", "")],
            False,
        ),
    ]
    cls = dataclasses.make_dataclass("Options", options, frozen=True)
    return parse(cls, words, command=f"{command} {study.claim}", description=study.question)


def _help(text: str, hint: str | None = None) -> Any:
    return tyro.conf.arg(help=text, help_behavior_hint=hint)


def _positional(words: Sequence[str], studies: Mapping[str, str]) -> list[str]:
    """The claims and plan files among the words; all claims when there are none."""
    asked = [w for w in words if w in studies or (w.endswith(".toml") and not w.startswith("-"))]
    first = words[0] if words and not words[0].startswith("-") else None
    if first and first not in asked:
        raise UserError(
            f"claim {first!r}",
            f"one of {', '.join(studies)}, or a plan file (.toml)",
            suggestion(first, studies),
        )
    return list(dict.fromkeys(asked)) or list(studies)


def _choices() -> ConstructorRegistry:
    """Teaches tyro to read and show choices in text."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def choice(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        within = family(info.type)
        if within is None:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar=" | ".join([*within.members, "PATH"] if within.from_path else within.members)
            + " [:field=value,…]",
            instance_from_str=lambda words: parse_choice(words[0], within),
            is_instance=lambda value: type(value) in within.members.values(),
            str_from_instance=lambda value: [choice_text(value, within)],
        )

    return registry
