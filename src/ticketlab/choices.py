"""How a choice is written: a task, a network or a method is a frozen dataclass; in text it is `mlp:widths=512x512`.

A family is the set of choices allowed in one place: all tasks, all networks, or the members of a union of dataclasses.
In Python a choice is an object, `MLP(widths=(512, 512))`. In text it is the member's name with the fields that differ
from their defaults, `mlp:widths=512x512,activation=tanh`. The first value may omit the name of its field,
`mlp:512x512,activation=tanh`. In a file it is a table, `{choice = "mlp", widths = [512, 512]}`, or the text.
Numbers in a sequence are joined by `x`, words by `+`. Fields of a nested record have dotted names
(`initialisation.family=glorot`). `none` is None. A value that contains a comma or a quote, or begins or ends with a
space, is put in double quotes as in JSON. A task can also be the path of a file, with or without fields: `birds.csv`,
`birds.csv:label=species`. A network can be code of the user's: `my_module:make_model`.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import functools
import inspect
import json
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ticketlab.errors import UserError

__all__ = [
    "CHOICE",
    "Family",
    "choice_table",
    "choice_text",
    "families",
    "family",
    "is_union",
    "meanings",
    "plain",
    "suggestion",
    "text_table",
    "text_value",
]

CHOICE = "choice"
"""The key of the choice's name in a table."""

_FIELD = re.compile(r'\s*(?:([\w.]+)=)?("(?:[^"\\]|\\.)*"|[^,"]*)(?:,|$)')
_CODE = re.compile(r"[^,=\n]*[\w.]:[A-Za-z_]\w*")
_CHOICE = re.compile(r"([\w.-]+)(?::(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Family:
    """The choices that are allowed in one place.

    Arguments:
        noun: the word for one member in messages ("task").
        members: the classes of the members by name.
        from_path: makes a choice from the path of a user's file; None where files have no meaning.
        from_code: makes a choice from the name of a user's code, `my_module:make_model`; None where code has no meaning.
    """

    noun: str
    members: Mapping[str, type]
    from_path: Callable[[str], Any] | None = None
    from_code: Callable[[str], Any] | None = None

    def name_of(self, choice: Any) -> str:
        """The name of a choice's class in the family."""
        for name, member in self.members.items():
            if type(choice) is member:
                return name
        raise UserError(
            f"the {self.noun} {choice!r}, which has no name",
            f"one of {', '.join(self.members)}",
            "Your own objects can be used from Python; only named choices can be saved or written to a file.",
        )

    def member(self, name: str) -> type:
        """The class with that name; otherwise an error with the allowed names and the nearest one."""
        if name in self.members:
            return self.members[name]
        path = ", or the path of a file" if self.from_path else ""
        path += ", or MODULE:FACTORY for a model of your own" if self.from_code else ""
        raise UserError(
            f"{self.noun} {name!r}", f"one of {', '.join(self.members)}{path}", suggestion(name, self.members)
        )


@functools.cache
def families() -> Mapping[Any, Family]:
    """The families that have registries, by the annotation of a plan's field."""
    from ticketlab.adapters.own_model import OwnModel
    from ticketlab.networks.architecture import Architecture
    from ticketlab.networks.pretrained import Pretrained
    from ticketlab.networks.zoo import NETWORKS
    from ticketlab.tasks.catalogue import TASKS, from_path
    from ticketlab.tasks.sources import TaskSource

    members: dict[str, type] = {**NETWORKS, "own": OwnModel, "pretrained": Pretrained}
    networks = Family("network", members, from_code=OwnModel)
    return {TaskSource: Family("task", TASKS, from_path), Architecture: networks}


def family(annotation: Any) -> Family | None:
    """The family of a field's annotation: a registered one, or a union of two or more dataclasses; None for other types."""
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return families().get(annotation)
    members = typing.get_args(annotation) if is_union(annotation) else ()
    if len(members) < 2 or not all(dataclasses.is_dataclass(m) for m in members):
        return None
    return Family("choice", {_kebab(m.__name__): m for m in members})


def text_table(text: str, family: Family) -> dict[str, Any]:
    """The choice that a text describes, as plain values: its name and the given fields.

    Raises UserError for an unknown name, or for fields that are not field=value.
    """
    text = text.strip()
    match = _CHOICE.fullmatch(text)
    if match and match[1] in family.members:
        return {CHOICE: match[1], **_fields(match[2] or "", family.members[match[1]])}
    path, fields = _split_path(text)
    if family.from_path and _looks_like_path(path):
        choice = family.from_path(path)
        return {**choice_table(choice, family), **_fields(fields, type(choice))}
    if family.from_code and _CODE.fullmatch(text):
        return choice_table(family.from_code(text), family)
    family.member(text.partition(":")[0].strip())
    raise UserError(f"{family.noun} {text!r}", "a name, or name:field=value,field=value")


def choice_text(choice: Any, family: Family) -> str:
    """A choice in text, with the fields that differ from their defaults; `text_table` reads it back."""
    name = family.name_of(choice)
    fields = ",".join(f"{field}={_quoted(value)}" for field, value in _differences(choice))
    return f"{name}:{fields}" if fields else name


def choice_table(choice: Any, family: Family) -> dict[str, Any]:
    """A choice as plain values: its name, then all of its fields."""
    return {CHOICE: family.name_of(choice), **plain(choice)}


def plain(value: Any, annotation: Any = None) -> Any:
    """Frozen dataclasses, enumerations and tuples as dictionaries, strings and lists, for JSON and TOML."""
    within = family(annotation) if annotation is not None and value is not None else None
    if within:
        return choice_table(value, within)
    if dataclasses.is_dataclass(value):
        hints = typing.get_type_hints(type(value))
        return {f.name: plain(getattr(value, f.name), hints[f.name]) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        item = (typing.get_args(annotation) or (None,))[0]
        return [plain(v, item) for v in value]
    if isinstance(value, enum.Enum):
        return value.value
    if type(value) is int and annotation in (float, float | None):
        return float(value)  # 1 and 1.0 are the same plan
    return value


def meanings(cls: type) -> dict[str, str]:
    """The meaning of each field of a dataclass, from `Arguments:` in its docstring and those of its bases."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        _, _, block = inspect.cleandoc(base.__doc__ or "").partition("Arguments:\n")
        for entry in re.split(r"\n(?! )|^ {4}(?! )", block.split("\n\n")[0], flags=re.MULTILINE):
            names, separator, text = entry.partition(": ")
            found |= dict.fromkeys(names.split(", "), " ".join(text.split())) if separator else {}
    return {f.name: found[f.name] for f in dataclasses.fields(cls) if f.name in found}


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """ "Did you mean …?" if an allowed word is similar, else an empty string."""
    near = difflib.get_close_matches(word, list(allowed), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


def is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _looks_like_path(text: str) -> bool:
    return bool(text) and (any(mark in text for mark in ("/", os.sep, ".")) or _exists(text))


def _exists(path: str) -> bool:
    """Whether there is a file; text that no file can be called is none."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _split_path(text: str) -> tuple[str, str]:
    """A path, and the fields after the first colon that `word=` follows (so that C:\\data.npz stays whole)."""
    match = re.fullmatch(r"(.*?):(\w+=.*)", text, re.DOTALL)
    return (match[1], match[2]) if match and not _exists(text) else (text, "")


def _differences(choice: Any, default: Any = None) -> Iterator[tuple[str, Any]]:
    """The fields that differ from their defaults, those of nested records with dotted names."""
    hints = typing.get_type_hints(type(choice))
    for f in dataclasses.fields(choice):
        value, usual = getattr(choice, f.name), f.default if default is None else getattr(default, f.name)
        if value == usual:
            continue
        if within := family(hints[f.name]):
            yield f.name, choice_text(value, within)
        elif dataclasses.is_dataclass(value) and type(value) is type(usual):
            yield from ((f"{f.name}.{inner}", v) for inner, v in _differences(value, usual))
        else:
            yield f.name, value


def _fields(text: str, member: type) -> dict[str, Any]:
    """`a=1,b=2x3,c.d=4` as (nested) plain values with the types of the member's fields."""
    values: dict[str, Any] = {}
    position = 0
    while position < len(text):
        match = _FIELD.match(text, position)
        field = match and (match[1] or (_first_field(member) if position == 0 and match[2] else None))
        if not match or not field:
            raise UserError(f"{text[position:]!r} in {text!r}", "field=value,field=value")
        *outer, name = field.split(".")
        table, cls = values, member
        for key in outer:
            table, cls = table.setdefault(key, {}), _hints(cls).get(key, object)
            if not isinstance(table, dict):
                raise UserError(f"{field} after {key}= in {text!r}", "either the whole or its fields")
        if name in table:
            raise UserError(f"{field} twice in {text!r}", "each field once")
        table[name] = text_value(match[2], _hints(cls).get(name, str))
        position = match.end()
    return values


def text_value(text: str, annotation: Any) -> Any:
    """The plain value of a field: text in quotes as JSON has it, else what the annotation makes of it."""
    if not text.startswith('"'):
        return _plain_value(text.strip(), annotation)
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(
            f"{text} ({error})", "text in quotes as in JSON", "Write \\\\ for a backslash."
        ) from None


def _first_field(member: type) -> str | None:
    """The field for a value without a name: the first without a default, or the first that the class itself declares."""
    fields = dataclasses.fields(member)
    required = [f.name for f in fields if f.default is dataclasses.MISSING]
    names = {f.name for f in fields}
    own = [name for name in inspect.get_annotations(member) if name in names]
    return next(iter(required + own), None)


def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls) if dataclasses.is_dataclass(cls) else {}


def _plain_value(text: str, annotation: Any) -> Any:
    """Text as the plain value (number, boolean, list, word) that an annotation asks for; unchanged if it does not fit."""
    arguments = typing.get_args(annotation)
    if is_union(annotation):
        if text == "none" and type(None) in arguments:
            return None
        fits = (_plain_value(text, a) for a in arguments if a is not type(None))
        return next((v for v in fits if not isinstance(v, str)), text)
    if typing.get_origin(annotation) is tuple:
        items = text.split("x" if arguments[0] in (int, float) else "+") if text else []
        return [_plain_value(item, arguments[0]) for item in items]
    if typing.get_origin(annotation) is typing.Literal:
        return next((value for value in arguments if _value_text(value) == text), text)
    if annotation is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if annotation in (int, float):
        try:
            return annotation(text)
        except ValueError:
            return text
    return text


def _value_text(value: Any) -> str:
    value = value.value if isinstance(value, enum.Enum) else value
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ("x" if value and isinstance(value[0], (int, float)) else "+").join(map(_value_text, value))
    return repr(value) if isinstance(value, float) else str(value)


def _quoted(value: Any) -> str:
    text = _value_text(value)
    plain = text and text == text.strip() and not re.search(r'[,"]', text)
    return json.dumps(text) if isinstance(value, str) and not plain else text
