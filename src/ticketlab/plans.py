"""Plans: the same plan in Python, in a TOML file and on the command line.

A plan is a frozen dataclass. It holds every choice of a study:

    @dataclass(frozen=True)
    class TangentMinimumPlan:
        '''One line about the study.

        Arguments:
            task: the data to learn.
            seeds: how many times network, split and data order are drawn.
            margin: the difference in test accuracy that still counts as equal.
        '''

        task: TaskSource = Digits()
        network: Architecture = MLP()
        losses: tuple[Literal["square", "cross-entropy"], ...] = ("square", "cross-entropy")
        seeds: int = field(default=5, metadata={"cells": False})
        margin: float = field(default=0.01, metadata={"cells": False})

        @classmethod
        def presets(cls) -> dict[str, TangentMinimumPlan]:
            return {"quick": cls(seeds=2)}

- Every field has a default and one phrase in the docstring's `Arguments:`, which is the option's help and the file's
  comment.
- Fields are numbers, booleans, strings, `Literal`s, enumerations, tuples of these, `X | None`, choices (`TaskSource`,
  `Architecture`, or a union of two or more dataclasses), or nested plain dataclasses (a table in the file, `--name.field` on
  the command line).
- Types are imported for real, not under `TYPE_CHECKING`, and the plan's module imports nothing heavy (no JAX) at its top.
- `presets()` is optional; "default" always exists. Names taken by the command line itself: claims, preset, out,
  start, json, over, until, at-most, devices, coordinator, processes, process, jobs, cluster, insecure-cluster.
- Impossible values raise `UserError` in `__post_init__` (or in `Study.cells`, where the task must be known).
- `metadata={"cells": False}` marks a field which changes only which cells there are, or the verdicts drawn from them, and not
  what any one cell computes: cells that are already finished stay valid when it changes.

A file begins with the claim; the options follow. Missing options take their defaults, and unknown ones are refused.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import importlib
import json
import math
import re
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ticketlab.choices import CHOICE, Family, family, is_union, meanings, plain, suggestion, text_table
from ticketlab.errors import UserError

if TYPE_CHECKING:
    from cattrs import Converter

    from ticketlab.claims.study import Study

__all__ = [
    "canonical_json",
    "cell_fields",
    "find_study",
    "parse_choice",
    "parse_toml",
    "plan_hash",
    "presets",
    "read_plan",
    "structure",
    "structure_choice",
    "toml",
]


_DEEP = re.compile(
    r"""(?<![\w"'-])(?:[\w"'-]++\s*\.\s*){100}"""
)  # the time to read such a name grows with its square


def find_study(claim: str, studies: Mapping[str, str]) -> Study:
    """The study of a claim, imported from its "module:Class"; an unknown claim raises an error that lists the known ones."""
    if claim not in studies:
        raise UserError(f"claim {claim!r}", f"one of {', '.join(studies)}", suggestion(claim, studies))
    module, _, name = studies[claim].partition(":")
    return getattr(importlib.import_module(module), name)()


def presets(plan_type: type) -> dict[str, Any]:
    """A study's plans by name; "default" always exists."""
    named: Mapping[str, Any] = getattr(plan_type, "presets", dict)()
    return {"default": plan_type(), **named}


def plan_hash(claim: str, plan: Any) -> str:
    """SHA-256 (hexadecimal) of a claim and every field of its plan: equal for equal plans, however they were written."""
    return hashlib.sha256(canonical_json({"claim": claim, "plan": plain(plan)}).encode()).hexdigest()


def cell_fields(plan: Any) -> dict[str, Any]:
    """The plain values of the fields that determine what a cell computes."""
    outside = {f.name for f in dataclasses.fields(plan) if f.metadata.get("cells") is False}
    return {name: value for name, value in plain(plan).items() if name not in outside}


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values, equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# Reading ------------------------------------------------------------------------------------------------------------------


def read_plan(path: Path, studies: Mapping[str, str]) -> tuple[str, Any]:
    """The claim and the plan in a TOML file.

    Raises UserError for a file that cannot be read, is not TOML, or contains anything but options of the claim.
    """
    table = parse_toml(path)
    claim = table.pop("claim", None)
    if not isinstance(claim, str):
        raise UserError(
            f"a plan without a claim, {path}" if claim is None else f"claim = {claim!r} in {path}",
            f'a line like claim = "{next(iter(studies))}" at its top',
            "`ticketlab plan CLAIM` writes such a file, `ticketlab claims` lists the claims.",
        )
    return claim, structure(table, find_study(claim, studies).plan_type, str(path))


def parse_toml(path: Path) -> dict[str, Any]:
    """A TOML file as nested tables; UserError for a file that cannot be read or is not TOML."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # as Windows saves it
        if _DEEP.search(text):
            raise ValueError("a name of 100 parts")
        return tomllib.loads(text)
    except OSError as error:
        raise UserError(f"the plan {path}, which cannot be read ({error.strerror})", "a TOML file") from None
    except UnicodeDecodeError:
        raise UserError(
            f"the plan {path}, which is not text in UTF-8", "a TOML file", "Save it as UTF-8."
        ) from None
    except (ValueError, RecursionError) as error:  # not TOML, or numbers and tables beyond what Python reads
        expected = "what `ticketlab plan CLAIM` writes"
        raise UserError(f"the plan {path}, which is not TOML: {error}", expected) from None


def structure(table: Mapping[str, Any], cls: type, source: str = "the plan") -> Any:
    """A dataclass from plain values; missing values take their defaults.

    Raises UserError with the place, what was found and what was expected: unknown names, wrong types, impossible values.
    """
    from cattrs import BaseValidationError

    try:
        return _converter().structure(table, cls)
    except (BaseValidationError, UserError) as error:
        mistakes = list(_mistakes(error, ""))
    place, first = mistakes[0]
    where = f"{place} in {source}" if place else source
    others = [f"{p}: {e}" if p else str(e) for p, e in mistakes[1:]]
    raise UserError(
        f"{first.got} for {where}" if place else f"{first.got} in {where}",
        first.expected,
        " ".join([first.do, *(["Also wrong:", *others] if others else [])]).strip(),
    )


def parse_choice(text: str, within: Family) -> Any:
    """The choice that a text describes ("mlp:widths=512x512").

    Raises UserError for an unknown name or field, or a value of the wrong type.
    """
    return structure_choice(text_table(text, within), within)


def structure_choice(table: Mapping[str, Any], within: Family) -> Any:
    """A choice from plain values: its name and the fields that differ from their defaults."""
    fields = dict(table)
    name = fields.pop(CHOICE, None)
    if not isinstance(name, str):
        raise UserError(
            f"a {within.noun} table without a name", f"{CHOICE} = one of {', '.join(within.members)}"
        )
    return structure(fields, within.member(name), f"{within.noun} {name}")


def _mistakes(error: BaseException, place: str) -> Iterator[tuple[str, UserError]]:
    """Every mistake in a nested cattrs error, with the dotted name of its place."""
    from cattrs import BaseValidationError
    from cattrs.errors import ForbiddenExtraKeysError

    for note in getattr(error, "__notes__", ()):
        if getattr(note, "name", None):
            place = f"{place}.{note.name}" if place else note.name
    if isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            yield from _mistakes(inner, place)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [f.name for f in dataclasses.fields(error.cl)]
        for key in sorted(error.extra_fields):
            expected = f"one of {', '.join(known)}" if known else "no fields"
            yield place, UserError(f"the unknown name {key!r}", expected, suggestion(key, known))
    elif isinstance(error, UserError):
        yield place, error
    elif isinstance(error, KeyError):
        yield place, UserError("nothing", "a value, since it has no default")
    else:
        raise error


@functools.cache
def _converter() -> Converter:
    """Reads plain values strictly: no number from a string, no integer from a fraction, no unknown names.

    If several hooks fit, the last one registered applies.
    """
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(int, _of_kind("a whole number", int))
    converter.register_structure_hook(float, _of_kind("a number", int, float))
    converter.register_structure_hook(bool, _of_kind("true or false", bool))
    converter.register_structure_hook(str, _of_kind("text", str))
    converter.register_structure_hook_func(
        lambda t: isinstance(t, type) and issubclass(t, enum.Enum), _one_of
    )
    converter.register_structure_hook_func(lambda t: typing.get_origin(t) is typing.Literal, _one_of)
    converter.register_structure_hook_func(lambda t: typing.get_origin(t) is tuple, _sequence)
    converter.register_structure_hook_func(is_union, _union)
    converter.register_structure_hook_factory(dataclasses.is_dataclass, _record)
    converter.register_structure_hook_func(lambda t: family(t) is not None, _choice)
    return converter


def _of_kind(expected: str, *kinds: type) -> Callable[[Any, Any], Any]:
    def hook(value: Any, annotation: Any) -> Any:
        if issubclass(annotation, enum.Enum):  # of words: cattrs takes it for text
            return _one_of(value, annotation)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise UserError(repr(value), expected)
        try:
            return annotation(value)
        except OverflowError:
            raise UserError(f"a whole number of {len(str(value))} digits", expected) from None

    return hook


def _one_of(value: Any, annotation: Any) -> Any:
    """A member of an enumeration or of a `Literal`."""
    enumeration = isinstance(annotation, type)
    allowed = [m.value for m in annotation] if enumeration else list(typing.get_args(annotation))
    if not any(value == a and type(value) is type(a) for a in allowed):
        words = [str(a) for a in allowed]
        raise UserError(repr(value), f"one of {', '.join(words)}", suggestion(str(value), words))
    return annotation(value) if enumeration else value


def _sequence(value: Any, annotation: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise UserError(repr(value), "a list")
    item, *rest = typing.get_args(annotation)
    if rest != [Ellipsis]:
        raise TypeError(f"{annotation}: plans have tuples of any length only")
    return tuple(_converter().structure(v, item) for v in value)


def _union(value: Any, annotation: Any) -> Any:
    """The first member that accepts the value; integers come first, so that 1 stays an integer."""
    members = typing.get_args(annotation)
    if type(None) in members and (value is None or value == "none"):
        return None
    refusals = []
    for member in sorted((m for m in members if m is not type(None)), key=lambda m: m is not int):
        try:
            return _converter().structure(value, member)
        except UserError as error:
            refusals.append(error.expected)
    none = ["none"] if type(None) in members else []
    raise UserError(repr(value), ", or ".join([*refusals, *none]))


def _choice(value: Any, annotation: Any) -> Any:
    within = family(annotation)
    assert within is not None
    if isinstance(value, str):
        return parse_choice(value, within)
    if not isinstance(value, Mapping):
        raise UserError(repr(value), f"a {within.noun}: one of {', '.join(within.members)}")
    return structure_choice(value, within)


def _record(cls: Any) -> Callable[[Any, Any], Any]:
    """A plain dataclass; a nested table changes the fields it names, and the others keep the values of the outer default."""
    from cattrs.gen import make_dict_structure_fn

    strict = make_dict_structure_fn(cls, _converter(), _cattrs_forbid_extra_keys=True)
    hints = typing.get_type_hints(cls)
    nested = {
        f.name: plain(f.default)
        for f in dataclasses.fields(cls)
        if dataclasses.is_dataclass(f.default) and not family(hints[f.name])
    }

    def hook(value: Any, annotation: Any) -> Any:
        if not isinstance(value, Mapping):
            raise UserError(repr(value), "a table of options")
        inner = {k: {**nested[k], **v} for k, v in value.items() if k in nested and isinstance(v, Mapping)}
        return strict({**value, **inner}, annotation)

    return hook


# Writing ------------------------------------------------------------------------------------------------------------------


def toml(claim: str, plan: Any, *, comments: bool = True) -> str:
    """A plan as the text of its file, with the meaning of every option; `read_plan` reads it back."""
    lines = [f"claim = {_toml_value(claim)}", *_toml_table("", plan, plain(plan), comments)]
    return "\n".join(lines) + "\n"


def _toml_table(prefix: str, owner: Any, table: Mapping[str, Any], comments: bool) -> Iterator[str]:
    """The lines of one table: first its values, then the tables within."""
    explained = meanings(type(owner)) if comments else {}
    unset = {f.name for f in dataclasses.fields(owner) if f.default is None}
    last = ""
    for name, value in table.items():
        if isinstance(value, Mapping):
            continue
        comment = explained.get(name, "")
        if comment and comment != last:
            yield ""
            yield f"# {comment}"
        last = comment
        yield f"# {name} is not set" if value is None and name in unset else f"{name} = {_toml_value(value)}"
    for name, value in table.items():
        if not isinstance(value, Mapping):
            continue
        yield ""
        if name in explained:
            yield f"# {explained[name]}"
        yield f"[{prefix}{name}]"
        yield from _toml_table(f"{prefix}{name}.", getattr(owner, name), value, comments)


def _toml_value(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(_toml_value(v) for v in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k} = {_toml_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return repr(value)
