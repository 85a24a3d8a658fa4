"""Signals: Ctrl-C, a request to end (SIGTERM) and a closed terminal interrupt at any time, with exit code 130.

The first signal raises an exception at the current point of the program, so that it can report what is kept. Other code may
replace or swallow that exception, so the signal is also recorded. A second signal, at least a second later, ends at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["INTERRUPTED", "Signals"]

INTERRUPTED = 130
GRACE = (
    1.0  # seconds in which another signal counts as the same one: a shell and a supervisor may both send it
)
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Signals:
    """Handles signals while a command runs; `came` says whether there was one."""

    def __init__(self) -> None:
        self.came = False
        self._when = 0.0

    @contextlib.contextmanager
    def taken(self, *, for_good: bool) -> Iterator[None]:
        """Inside the block, signals interrupt. `for_good`: the process ends afterwards, so later signals are ignored."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {}
        for name in _NAMES:
            number = getattr(signal, name, None)
            # A process that ignores a signal (nohup, a background job) continues to ignore it.
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, self._interrupt)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if for_good else handler)

    def _interrupt(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        if not self.came:
            self.came, self._when = True, now
            raise KeyboardInterrupt
        if now - self._when >= GRACE:
            with contextlib.suppress(OSError):
                os.write(2, b"ticketlab: interrupted\n")
            os._exit(INTERRUPTED)
