"""The results of a study: tidy tables with typed columns and units, and the verdicts drawn from them.

A table is a tuple of columns of equal length, held as NumPy arrays of numbers, booleans or strings. Times differ from run to
run, so they have separate tables (`measured=True`), which are left out when two runs are compared bit by bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np

from ticketlab.errors import UserError
from ticketlab.laws.verdict import Verdict

__all__ = ["Column", "Evidence", "Table", "concatenate"]


@dataclass(frozen=True)
class Column:
    """A named column: `values` (float64, int64, bool or str), its unit ("" for none) and what it means."""

    name: str
    values: np.ndarray
    unit: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Table:
    """A tidy table: one row per observation, one column per variable.

    Arguments:
        name: a file-safe name ("arms").
        columns: of equal length, names unique.
        measured: whether it holds measured times or memory, which differ between identical runs.
    """

    name: str
    columns: tuple[Column, ...]
    measured: bool = False
    _parts: dict[tuple[tuple[str, Any], ...], Table] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        lengths = {len(c.values) for c in self.columns}
        names = [c.name for c in self.columns]
        if len(lengths) > 1 or len(set(names)) != len(names):
            raise UserError(f"columns {names} of lengths {sorted(lengths)}", "unique names and one length")

    @staticmethod
    def from_rows(
        name: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        units: Mapping[str, str] | None = None,
        meanings: Mapping[str, str] | None = None,
        measured: bool = False,
    ) -> Table:
        """A table from dictionaries that all have the same keys, in the order of the first; ValueError if they have not."""
        rows = list(rows)
        units, meanings = units or {}, meanings or {}
        keys: Sequence[str] = list(rows[0]) if rows else []
        for row in rows:
            if row.keys() != rows[0].keys():
                raise ValueError(
                    f"the rows of {name!r} have the keys {keys} and {list(row)}; give each the same"
                )
        columns = tuple(
            Column(k, _typed([row[k] for row in rows]), units.get(k, ""), meanings.get(k, "")) for k in keys
        )
        return Table(name, columns, measured)

    def __len__(self) -> int:
        return len(self.columns[0].values) if self.columns else 0

    def __getitem__(self, column: str) -> np.ndarray:
        for c in self.columns:
            if c.name == column:
                return c.values
        raise KeyError(
            f"{column!r} is not a column of {self.name!r}; it has {[c.name for c in self.columns]}"
        )

    def where(self, **equal: Any) -> Table:
        """The rows in which every named column equals the given value, NaN a NaN; found once, since a table does not change."""
        asked = tuple(equal.items())
        if asked in self._parts:
            return self._parts[asked]
        keep = np.ones(len(self), bool)
        for column, value in asked:
            keep &= np.isnan(self[column]) if value != value else self[column] == value
        return self if keep.all() else self._parts.setdefault(asked, self.taken(keep))

    def taken(self, rows: np.ndarray) -> Table:
        """The rows at these places, or those for which a mask is true."""
        columns = tuple(Column(c.name, c.values[rows], c.unit, c.meaning) for c in self.columns)
        return Table(self.name, columns, self.measured)

    def adding(self, **columns: np.ndarray) -> Table:
        """The table with more columns, each in the place of one of its name."""
        own = tuple(c for c in self.columns if c.name not in columns)
        return Table(
            self.name, (*own, *(Column(n, np.asarray(v)) for n, v in columns.items())), self.measured
        )

    def by(self, *columns: str) -> dict[tuple[Any, ...], Table]:
        """The rows by the values of some columns, in the order in which these appear; every NaN is one value, `math.nan`."""
        values = ([nan if v != v else v for v in self[c].tolist()] for c in columns)
        keys = list(zip(*values, strict=True))
        return {key: self.where(**dict(zip(columns, key, strict=True))) for key in dict.fromkeys(keys)}

    def along(self, column: str) -> list[tuple[Any, Table]]:
        """The rows by the values of one column, from the lowest value on."""
        return [(value, of) for (value,), of in sorted(self.by(column).items(), key=lambda item: item[0])]

    def by_seed(self) -> Table:
        """The rows in the order of the column "seed", and else as they are; the table itself if there is no such column."""
        if "seed" not in {c.name for c in self.columns}:
            return self
        return self.taken(np.argsort(self["seed"], kind="stable"))

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries of Python scalars."""
        lists = [c.values.tolist() for c in self.columns]
        return [
            dict(zip([c.name for c in self.columns], row, strict=True)) for row in zip(*lists, strict=True)
        ]

    def to_pandas(self) -> Any:
        """As a pandas DataFrame (extra `frames`)."""
        import pandas

        return pandas.DataFrame({c.name: c.values for c in self.columns})

    def to_arrow(self) -> Any:
        """As a pyarrow Table (extra `frames`), each field carrying its unit and meaning as metadata."""
        import pyarrow

        fields = [
            pyarrow.field(
                c.name, pyarrow.array(c.values).type, metadata={"unit": c.unit, "meaning": c.meaning}
            )
            for c in self.columns
        ]
        return pyarrow.table([pyarrow.array(c.values) for c in self.columns], schema=pyarrow.schema(fields))

    def digest(self) -> str:
        """SHA-256 of names, types and bits of the values; all NaNs count as equal (files do not keep their bits)."""
        h = hashlib.sha256(self.name.encode())
        for c in self.columns:
            h.update(f"|{c.name}|{c.values.dtype.kind}|".encode())
            h.update(_bits(c.values))
        return h.hexdigest()

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(
            f"<th>{escape(c.name)}{escape(f' [{c.unit}]') if c.unit else ''}</th>" for c in self.columns
        )
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(v))}</td>" for v in row.values()) + "</tr>"
            for row in self.rows()[:50]
        )
        more = f"<p>{len(self) - 50} more rows</p>" if len(self) > 50 else ""
        return f"<table><caption>{escape(self.name)}</caption><tr>{head}</tr>{body}</table>{more}"


def concatenate(name: str, tables: Sequence[Table]) -> Table:
    """The rows of tables with the same columns, in order; tables of no rows may have no columns. ValueError if others differ."""
    filled = [t for t in tables if t.columns]
    first = filled[0] if filled else tables[0]
    for of in filled:
        names = [[c.name for c in t.columns] for t in (first, of)]
        if set(names[0]) != set(names[1]):
            raise ValueError(
                f"the parts of {name!r} have the columns {names[0]} and {names[1]}; give each the same"
            )
    columns = tuple(
        Column(c.name, np.concatenate([t[c.name] for t in filled]), c.unit, c.meaning) for c in first.columns
    )
    return Table(name, columns, first.measured)


@dataclass(frozen=True)
class Evidence:
    """All tables of a study by name, with the verdicts: first the claim as a whole, then one per question."""

    tables: Mapping[str, Table]
    verdicts: tuple[Verdict, ...] = field(default=())

    def digest(self) -> str:
        """SHA-256 of every table that is not measured: equal for equal plans on the same kind of device."""
        kept = [t.digest() for _, t in sorted(self.tables.items()) if not t.measured]
        return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def _typed(values: list[Any]) -> np.ndarray:
    if all(isinstance(v, (bool, np.bool_)) for v in values):
        return np.array(values, bool)
    if all(isinstance(v, (int, np.integer)) for v in values):
        return np.array(values, np.int64)
    if all(isinstance(v, str) for v in values):
        return np.array(values, np.str_)
    return np.array(values, np.float64)


def _bits(values: np.ndarray) -> bytes:
    if values.dtype.kind == "U":
        return "\0".join(values.tolist()).encode()
    return (np.where(np.isnan(values), np.nan, values) if values.dtype.kind == "f" else values).tobytes()


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
