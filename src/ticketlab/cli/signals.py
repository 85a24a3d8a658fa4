"""Signals: Ctrl-C, a request to end (SIGTERM) and a closed terminal interrupt at any time, with exit code 130.

The first signal raises an exception at the current point of the program, so that it can report what is kept. There are two
places where that goes wrong:

- While a module is imported, the exception may meet a library in C++ that is half set up, which ends the process by a fault of
  its own. So it waits until the import is done.
- Other code may swallow the exception. So a clock looks whether it is still on its way, and raises it again if not, until the
  program says that it has ended. Other code may also replace it; then `came` says what happened.

A second signal, at least a second later, ends at once.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

__all__ = ["INTERRUPTED", "Signals"]

INTERRUPTED = 130
GRACE = (
    1.0  # seconds in which another signal counts as the same one: a shell and a supervisor may both send it
)
SOON, LATER = 0.05, 0.5  # seconds until an interruption that had to wait, or was swallowed, comes again
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Signals:
    """Handles signals while a command runs; `came` says whether there was one."""

    def __init__(self) -> None:
        self.came = False
        self._when = 0.0
        self._ended = False
        self._again = False  # whether the next call of the handler is the clock's

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
            self.end()
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if for_good else handler)

    def end(self) -> None:
        """The command is ending, by the interruption or otherwise: it is not raised again."""
        self._ended = True

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        now, again = time.monotonic(), self._again
        self._again = False
        if not self.came:
            self.came, self._when = True, now
        elif not again:
            if now - self._when >= GRACE:
                with contextlib.suppress(OSError):
                    os.write(2, b"ticketlab: interrupted\n")
                os._exit(INTERRUPTED)
            return
        if self._ended:
            return
        if _importing(frame):
            self._come_again(number, SOON)
            return
        self._come_again(number, LATER)
        if not _on_its_way(sys.exception()):
            raise KeyboardInterrupt

    def _come_again(self, number: int, seconds: float) -> None:
        """The handler is called again, as if the signal had come again."""

        def ring() -> None:
            if not self._ended:
                self._again = True
                _send(number)

        clock = threading.Timer(seconds, ring)
        clock.daemon = True
        clock.start()


def _send(number: int) -> None:
    """To the main thread; a true signal also ends its sleep, where the system has them for threads."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def _importing(frame: FrameType | None) -> bool:
    """Whether the program is in the middle of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _on_its_way(error: BaseException | None) -> bool:
    """Whether what is being handled at this moment is an interruption, or comes of one."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False
