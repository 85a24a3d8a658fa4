"""Data sets of the Hugging Face hub, or of a local folder in its layout, through the `datasets` library (extra `hub`).

Columns are read as stored, so images are decoded here. No code from the hub is run.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Kind, image_answers
from ticketlab.tasks.formats.images import encoded_dataset
from ticketlab.tasks.formats.tables import table_dataset, target_column

__all__ = ["hub_dataset"]


def hub_dataset(
    id: str, config: str = "", target: str = "", kind: Kind | None = None, side: int | None = None
) -> Dataset:
    """The data set `id` of the hub.

    Arguments:
        id: "owner/name" on the hub, or the path of a folder in its layout.
        config: the configuration, for data sets that have several.
        target: the column to predict; empty for one with a usual name (label, target, class, y), else the last.
        kind: classification or regression; None guesses from the target.
        side: resize images to side × side pixels; None requires images of one size.

    Raises: UserError if the extra is missing, the hub cannot be reached, or the data set does not exist.
    """
    parts = _parts(id, config)
    official = parts.pop("test") if "test" in parts and len(parts) > 1 else None
    shards = [*parts.values(), *([official] if official is not None else [])]
    features = shards[0].features
    asked, target = target, target_column(features, target, id)
    classes = tuple(getattr(features[target], "names", None) or ())
    held_out = 0 if official is None else len(official)
    images = [column for column, feature in features.items() if type(feature).__name__ == "Image"]
    if not images:
        columns = {column: np.concatenate([_numbers(s, column) for s in shards]) for column in features}
        return table_dataset(columns, asked, id, kind=kind, classes=classes, official_test=held_out)
    labels = np.concatenate([_numbers(s, target) for s in shards])
    encoded = [content for s in shards for content in _encoded(s, images[0], id)]
    others = [column for column in features if column not in (images[0], target)]
    return encoded_dataset(
        encoded,
        image_answers(labels, target, id, kind, classes),
        id,
        origin=lambda i: f"image {i} (counted from 0) of {id}",
        side=side,
        target=target,
        official_test=held_out,
        notes=(f"Columns left out: {', '.join(others)}.",) if others else (),
    )


def _parts(id: str, config: str) -> dict[str, Any]:
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            "a data set of the hub without the library that reads it",
            "the extra 'hub'",
            "Install it: pip install 'ticketlab[hub]'.",
        ) from error
    try:
        return dict(datasets.load_dataset(id, config or None))
    except (
        OSError,
        ValueError,
    ) as error:  # not found, offline, an unknown configuration, a script that would be run
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise UserError(
            f"no data set {id!r}{f' with configuration {config!r}' if config else ''} from the hub{offline}: {error}",
            "the name of a data set on the hub, and a network connection",
            "Check both, or download the set's Parquet files and give their folder.",
        ) from error


def _numbers(part: Any, column: str) -> np.ndarray:
    """A column as stored: numbers, or text as objects."""
    return part.data.column(column).to_numpy()


def _encoded(part: Any, column: str, id: str) -> list[bytes]:
    stored = part.data.column(column).to_pylist()
    contents = [bytes(value["bytes"]) for value in stored if value and value["bytes"]]
    if len(contents) < len(stored):
        first = next(i for i, value in enumerate(stored) if not (value and value["bytes"]))
        raise UserError(
            f"{counted(len(stored) - len(contents), 'row')} without an image in column {column!r} of {id}, "
            f"the first {first} (counted from 0)",
            "an encoded image in every row",
            "Choose another column or data set.",
        )
    return contents
