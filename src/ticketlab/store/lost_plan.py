"""Restores a lost or damaged `plan.toml`: the evidence and every finished cell contain a copy of their plan.

A user's edits do not count as damage: only a file that is missing or not readable as a plan's table is replaced.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ticketlab.errors import UserError
from ticketlab.plans import parse_toml
from ticketlab.store.cells import cell_records
from ticketlab.store.records import read_record, write_text
from ticketlab.store.tables import Damaged

__all__ = ["claim_of", "restore_plan"]


def restore_plan(folder: Path) -> bool:
    """Restores `plan.toml` if it is lost and a record in the folder has a copy; returns whether it did.

    The plan is that of the evidence, else that of the cell finished last. Raises UserError if it cannot be written.
    """
    if _readable(folder / "plan.toml"):
        return False
    text = next(_plans(folder), None)
    if text is None:
        return False
    write_text(folder / "plan.toml", text)
    return True


def claim_of(folder: Path) -> str | None:
    """The claim of the run in a folder, even if its plan is lost; None if nothing names it."""
    file = folder / "plan.toml"
    if _readable(file):
        return str(parse_toml(file)["claim"])
    return next((str(record["depends"]["claim"]) for record in _by_time(folder)), None)


def _readable(file: Path) -> bool:
    try:
        return isinstance(parse_toml(file).get("claim"), str)
    except UserError:
        return False


def _plans(folder: Path) -> Iterator[str]:
    with contextlib.suppress(Damaged):
        yield from _text(read_record(folder / "evidence.json").get("plan_file"))
    for record in _by_time(folder):
        yield from _text(record.get("plan"))


def _text(plan: Any) -> Iterator[str]:
    if isinstance(plan, str) and plan:
        yield plan


def _by_time(folder: Path) -> list[dict[str, Any]]:
    """The records of finished cells, the latest first."""
    return sorted(
        cell_records(folder / "cells"), key=lambda record: str(record.get("finished")), reverse=True
    )
