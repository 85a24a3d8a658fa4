"""The lock of a run folder: one process at a time works in it.

It is a lock of the operating system on a file in the folder. It ends with its process, even if that is killed, so there is
nothing to clean up. The file contains the process number, for the message. If the file system has no locks (some network
mounts), the run continues without one. Cells are moved into place whole, so two runs of one plan could only duplicate work.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ticketlab.errors import UserError
from ticketlab.store.failures import storing

__all__ = ["only_process"]

_FAR = 1 << 30  # Windows locks byte ranges, also against reading: use one far behind the process number
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextlib.contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; UserError if another process has it."""
    path = folder / ".lock"
    with storing(folder):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _acquire(handle):
            number = path.read_text(encoding="ascii", errors="replace").strip()
            raise UserError(
                f"the run folder {folder}, in which process {number or 'unknown'} is running",
                "one process at a time in a run folder",
                "Wait for it, stop it, or give another folder with --out.",
            )
        with storing(folder):
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode("ascii"))
        yield
    finally:
        os.close(handle)  # releases the lock


def _acquire(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, _FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS and sys.platform != "win32"
    return True
