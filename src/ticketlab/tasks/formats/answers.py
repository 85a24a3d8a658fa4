"""From a column of answers to what is learnt: labels with the names of their classes, or real targets.

Text and true/false become classes. Numbers that are not all whole become a regression target. Whole numbers are
ambiguous: they are classes if there are at most 100 different ones with at least 3 examples each on average, else a
regression target. `kind` overrides the guess, and a note says how an ambiguous column was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Integer, Shaped

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import check_finite

__all__ = ["Answers", "Kind", "image_answers", "read_answers"]

Kind: TypeAlias = Literal["classification", "regression"]

MOST_CLASSES = 100
LEAST_PER_CLASS = 3


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
        numbered: whether whole numbers are class numbers 0 … k−1 rather than names of classes.
        classes: the names of the classes, if known; implies `numbered` and classification.

    Raises: UserError for labels that are negative, not whole, or out of range, and for NaN.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind not in "biuf":
        return _named(_as_text(values, target, name), kind, target, name)
    check_finite(values, f"values of target {target!r}", name)
    if values.dtype.kind == "b":
        return _named(values.astype(str), kind, target, name)
    doubtful = kind is None and not classes
    kind = kind or ("classification" if classes or _looks_like_classes(values) else "regression")
    whole = values.size > 0 and bool(np.all(values == np.round(values)))
    if kind == "regression":
        matrix = values.reshape(len(values), -1).astype(np.float64)
        names = (target,) if matrix.shape[1] == 1 else tuple(f"{target}{i}" for i in range(matrix.shape[1]))
        read_as = f"Target {target!r}, with {len(np.unique(values))} different whole numbers, is read as a quantity."
        return Answers(names, targets=matrix, notes=(read_as,) if doubtful and whole else ())
    labels = _whole(values, target, name)
    if classes:
        return Answers(classes, labels)
    if numbered:
        return Answers(tuple(str(c) for c in range(_class_count(labels, name))), labels)
    distinct, labels = np.unique(labels, return_inverse=True)
    read_as = f"Target {target!r}, the whole numbers {', '.join(map(str, distinct[:10]))}"
    read_as += f"{', …' if len(distinct) > 10 else ''}, is read as {len(distinct)} classes."
    return Answers(tuple(str(c) for c in distinct), labels, notes=(read_as,) if doubtful else ())


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


def _as_text(values: np.ndarray, target: str, name: str) -> np.ndarray:
    missing = np.array([v is None or v == "" for v in values.ravel().tolist()])
    if missing.any() or values.ndim != 1:
        raise UserError(
            f"{counted(int(missing.sum()), 'missing value')} of target {target!r} in {name}, "
            f"the first at row {np.argmax(missing)} "
            "(counted from 0)"
            if missing.any()
            else f"text of shape {list(values.shape)} as target {target!r} in {name}",
            "one class for each example",
            "Remove the examples without a class.",
        )
    return values.astype(str)


def _named(text: np.ndarray, kind: Kind | None, target: str, name: str) -> Answers:
    if kind == "regression":
        raise UserError(
            f"text such as {str(text[0])!r} in target {target!r} of {name}",
            "numbers, for regression",
            "Choose another target, or kind=classification.",
        )
    classes, labels = np.unique(text, return_inverse=True)
    return Answers(tuple(classes.tolist()), labels.astype(np.int64))


def _whole(values: np.ndarray, target: str, name: str) -> Int[np.ndarray, "n"]:
    """Class numbers as integers: one for each example, whole and not negative."""
    if values.ndim != 1:
        raise UserError(
            f"labels of shape {list(values.shape)} in {name}",
            "one class number for each example",
            "Turn one-hot rows into class numbers, or pass kind=regression.",
        )
    for bad, what in ((values != np.round(values), "fractional label"), (values < 0, "negative label")):
        if bad.any():
            first = int(np.argmax(bad))
            raise UserError(
                f"{counted(int(np.count_nonzero(bad)), what)} in target {target!r} of {name}, "
                f"the first ({values[first]}) at row {first} (counted from 0)",
                "class numbers 0, 1, 2, …",
                "Remove examples without a class; for quantities pass kind=regression.",
            )
    return values.astype(np.int64)


def _class_count(labels: Integer[np.ndarray, "n"], name: str) -> int:
    """k, one more than the greatest label; it must not exceed the number of examples."""
    k = int(labels.max(initial=-1)) + 1
    if k > len(labels):
        raise UserError(
            f"label {k - 1} at row {int(np.argmax(labels))} (counted from 0) of {name}, which has {len(labels)} examples",
            "class numbers from 0 without gaps, and at least one example of each class",
            "Number the classes from 0, or add examples.",
        )
    return k
