"""A table as a Parquet file: values in the file, meanings in a record next to it.

Parquet keeps types and bits. Units and meanings are in the record of the cell or the evidence, with a checksum. DuckDB writes
and reads the files in memory and in order. By default it takes `*`, `?` and `[` in a path as a pattern, and `seed=7` in a
folder's name as a column. Both are turned off, so that the path does not change a table. A NaN is a missing value in DuckDB
and returns as the one quiet NaN, whatever its bits were. So tables are always used as read back, never as written.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ticketlab.evidence.tables import Column, Table
from ticketlab.store.failures import storing

__all__ = ["Damaged", "check_table", "checksum", "read_table", "write_table"]

_SQL = {"f": "DOUBLE", "i": "BIGINT", "b": "BOOLEAN", "U": "VARCHAR"}
_NUMPY = {"DOUBLE": np.float64, "BIGINT": np.int64, "BOOLEAN": np.bool_, "VARCHAR": np.str_}


class Damaged(Exception):
    """A stored file is missing, truncated or altered; the message says which."""


def write_table(table: Table, folder: Path) -> dict[str, Any]:
    """Writes `<name>.parquet` and returns its record: columns with types, units and meanings, and a checksum.

    Raises TypeError for columns that are not float64, int64, bool or str; UserError if the file cannot be written.
    """
    for c in table.columns:
        if c.values.dtype.kind not in _SQL or (c.values.dtype.kind in "fi" and c.values.dtype.itemsize != 8):
            raise TypeError(
                f"column {c.name!r} of {table.name!r} is {c.values.dtype}, not float64, int64, bool or str"
            )
    columns = [
        {"name": c.name, "type": _SQL[c.values.dtype.kind], "unit": c.unit, "meaning": c.meaning}
        for c in table.columns
    ]
    record: dict[str, Any] = {"measured": table.measured, "rows": len(table), "columns": columns}
    if columns:
        file = folder / f"{table.name}.parquet"
        _write(table, [c["type"] for c in columns], file)
        record |= {"file": file.name, "sha256": checksum(file)}
    return record


def read_table(name: str, record: Mapping[str, Any], folder: Path) -> Table:
    """The table of a record, with the bits as written.

    Raises Damaged if the file is not the recorded one.
    """
    check_table(record, folder)
    described = record["columns"]
    if not described:
        return Table(name, (), record["measured"])
    found = _read(folder / record["file"], len(described))
    columns = tuple(
        Column(c["name"], _values(raw, c["type"]), c["unit"], c["meaning"])
        for c, raw in zip(described, found, strict=True)
    )
    return Table(name, columns, record["measured"])


def check_table(record: Mapping[str, Any], folder: Path) -> None:
    """Raises Damaged if the file of a table is not the recorded one."""
    if not record["columns"]:
        return
    file = folder / record["file"]
    try:
        if checksum(file) != record["sha256"]:
            raise Damaged(f"{file.name} is not the file that was written")
    except OSError as error:
        raise Damaged(f"{file.name} cannot be read ({error.strerror})") from None


def checksum(file: Path) -> str:
    """SHA-256 (hexadecimal) of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _values(raw: np.ndarray, kind: str) -> np.ndarray:
    if kind == "DOUBLE" and isinstance(raw, np.ma.MaskedArray):
        return raw.filled(np.nan)
    return np.asarray(raw, dtype=_NUMPY[kind])


@functools.cache
def _database() -> Any:
    """An empty database in memory, opened once because that takes longer than a small file; each use has its own cursor."""
    import duckdb

    # No extensions, which would be downloaded; one thread, because files are small and the order must be kept.
    settings: Any = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": "1",
    }
    return duckdb.connect(":memory:", config=settings)


def _write(table: Table, types: list[str], file: Path) -> None:
    # Numbered names in the file, because DuckDB's column names ignore case.
    numbered = {f"c{i}": c.values for i, c in enumerate(table.columns)}
    selected = ", ".join(
        f"CAST(c{i} AS {kind}) AS {_quoted(c.name)}"
        for i, (c, kind) in enumerate(zip(table.columns, types, strict=True))
    )
    with storing(file.parent), _database().cursor() as connection:
        connection.register("given", numbered)
        _execute(connection, f"COPY (SELECT {selected} FROM given) TO {_literal(file)} (FORMAT parquet)")


def _read(file: Path, count: int) -> list[np.ndarray]:
    import duckdb

    names = [f"c{i}" for i in range(count)]
    with _database().cursor() as connection:
        try:
            source = f"read_parquet({_literal(_no_pattern(file))}, hive_partitioning = false)"
            query = f"SELECT * FROM {source} AS given({', '.join(names)})"
            found = connection.execute(query).fetchnumpy()
        except duckdb.Error as error:
            raise Damaged(f"{file.name} cannot be read ({error})") from None
    return [found[name] for name in names]


def _execute(connection: Any, command: str) -> None:
    import duckdb

    try:
        connection.execute(command)
    except duckdb.IOException as error:
        # DuckDB gives the system's reason only as text.
        reasons = [n for n in errno.errorcode if os.strerror(n).lower() in str(error).lower()]
        raise OSError(
            reasons[0] if reasons else None, os.strerror(reasons[0]) if reasons else str(error)
        ) from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(file: Path) -> str:
    return "'" + str(file.absolute()).replace("'", "''") + "'"  # absolute: a first `~` is a home to DuckDB


def _no_pattern(file: Path) -> Path:
    """The path with pattern characters in brackets, where DuckDB takes them literally."""
    return Path(re.sub(r"([*?\[])", r"[\1]", str(file.absolute())))
