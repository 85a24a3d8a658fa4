"""Files that are on the disk, whole, before they count: written under another name, flushed, moved, and the move flushed too.

Renaming makes a file appear in one step to other processes, but not after a power failure: the disk may have the new name
without the content. So the content is flushed to the disk before the move, and the folder after it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ticketlab.store.failures import storing

__all__ = ["flush", "flush_tree", "move", "write_whole"]


def write_whole(file: Path, content: bytes) -> None:
    """Writes a file, whole or not at all; UserError when the disk refuses."""
    partial = file.with_name(f"{file.name}.partial" if file.name[0] == "." else f".{file.name}.partial")
    with storing(file.parent):
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        move(partial, file)


def move(source: Path, target: Path) -> None:
    """Gives a flushed file or folder its name, and flushes the folder that holds the name."""
    os.replace(source, target)
    flush(target.parent)


def flush_tree(folder: Path) -> None:
    """Flushes all files of a folder, and the folder."""
    for file in folder.iterdir():
        flush(file)
    flush(folder)


def flush(path: Path) -> None:
    """Flushes a file's content, or a folder's names, to the disk; systems that cannot open folders keep the names themselves."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
            os.fsync(handle)  # some network file systems flush no folders
    finally:
        os.close(handle)
