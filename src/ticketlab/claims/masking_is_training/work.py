"""One seed on its way: its setting, the rows that it leaves, and how much of it is done, for the estimate of the time left."""

from __future__ import annotations

from typing import Any

from ticketlab.claims.masking_is_training.setting import Setting
from ticketlab.claims.rows import Rows
from ticketlab.claims.study import Progress

__all__ = ["Work"]


class Work:
    """One seed; its work is counted in trained networks, of which an untrained level counts as a few."""

    LEVEL = 4.0

    def __init__(self, setting: Setting, progress: Progress, rows: Rows | None = None) -> None:
        plan = setting.plan
        self.setting, self.rows = setting, {} if rows is None else rows
        criteria, self._tell, self._begun = len(setting.criteria) + 1, progress, 0.0
        combinations = len({"rewind", *plan.ones}) * len({"zero", *plan.zeros})
        at = 0 if plan.trained == "none" else criteria + (not plan.one_shot)
        self._levels = [self.LEVEL + at for _ in range(plan.levels)]
        if plan.trained == "all":
            self._levels[setting.decisive - 1] += criteria * (combinations - 1)
        self._whole, self._done = 2.0 + sum(self._levels), 0.0

    def add(self, table: str, **row: Any) -> None:
        """A row of the seed."""
        self.rows.setdefault(table, []).append({"seed": self.setting.seed, **row})

    def skip(self, level: int) -> None:
        """Levels that an earlier process did."""
        self._begun = self._done = 2.0 + sum(self._levels[:level])

    def during(self, what: str, networks: float) -> None:
        share = (self._done + networks - self._begun) / max(self._whole - self._begun, 1e-9)
        self._tell(what, min(share, 1.0))

    def done(self, what: str, networks: float) -> None:
        self._done += networks
        self.during(what, 0.0)
