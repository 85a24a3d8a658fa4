"""Finished cells on disk: one immutable folder each, named by the cell and what it depends on.

A cell's tables are written to a temporary folder, with a record of their checksums and of everything the cell depends
on. The folder is then renamed in one step, so it exists in full or not at all, even if the process dies. The name ends
in the first twelve digits of the cell's identity, so a result of another plan, code or data set is never found. A
damaged folder is removed, and its cell runs again. An unfinished cell may have a draft of the same name, which is
removed when the cell is finished. Its tickets stay, in a folder of that name in `tickets/`.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ticketlab
from ticketlab.claims.study import Cell
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.rules import Levels
from ticketlab.store.drafts import DraftFile
from ticketlab.store.failures import storing
from ticketlab.store.identity import cell_record, differences, identity
from ticketlab.store.look_file import Looks
from ticketlab.store.records import read_record, strict, write_record
from ticketlab.store.tables import Damaged, check_table, read_table, write_table
from ticketlab.store.whole import flush_tree, move

__all__ = ["CellFolders", "cell_records", "read_tables", "reread_tables", "write_tables"]

RECORD = "cell.json"
TICKETS = "tickets"
DIGITS = 12  # of a cell's identity, in the name of its folder
_PARTIAL = ".partial-"
_DRAFT = ".draft"


class CellFolders:
    """The keeper of one run folder's cells (see `engine.keeper.Keeper`).

    Arguments:
        folder: the folder of the cells' folders, created if needed. Incomplete folders of a killed process are removed.
        depends: what every cell of the plan depends on, from `identity.dependencies`.
        note: receives messages on cells that were found but not used.
        plan: the plan's file as text; every cell stores a copy, in case that file is lost.
        unchanged: raises UserError if the data have changed since the run began; called before a cell is kept.
        looks: the looks at the question, with the seeds of the run, and the end of its planned sequence.
    """

    def __init__(
        self,
        folder: Path,
        depends: Mapping[str, Any],
        note: Callable[[str], None] = lambda text: None,
        plan: str = "",
        unchanged: Callable[[], None] = lambda: None,
        looks: tuple[Looks, int, int | None] | None = None,
    ) -> None:
        self._folder, self._depends, self._note = folder, strict(depends), note
        self._plan, self._unchanged, self._looks = plan, unchanged, looks
        with storing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for partial in folder.glob(f"{_PARTIAL}*"):
                shutil.rmtree(partial)
            for partial in folder.glob(f".*{_DRAFT}.partial"):
                partial.unlink()

    def identity(self, cell: Cell) -> str:
        """What distinguishes a cell's result from those of other plans, code and data."""
        return identity(self._depends, cell)

    def place(self, cell: Cell) -> Path:
        """The folder of a cell of this plan, which need not exist."""
        return self._folder / f"{cell.name}-{self.identity(cell)[:DIGITS]}"

    def has(self, cell: Cell) -> bool:
        place = self.place(cell)
        return place.exists() or place.with_name(f"{place.name}{_DRAFT}").exists()

    def load(self, cell: Cell) -> dict[str, Table] | None:
        place = self.place(cell)
        if not place.exists():
            self._note_stale(cell)
            return None
        try:
            return read_tables(self._record(cell)["tables"], place)
        except Damaged as damage:
            self._note(f"{cell.title or cell.name} is run again: its kept result is damaged ({damage}).")
            with storing(place):
                shutil.rmtree(place)
            return None

    def whole(self, cell: Cell) -> bool:
        """Whether `load` would give the tables of a cell. Nothing is noted or removed, and no table is read."""
        with contextlib.suppress(Damaged):
            for table in self._record(cell)["tables"].values():
                check_table(table, self.place(cell))
            return True
        return False

    def save(self, cell: Cell, tables: Mapping[str, Table], seconds: float) -> dict[str, Table]:
        self._unchanged()
        place = self.place(cell)
        # Where there are no locks, another process may have finished the same cell by now.
        if place.exists() and (kept := self.load(cell)) is not None:
            return kept
        partial = self._folder / f"{_PARTIAL}{place.name}"
        with storing(self._folder):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
        record: dict[str, Any] = {
            "ticketlab": ticketlab.__version__,
            "identity": self.identity(cell),
            "title": cell.title,
            "seconds": round(seconds, 3),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "depends": {**self._depends, "cell": cell_record(cell)},
            "plan": self._plan,
            "tables": write_tables(tables, partial),
        }
        write_record(partial / RECORD, record)
        with storing(self._folder):
            flush_tree(partial)
            move(partial, place)
            for file in list(self._folder.iterdir()):
                if file.name.endswith(_DRAFT) and file.name[: -len(_DRAFT) - DIGITS - 1] == cell.name:
                    file.unlink(missing_ok=True)
        return reread_tables(record["tables"], place)

    def draft(self, cell: Cell) -> DraftFile:
        name = self.place(cell).name
        about = {"depends": json.dumps({**self._depends, "cell": cell_record(cell)})}
        place = self._folder / f"{name}{_DRAFT}"
        return DraftFile(place, self._folder.parent / TICKETS / name, about, self._note)

    def levels(self) -> Levels:
        if self._looks is None:
            return Levels()
        looks, seeds, most = self._looks
        return looks.note(seeds, most).levels

    def later(self) -> Levels:
        return Levels() if self._looks is None else self._looks[0].by_hand().levels

    def _record(self, cell: Cell) -> dict[str, Any]:
        """The record of a kept cell. Raises Damaged, also if there is none."""
        record = read_record(self.place(cell) / RECORD)
        if record["identity"] != self.identity(cell):
            raise Damaged(f"{RECORD} is of another cell")
        return record

    def _note_stale(self, cell: Cell) -> None:
        """Reports why a result of the same name was not used."""
        for record in cell_records(self._folder):
            if record["depends"]["cell"]["name"] == cell.name:
                changed = differences(record["depends"], strict({**self._depends, "cell": cell_record(cell)}))
                what = " and ".join(changed) or "identity"
                self._note(
                    f"{cell.title or cell.name} is run again: a result is kept, but its {what} differs."
                )
                return


def cell_records(folder: Path) -> list[dict[str, Any]]:
    """The records of all complete cells in a folder, of any plan, by folder name."""
    found = []
    for file in sorted(folder.glob(f"*/{RECORD}")):
        if file.parent.name.startswith(_PARTIAL):
            continue
        try:
            found.append(read_record(file))
        except Damaged:
            continue
    return found


def write_tables(tables: Mapping[str, Table], folder: Path) -> dict[str, Any]:
    """Writes tables below a folder; returns their record."""
    return {name: write_table(table, folder) for name, table in tables.items()}


def reread_tables(record: Mapping[str, Any], folder: Path) -> dict[str, Table]:
    """The tables just written. Raises UserError if the folder is already gone, because something has removed it."""
    try:
        return read_tables(record, folder)
    except Damaged as damage:
        raise UserError(
            f"{folder}, which was removed or changed as soon as it was written ({damage})",
            "a folder that stays in place during the run",
            "Run the same command again: cells that are still kept are reused.",
        ) from None


def read_tables(record: Mapping[str, Any], folder: Path) -> dict[str, Table]:
    """The tables of a record. Raises Damaged."""
    return {name: read_table(name, described, folder) for name, described in record.items()}
