"""Failures of disks, reported so that the user can fix them: full, read-only, not permitted, not a folder.

They do not harm finished cells, which are never opened for writing again; every message ends with that.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from ticketlab.errors import UserError

__all__ = ["storing"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_SAFE = "Finished cells are kept; the same command continues from there."


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turns the failures of writing below `path` into UserErrors."""
    try:
        yield
    except OSError as error:
        raise _explained(path, error.errno, error.strerror or str(error)) from error


def _explained(path: Path, number: int | None, reason: str) -> UserError:
    if number in _FULL:
        return UserError(
            f"{reason.lower()} while writing to {path}", "", f"Free some space and run again. {_SAFE}"
        )
    if number in _CLOSED:
        return UserError(
            f"no permission to write to {path} ({reason.lower()})",
            "a folder that can be written",
            f"Give another folder with --out, or run where you may write. {_SAFE}",
        )
    if number == errno.ENOENT:
        return UserError(
            f"a failure to write to {path}, which does not exist (any more)",
            "a folder that stays in place during the run",
            "Run the same command again: cells that are still kept are reused.",
        )
    return UserError(f"a failure to write to {path} ({reason.lower()})", "", _SAFE)
