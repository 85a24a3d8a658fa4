"""Keepers of the tables of finished cells while a study runs: a run folder, or the working memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from ticketlab.claims.study import Blank, Cell, Draft
from ticketlab.evidence.tables import Table
from ticketlab.laws.rules import Levels

__all__ = ["Keeper", "Tables", "WorkingMemory"]

Tables: TypeAlias = Mapping[str, Table]


@runtime_checkable
class Keeper(Protocol):
    """Keeps the tables of finished cells."""

    def has(self, cell: Cell) -> bool:
        """Whether a cell is finished or begun, so that it is worth continuing."""

    def load(self, cell: Cell) -> Tables | None:
        """The tables of a cell that is finished and still valid; None if it must run."""

    def save(self, cell: Cell, tables: Tables, seconds: float) -> Tables:
        """Keeps a finished cell permanently, in full or not at all; returns its tables as `load` would."""

    def draft(self, cell: Cell) -> Draft:
        """The draft in which an unfinished cell records its progress."""

    def levels(self) -> Levels:
        """Those at which the run is judged; to ask for them is to look at it."""

    def later(self) -> Levels:
        """Those at which it would be judged if it were extended now."""


class WorkingMemory:
    """Keeps nothing beyond this run: for use from Python without a run folder."""

    def has(self, cell: Cell) -> bool:
        return False

    def load(self, cell: Cell) -> Tables | None:
        return None

    def save(self, cell: Cell, tables: Tables, seconds: float) -> Tables:
        return tables

    def draft(self, cell: Cell) -> Draft:
        return Blank()

    def levels(self) -> Levels:
        return Levels()

    def later(self) -> Levels:
        return Levels()
