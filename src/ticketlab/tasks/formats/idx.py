"""The IDX format of MNIST: two zero bytes, a type, the number of axes, their lengths, then the values, big-endian.

A folder in MNIST's layout holds `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, and for the official test part
`t10k-…` (or `test-…`), each plain or with `.gz`, with or without a prefix (`emnist-letters-train-images-idx3-ubyte.gz`).
Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import read_answers
from ticketlab.tasks.formats.files import file_bytes, files_in

__all__ = ["idx_array", "idx_folder"]

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
LAYOUT = re.compile(r"(?:^|.*[-_.])(train|t10k|test)[-_.](images|labels)[-_.]idx\d.*")
WANTED = "IDX files named train-images-idx3-ubyte and train-labels-idx1-ubyte (plain or .gz)"
MOST_AXES = 32


def idx_array(path: Path) -> Shaped[np.ndarray, "..."]:
    """One IDX file as an array in native byte order; a damaged one raises a UserError."""
    content = file_bytes(path, "an IDX file")
    if (
        len(content) < 4
        or content[:2] != b"\0\0"
        or content[2] not in TYPES
        or not 0 < content[3] <= MOST_AXES
    ):
        raise UserError(
            f"a file that starts with {content[:4].hex(' ')}, {path}",
            "the magic number of IDX (00 00, a type from 08 to 0e, the number of axes)",
            "Check that it is the right file; images and labels of MNIST start with 00 00 08 03 and 00 00 08 01.",
        )
    axes, start = content[3], 4 + 4 * content[3]
    if len(content) < start:
        raise UserError(
            f"a truncated file, {path} ({len(content)} bytes)", f"a header of {start} bytes", "Copy it again."
        )
    shape = struct.unpack(f">{axes}I", content[4:start])
    if 0 in shape:
        raise UserError(f"values of shape {list(shape)} in {path}", "at least one example", "Copy it again.")
    dtype = np.dtype(TYPES[content[2]])
    size, expected = len(content) - start, math.prod(shape) * dtype.itemsize
    if size != expected:
        raise UserError(
            f"{'a truncated file' if size < expected else 'a file that is too long'}, {path} ({size} bytes of values)",
            f"{expected} bytes for the shape {list(shape)} in its header",
            "Copy or download it again.",
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def idx_folder(folder: Path, name: str, classes: tuple[str, ...] = ()) -> Dataset:
    """The data set in a folder with MNIST's layout; `classes` default to their numbers."""
    found = _find(folder)
    x, labels = _part(found, "train", folder)
    official = 0
    if ("test", "images") in found or ("test", "labels") in found:
        test_x, test_labels = _part(found, "test", folder)
        if test_x.shape[1:] != x.shape[1:]:
            raise UserError(
                f"test images of shape {list(test_x.shape[1:])} in {folder}",
                f"the shape of the train images, {list(x.shape[1:])}",
                "Check that the files belong together.",
            )
        official = len(test_x)
        x, labels = np.concatenate([x, test_x]), np.concatenate([labels, test_labels])
    answers = read_answers(labels, "labels", name, kind="classification", numbered=True, classes=classes)
    return Dataset(
        name=name,
        x=x[..., None] if x.ndim == 3 else x,
        classes=answers.classes,
        labels=answers.labels,
        scale=255.0 if x.dtype == np.uint8 else 1.0,
        official_test=official,
        notes=answers.notes,
    )


def _find(folder: Path) -> dict[tuple[str, str], Path]:
    """The files of the layout by (part, content); a plain file has priority over its compressed copy."""
    found: dict[tuple[str, str], Path] = {}
    for path in files_in(folder, f"a folder with {WANTED}"):
        if not (match := LAYOUT.fullmatch(path.name)):
            continue
        place = ("train" if match[1] == "train" else "test", match[2])
        other = found.setdefault(place, path)
        if other.name.removesuffix(".gz") != path.name.removesuffix(".gz"):
            raise UserError(
                f"both {other.name} and {path.name} in {folder}", "one data set in a folder", "Move one away."
            )
    return found


def _part(found: dict[tuple[str, str], Path], part: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    missing = [f"{part} {content}" for content in ("images", "labels") if (part, content) not in found]
    if missing:
        raise UserError(f"no file with {' and '.join(missing)} in {folder}", WANTED, "Complete the folder.")
    images, labels = (idx_array(found[part, content]) for content in ("images", "labels"))
    if images.ndim < 2 or labels.ndim != 1 or len(images) != len(labels):
        raise UserError(
            f"images of shape {list(images.shape)} with labels of shape {list(labels.shape)} in {folder} ({part})",
            "one label for each image, [n, height, width] and [n]",
            "Check that the files belong together.",
        )
    return images, labels
