"""What Ctrl-C, a request to end (SIGTERM) and a closed terminal do: an interruption with exit code 130, at any instant.

The first signal raises an exception where the program is, so that what is kept can be said. Code of others may turn that
exception into one of its own, or swallow it; that there was a signal is therefore noted. A second signal, a second or more
later, ends at once.
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
GRACE = 1.0  # seconds in which a signal counts as the same one: a shell and a supervisor may both send it
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Signals:
    """Takes signals while a command runs; `came` says whether there was one."""

    def __init__(self) -> None:
        self.came = False
        self._when = 0.0

    @contextlib.contextmanager
    def taken(self, *, for_good: bool) -> Iterator[None]:
        """Within, signals interrupt. `for_good`: the process ends afterwards, so that they are ignored from then on."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {}
        for name in _NAMES:
            number = getattr(signal, name, None)
            # Who ignores a signal (nohup, a job in the background) goes on ignoring it.
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
