"""Parquet files of numbers, or of encoded images as on dataset hubs: `{bytes, path}` in one column, a label in another.

A path may be one file or a folder of shards. Shards named for the test part, or in a folder named for it, are the official
test part; train and validation are drawn from the others. DuckDB reads the files, with downloads of extensions switched
off; it ignores the names of folders. The size of the columns is checked before they are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from jaxtyping import Shaped

from ticketlab.errors import UserError, counted
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.answers import Kind, image_answers
from ticketlab.tasks.formats.files import allowed, check_size, files_in, part_of, reading
from ticketlab.tasks.formats.images import encoded_dataset
from ticketlab.tasks.formats.tables import table_dataset, target_column

__all__ = ["parquet_dataset", "parquet_files"]

OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "1GB",
    "threads": 1,  # by which it would multiply the memory that it takes
}
READ = "read_parquet(?, hive_partitioning = false)"
MAGIC = b"PAR1"
AT_ONCE = 2**23  # values in one query


@dataclass(frozen=True)
class Shards:
    """The files of a data set, those of the official test part last, as paths and as DuckDB takes them; and that part's rows."""

    files: tuple[Path, ...]
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
    with _database(path) as database:
        shards = _shards(database, path)
        asked, target = target, target_column(shards.types, target, name)
        _check_types(shards.types, target, name)
        classes = classes or shards.classes.get(target, ())
        images = [
            column
            for column, of in shards.types.items()
            if of == "BLOB" or ("bytes BLOB" in of and column != target)
        ]
        _check_memory(database, shards, images[:1], path)
        if images:
            return _images(database, shards, images[0], target, name, kind, classes, side)
        for column, of in shards.types.items():
            if column != target and not _is_number(of):
                raise UserError(
                    f"column {column!r} of type {of:.60} in {name}",
                    "numbers in every column except the target, or one column of encoded images",
                    "Convert or remove it, or make it the target.",
                )
        columns = _columns(database, shards, name)
    return table_dataset(columns, asked, name, kind=kind, classes=classes, official_test=shards.official_test)


@contextmanager
def _database(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database of its own; what DuckDB raises on a damaged file is a UserError."""
    with duckdb.connect(config=OFFLINE) as database:
        try:
            yield database
        except (duckdb.Error, UnicodeDecodeError) as error:
            raise UserError(
                f"a damaged Parquet file, {path} ({str(error).splitlines()[0]:.200})",
                "a whole file, with the same columns in every shard",
                "Copy or download it again.",
            ) from error


def _check_types(types: dict[str, str], target: str, name: str) -> None:
    of = types[target]
    if not _is_number(of) and not of.startswith(("VARCHAR", "ENUM")):
        raise UserError(
            f"the target {target!r} of type {of:.60} in {name}",
            "numbers, words or true and false",
            "Choose another target, or convert this one.",
        )


def _check_memory(database: duckdb.DuckDBPyConnection, shards: Shards, images: list[str], path: Path) -> None:
    """Refuses what would take too much memory, by counting: eight bytes a number, and the length of images and words."""
    lengths = [f"octet_length({_quoted(c)}{_field(shards.types[c])})" for c in images]
    lengths += [f"strlen({_quoted(c)})" for c, of in shards.types.items() if of == "VARCHAR"]
    counted = " + ".join(
        [f"{8 * len(shards.types)} * count(*)", *(f"coalesce(sum({n}), 0)" for n in lengths)]
    )
    found = database.execute(f"SELECT {counted} FROM {READ}", [list(shards.paths)]).fetchall()[0][0]
    check_size(int(found), allowed(sum(Path(p).stat().st_size for p in shards.files)), path)


def _shards(database: duckdb.DuckDBPyConnection, path: Path) -> Shards:
    what = "a Parquet file, or a folder of them"
    files = parquet_files(path) if path.is_dir() else [path]
    if not files:
        raise UserError(f"no .parquet files in {path}", what, "Check the path.")
    for file in files:
        _check_magic(file)
    test = [
        p for p in files if "test" in (part_of(p.name), part_of(p.parent.name) if p.parent != path else "")
    ]
    rest = [p for p in files if p not in test]
    if not rest or path.is_file():
        rest, test = files, []
    held_out, every = [_no_pattern(p) for p in test], [_no_pattern(p) for p in (*rest, *test)]
    rows = f"SELECT count(*) FROM {READ}"
    official = database.execute(rows, [held_out]).fetchall()[0][0] if test else 0
    described = database.execute(f"DESCRIBE SELECT * FROM {READ}", [every]).fetchall()
    metadata = database.execute("SELECT key, value FROM parquet_kv_metadata(?)", every[:1]).fetchall()
    types = {c[0]: c[1] for c in described}
    return Shards((*rest, *test), tuple(every), official, types, _class_names(dict(metadata)))


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder: its own, and those in `data` and in folders that are named for a part."""
    inside = files_in(folder, "a folder of Parquet files")
    folders = [p for p in inside if p.is_dir() and (p.name == "data" or part_of(p.name))]
    inside += [file for place in folders for file in files_in(place, "a folder of Parquet files")]
    return [p for p in inside if p.suffix.lower() == ".parquet" and not p.is_dir()]


def _no_pattern(path: Path) -> str:
    """The path as text without pattern characters, such as `*` for DuckDB."""
    return re.sub(r"([*?\[])", r"[\1]", str(path.absolute()))


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
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {c: tuple(map(str, f["names"])) for c, f in features.items() if f.get("_type") == "ClassLabel"}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return {}  # metadata of another program: label numbers serve as names


def _column(
    database: duckdb.DuckDBPyConnection, shards: Shards, column: str, name: str, field: str = ""
) -> Shaped[np.ndarray, "n"]:
    """One column (or field of a struct) of all shards in order; missing values raise an error."""
    query = f"SELECT {_quoted(column)}{field} AS c FROM {READ}"
    return _without_missing(database.execute(query, [list(shards.paths)]).fetchnumpy()["c"], column, name)


def _columns(
    database: duckdb.DuckDBPyConnection, shards: Shards, name: str
) -> dict[str, Shaped[np.ndarray, "n"]]:
    """All columns, several in one query, because each query reads the names of all columns anew."""
    paths, names = [list(shards.paths)], list(shards.types)
    rows = database.execute(f"SELECT count(*) FROM {READ}", paths).fetchall()[0][0]
    together = max(1, AT_ONCE // max(1, rows))
    found: dict[str, Shaped[np.ndarray, "n"]] = {}
    for i in range(0, len(names), together):
        some = names[i : i + together]
        query = f"SELECT {', '.join(map(_quoted, some))} FROM {READ}"
        values = database.execute(query, paths).fetchnumpy()
        found |= {column: _without_missing(values[column], column, name) for column in some}
    return found


def _without_missing(found: Any, column: str, name: str) -> Shaped[np.ndarray, "n"]:
    if not isinstance(found, np.ndarray):  # an enumeration comes as pandas' categories
        found = np.asarray(found)
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
    field = _field(shards.types[column])
    labels = _column(database, shards, target, name)
    others = [c for c in shards.types if c not in (column, target)]
    return encoded_dataset(
        [bytes(content) for content in _column(database, shards, column, name, field)],
        image_answers(labels, target, name, kind, classes),
        name,
        origin=lambda i: f"image {i} (counted from 0) of {name}",
        official_test=shards.official_test,
        side=side,
        target=target,
        notes=(f"Columns left out: {', '.join(others)}.",) if others else (),
    )


def _is_number(of: str) -> bool:
    numbers = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "BOOLEAN", "DECIMAL")
    return of.removeprefix("U").startswith(numbers) and not of.endswith("]")


def _field(of: str) -> str:
    return "" if of == "BLOB" else ".bytes"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
