"""What goes wrong with disks, said so that the user can mend it: full, read-only, not allowed, not a folder.

None of this harms what is finished, because finished cells are never opened for writing again; every message ends with that.
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
_SAFE = "Finished cells are kept; the same command goes on from there."


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
            f"a failure to write to {path}, which is not there, or no longer",
            "a folder that stays while the run goes on",
            "Run the same command again: what is still kept is used.",
        )
    return UserError(f"a failure to write to {path} ({reason.lower()})", "", _SAFE)
