"""One study in several processes that share their devices: all run the same cells in step, and only the first keeps them.

Sums over all devices need every process, so all must agree on the cells still to do. The first process has the kept cells and
announces each one to the others. Before that, all compare their options, code and settings. JAX is imported when processes
meet, not when options are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ticketlab.claims.study import Blank, Cell, Draft, Study, groups, silent
from ticketlab.engine.keeper import Keeper
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.laws.rules import Levels
from ticketlab.plans import canonical_json

if TYPE_CHECKING:
    from ticketlab.tangent.devices import Devices

__all__ = ["Telling", "compare", "follow_study"]


class Telling:
    """The keeper of the first process; it announces to the others whether a requested cell is kept.

    Arguments:
        keeper: the keeper that it wraps.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def has(self, cell: Cell) -> bool:
        from ticketlab.tangent.processes import told

        return bool(told(np.array(self._keeper.has(cell))))

    def load(self, cell: Cell) -> Mapping[str, Table] | None:
        from ticketlab.tangent.processes import told

        tables = self._keeper.load(cell)
        told(np.array(tables is not None))
        return tables

    def save(self, cell: Cell, tables: Mapping[str, Table], seconds: float) -> Mapping[str, Table]:
        return self._keeper.save(cell, tables, seconds)

    def draft(self, cell: Cell) -> Draft:
        """None: an interrupted cell starts again in all processes, since the others have no draft of it."""
        return Blank()

    def levels(self) -> Levels:
        return self._keeper.levels()

    def later(self) -> Levels:
        return self._keeper.later()


def follow_study(study: Study, plan: Any, devices: Devices) -> None:
    """The other processes' part while the first is in `run_study`: they run the same cells and discard their tables."""
    from ticketlab.tangent.processes import told

    cells = groups(study.cells(plan), lambda cell: bool(told(np.array(False))))
    kept = [bool(told(np.array(False))) for _ in cells]
    for cell, done in zip(cells, kept, strict=True):
        if not done:
            study.run(plan, cell, silent, devices)


def compare(depends: Mapping[str, Any]) -> None:
    """Ends all processes if one would compute something else.

    Arguments:
        depends: the dependencies of this process's results, by name, as JSON values.
    """
    from ticketlab.tangent.processes import same_everywhere

    digests = [hashlib.sha256(canonical_json(value).encode()).digest() for value in depends.values()]
    same = same_everywhere(np.array([np.frombuffer(digest, np.uint8) for digest in digests]))
    if not same.all():
        names = [name for name, equal in zip(depends, same, strict=True) if not equal]
        raise UserError(
            f"processes that differ in their {' and '.join(names)}",
            "the same plan, code, data, libraries, devices and threads in all of them",
            "Give all the same options, and set OMP_NUM_THREADS if hosts have different numbers of cores.",
        )
