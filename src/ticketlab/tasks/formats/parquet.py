"""Parquet files of numbers, or of encoded images as on dataset hubs: `{bytes, path}` in one column, a label in another.

A path may be one file or a folder of shards. Shards whose name starts with `test` are the official test part; train and
validation are drawn from the others. DuckDB reads the files, with downloads of extensions switched off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from jaxtyping import Shaped

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Kind, image_answers
from ticketlab.tasks.formats.files import files_in, reading
from ticketlab.tasks.formats.images import encoded_dataset
from ticketlab.tasks.formats.tables import table_dataset, target_column

__all__ = ["parquet_dataset"]

OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
MAGIC = b"PAR1"


@dataclass(frozen=True)
class Shards:
    """The files of a data set, those of the official test part last, and the number of rows in that part."""

    paths: tuple[str, ...]
    official_test: int
    types: dict[str, str]
    classes: dict[str, tuple[str, ...]]


def parquet_dataset(
    path: Path,
    target: str = "",
    kind: Kind | None = None,
    *,
    name: str = "",
    classes: tuple[str, ...] = (),
    side: int | None = None,
) -> Dataset:
    """The data set in a Parquet file, or in a folder of them.

    Arguments:
        path: the file or the folder.
        target: the column to predict; empty for one with a usual name (label, target, class, y), else the last.
        kind: classification or regression; None guesses from the target.
        name: for tables and messages; empty for the name of the file.
        classes: the names of the classes; empty for those in the file's metadata, or else their numbers.
        side: resize images to side × side pixels; None requires images of one size.
    """
    name = name or path.name
    with duckdb.connect(config=OFFLINE) as database:
        shards = _shards(database, path)
        target = target_column(shards.types, target, name)
        classes = classes or shards.classes.get(target, ())
        images = [
            column
            for column, of in shards.types.items()
            if of == "BLOB" or ("bytes BLOB" in of and column != target)
        ]
        if images:
            return _images(database, shards, images[0], target, name, kind, classes, side)
        for column, of in shards.types.items():
            if column != target and not _is_number(of):
                raise UserError(
                    f"column {column!r} of type {of} in {name}",
                    "numbers in every column except the target, or one column of encoded images",
                    "Convert or remove it, or make it the target.",
                )
        columns = {column: _column(database, shards, column, name) for column in shards.types}
    return table_dataset(
        columns, target, name, kind=kind, classes=classes, official_test=shards.official_test
    )


def _shards(database: duckdb.DuckDBPyConnection, path: Path) -> Shards:
    what = "a Parquet file, or a folder of them"
    files = [path]
    if path.is_dir():
        inside = files_in(path, what)
        inside += files_in(path / "data", what) if (path / "data").is_dir() else []
        files = [p for p in inside if p.suffix == ".parquet"]
    if not files:
        raise UserError(f"no .parquet files in {path}", what, "Check the path.")
    for file in files:
        _check_magic(file)
    test = [str(p) for p in files if p.name.startswith("test")]
    rest = [str(p) for p in files if not p.name.startswith("test")]
    if not rest:
        rest, test = test, []
    try:
        rows = "SELECT count(*) FROM read_parquet(?)"
        official = database.execute(rows, [test]).fetchall()[0][0] if test else 0
        described = database.execute("DESCRIBE SELECT * FROM read_parquet(?)", [rest + test]).fetchall()
        metadata = database.execute("SELECT key, value FROM parquet_kv_metadata(?)", [rest[0]]).fetchall()
    except duckdb.Error as error:
        raise _damaged(path, error) from error
    return Shards((*rest, *test), official, {c[0]: c[1] for c in described}, _class_names(dict(metadata)))


def _check_magic(path: Path) -> None:
    with reading(path, "a Parquet file"), path.open("rb") as file:
        start = file.read(4)
        file.seek(-min(4, path.stat().st_size), 2)
        end = file.read(4)
    if start == end == MAGIC:
        return
    what = "a truncated file" if start == MAGIC else f"a file that starts with {start.hex(' ')}"
    raise UserError(
        f"{what if start else 'an empty file'}, {path}",
        "a Parquet file, which starts and ends with PAR1",
        "Copy or download it again.",
    )


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """The names of the classes by column, which the hub's library stores in a file's metadata."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}  # metadata of another program: label numbers serve as names
    return {
        c: tuple(f["names"])
        for c, f in features.items()
        if isinstance(f, dict) and f.get("_type") == "ClassLabel"
    }


def _column(
    database: duckdb.DuckDBPyConnection, shards: Shards, column: str, name: str, field: str = ""
) -> Shaped[np.ndarray, "n"]:
    """One column (or field of a struct) of all shards in order; missing values raise an error."""
    quoted = '"' + column.replace('"', '""') + '"' + field
    try:
        found = database.execute(
            f"SELECT {quoted} AS c FROM read_parquet(?)", [list(shards.paths)]
        ).fetchnumpy()["c"]
    except duckdb.Error as error:
        raise _damaged(Path(shards.paths[0]), error) from error
    missing = np.ma.getmaskarray(found)
    if found.dtype.kind == "O":
        missing = missing | np.array([value is None for value in np.ma.getdata(found)])
    if missing.any():
        raise UserError(
            f"{counted(int(missing.sum()), 'missing value')} in column {column!r} of {name}, "
            f"the first at row {np.argmax(missing)} (counted from 0)",
            "a value in every row",
            "Fill in or remove those rows.",
        )
    return np.ma.getdata(found)


def _images(
    database: duckdb.DuckDBPyConnection,
    shards: Shards,
    column: str,
    target: str,
    name: str,
    kind: Kind | None,
    classes: tuple[str, ...],
    side: int | None,
) -> Dataset:
    field = "" if shards.types[column] == "BLOB" else ".bytes"
    labels = _column(database, shards, target, name)
    others = [c for c in shards.types if c not in (column, target)]
    return encoded_dataset(
        [bytes(content) for content in _column(database, shards, column, name, field)],
        image_answers(labels, target, name, kind, classes),
        name,
        origin=lambda i: f"image {i} (counted from 0) of {name}",
        official_test=shards.official_test,
        side=side,
        notes=(f"Columns left out: {', '.join(others)}.",) if others else (),
    )


def _is_number(of: str) -> bool:
    numbers = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "BOOLEAN", "DECIMAL")
    return of.removeprefix("U").startswith(numbers) and not of.endswith("]")


def _damaged(path: Path, error: duckdb.Error) -> UserError:
    return UserError(
        f"a damaged Parquet file, {path} ({str(error).splitlines()[0]})",
        "a whole file, with the same columns in every shard",
        "Copy or download it again.",
    )
