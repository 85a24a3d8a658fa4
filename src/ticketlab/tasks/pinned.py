"""Pinned files: data and starts must not change during a run, because every cell records those that it used.

A run reads its files when it begins, and its cells read them again. Each time, their content is compared with that at the
beginning. So a file that is edited during the run is never used, even if it is restored later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from ticketlab.errors import UserError
from ticketlab.networks.pretrained import Pretrained
from ticketlab.tasks.sources import TaskSource

__all__ = [
    "changed",
    "check_pinned",
    "choices_of",
    "expected",
    "pinned",
    "read_from_files",
    "sources",
    "starts",
]

Choice = TypeVar("Choice")

_EXPECTED: ContextVar[Mapping[TaskSource | Pretrained, str]] = ContextVar("expected")


@contextmanager
def pinned(hashes: Mapping[TaskSource | Pretrained, str]) -> Iterator[None]:
    """Inside the block, `check_pinned` refuses data with another content.

    Arguments:
        hashes: the content hash of every data set and start.
    """
    token = _EXPECTED.set(hashes)
    try:
        yield
    finally:
        _EXPECTED.reset(token)


def expected(source: TaskSource | Pretrained) -> str | None:
    """The content hash that a data set or start must have inside the block of `pinned`; None if it may have any."""
    return _EXPECTED.get({}).get(source)


def sources(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """(the option's name, the source) of every data set that a plan names."""
    return choices_of(TaskSource, value, where)


def starts(value: Any) -> Iterator[tuple[str, Pretrained]]:
    """(the option's name, the network) of every network that a plan starts at the parameters of a file."""
    return ((f"{where}.start", choice) for where, choice in choices_of(Pretrained, value))


def read_from_files(value: Any) -> Iterator[tuple[str, Any]]:
    """The data sets and the starts that a plan names: what may not change during a run."""
    yield from sources(value)
    yield from starts(value)


def choices_of(kind: type[Choice], value: Any, where: str = "") -> Iterator[tuple[str, Choice]]:
    """(the option's name, the choice) of every choice of a kind in a plan, at any depth."""
    if isinstance(value, kind):
        yield where, value
    elif dataclasses.is_dataclass(value):
        for f in dataclasses.fields(value):
            yield from choices_of(kind, getattr(value, f.name), f"{where}.{f.name}" if where else f.name)
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from choices_of(kind, item, f"{where}[{i}]")


def check_pinned(source: TaskSource | Pretrained, content: str, name: str) -> None:
    """Raises UserError if the file just read is not that with which the run began.

    Arguments:
        content: the hash of what was read.
        name: for the message.
    """
    if expected(source) not in (None, content):
        raise changed([name])


def changed(names: Iterable[str]) -> UserError:
    """The error for data that have changed."""
    return UserError(
        f"data that changed during the run ({', '.join(names)})",
        "the data as they were when it began",
        "The current cell is not kept; finished cells are. "
        "The same command starts again with the data as they are now.",
    )
