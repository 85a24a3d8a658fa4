"""Text as sequences of characters: windows of a text, and the character that follows each.

Test windows come from other files than those for training (one file: from its last fifth), because neighbouring windows
share names and phrases. Windows of a part are equally spaced and do not overlap. The alphabet is the most frequent characters
of the training text, and one symbol for all others.
"""

from __future__ import annotations

import sys
import sysconfig
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ticketlab.errors import UserError, counted

__all__ = ["TEST_EVERY", "Windows", "own_text", "standard_library", "windows"]

TRAINING_PACKAGES = (
    *("asyncio", "collections", "ctypes", "email", "http", "idlelib", "importlib", "json", "logging"),
    *("multiprocessing", "tkinter", "unittest", "urllib", "xml"),
)  # and the modules that are in no package
TEST_PACKAGES = ("concurrent", "curses", "dbm", "html", "wsgiref", "xmlrpc")
TESTS = {"test", "tests", "idle_test"}
OTHER = "other"
NAMES = {" ": "space", "\n": "newline", "\t": "tab", "\r": "return"}
MOST_BYTES = 2**28
TEST_EVERY = 5  # of the user's files and of windows, every fifth is for testing
LEAST = 4  # labels of a character, so that every part of a split has one


@dataclass(frozen=True)
class Windows:
    """Windows of a text in two parts, training first.

    Arguments:
        tokens: `[n, steps + 1]` numbers of characters; the last is what follows the window.
        official_test: windows at the end that are for testing.
        characters: of each number, those that are not seen by name; the last is all others.
        note: how much text there is.
    """

    tokens: Int[np.ndarray, "n length"]
    official_test: int
    characters: tuple[str, ...]
    note: str


def standard_library() -> tuple[str, str]:
    """Source of Python's standard library for training and for testing: fixed lists of packages, without tests.

    All modules that are in no package are for training.
    """
    root = Path(sysconfig.get_path("stdlib"))

    def text(packages: Sequence[str], modules: Sequence[Path] = ()) -> str:
        files = [*modules, *(file for name in packages for file in sorted((root / name).rglob("*.py")))]
        own = [file for file in files if not TESTS & set(file.relative_to(root).parts)]
        return "\n".join(dict.fromkeys(f.read_text(encoding="utf-8", errors="replace") for f in own))

    found = text(TRAINING_PACKAGES, sorted(root.glob("*.py"))), text(TEST_PACKAGES)
    if not all(found):
        raise UserError(
            f"no source of the standard library in {root}",
            "a Python that keeps its .py files",
            "Use your own text: text:PATH.",
        )
    return found


def own_text(where: Path) -> tuple[str, str]:
    """The text of a file, or of a folder's files (hidden ones left out), for training and for testing."""
    from ticketlab.tasks.formats.files import files_in, reading

    what = "a text file in UTF-8, or a folder of them"
    with reading(where, what):
        folder = where.is_dir()
    if not folder:
        whole = _read(where, what)
        cut = len(whole) * (TEST_EVERY - 1) // TEST_EVERY
        return whole[:cut], whole[cut:]
    files = [file for file in sorted(files_in(where, what)) if file.is_file()]
    texts = list(
        dict.fromkeys(_read(file, what) for file in files)
    )  # copies once, or a test text may be one of training
    if len(texts) < 2:
        raise UserError(f"{counted(len(texts), 'text')} in {where}", "at least two, one of them for testing")
    testing = texts[TEST_EVERY - 1 :: TEST_EVERY] or texts[-1:]
    return "\n".join(t for t in texts if t not in testing), "\n".join(testing)


def _read(file: Path, what: str) -> str:
    from ticketlab.tasks.formats.files import reading

    with reading(file, what):
        if file.stat().st_size > MOST_BYTES:
            raise UserError(f"{file} of {file.stat().st_size:,} bytes", f"at most {MOST_BYTES:,}", "Cut it.")
        data = file.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"bytes in {file} that are no UTF-8 ({error.reason} at byte {error.start})", what
        ) from error


def windows(
    training: str, testing: str, steps: int, examples: int, symbols: int, held: int | None = None
) -> Windows:
    """`examples` windows of `steps` characters.

    Arguments:
        held: how many of them are for testing; None for a fifth.

    Raises: UserError if the text is too short, or its characters too few.
    """
    if not (1 <= steps <= 10_000 and examples >= 20 and 3 <= symbols <= 1000):
        raise UserError(
            f"steps={steps}, examples={examples}, symbols={symbols}",
            "1 to 10 000 steps, at least 20 examples, and 3 to 1 000 symbols",
        )
    held = examples // TEST_EVERY if held is None else held
    cut = [_cut(text, steps + 1, count) for text, count in ((training, examples - held), (testing, held))]
    endings = [Counter(map(chr, part[:, -1].tolist())) for part in cut]
    frequent = [c for c, _ in sorted(Counter(training).items(), key=lambda item: (-item[1], item[0]))]
    known = [c for c in frequent if endings[0][c] >= LEAST and endings[1][c] >= 1][: symbols - 1]
    if len(known) < 2:
        raise UserError(
            f"{len(known)} characters that follow at least {LEAST} windows of training and one of testing",
            "at least two",
            "Ask for more examples, or give more text.",
        )
    number = np.full(sys.maxunicode + 1, len(known))
    number[[ord(c) for c in known]] = np.arange(len(known))
    tokens = [number[part] for part in cut]
    tokens = [part[part[:, -1] < len(known)] for part in tokens]  # what is unknown is read, never asked for
    return Windows(
        tokens=np.concatenate(tokens),
        official_test=len(tokens[1]),
        characters=(*(NAMES.get(c, c) for c in known), OTHER),
        note=f"{len(training):,} characters for training and {len(testing):,} for testing, of which "
        f"{len(known)} different ones are known; windows before another character are left out.",
    )


def _cut(text: str, length: int, count: int) -> Int[np.ndarray, "count length"]:
    """Equally spaced windows that do not overlap, as numbers of Unicode."""
    if len(text) < length * count:
        raise UserError(
            f"{len(text):,} characters for {count} windows of {length}",
            f"at least {length * count:,}",
            "Give more text, or ask for fewer or shorter windows.",
        )
    starts = np.arange(count) * max(len(text) - length + 1, length * count) // count
    return np.frombuffer(text.encode("utf-32-le"), np.int32)[starts[:, None] + np.arange(length)]
