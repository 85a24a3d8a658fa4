"""NumPy archives: inputs and answers under their usual names; pickles are never read.

Pairs of names are tried in this order: `x_train` with `y_train` (and `x_test` with `y_test` for an official test part),
`x` with `y`, `X` with `y`, `images` with `labels`, `data` with `target`; or the two names that are given. Eight-bit
arrays with three axes or more are images.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Shaped

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Kind, read_answers
from ticketlab.tasks.formats.files import reading

__all__ = ["npz_dataset"]

NAMES = (("x_train", "y_train"), ("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"))
TEST = {"x_train": "x_test", "y_train": "y_test"}
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, NotImplementedError)


def npz_dataset(path: Path, x: str = "", y: str = "", kind: Kind | None = None) -> Dataset:
    """The data set in an NPZ file.

    Arguments:
        path: the file.
        x, y: the names of the arrays; empty to look for the usual ones.
        kind: classification or regression; None guesses from y.
    """
    arrays = _arrays(path)
    names = (x, y) if x and y else next((pair for pair in NAMES if set(pair) <= set(arrays)), None)
    if names is None or not set(names) <= set(arrays):
        raise UserError(
            f"arrays {', '.join(sorted(arrays)) or '(none)'} in {path}",
            f"{names[0]!r} and {names[1]!r}" if names else " or ".join(f"{a!r} and {b!r}" for a, b in NAMES),
            "Name the two with x=… and y=….",
        )
    inputs, outputs = arrays[names[0]], arrays[names[1]]
    official, test = 0, (TEST.get(names[0], ""), TEST.get(names[1], ""))
    if len(inputs) == len(outputs) and set(test) <= set(arrays):
        more_inputs, more_outputs = arrays[test[0]], arrays[test[1]]
        if more_inputs.shape[1:] != inputs.shape[1:] or more_outputs.shape[1:] != outputs.shape[1:]:
            raise UserError(
                f"{test[0]} of shape {list(more_inputs.shape)} and {test[1]} of shape {list(more_outputs.shape)} in {path}",
                f"{['…', *inputs.shape[1:]]} and {['…', *outputs.shape[1:]]}, as in {names[0]} and {names[1]}",
                "Save both parts in the same shape.",
            )
        official = len(more_inputs)
        inputs, outputs = np.concatenate([inputs, more_inputs]), np.concatenate([outputs, more_outputs])
    answers = read_answers(outputs, names[1], path.name, kind=kind, numbered=True)
    images, notes = _images(inputs)
    return Dataset(
        name=path.name,
        x=images,
        classes=answers.classes,
        labels=answers.labels,
        targets=answers.targets,
        scale=255.0 if images.dtype == np.uint8 and images.ndim > 2 else 1.0,
        official_test=official,
        notes=answers.notes + notes,
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with reading(path, "an NPZ file"), path.open("rb") as file:
        _check_magic(file, path)
        try:
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except DAMAGED as error:
            pickled = "allow_pickle" in str(error)
            raise UserError(
                f"{'arrays of Python objects' if pickled else 'a damaged archive'}, {path} ({error})",
                "an NPZ file with arrays of numbers",
                "Convert them to numbers before saving." if pickled else "Save, copy or download it again.",
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
    """Eight-bit images with channels last; other arrays unchanged, booleans as 0 and 1."""
    if x.dtype == np.bool_:
        x = x.astype(np.uint8)
    if x.dtype == np.uint8 and x.ndim == 3:
        return x[..., None], ()
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        note = f"Images of shape {list(x.shape[1:])} are read with channels first and reordered to channels last."
        return np.ascontiguousarray(np.moveaxis(x, 1, -1)), (note,)
    return x, ()
