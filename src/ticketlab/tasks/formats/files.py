"""Problems of any file, whatever its format: missing, not permitted, empty, damaged, or too large when unpacked.

A small file can unpack to more than any memory. So the unpacked size is checked first: half a GiB is allowed, or 16 times
the size of the file.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ticketlab.errors import UserError

__all__ = [
    "allowed",
    "check_size",
    "expanded",
    "file_bytes",
    "file_start",
    "files_in",
    "is_hidden",
    "part_of",
    "reading",
]

GZIP = b"\x1f\x8b"
LEFTOVERS = ("__MACOSX", "__pycache__")
LEAST_ALLOWED = 2**29  # bytes
UNPACKED = 16  # multiple of a file's own size
PARTS: dict[str, Literal["train", "validation", "test"]] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turns errors of the operating system inside the block into a UserError that names `path` and the expected `what`."""
    try:
        yield
    except UserError:
        raise
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
    except (OSError, ValueError) as error:  # a name that is too long, a null character, a device that fails
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UserError(f"{path}, which cannot be read ({reason})", what, "Check the path.") from error


def expanded(path: str | Path) -> Path:
    """The path with `~` for a home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"{path}, whose home folder is not known", "a path", "Write it out.") from error


def file_bytes(path: Path, what: str) -> bytes:
    """The content of a file, decompressed if it is gzip.

    Raises: UserError if it is missing, unreadable, empty, or a damaged gzip file.
    """
    with reading(path, what):
        content = path.read_bytes()
    if content.startswith(GZIP):
        limit = allowed(len(content))
        content = _unpacked(content, limit + 1, path, what)
        check_size(len(content), limit, path)
    if not content:
        raise UserError(f"an empty file, {path}", what, "Copy or download it again.")
    return content


def file_start(path: Path, what: str) -> bytes:
    """The first eight bytes of the content, decompressed if it is gzip; raises like `file_bytes`."""
    with reading(path, what), path.open("rb") as file:
        start = file.read(1 << 16)
    if start.startswith(GZIP):
        start = _unpacked(start, 8, path, what)
    if not start:
        raise UserError(f"an empty file, {path}", what, "Copy or download it again.")
    return start[:8]


def _unpacked(content: bytes, most: int, path: Path, what: str) -> bytes:
    """The first bytes of unpacked gzip content, at most `most`."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            return file.read(most)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"a damaged gzip file, {path} ({error})", what, "Copy or download it again."
        ) from error


def allowed(size: int) -> int:
    """The most bytes to which a file of this size may unpack."""
    return max(LEAST_ALLOWED, UNPACKED * size)


def check_size(size: int, limit: int, path: Path) -> None:
    """Raises UserError if more bytes than the limit would be unpacked."""
    if size > limit:
        raise UserError(
            f"{path}, which unpacks to {size / 2**30:.3g} GiB or more",
            f"at most {limit / 2**30:.3g} GiB for a file of its size",
            "Check its origin; save large data without compression.",
        )


def is_hidden(name: str) -> bool:
    """Whether a name is one of those left by archivers, Python and file managers."""
    return name.startswith(".") or name in LEFTOVERS


def part_of(name: str) -> Literal["train", "validation", "test"] | None:
    """The part of a data set that the name of a folder, file or array means ("Training", "val_images"), if any."""
    return PARTS.get(re.split(r"[-_.\d]", name.lower(), maxsplit=1)[0])


def files_in(folder: Path, what: str) -> list[Path]:
    """The files and folders in a folder by name, without hidden ones and those left by archivers and Python."""
    with reading(folder, what):
        return sorted(
            (p for p in folder.iterdir() if not is_hidden(p.name)),
            key=lambda p: p.name,
        )
