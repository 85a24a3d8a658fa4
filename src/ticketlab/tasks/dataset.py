"""A data set as it was read: raw inputs with labels or regression targets, checked once.

Every reader (bundled sets, files, a hub) returns a `Dataset`, and `split` turns it into a task. So hidden mistakes in a
file (a NaN, a single class, a label out of range) are found here, in one place. The message gives their number and the
first position.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Literal

import numpy as np
from jaxtyping import Float, Integer, Shaped

from ticketlab.errors import UserError, counted

__all__ = ["Dataset", "check_finite"]

LARGEST = 1e30  # beyond this, squares and float32 copies overflow
SHOWN = 20  # columns or classes in a summary


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples before they are split and standardised.

    Arguments:
        name: for tables and messages ("digits", or a file's name).
        x: raw inputs `[n, …]`, integers or floats. The last axis of images `[n, height, width, channels]` is the channels.
        classes: the names of the classes (classification) or of the targets (regression); k = len(classes).
        labels: `[n]` integers 0 … k−1, or `[n, steps]`, one for each step of a sequence; None for regression.
        targets: `[n, k]` real targets; None for classification.
        features: the names of the features, if they have names.
        scale: the raw value that counts as 1 (255 for 8-bit images).
        standardise: whether `split` standardises the inputs; false if their values have a meaning (the bits of `Boolean`).
        official_test: the number of examples, at the end, that form the official test part; 0 for none.
        target: the name of the target, if the file has one.
        notes: remarks for the reader, one sentence each.

    Raises: UserError if lengths differ, a value is NaN, infinite or too large, all inputs are equal, a label is out of
    range, a class is empty, or there is only one class.
    """

    name: str
    x: Shaped[np.ndarray, "n ..."] = field(repr=False)
    classes: tuple[str, ...]
    # Lengths are checked below, with a message for the user.
    labels: Integer[np.ndarray, "labels ..."] | None = field(default=None, repr=False)
    targets: Float[np.ndarray, "targets k"] | None = field(default=None, repr=False)
    features: tuple[str, ...] = ()
    scale: float = 1.0
    standardise: bool = True
    official_test: int = 0
    target: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if (self.labels is None) == (self.targets is None):
            raise UserError(
                f"{self.name} with both or neither of labels and targets", "exactly one of the two"
            )
        what = "rows of targets" if self.labels is None else "labels"
        if len(self.x) != len(self.answers):
            raise UserError(
                f"{len(self.answers)} {what} for {len(self.x)} examples in {self.name}",
                f"equally many {what} and examples",
                "Write the file again, or remove the unmatched rows.",
            )
        if self.x.ndim < 2 or 0 in self.x.shape:
            raise UserError(
                f"inputs of shape {list(self.x.shape)} in {self.name}",
                "at least one example, in the shape [examples, features] or [examples, height, width, channels]",
                "Reshape the inputs, or check that the file is not empty.",
            )
        check_finite(self.x, "inputs", self.name, self.features)
        if len(self.x) > 1 and np.all(self.x == self.x[0]):
            raise UserError(
                f"{len(self.x)} examples with the same inputs in {self.name}",
                "inputs that vary",
                "Check how the file was written: there is nothing to tell one example from another.",
            )
        if self.labels is None:
            _check_targets(self.answers, self.classes, self.name)
        else:
            _check_labels(self.answers, self.classes, self.name)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def kind(self) -> Literal["classification", "regression"]:
        return "regression" if self.labels is None else "classification"

    @property
    def answers(self) -> Shaped[np.ndarray, "n ..."]:
        """The labels (classification) or the targets (regression)."""
        answers = self.targets if self.labels is None else self.labels
        assert answers is not None
        return answers

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hexadecimal) of inputs, answers, names, scale and the position of the official test part."""
        h = hashlib.sha256()
        h.update(repr((self.kind, self.classes, self.scale, self.standardise, self.official_test)).encode())
        # Little-endian, and answers of one width, so that every platform gives the same hash.
        answers = self.answers.astype("<f8" if self.labels is None else "<i8")
        for array in (self.x, answers):
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            h.update(f"|{little.dtype.str}{little.shape}|".encode())
            h.update(little.data)
        return h.hexdigest()

    @cached_property
    def row_digests(self) -> tuple[bytes, ...]:
        """A 128-bit digest of the raw input of each example; equal inputs have equal digests."""
        rows = self.x + 0.0 if self.x.dtype.kind == "f" else self.x  # −0 becomes 0
        flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
        return tuple(hashlib.blake2b(row.data, digest_size=16).digest() for row in flat)

    def summary(self) -> tuple[tuple[str, str], ...]:
        """A summary as rows of a name and a value, to print or to show in a report."""
        official = f" ({self.official_test} in the official test part)" if self.official_test else ""
        rows = [
            ("data set", self.name),
            ("kind", f"{self.kind}, {len(self.classes)} {'targets' if self.labels is None else 'classes'}"),
            *([("target", repr(self.target))] if self.target else []),
            ("examples", f"{len(self)}{official}"),
            ("input", f"{' × '.join(str(s) for s in self.x.shape[1:])}, {self.x.dtype}"),
            *(self._by_column() if self.features else self._pooled()),
        ]
        if self.labels is None:
            spread = zip(self.classes, self.answers.mean(axis=0), self.answers.std(axis=0), strict=True)
            rows.append(
                ("targets' mean ± sd", ", ".join(f"{name}: {m:.4g} ± {s:.4g}" for name, m, s in spread))
            )
        else:
            counts = np.bincount(self.labels.ravel(), minlength=len(self.classes))
            shown = [f"{name}: {count}" for name, count in zip(self.classes, counts, strict=True)]
            more = f", … ({len(shown) - SHOWN} more)" if len(shown) > SHOWN else ""
            rows.append(
                (
                    f"{'examples' if self.labels.ndim == 1 else 'answers'} per class",
                    ", ".join(shown[:SHOWN]) + more,
                )
            )
        rows.append(("content hash", self.content_hash))
        return (*rows, *(("note", note) for note in self.notes))

    def _pooled(self) -> list[tuple[str, str]]:
        low, high = (float(v) / self.scale for v in (self.x.min(), self.x.max()))
        mean, sd = (v / self.scale for v in _mean_and_sd(self.x))
        raw = f" (raw values / {self.scale:g})" if self.scale != 1 else ""
        return [("range", f"{low:g} … {high:g}{raw}"), ("mean ± sd", f"{mean:.4g} ± {sd:.4g}")]

    def _by_column(self) -> list[tuple[str, str]]:
        """Columns have units of their own: one row each, of the first twenty."""
        rows = []
        for name, values in zip(self.features[:SHOWN], self.x.T, strict=False):
            mean, sd = _mean_and_sd(values)
            rows.append((name, f"{mean:.4g} ± {sd:.4g}, {values.min():g} … {values.max():g}"))
        more = len(self.features) - len(rows)
        return rows + ([("…", f"{more} more columns")] if more else [])

    def _repr_html_(self) -> str:
        rows = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in self.summary())
        return f"<table>{''.join(rows)}</table>"


def _mean_and_sd(x: Shaped[np.ndarray, "n ..."]) -> tuple[float, float]:
    """Mean and standard deviation of all values, in float64, a few thousand examples at a time."""
    mean = float(x.mean(dtype=np.float64))
    blocks = (x[i : i + 4096] for i in range(0, len(x), 4096))
    squares = sum(float(np.sum(np.subtract(block, mean, dtype=np.float64) ** 2)) for block in blocks)
    return mean, math.sqrt(squares / x.size)


def check_finite(
    values: Shaped[np.ndarray, "..."], what: str, name: str, columns: Sequence[str] = ()
) -> None:
    """Raises a UserError with the count and the first position unless float32 can hold all values as finite numbers.

    Arguments:
        values: any array.
        what: the word for them ("inputs").
        name: of the data set or file.
        columns: names for positions along the second axis.
    """
    if values.dtype.kind in "iub":
        return
    if values.dtype.kind != "f":
        raise UserError(
            f"{what} of type {values.dtype} in {name}",
            "integers or floating-point numbers",
            "Convert them before saving.",
        )
    limit = min(LARGEST, float(np.finfo(values.dtype).max))  # 1e30 itself would be infinite in float16
    bad = ~(np.abs(values) <= limit)  # NaN compares false, so it is bad too
    if not bad.any():
        return
    row, *rest = (int(i) for i in np.unravel_index(int(np.argmax(bad)), values.shape))
    column = "" if not rest else f", column {columns[rest[0]]!r}" if columns else f", column {rest}"
    raise UserError(
        f"{np.count_nonzero(bad)} of {values.size} {what} that are NaN, infinite or beyond {LARGEST:.0e} in {name}, "
        f"the first ({values[(row, *rest)]}) at row {row}{column} (counted from 0)",
        "finite numbers",
        "Remove or impute them first.",
    )


def _check_targets(targets: np.ndarray, names: tuple[str, ...], name: str) -> None:
    if targets.ndim != 2 or targets.shape[1] != len(names):
        raise UserError(
            f"targets of shape {list(targets.shape)} in {name}",
            f"[examples, {len(names)}]",
            "Give one column for each target.",
        )
    check_finite(targets, "targets", name, names)
    constant = np.flatnonzero(np.all(targets == targets[0], axis=0))
    if len(constant):
        raise UserError(
            f"the same value of target {names[constant[0]]!r} for all {len(targets)} examples of {name}",
            "a target that varies",
            "Choose another target: a constant one has nothing to learn.",
        )


def _check_labels(labels: np.ndarray, classes: tuple[str, ...], name: str) -> None:
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iu":
        raise UserError(
            f"labels of type {labels.dtype} and shape {list(labels.shape)} in {name}",
            "one integer for each example, or one for each of its steps",
            "Number the classes from 0.",
        )
    k = len(classes)
    outside = (labels < 0) | (labels >= k)
    if outside.any():
        first = int(np.argmax(outside.reshape(len(labels), -1).any(axis=1)))
        raise UserError(
            f"{counted(int(np.count_nonzero(outside)), 'label')} out of range in {name}, "
            f"the first ({labels[outside][0]}) at row {first} (counted from 0)",
            f"integers from 0 to {k - 1} for {k} classes",
            "Number the classes from 0, and remove examples without a class.",
        )
    counts = np.bincount(labels.ravel(), minlength=k)
    present = np.flatnonzero(counts)
    if len(present) == 1:
        raise UserError(
            f"one class only ({classes[present[0]]!r}, {len(labels)} examples) in {name}",
            "at least two classes",
            "Add examples of another class, or choose another label.",
        )
    if labels.size < k:
        raise UserError(
            f"{len(labels)} examples for {k} classes in {name}",
            "at least one example of each class",
            "Add examples, or check that the labels are class numbers.",
        )
    if len(present) < k:
        empty = [classes[c] for c in np.flatnonzero(counts == 0)]
        raise UserError(
            f"no examples of {len(empty)} of {k} classes in {name} (the first is {empty[0]!r})",
            "examples of every class",
            "Number the classes without gaps, or remove the empty ones.",
        )
