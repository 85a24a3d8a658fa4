"""The message for an unexpected exception: one line, and a file with the details needed to fix it."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence

from ticketlab.errors import NumericalFailure

__all__ = ["explain", "lack_of_memory"]


def lack_of_memory(error: BaseException) -> NumericalFailure | None:
    """What to say if an exception means that memory ran out, in NumPy or on a device; None otherwise."""
    if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
        return None
    reason = str(error).strip().split("\n")[0]
    return NumericalFailure(f"out of memory; choose a smaller network, task or batch ({reason})")


def explain(error: BaseException, words: Sequence[str]) -> str:
    """One line about an unexpected exception; the details go to a separate file.

    Arguments:
        error: the exception.
        words: the words of the command.
    """
    what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    try:
        where = f"The details are in {_written(error, words)}; please send them with a report."
    except OSError as failure:
        where = f"The details could not be written ({failure.strerror})."
    return f"this is a fault in Ticketlab, not in your request ({what}). {where} Finished cells are kept."


def _written(error: BaseException, words: Sequence[str]) -> str:
    import ticketlab

    handle, path = tempfile.mkstemp(prefix="ticketlab-fault-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"Ticketlab {ticketlab.__version__}, Python {platform.python_version()}, {sys.platform}\n")
        file.write(f"{shlex.join(['ticketlab', *words])}\n\n")
        file.write("".join(traceback.format_exception(error)))
    return path
