"""NumPy archives: inputs and answers under their usual names; pickles are never read.

Pairs of names are tried in this order, in upper or lower case: `x_train` with `y_train`, `train_images` with `train_labels`,
`x` with `y`, `images` with `labels`, `data` with `target`; or the two names that are given. Arrays with the same names for
`test` are the official test part, and those for `val` are pooled with the training part. A note names every unused array.
The size of an array is read from its header, and unused arrays are never unpacked. Eight-bit arrays with three axes or more
are images.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Shaped

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Kind, read_answers
from ticketlab.tasks.formats.files import allowed, check_size, reading

__all__ = ["npz_dataset"]

NAMES = (
    ("x_train", "y_train"),
    ("train_images", "train_labels"),
    ("x", "y"),
    ("images", "labels"),
    ("data", "target"),
)
PARTS = (("val", "valid", "validation"), ("test",))  # in the order in which they follow the training part
OTHERS = {
    "xl/": "a spreadsheet: save it as CSV.",
    "word/": "a text document.",
    "/data.pkl": "weights of PyTorch, which are pickled: save arrays with numpy.savez.",
}


def npz_dataset(path: Path, x: str = "", y: str = "", kind: Kind | None = None) -> Dataset:
    """The data set in an NPZ file.

    Arguments:
        path: the file.
        x, y: the names of the arrays; empty to look for the usual ones.
        kind: classification or regression; None guesses from y.
    """
    with _opened(path) as archive:
        arrays = archive.names()
        pairs = [_chosen(arrays, x, y, path)]
        pairs += [pair for words in PARTS if (pair := _partners(arrays, pairs[0], words))]
        archive.check(name for pair in pairs for name in pair)
        parts = [(archive.array(a), archive.array(b)) for a, b in pairs]
    _check_parts(pairs, parts, path)
    inputs, outputs = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    answers = read_answers(outputs, pairs[0][1], path.name, kind=kind, numbered=True)
    images, notes = _images(inputs)
    return Dataset(
        name=path.name,
        x=images,
        classes=answers.classes,
        labels=answers.labels,
        targets=answers.targets,
        scale=255.0 if inputs.dtype == np.uint8 and images.ndim > 2 else 1.0,  # booleans are 0 and 1
        official_test=len(parts[-1][0]) if "test" in pairs[-1][0].lower() and len(pairs) > 1 else 0,
        target=pairs[0][1],
        notes=answers.notes + notes + _uses(arrays, pairs),
    )


def _chosen(arrays: list[str], x: str, y: str, path: Path) -> tuple[str, str]:
    """The names of inputs and answers: those that are given, else the first usual ones that are there."""
    there = {name.lower(): name for name in sorted(arrays)}  # of `X` and `x`, the small letter is taken
    usual = ((there[a], there[b]) for a, b in NAMES if a in there and b in there)
    a, b = next(usual, ("", ""))
    names = (x or a, y or b)
    if not all(names) or not set(names) <= set(arrays) or names[0] == names[1]:
        wanted = (
            f"{names[0]!r} and {names[1]!r}"
            if all(names)
            else " or ".join(f"{a!r} and {b!r}" for a, b in NAMES)
        )
        raise UserError(
            f"arrays {', '.join(sorted(arrays)) or '(none)'} in {path}",
            wanted,
            "Name the two with x=… and y=….",
        )
    return names


def _partners(arrays: list[str], names: tuple[str, str], words: tuple[str, ...]) -> tuple[str, str] | None:
    """The arrays of another part of the data set ("x_test" for "x_train"), if both are there."""
    there = {name.lower(): name for name in sorted(arrays)}
    for word in words:
        a, b = (
            re.sub("train", word, name.lower()) if "train" in name.lower() else f"{name.lower()}_{word}"
            for name in names
        )
        if a in there and b in there:
            return there[a], there[b]
    return None


def _uses(arrays: list[str], pairs: list[tuple[str, str]]) -> tuple[str, ...]:
    """Notes on arrays that are pooled, and on those that are left out."""
    pooled = [name for pair in pairs[1:] for name in pair if "test" not in name.lower()]
    unused = sorted(set(arrays).difference(*pairs))
    notes = (f"{' and '.join(pooled)} are pooled with {' and '.join(pairs[0])}.",) if pooled else ()
    return notes + ((f"Arrays left out: {', '.join(unused)}.",) if unused else ())


def _check_parts(
    pairs: list[tuple[str, str]], parts: list[tuple[np.ndarray, np.ndarray]], path: Path
) -> None:
    """Checks that all parts have one shape except for the number of examples, and that joined parts have one answer per input."""
    for names, part in zip(pairs, parts, strict=True):
        for name, first, array in zip(pairs[0], parts[0], part, strict=True):
            same = array.ndim > 0 and array.shape[1:] == first.shape[1:]
            if not same or (array.dtype.kind in "biuf") != (first.dtype.kind in "biuf"):
                raise UserError(
                    f"{name if part is parts[0] else names[pairs[0].index(name)]} of shape {list(array.shape)} "
                    f"and type {array.dtype} in {path}",
                    "examples along the first axis"
                    if array.ndim == 0
                    else f"{['…', *first.shape[1:]]} and {first.dtype}, as in {name}",
                    "Save all parts in the same shape, with examples along the first axis.",
                )
        if len(parts) > 1 and len(part[0]) != len(part[1]):
            raise UserError(
                f"{len(part[1])} answers in {names[1]} for {len(part[0])} examples in {names[0]} of {path}",
                "equally many",
                "Write the file again, or remove what has no partner.",
            )


class _Archive:
    """An open archive: its arrays' names, what they take, and their values."""

    def __init__(self, archive: np.lib.npyio.NpzFile, path: Path) -> None:
        assert archive.zip is not None
        self._archive, self._zip, self._path = archive, archive.zip, path
        self._members = archive.zip.namelist()

    def names(self) -> list[str]:
        """The arrays' names; UserError for an archive without any, which another program has made."""
        names = [name.removesuffix(".npy") for name in self._members if name.endswith(".npy")]
        if not names:
            other = (text for mark, text in OTHERS.items() if any(mark in name for name in self._members))
            first = ", ".join(self._members[:3])
            raise UserError(
                f"an archive without arrays, {self._path} (in it: {first or 'nothing'})",
                "an NPZ file",
                "This is " + next(other, "a zip archive: unpack it, and give the path of what is inside."),
            )
        return names

    def check(self, names: Iterator[str]) -> None:
        """Refuses arrays of Python objects, and more than fits in memory, by the arrays' headers alone."""
        size = 0
        for name in names:
            with self._zip.open(f"{name}.npy") as member:
                version = np.lib.format.read_magic(member)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(member)
            if dtype.hasobject:
                raise UserError(
                    f"arrays of Python objects, {name} in {self._path}",
                    "an NPZ file with arrays of numbers",
                    "Convert them to numbers before saving.",
                )
            size += math.prod(shape) * dtype.itemsize
        check_size(size, allowed(self._path.stat().st_size), self._path)

    def array(self, name: str) -> np.ndarray:
        array = self._archive[f"{name}.npy"]
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} is no array")
        return array


@contextmanager
def _opened(path: Path) -> Iterator[_Archive]:
    """The archive; whatever NumPy's reader raises on a damaged one is a UserError."""
    with reading(path, "an NPZ file"), path.open("rb") as file:
        _check_magic(file, path)
        try:
            with np.load(file, allow_pickle=False) as archive:
                yield _Archive(archive, path)
        except UserError:
            raise
        except Exception as error:  # the header is parsed as Python, which raises nearly anything
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise UserError(
                f"a damaged archive, {path} ({reason})",
                "an NPZ file with arrays of numbers",
                "Save, copy or download it again.",
            ) from error


def _check_magic(file: IO[bytes], path: Path) -> None:
    start = file.read(4)
    file.seek(0)
    if not start.startswith(b"PK"):
        what = "an empty file" if not start else f"a file that starts with {start.hex(' ')}"
        raise UserError(
            f"{what}, {path}", "an NPZ file, which starts with 50 4b", "Save the arrays with numpy.savez."
        )


def _images(x: Shaped[np.ndarray, "n ..."]) -> tuple[Shaped[np.ndarray, "n ..."], tuple[str, ...]]:
    """Eight-bit images with channels last; other arrays as they are, booleans as 0 and 1, long doubles as doubles."""
    if x.dtype == np.bool_:
        x = x.astype(np.uint8)
    if x.dtype.kind == "f" and x.dtype.itemsize > 8:
        x = x.astype(np.float64)
    if x.dtype == np.uint8 and x.ndim == 3:
        return x[..., None], ()
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        note = f"Images of shape {list(x.shape[1:])} are read with channels first and reordered to channels last."
        return np.ascontiguousarray(np.moveaxis(x, 1, -1)), (note,)
    return x, ()
