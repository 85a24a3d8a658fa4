"""One study by several processes that share their devices: all run the same cells in step, and the first alone keeps them.

A cell's sums over all devices need every process, so all must agree on which cells are still to do. The first process has the
kept ones; it tells the others, one cell after the other. That all were asked the same, and can give the same, is compared before.
JAX is imported when processes meet, and not when options are read.
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
    """The keeper of the first process: asked for a cell, it tells the others whether there is one.

    Arguments:
        keeper: that keeps them.
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
        """None: a cell that was cut short begins anew in all processes, since the others have no draft of it."""
        return Blank()

    def levels(self) -> Levels:
        return self._keeper.levels()

    def later(self) -> Levels:
        return self._keeper.later()


def follow_study(study: Study, plan: Any, devices: Devices) -> None:
    """What the other processes do while the first is in `run_study`: the same cells, and nothing with their tables."""
    from ticketlab.tangent.processes import told

    cells = groups(study.cells(plan), lambda cell: bool(told(np.array(False))))
    kept = [bool(told(np.array(False))) for _ in cells]
    for cell, done in zip(cells, kept, strict=True):
        if not done:
            study.run(plan, cell, silent, devices)


def compare(depends: Mapping[str, Any]) -> None:
    """Ends all processes when one would compute something else.

    Arguments:
        depends: what this process's results depend on, by name, as JSON values.
    """
    from ticketlab.tangent.processes import same_everywhere

    digests = [hashlib.sha256(canonical_json(value).encode()).digest() for value in depends.values()]
    same = same_everywhere(np.array([np.frombuffer(digest, np.uint8) for digest in digests]))
    if not same.all():
        names = [name for name, equal in zip(depends, same, strict=True) if not equal]
        raise UserError(
            f"processes that differ in their {' and '.join(names)}",
            "the same plan, code, data, libraries, devices and threads in all of them",
            "Give all the same options, and set OMP_NUM_THREADS where hosts have different numbers of cores.",
        )
