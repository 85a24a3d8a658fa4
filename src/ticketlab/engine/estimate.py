"""How long the rest of a run will take: the work that is left, at the pace of the work that was done lately in this run.

Reading data, importing and compiling come first and do no work. With them in the pace, the rest would seem far too long. So
compiling is left out of the seconds that are given here, and the pace is that since half of the work so far was done; once two
cells are finished, since the end of the first.

The pace is that of one place: a process, or a worker. Where cells run in several places, the cells that are left are dealt out
in order, each to the place that is free first. So the last long cell counts in full, however many places are idle by then.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from ticketlab.claims.study import Cell

__all__ = ["Estimate", "spoken"]

LEAST = 1.0  # seconds between the two moments from which a pace is taken


class Estimate:
    """The time left for the cells to run.

    Work is measured in the weights of the cells. The pace is that of this run; cells kept from an earlier run do not count.

    Arguments:
        cells: the cells to run, in their order.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._left = {cell.name: cell.work for cell in cells}
        self._running: dict[str, tuple[float, float]] = {}  # work that is done, and seconds
        self._work = self._seconds = 0.0  # of finished cells
        self._marks: list[tuple[float, float]] = []  # work, and seconds of all places when it was done
        self._ends: list[tuple[float, float]] = []  # the same where a cell ended

    def left(self, cell: Cell, fraction: float, seconds: float, places: int = 1) -> float | None:
        """Seconds left, when a fraction of a cell has taken so many without compiling; None while too little is done to say.

        Arguments:
            places: the number of cells that run at the same time.
        """
        self._running[cell.name] = cell.work * min(max(fraction, 0.0), 1.0), seconds
        work, now = self._so_far()
        if work > (self._marks[-1][0] if self._marks else 0.0):
            self._marks.append((work, now))
        return self._rest(self._pace(work, now), places)

    def finish(self, cell: Cell, seconds: float, places: int = 1) -> float | None:
        """Counts a cell as done; returns seconds left."""
        self._work += self._left.pop(cell.name)
        self._seconds += seconds
        self._running.pop(cell.name, None)
        self._marks.append(self._so_far())
        self._ends.append(self._marks[-1])
        return self._rest(self._pace(*self._marks[-1]), places)

    def _so_far(self) -> tuple[float, float]:
        """Work and seconds of all cells, finished and running."""
        running = self._running.values()
        return self._work + sum(w for w, _ in running), self._seconds + sum(s for _, s in running)

    def _rest(self, pace: float | None, places: int) -> float | None:
        """Seconds until the last place has done its last cell."""
        if pace is None:
            return None
        free = [0.0] * max(places, 1)
        waiting = sorted(
            self._left, key=lambda name: name not in self._running
        )  # those that run have their places
        for name in waiting:
            work = self._left[name] - self._running.get(name, (0.0, 0.0))[0]
            heapq.heapreplace(free, free[0] + pace * work)
        return max(free)

    def _pace(self, work: float, now: float) -> float | None:
        """Seconds of one place for a unit of work."""
        if len(self._ends) >= 2:
            begun = self._ends[0]
        else:
            begun = next(
                (m for m in reversed(self._marks) if m[0] <= work / 2), (self._marks or [(0.0, 0.0)])[0]
            )
        if work > begun[0] > 0 and now - begun[1] >= LEAST:
            return (now - begun[1]) / (work - begun[0])
        return self._seconds / self._work if self._work else None


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
