"""How long the rest of a run will take: the work that is left, at the pace of the work that was done in this run."""

from __future__ import annotations

from collections.abc import Sequence

from ticketlab.claims.study import Cell

__all__ = ["Estimate", "spoken"]

ENOUGH = 0.02  # of a cell; before that its pace is mostly compilation


class Estimate:
    """The time left for the cells that have to be run.

    Work is measured in the cells' weights; the pace is this run's, so that cells kept from an earlier run do not count.

    Arguments:
        cells: those that have to be run.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._left = {cell.name: cell.work for cell in cells}
        self._work = 0.0
        self._seconds = 0.0

    def left(self, cell: Cell, fraction: float, seconds: float) -> float | None:
        """Seconds left, when a fraction of a cell has taken so many; None while too little is done to say."""
        fraction = min(max(fraction, 0.0), 1.0)
        work = self._work + cell.work * fraction
        if self._work == 0 and fraction < ENOUGH:
            return None
        pace = (self._seconds + seconds * (fraction > 0)) / work
        return max(0.0, pace * (sum(self._left.values()) - cell.work * fraction))

    def finish(self, cell: Cell, seconds: float) -> float | None:
        """Counts a cell as done; returns seconds left."""
        weight = self._left.pop(cell.name)
        self._work += weight
        self._seconds += seconds
        return self._seconds / self._work * sum(self._left.values()) if self._work else None


def spoken(seconds: float) -> str:
    """ "8 s", "2 min 5 s", "1 h 20 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return (
            f"{whole // 60} min {whole % 60} s" if whole % 60 and whole < 600 else f"{round(whole / 60)} min"
        )
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
