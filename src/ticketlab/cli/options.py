"""A plan's fields as options: `seeds: int = 5` becomes `--seeds INT`, a choice becomes `--network NAME[:field=value,…]`.

tyro builds the parser from the plan's own dataclass, so there is no second list of options. Claims come first; the
options after them apply to all claims. A preset or a plan file changes the defaults, and options override them.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from ticketlab.choices import choice_text, family, suggestion
from ticketlab.claims.study import Study
from ticketlab.cli.ending import Ending
from ticketlab.cli.spread import Spread
from ticketlab.cli.starting import started
from ticketlab.engine.controls import shown
from ticketlab.errors import UserError
from ticketlab.plans import find_study, parse_choice, presets, read_plan
from ticketlab.store.protocol import SUFFIX

__all__ = ["Request", "parse", "read_one", "read_requests"]


@dataclass(frozen=True)
class Request:
    """One study to run, as requested on the command line.

    Arguments:
        study: the study.
        plan: its plan.
        out: the run folder, or None for the usual one.
        json: whether to print the result for machines.
        spread: over which devices, and with which other processes.
        ending: when it ends.
        registered: the file of the protocol, if the plan was registered.
    """

    study: Study
    plan: Any
    out: Path | None
    json: bool
    spread: Spread = Spread()
    ending: Ending = Ending()
    registered: Path | None = None


def read_requests(words: Sequence[str], studies: Mapping[str, str], command: str) -> list[Request]:
    """The requests in the words after `ticketlab run`, one for each claim or file; all claims if none is named."""
    guess = _guess(words, studies)
    first = _options(words, guess, studies, command)
    asked = list(dict.fromkeys(first.claims)) or list(studies)
    found = [first if target == guess else _options(words, target, studies, command) for target in asked]
    protocols = [_registered(target) for target in asked]
    requests = [
        _request(options, protocol, alone=len(asked) == 1)
        for options, protocol in zip(found, protocols, strict=True)
    ]
    claims = [request.study.claim for request in requests]
    if first.out and (twice := next((c for c in claims if claims.count(c) > 1), None)):
        raise UserError(
            f"--out {first.out} for {claims.count(twice)} plans of {twice}",
            "a folder for each plan",
            "Each would replace the results of the one before: run them one by one.",
        )
    return requests


def read_one(words: Sequence[str], studies: Mapping[str, str], command: str) -> Any:
    """The words after `ticketlab sweep` (study, plan, over, out and spread) or `ticketlab plan` (study and plan).

    Raises UserError unless one claim is named.
    """
    options = _options(words, _guess(words, studies), studies, command)
    named = dict.fromkeys(options.claims) or (studies if command == "plan" else {})
    if len(named) != 1:
        raise UserError(
            f"{len(named)} claims", "one", f"`ticketlab {command} CLAIM`: one of {', '.join(studies)}."
        )
    return options


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


def _guess(words: Sequence[str], studies: Mapping[str, str]) -> str:
    """The first claim or plan file among the words, whose options are needed for parsing; else the first of all claims."""
    first = words[0] if words else "-"
    if first not in studies and not first.endswith(".toml") and not first.startswith("-"):
        raise UserError(
            f"claim {first!r}",
            f"one of {', '.join(studies)}, or a plan file (.toml)",
            suggestion(first, studies),
        )
    flags = ("--json", "--insecure-cluster")
    free = [
        w
        for before, w in pairwise(["", *words])
        if not before.startswith("--") or "=" in before or before in flags
    ]
    named = [w for w in free if w in studies or w.endswith(".toml")]
    named += [w for w in words if w in studies]  # after a flag of the plan: --permuted-labels winning-ticket
    return next(iter(named), next(iter(studies)))


def _options(words: Sequence[str], target: str, studies: Mapping[str, str], command: str) -> Any:
    """The words, parsed with the options of one claim or plan file."""
    from_file = target.endswith(".toml")
    if from_file:
        _restore(Path(target))
    claim, plan = read_plan(Path(target), studies) if from_file else (target, None)
    study = find_study(claim, studies)
    named = {"default": plan} if from_file else presets(study.plan_type)
    options = _parse(words, study, named, command)
    if options.start is None:
        return options
    return dataclasses.replace(options, plan=started(options.plan, options.start, study.claim))


def _restore(file: Path) -> None:
    """Restores a run folder's lost or damaged plan from the cells, which would be unusable without it."""
    if file.name != "plan.toml" or not (file.parent / "cells").is_dir():
        return
    from ticketlab.store.lost_plan import restore_plan

    if restore_plan(file.parent):
        print(
            f"{shown(str(file))} was lost or damaged and has been restored from the finished cells.",
            file=sys.stderr,
        )


def _registered(target: str) -> Path | None:
    """The protocol next to a plan file."""
    file = Path(target).with_suffix(SUFFIX)
    return file if target.endswith(".toml") and file.exists() else None


def _request(options: Any, registered: Path | None, *, alone: bool) -> Request:
    out = options.out / options.study.claim if options.out and not alone else options.out
    return Request(options.study, options.plan, out, options.json, options.spread, options.ending, registered)


def _preset(words: Sequence[str], named: Mapping[str, Any]) -> str:
    """The preset among the words, needed before parsing because it sets the defaults; the parser reports wrong ones."""
    joined = (part for word in words for part in word.replace("--preset=", "--preset\0", 1).split("\0"))
    given = [after for word, after in pairwise(joined) if word == "--preset"]
    return given[-1] if given and given[-1] in named else "default"


def _parse(words: Sequence[str], study: Study, named: Mapping[str, Any], command: str) -> Any:
    """The words as claims, plan options and general options, with a preset's values as defaults."""
    default = named[_preset(words, named)]
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
    options: list[Any] = [
        ("claims", positional, dataclasses.field(default=())),
        ("plan", Annotated[plan_type, tyro.conf.arg(name="")], dataclasses.field(default=default)),
        (
            "preset",
            Annotated[preset_type, _help("a ready-made plan; other options override its values")],
            "default",
        ),
        (
            "start",
            Annotated[
                str | None,
                tyro.conf.arg(
                    metavar="FILE[:anew=LAYER]",
                    help="start the network at the parameters of this safetensors file, in the place of random ones",
                    help_behavior_hint="",
                ),
            ],
            None,
        ),
        *{"run": _run_options, "sweep": _sweep_options, "plan": list}[command](),
    ]
    cls = dataclasses.make_dataclass("Options", options, frozen=True, namespace={"study": study})
    return parse(cls, words, command=f"{command} {study.claim}", description=study.question)


def _run_options() -> list[Any]:
    """The general options of a run."""
    return [
        (
            "out",
            Annotated[Path | None, _help("the run folder; by default runs/<claim>-<task>-<plan>", "")],
            None,
        ),
        (
            "json",
            Annotated[
                bool, _help("print the result as one JSON document, everything else to the error stream", "")
            ],
            False,
        ),
        ("spread", Annotated[Spread, tyro.conf.arg(name="")], Spread()),
        ("ending", Annotated[Ending, tyro.conf.arg(name="")], Ending()),
    ]


def _sweep_options() -> list[Any]:
    """Those of a sweep."""
    axes = tyro.conf.arg(
        metavar="OPTION=VALUE,…",
        help="one or two options of the plan with the values that each takes: network.width=64,128 task.train=50,100",
        help_behavior_hint="",
    )
    return [
        ("over", Annotated[tuple[str, ...], axes], dataclasses.field(default=())),
        (
            "out",
            Annotated[Path | None, _help("the sweep's folder; by default sweeps/<claim>-<plan>", "")],
            None,
        ),
        ("spread", Annotated[Spread, tyro.conf.arg(name="")], Spread()),
    ]


def _help(text: str, hint: str | None = None) -> Any:
    return tyro.conf.arg(help=text, help_behavior_hint=hint)


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
            metavar=" | ".join(
                [
                    *within.members,
                    *["PATH"] * bool(within.from_path),
                    *["MODULE:FACTORY"] * bool(within.from_code),
                ]
            )
            + " [:field=value,…]",
            instance_from_str=lambda words: parse_choice(words[0], within),
            is_instance=lambda value: type(value) in within.members.values(),
            str_from_instance=lambda value: [choice_text(value, within)],
        )

    return registry
