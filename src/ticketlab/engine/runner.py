"""A runner decides where the cells of a plan run, and gives their tables back as they are finished.

The engine gives it the cells that are not kept, and the work: what a cell is a function of, and whom to tell of progress. The
runner yields each finished cell once, in any order. It stores nothing: the engine does, in one process. Because a cell is a pure
function of the plan, it may run anywhere, more than once, and begin anew when its process dies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from ticketlab.claims.study import Cell, Draft, Study
from ticketlab.engine.compiling import Compiling
from ticketlab.evidence.tables import Table

if TYPE_CHECKING:
    from ticketlab.tangent.devices import Devices

__all__ = ["Done", "InProcess", "Runner", "Tell", "Work", "measured"]

Tell = Callable[[Cell, str, float, float], None]
"""`tell(cell, what is being done, fraction that is done, seconds that were not spent on compiling)`."""


class Done(NamedTuple):
    """A finished cell: its tables, the seconds that it took, and those of them that were not spent on compiling."""

    cell: Cell
    tables: Mapping[str, Table]
    seconds: float
    worked: float


@dataclass(frozen=True)
class Work:
    """What a cell is run with.

    Arguments:
        study, plan: whose cells they are.
        draft: the draft of a cell, in this process.
        tell: receives progress, in the thread of the engine.
        devices: over which examples are spread; None for one.
    """

    study: Study
    plan: Any
    draft: Callable[[Cell], Draft]
    tell: Tell
    devices: Devices | None = None


@runtime_checkable
class Runner(Protocol):
    """Where cells run."""

    @property
    def places(self) -> int:
        """The number of cells that run at the same time."""

    def device(self, study: Study, plan: Any, note: Callable[[str], None]) -> Mapping[str, Any] | None:
        """The device on which the cells run, for their identity; None for that of this process.

        Asked before the first cell. Raises UserError if results would depend on the place that a cell gets.

        Arguments:
            note: receives a message if it has to wait.
        """

    def run(self, cells: Sequence[Cell], work: Work) -> Iterator[Done]:
        """Each cell once, as it is finished. A failure is raised as itself; what was yielded before is kept."""


class InProcess:
    """One cell after the other, in this process."""

    places = 1

    def device(self, study: Study, plan: Any, note: Callable[[str], None]) -> None:
        return None

    def run(self, cells: Sequence[Cell], work: Work) -> Iterator[Done]:
        for cell in cells:
            yield measured(work, cell)


def measured(work: Work, cell: Cell) -> Done:
    """A cell run in this process, and timed."""
    compiling = _COMPILING
    began, idle = time.monotonic(), compiling.seconds()

    def worked() -> float:
        """Seconds of this cell that were not spent on compiling."""
        return max(time.monotonic() - began - (compiling.seconds() - idle), 0.0)

    def progress(what: str, fraction: float) -> None:
        work.tell(cell, what, fraction, worked())

    progress("", 0.0)
    tables = work.study.resume(work.plan, cell, work.draft(cell), progress, work.devices)
    return Done(cell, tables, time.monotonic() - began, worked())


_COMPILING = Compiling()  # JAX's listeners cannot be removed, so there is one in a process
