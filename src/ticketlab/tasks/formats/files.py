"""Problems of any file, whatever its format: missing, not permitted, empty, or damaged in compression."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ticketlab.errors import UserError

__all__ = ["file_bytes", "file_start", "files_in", "reading"]

GZIP = b"\x1f\x8b"
LEFTOVERS = ("__MACOSX", "__pycache__")


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turns errors of the operating system inside the block into a UserError that names `path` and the expected `what`."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"no file or folder {path}", what, "Check the path.") from error
    except PermissionError as error:
        raise UserError(
            f"no permission to read {path}", what, "Change its permissions, or read a copy of it."
        ) from error
    except IsADirectoryError as error:
        raise UserError(f"a folder, {path}", what, "Give the path of a file.") from error
    except NotADirectoryError as error:
        raise UserError(f"a file, {path}", what, "Give the path of the folder.") from error


def file_bytes(path: Path, what: str) -> bytes:
    """The content of a file, decompressed if it is gzip.

    Raises: UserError if it is missing, unreadable, empty, or a damaged gzip file.
    """
    with reading(path, what):
        content = path.read_bytes()
    if content.startswith(GZIP):
        try:
            content = gzip.decompress(content)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(
                f"a damaged gzip file, {path} ({error})", what, "Copy or download it again."
            ) from error
    if not content:
        raise UserError(f"an empty file, {path}", what, "Copy or download it again.")
    return content


def file_start(path: Path, what: str) -> bytes:
    """The first eight bytes of the content, decompressed if it is gzip; raises like `file_bytes`."""
    with reading(path, what), path.open("rb") as file:
        start = file.read(8)
        if not start.startswith(GZIP):
            if not start:
                raise UserError(f"an empty file, {path}", what, "Copy or download it again.")
            return start
    return file_bytes(path, what)[:8]


def files_in(folder: Path, what: str) -> list[Path]:
    """The files and folders in a folder by name, without hidden ones and those left by archivers and Python."""
    with reading(folder, what):
        return sorted(
            (p for p in folder.iterdir() if not p.name.startswith(".") and p.name not in LEFTOVERS),
            key=lambda p: p.name,
        )
