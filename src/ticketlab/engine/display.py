"""The display of a run: live lines with the current activity and the time left, and permanent lines.

Cells that run at the same time have a live line each, up to a few, and one bar together.

On a terminal, rich redraws the live lines in place. Elsewhere (a log file, a pipe, a build server) nothing is redrawn and no
control characters are written. A change of activity is written as a line, at most every few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from ticketlab.claims.study import Cell
from ticketlab.engine.controls import shown
from ticketlab.engine.estimate import spoken
from ticketlab.errors import counted
from ticketlab.laws.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Display", "estimate_text", "verdict_line"]

EVERY = 5.0  # seconds between lines of progress if nothing can be redrawn
LINES = 8  # cells that run at the same time and have a live line
_STYLES = {Outcome.HOLDS: "bold green", Outcome.FAILS: "bold red", Outcome.UNDECIDED: "bold yellow"}


class Display:
    """Shows a run on a console; an `Observer`, and a context manager around the run.

    Arguments:
        console: the output.
        claim: of the study, for the live lines.
    """

    def __init__(self, console: Console, claim: str) -> None:
        from rich.console import Group
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.text import Text

        self._console = console
        self._redraws = console.is_terminal and not console.is_dumb_terminal
        self._began = self._said = time.monotonic()
        self._last = ""
        self._total = self._done = 0.0
        self._running: dict[
            str, tuple[str, float]
        ] = {}  # by cell: what it is doing, and the work that is done
        percent, left = (
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[left]}", markup=False),
        )
        self._bar = Progress(BarColumn(30), percent, TimeElapsedColumn(), left, console=console)
        self._task = self._bar.add_task(claim, total=None, left="")
        self._doing = Text(f"{claim}: reading the data", no_wrap=True, overflow="ellipsis")
        self._live = Live(Group(self._doing, self._bar), console=console, transient=True)

    def __enter__(self) -> Display:
        if self._redraws:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def note(self, text: str, style: str = "") -> None:
        """A permanent line."""
        self._console.print(
            shown(text), style=style, markup=False, highlight=False, soft_wrap=not self._redraws
        )

    def begins(self, cells: Sequence[Cell], kept: Sequence[Cell]) -> None:
        self._total = sum(c.work for c in cells)
        self._done = sum(c.work for c in kept)
        self._bar.update(self._task, total=self._total, completed=self._done)
        if kept:
            self.note(f"{len(kept)} of {counted(len(cells), 'cell')} will be reused from an earlier run.")

    def progress(self, cell: Cell, what: str, fraction: float, left: float | None) -> None:
        doing = ": ".join(filter(None, [cell.title or cell.name, what]))
        self._running[cell.name] = doing, cell.work * min(max(fraction, 0.0), 1.0)
        completed = self._done + sum(work for _, work in self._running.values())
        self._bar.update(self._task, completed=completed, left=estimate_text(left))
        self._doing.plain = self._lines()
        now = time.monotonic()
        title = f"{cell.name} {what}"
        if (
            not self._redraws
            and what
            and title != self._last
            and (not self._last or now - self._said >= EVERY)
        ):
            self._last, self._said = title, now
            self.note(f"[{self._clock()}] {doing}{estimate_text(left)}")

    def finished(self, cell: Cell, brief: str, seconds: float, left: float | None) -> None:
        self._done += cell.work
        self._running.pop(cell.name, None)
        self._said = time.monotonic()
        self._bar.update(self._task, completed=self._done + sum(work for _, work in self._running.values()))
        if self._running:
            self._doing.plain = self._lines()
        numbers = f": {brief}" if brief else ""
        title = cell.title or cell.name
        self.note(f"[{self._clock()}] {title} done in {spoken(seconds)}{numbers}{estimate_text(left)}")

    def verdict(self, verdict: Verdict) -> None:
        self.note(f"[{self._clock()}] {verdict_line(verdict)}", _STYLES[verdict.outcome])

    def _lines(self) -> str:
        """What each running cell does, a line each; the rest are counted."""
        lines = [shown(doing) for doing, _ in self._running.values()]
        more = [f"and {counted(len(lines) - LINES, 'more cell')}"] if len(lines) > LINES else []
        return "\n".join([*lines[:LINES], *more])

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes}:{seconds:02d}"


def verdict_line(verdict: Verdict) -> str:
    """ "square loss: holds. Gradient descent and …"."""
    return f"{verdict.question or 'The claim as a whole'}: {verdict.outcome}. {verdict.reading}"


def estimate_text(left: float | None) -> str:
    """ " (about 2 min left)"; empty while unknown, and at the end."""
    return f" (about {spoken(left)} left)" if left is not None and left >= 0.5 else ""
