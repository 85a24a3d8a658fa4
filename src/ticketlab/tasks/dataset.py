"""A data set as it was read: raw inputs with labels or regression targets, checked once, before anything is learnt from it.

Everything that reads data (the bundled sets, files, a hub) ends in a `Dataset`, and everything that learns starts from one by
`split`. So the mistakes that a file can hide (a NaN, a lone class, a label out of range) are found here, in one place, and said
with their count and their first position.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from ticketlab.errors import UserError

__all__ = ["Dataset"]

LARGEST = 1e30  # beyond this, squares and float32 copies overflow


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples before they are split and standardised.

    Arguments:
        name: for tables and messages ("digits", or a file's name).
        x: raw inputs `[n, …]`, integers or floats. The last axis of images `[n, height, width, channels]` is the channels.
        classes: the classes' names (classification), or the targets' names (regression); k = len(classes).
        labels: `[n]` integers 0 … k−1; None for regression.
        targets: `[n, k]` real targets; None for classification.
        features: the features' names, for vectors that have them.
        scale: the raw value that counts as 1 (255 for 8-bit images).
        standardise: whether `split` standardises the inputs; no for inputs whose values mean something (the bits of `Boolean`).
        official_test: how many of the examples, at the end, are the data set's own test part; 0 for none.
        notes: what a reader should know, one sentence each.

    Raises UserError when lengths disagree, a value is NaN, infinite or too large, a label is out of range, a class is empty, or
    there is one class only.
    """

    name: str
    x: Shaped[np.ndarray, "n ..."]
    classes: tuple[str, ...]
    labels: Int[np.ndarray, "n"] | None = None
    targets: Float[np.ndarray, "n k"] | None = None
    features: tuple[str, ...] = ()
    scale: float = 1.0
    standardise: bool = True
    official_test: int = 0
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if (self.labels is None) == (self.targets is None):
            raise UserError(
                f"{self.name} with neither or both of labels and targets", "exactly one of the two"
            )
        answers = self.targets if self.labels is None else self.labels
        assert answers is not None
        what = "labels" if self.labels is not None else "rows of targets"
        if len(self.x) != len(answers):
            raise UserError(
                f"{len(answers)} {what} for {len(self.x)} examples in {self.name}",
                f"as many {what} as examples",
                "Write the file again, or remove what has no partner.",
            )
        if len(self.x) == 0 or self.x.ndim < 2 or 0 in self.x.shape:
            raise UserError(
                f"inputs of shape {list(self.x.shape)} in {self.name}",
                "at least one example, [examples, features] or [examples, height, width, channels]",
            )
        _check_numbers(self.x, "inputs", self.name)
        if self.labels is None:
            _check_targets(answers, len(self.classes), self.name)
        else:
            _check_labels(answers, self.classes, self.name)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def kind(self) -> Literal["classification", "regression"]:
        return "regression" if self.labels is None else "classification"

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hexadecimal) over inputs, labels or targets, names, scale and the place of the official test part."""
        answers = self.targets if self.labels is None else self.labels
        h = hashlib.sha256()
        h.update(repr((self.kind, self.classes, self.scale, self.standardise, self.official_test)).encode())
        for array in (self.x, answers):
            assert array is not None
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            h.update(f"|{little.dtype.str}{little.shape}|".encode())
            h.update(little.data)
        return h.hexdigest()

    @cached_property
    def row_digests(self) -> Shaped[np.ndarray, "n"]:
        """A 128-bit digest of each example's raw input; equal inputs have equal digests."""
        rows = np.ascontiguousarray(self.x if self.x.dtype.kind in "iub" else self.x + 0.0)  # −0 becomes 0
        flat = rows.reshape(len(rows), -1)
        digests = [hashlib.blake2b(row.data, digest_size=16).digest() for row in flat]
        return np.frombuffer(b"".join(digests), dtype="V16")


def _check_numbers(values: np.ndarray, what: str, name: str) -> None:
    """Every value must be a finite number of a size that float32 can hold."""
    if values.dtype.kind in "iub":
        return
    if values.dtype.kind != "f":
        raise UserError(f"{what} of type {values.dtype} in {name}", "integers or floating-point numbers")
    bad = ~(np.abs(values) <= LARGEST)  # NaN compares false, so it is bad too
    count = int(np.count_nonzero(bad))
    if count:
        first = np.unravel_index(int(np.argmax(bad)), values.shape)
        raise UserError(
            f"{count} of {values.size} {what} NaN, infinite or beyond {LARGEST:.0e} in {name}, the first "
            f"({values[first]}) at {_position(first)}",
            "finite numbers",
            "Remove or impute them before loading.",
        )


def _position(index: tuple[np.intp, ...]) -> str:
    row, *rest = (int(i) for i in index)
    if not rest:
        return f"row {row} (counted from 0)"
    column = f"column {rest[0]}" if len(rest) == 1 else f"position {rest}"
    return f"row {row}, {column} (counted from 0)"


def _check_targets(targets: np.ndarray, k: int, name: str) -> None:
    if targets.ndim != 2 or targets.shape[1] != k:
        raise UserError(
            f"targets of shape {list(targets.shape)} in {name}", f"[examples, {k}], one column a target"
        )
    _check_numbers(targets, "targets", name)
    constant = np.flatnonzero(np.all(targets == targets[0], axis=0))
    if len(constant):
        raise UserError(
            f"the same target {targets[0, constant[0]]} for all {len(targets)} examples in column {constant[0]} of {name}",
            "targets that vary",
            "Choose another target: there is nothing to learn from this one.",
        )


def _check_labels(labels: np.ndarray, classes: tuple[str, ...], name: str) -> None:
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(
            f"labels of type {labels.dtype} and shape {list(labels.shape)} in {name}",
            "one integer an example",
        )
    k = len(classes)
    outside = (labels < 0) | (labels >= k)
    if outside.any():
        first = int(np.argmax(outside))
        raise UserError(
            f"{np.count_nonzero(outside)} labels out of range in {name}, the first ({labels[first]}) at row {first}",
            f"integers from 0 to {k - 1} for {k} classes",
            "Number the classes from 0.",
        )
    counts = np.bincount(labels, minlength=k)
    present = np.flatnonzero(counts)
    if len(present) < 2:
        raise UserError(
            f"one class only ({classes[present[0]]!r}, {len(labels)} examples) in {name}",
            "at least two classes",
            "Add examples of another class, or choose another label.",
        )
    if len(labels) < k:
        raise UserError(f"{len(labels)} examples for {k} classes in {name}", "at least one example a class")
    if len(present) < k:
        empty = [classes[c] for c in np.flatnonzero(counts == 0)]
        raise UserError(
            f"no examples of {len(empty)} of {k} classes in {name} (the first is {empty[0]!r})",
            "examples of every class",
            "Number the classes without gaps, or drop the names of empty ones.",
        )
