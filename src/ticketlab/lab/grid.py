"""A grid of plans: one or two options of a claim's plan take several values, and every combination is a plan.

An axis is written `network.widths=64,128x128,256`: an option, with dots where it lies within another, and its values as the
command line reads them. `network.width=64,128` makes all hidden layers of a network equally wide.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ticketlab.choices import family, plain, suggestion, text_value
from ticketlab.errors import UserError
from ticketlab.plans import structure

__all__ = ["Axis", "Grid", "Place", "grid_of", "with_value"]

MOST_AXES = 2
_VALUE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+')  # a comma within quotes is a part of the value


@dataclass(frozen=True)
class Axis:
    """An option and its values.

    Arguments:
        name: the option, with dots ("task.train").
        values: as typed.
    """

    name: str
    values: tuple[str, ...]

    @property
    def depth(self) -> int:
        """In how many others the option lies."""
        return self.name.count(".")

    @property
    def title(self) -> str:
        """For a figure: "task: train"."""
        return self.name.replace(".", ": ").replace("_", " ")


@dataclass(frozen=True)
class Place:
    """One plan of the grid.

    Arguments:
        index: which value of each axis.
        values: these values.
        name: file-safe and unique in the grid ("network.width=64,task.train=100").
        plan: the plan.
    """

    index: tuple[int, ...]
    values: tuple[str, ...]
    name: str
    plan: Any


@dataclass(frozen=True)
class Grid:
    """All plans over the axes, in the order in which they are run: the last axis changes fastest."""

    axes: tuple[Axis, ...]
    places: tuple[Place, ...]


def grid_of(plan: Any, over: Sequence[str]) -> Grid:
    """The grid of a plan over axes in text.

    An option within another is set after it: `network=mlp,lstm network.activation=relu,tanh`.

    Raises UserError for an option that the plan lacks, a value that it cannot have, a plan twice, and more than two axes.
    """
    axes = tuple(map(_axis, over))
    if not 1 <= len(axes) <= MOST_AXES:
        raise UserError(f"{len(axes)} axes", "one or two", "For example --over network.width=64,128,256")
    if len({axis.name for axis in axes}) < len(axes):
        raise UserError(f"--over {axes[0].name} twice", "two different options")
    return Grid(axes, tuple(_places(plan, axes)))


def _axis(text: str) -> Axis:
    name, _, values = text.partition("=")
    pieces = _VALUE.findall(values)
    if not pieces or ",".join(pieces) != values.removesuffix(","):
        raise UserError(
            f"--over {text}", "an option and its values", "For example --over task.train=50,100,200"
        )
    found = tuple(_whole(value.strip()) for value in pieces)
    if len(set(found)) < len(found):
        raise UserError(f"--over {text}", "each value once")
    return Axis(name, found)


def _whole(value: str) -> str:
    """A value without the quotes around all of it."""
    return text_value(value, str) if re.fullmatch(r'"(?:[^"\\]|\\.)*"', value) else value


def _places(plan: Any, axes: Sequence[Axis]) -> Iterator[Place]:
    plans: dict[str, Any] = {}
    for index in itertools.product(*(range(len(axis.values)) for axis in axes)):
        values = tuple(axis.values[i] for axis, i in zip(axes, index, strict=True))
        settings = [f"{axis.name}={value}" for axis, value in zip(axes, values, strict=True)]
        name = re.sub(r"[^\w.=,+-]+", "-", ",".join(settings))
        if name in plans:
            raise UserError(f"two plans that are both called {name}", "values that differ in their letters")
        asked = plan
        for axis, value in sorted(zip(axes, values, strict=True), key=lambda of: of[0].depth):
            asked = with_value(asked, axis.name, value)
        if same := [other for other, found in plans.items() if found == asked]:
            raise UserError(f"{same[0]} and {name}, which are the same plan", "plans that differ")
        plans[name] = asked
        yield Place(index, values, name, asked)


def with_value(record: Any, name: str, text: str) -> Any:
    """A plan, or a record within, with one option changed.

    Arguments:
        record: the plan.
        name: the option, with dots where it lies within another.
        text: its value as the command line reads it.

    Raises UserError for an option that it lacks, or a value that it cannot have.
    """
    first, _, rest = name.partition(".")
    hints = typing.get_type_hints(type(record))
    known = [f.name for f in dataclasses.fields(record)]
    if name == "width" and "width" not in known and "widths" in known:
        return with_value(record, "widths", "x".join([text] * len(record.widths)))
    if first not in known:
        raise UserError(
            f"the option {first!r} of {type(record).__name__}",
            f"one of {', '.join(known)}",
            suggestion(first, known),
        )
    if rest:
        within = getattr(record, first)
        if not dataclasses.is_dataclass(within):
            raise UserError(f"{name}: {first} has no options of its own", f"{first} alone")
        return replace(record, **{first: with_value(within, rest, text)})
    value = text if family(hints[first]) else text_value(text, hints[first])
    return structure({**plain(record), first: value}, type(record), f"{first}={text}")
