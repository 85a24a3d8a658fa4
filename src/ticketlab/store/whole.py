"""Files that appear only in full: written under another name, flushed, renamed, and the folder flushed too.

Renaming makes a file appear in one step to other processes, but not after a power failure: the disk may have the new name
without the content. So the content is flushed to disk before renaming, and the folder after it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ticketlab.errors import UserError
from ticketlab.store.failures import storing

__all__ = ["flush", "flush_tree", "move", "write_whole"]


def write_whole(file: Path, content: bytes) -> None:
    """Writes a file, in full or not at all; UserError if it cannot be written."""
    if file.is_dir():
        raise UserError(f"{file}, which is a folder", "a file, or an unused name")
    partial = file.with_name(f"{file.name}.partial" if file.name[0] == "." else f".{file.name}.partial")
    with storing(file.parent):
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        move(partial, file)


def move(source: Path, target: Path) -> None:
    """Renames a flushed file or folder, and flushes the parent folder."""
    os.replace(source, target)
    flush(target.parent)


def flush_tree(folder: Path) -> None:
    """Flushes all files of a folder, and the folder."""
    for file in folder.iterdir():
        flush(file)
    flush(folder)


def flush(path: Path) -> None:
    """Flushes a file's content or a folder's names to disk; systems that cannot open folders flush names themselves."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
            os.fsync(handle)  # some network file systems cannot flush folders
    finally:
        os.close(handle)
