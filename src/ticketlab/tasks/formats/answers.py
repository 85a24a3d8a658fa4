"""From a column of answers to what is learnt: labels with the names of their classes, or real targets.

Text and true/false become classes. Numbers that are not all whole become a regression target. Whole numbers are
ambiguous: they are classes if there are at most 100 different ones with at least 3 examples each on average, else a
regression target. `kind` overrides the guess, and a note says how an ambiguous column was read. Whole numbers are names
of classes: they need not start at 0 and may have gaps. Rows of zeros with a single 1 are classes too. The usual marks of
a missing value ("NA", "?", …) are a class only if `kind` says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import check_finite

__all__ = ["MISSING", "Answers", "Kind", "image_answers", "read_answers"]

Kind: TypeAlias = Literal["classification", "regression"]

MOST_CLASSES = 100
LEAST_PER_CLASS = 3
MISSING = frozenset(
    [
        "",
        "?",
        "-",
        "--",
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "#NA",
        "<NA>",
        "NaN",
        "nan",
        "-NaN",
        "-nan",
        "NaT",
        "NULL",
        "null",
        "None",
    ]
)
"""What programs write for a missing value."""


@dataclass(frozen=True)
class Answers:
    """Labels `[n]` with the names of the classes, or targets `[n, k]` with the names of the targets, as in `Dataset`."""

    classes: tuple[str, ...]
    labels: Integer[np.ndarray, "n"] | None = None
    targets: Float[np.ndarray, "n k"] | None = None
    notes: tuple[str, ...] = ()


def read_answers(
    values: Shaped[np.ndarray, "n ..."],
    target: str,
    name: str,
    *,
    kind: Kind | None = None,
    numbered: bool = False,
    classes: tuple[str, ...] = (),
) -> Answers:
    """Labels or targets from a column (or, for several regression targets, a matrix).

    Arguments:
        values: text, booleans or numbers.
        target: the name of the column.
        name: the name of the file, for messages.
        kind: classification or regression; None guesses (see above).
        numbered: whether classes usually have the numbers 0 … k−1 here, so that only other numbers need a note.
        classes: the names of the classes, if known; the values are then their numbers.

    Raises: UserError for missing values, for class numbers that are not whole, and for values that are neither numbers nor text.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind not in "biuf":
        return _named(_as_text(values, target, name, kind), kind, target, name)
    check_finite(values, f"values of target {target!r}", name)
    if kind != "regression" and not classes and _is_one_hot(values):
        note = f"Target {target!r}, rows of zeros with a single 1, is read as {values.shape[1]} classes."
        return Answers(tuple(map(str, range(values.shape[1]))), values.argmax(axis=1), notes=(note,))
    if values.dtype.kind == "b" and values.ndim == 1:
        return _named(values.astype(str), kind, target, name)
    doubtful = kind is None and not classes
    kind = kind or ("classification" if classes or _looks_like_classes(values) else "regression")
    if kind == "regression":
        return _quantities(values, target, doubtful)
    _check_whole(values, target, name)
    if classes:
        return Answers(classes, values.astype(np.int64))
    distinct, labels = np.unique(values, return_inverse=True)
    names = tuple(str(int(c)) for c in distinct)
    plain = np.array_equal(distinct, np.arange(len(distinct)))
    read_as = f"Target {target!r}, the whole numbers {', '.join(names[:10])}"
    read_as += f"{', …' if len(names) > 10 else ''}, is read as {len(names)} classes."
    noted = not plain if numbered else doubtful
    return Answers(names, labels.astype(np.int64), notes=(read_as,) if noted else ())


def _quantities(values: Shaped[np.ndarray, "n ..."], target: str, doubtful: bool) -> Answers:
    matrix = values.reshape(len(values), -1).astype(np.float64) if len(values) else np.empty((0, 1))
    names = (target,) if matrix.shape[1] == 1 else tuple(f"{target}{i}" for i in range(matrix.shape[1]))
    whole = matrix.size > 0 and bool(np.all(matrix == np.round(matrix)))
    read_as = (
        f"Target {target!r}, with {len(np.unique(matrix))} different whole numbers, is read as a quantity."
    )
    return Answers(names, targets=matrix, notes=(read_as,) if doubtful and whole else ())


def image_answers(
    values: Shaped[np.ndarray, "n ..."], target: str, name: str, kind: Kind | None, classes: tuple[str, ...]
) -> Answers:
    """The answers for encoded images: integers are class numbers, even if there are few examples of each class."""
    if kind is None and values.dtype.kind in "iu":
        kind = "classification"
    return read_answers(values, target, name, kind=kind, numbered=True, classes=classes)


def _looks_like_classes(values: Shaped[np.ndarray, "n ..."]) -> bool:
    if values.ndim != 1 or not np.all(values == np.round(values)):
        return False
    distinct = len(np.unique(values))
    return distinct <= MOST_CLASSES and len(values) >= LEAST_PER_CLASS * distinct


def _is_one_hot(values: Shaped[np.ndarray, "n ..."]) -> bool:
    """Whether every row has one 1 and otherwise zeros, and every column is the class of some row."""
    if values.ndim != 2 or values.shape[1] < 2 or not len(values):
        return False
    ones: Bool[np.ndarray, "n k"] = values == 1
    return bool(np.all(ones | (values == 0)) and np.all(ones.sum(axis=1) == 1) and ones.any(axis=0).all())


def _as_text(values: np.ndarray, target: str, name: str, kind: Kind | None) -> np.ndarray:
    """Text unchanged, and objects that are text or absent; raises a UserError if a value is missing."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    found = values.ravel().tolist()
    absent = [v is None or (isinstance(v, float) and math.isnan(v)) for v in found]
    strange = [v for v, no in zip(found, absent, strict=True) if not no and not isinstance(v, str)]
    if values.ndim != 1 or strange or values.dtype.kind not in "OUT":
        held = (
            f"values such as {strange[0]!r:.60}"
            if strange
            else f"{values.dtype} of shape {list(values.shape)}"
        )
        raise UserError(
            f"{held} as target {target!r} in {name}",
            "a number or a word for each example",
            "Choose another target, or convert this one.",
        )
    marks = MISSING if kind is None else {""}
    missing = [i for i, v in enumerate(found) if not isinstance(v, str) or v in marks]
    if missing:
        raise UserError(
            f"{counted(len(missing), 'missing value')} ({found[missing[0]]!r}) of target {target!r} in {name}, "
            f"the first at row {missing[0]} (counted from 0)",
            "one class for each example",
            "Remove the examples without a class, or pass kind=classification if that is the name of a class.",
        )
    return np.array(found, object)  # not of one width: a single long word would be as long in every row


def _named(text: np.ndarray, kind: Kind | None, target: str, name: str) -> Answers:
    if kind == "regression":
        raise UserError(
            f"text such as {next((str(v) for v in text), '')!r} in target {target!r} of {name}",
            "numbers, for regression",
            "Choose another target, or kind=classification.",
        )
    words = text.tolist()
    places = {name: i for i, name in enumerate(sorted(set(words)))}
    return Answers(tuple(places), np.array([places[word] for word in words], np.int64))


def _check_whole(values: np.ndarray, target: str, name: str) -> None:
    """Checks that class numbers are whole, with one for each example."""
    if values.ndim != 1:
        raise UserError(
            f"labels of shape {list(values.shape)} in {name}",
            "one class number for each example, or rows of zeros with a single 1",
            "Turn the rows into class numbers, or pass kind=regression.",
        )
    bad = values != np.round(values)
    if bad.any():
        first = int(np.argmax(bad))
        raise UserError(
            f"{counted(int(np.count_nonzero(bad)), 'fractional label')} in target {target!r} of {name}, "
            f"the first ({values[first]}) at row {first} (counted from 0)",
            "whole numbers as classes",
            "Remove examples without a class; for quantities pass kind=regression.",
        )
