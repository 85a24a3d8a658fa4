"""Named columns of numbers with a target among them, shared by CSV, Parquet and tables of a hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Shaped

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Kind, read_answers

__all__ = ["table_dataset", "target_column"]

USUAL = ("label", "labels", "target", "class", "y", "fine_label")


def target_column(columns: Iterable[str], target: str, name: str) -> str:
    """The column to predict: the one requested, else one with a usual name, else the last."""
    columns = list(columns)
    if target and target not in columns:
        raise UserError(f"target={target!r}", f"one of the columns of {name}: {', '.join(columns)}")
    return target or next((usual for usual in USUAL if usual in columns), columns[-1])


def table_dataset(
    columns: Mapping[str, Shaped[np.ndarray, "n"]],
    target: str,
    name: str,
    *,
    kind: Kind | None = None,
    classes: tuple[str, ...] = (),
    official_test: int = 0,
) -> Dataset:
    """The data set whose inputs are all columns except the target.

    Arguments:
        columns: by name, of equal length; inputs must be numbers or booleans.
        target: the column to predict; if empty, see `target_column`.
        name: for tables and messages.
        kind: classification or regression; None guesses from the target.
        classes: the names of the classes, if known; the values of the target are then class numbers.
        official_test: the number of rows, at the end, that form the official test part.
    """
    target = target_column(columns, target, name)
    inputs = {column: values for column, values in columns.items() if column != target}
    if not inputs:
        raise UserError(
            f"one column only ({target!r}) in {name}",
            "a target and at least one input",
            "Add input columns.",
        )
    for column, values in inputs.items():
        if values.dtype.kind not in "biuf":
            raise UserError(
                f"column {column!r} of {name}, which holds {_sort(values)}",
                "numbers in every column except the target",
                "Encode it as numbers (one column for each category), remove it, or make it the target.",
            )
    answers = read_answers(columns[target], target, name, kind=kind, classes=classes)
    return Dataset(
        name=name,
        x=np.stack([values.astype(np.float64) for values in inputs.values()], axis=1),
        classes=answers.classes,
        labels=answers.labels,
        targets=answers.targets,
        features=tuple(inputs),
        official_test=official_test,
        notes=answers.notes,
    )


def _sort(values: np.ndarray) -> str:
    first = next((v for v in values.tolist() if v is not None), None)
    return f"values such as {first!r}" if values.dtype.kind in "OUS" else f"values of type {values.dtype}"
