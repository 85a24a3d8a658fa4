"""One process at a time works in a run folder.

The lock is the operating system's, on a file in the folder: it ends with the process that holds it, however that ends, so a
killed run leaves nothing to clean up. The file holds the process number, for the message. Where the file system knows no
locks (some network mounts) the run goes on without one: cells are moved into place whole, so that two runs of one plan
could only do work twice.
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

_FAR = 1 << 30  # Windows locks ranges of bytes, against reading too: one far behind the process number
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextlib.contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; UserError when another process has it."""
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
        os.close(handle)  # which ends the lock


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
