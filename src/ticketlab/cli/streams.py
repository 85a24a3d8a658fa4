"""The two output streams of the command: what may be written to them, and what happens if writing fails.

Names come from files and command lines that others wrote, and a terminal obeys what it receives. An escape sequence in a
column's name could move the cursor, change the title or hide text. So names are shown without control characters. Only those
that draw the live lines pass, and only to a terminal. A reader that stops (`| head`) ends the command quietly. A device that
is full or fails ends it with a message and its own exit code.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from ticketlab.engine.controls import shown

__all__ = ["StreamFailure", "document", "guarded", "say"]

_DRAWN = re.compile(r"(\x1b\[[0-9;]*[mAK]|\x1b\[\?25[hl]|\r)")  # the sequences that draw the live lines


class StreamFailure(Exception):
    """An output stream that cannot be written; `quiet` if nobody reads it any more."""

    def __init__(self, name: str, error: OSError) -> None:
        self.quiet = isinstance(error, BrokenPipeError)
        super().__init__(f"{name} cannot be written ({(error.strerror or str(error)).lower()})")


class _Guarded:
    """A text stream that filters control characters and raises named failures."""

    def __init__(self, inner: Any, name: str) -> None:
        self._inner, self._name = inner, name
        self._draws = inner.isatty() or bool(os.environ.get("FORCE_COLOR"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, text: str) -> int:
        # Split by the allowed sequences: every second piece is one of these, the others are text.
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
    """Inside the block, both streams exist, are safe for a terminal, and report why they cannot be written."""
    _open_closed()
    before = sys.stdout, sys.stderr
    streams: list[Any] = [_Guarded(before[0], "standard output"), _Guarded(before[1], "the error stream")]
    sys.stdout, sys.stderr = streams
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def document(text: str) -> None:
    """Prints a file or a record for machines: in UTF-8 whatever the locale, unless a terminal shows it."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure and not sys.stdout.isatty():
        reconfigure(encoding="utf-8")
    print(text)


def say(text: str) -> None:
    """A line on the error stream, or nothing if that is closed too."""
    with contextlib.suppress(StreamFailure):
        print(shown(text), file=sys.stderr, flush=True)


def _open_closed() -> None:
    """Redirects closed streams to the null device; else the next opened file would get their number, and their text."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, that of the closed stream
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere())


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _discard(stream: Any) -> None:
    """Discards unwritten text, which would otherwise be written again at exit and fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
