"""The two streams of the command: what is written to them, and what happens when they cannot be written.

Names come from files and from command lines that others wrote, and a terminal obeys what it is sent: an escape sequence in a
column's name could move the cursor, change the title or hide what is said. So names are shown without control characters, and
of these nothing passes but what the live lines are drawn with, and only to a terminal. A reader that has had enough (`|
head`) ends the command quietly; a device that is full, or fails, ends it with a sentence and an exit code of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from ticketlab.engine.controls import shown

__all__ = ["StreamFailure", "guarded", "say"]

_DRAWN = re.compile(r"(\x1b\[[0-9;]*[mAK]|\x1b\[\?25[hl]|\r)")  # what the live lines are drawn with


class StreamFailure(Exception):
    """An output stream that cannot be written; `quiet` when nobody reads it any more."""

    def __init__(self, name: str, error: OSError) -> None:
        self.quiet = isinstance(error, BrokenPipeError)
        super().__init__(f"{name} cannot be written ({(error.strerror or str(error)).lower()})")


class _Guarded:
    """A text stream that sends no control characters of others, and whose failures have a name."""

    def __init__(self, inner: Any, name: str) -> None:
        self._inner, self._name = inner, name
        self._draws = inner.isatty() or bool(os.environ.get("FORCE_COLOR"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, text: str) -> int:
        # Split by what may pass: every second piece is drawn, the others are words.
        pieces = _DRAWN.split(text) if self._draws else [text]
        clean = "".join(piece if i % 2 else shown(piece) for i, piece in enumerate(pieces))
        with self._failures():
            self._inner.write(clean)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with self._failures():
            self._inner.flush()

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            _discard(self._inner)
            raise StreamFailure(self._name, error) from error


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Within, both streams are there, safe for a terminal, and say in words why they cannot be written."""
    _open_closed()
    before = sys.stdout, sys.stderr
    streams: list[Any] = [_Guarded(before[0], "standard output"), _Guarded(before[1], "the error stream")]
    sys.stdout, sys.stderr = streams
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def say(text: str) -> None:
    """A line on the error stream; where that is gone too, nobody is left to be told."""
    with contextlib.suppress(StreamFailure):
        print(shown(text), file=sys.stderr, flush=True)


def _open_closed() -> None:
    """Gives closed streams a place that swallows everything: else the next file to be opened gets their number, and text."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere())


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _discard(stream: Any) -> None:
    """What could not be written would be tried again when the process ends, and fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
