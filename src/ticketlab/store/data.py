"""The data sets of a plan as a run reads them: their content, and what a reader of its results should know about them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ticketlab.errors import UserError
from ticketlab.tasks.pinned import sources

if TYPE_CHECKING:
    from ticketlab.tasks.sources import TaskSource

__all__ = ["Data", "data_hashes", "read_data"]


@dataclass(frozen=True)
class Data:
    """One data set of a plan.

    Arguments:
        source: its source.
        hash: of its content.
        target: the name of the target, if the file has one.
        notes: how ambiguous parts were read, what was left out, and what the parts of its split share, one sentence each.
    """

    source: TaskSource
    hash: str
    target: str
    notes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {"hash": self.hash, "target": self.target, "notes": list(self.notes)}


def read_data(plan: Any) -> dict[str, Data]:
    """Every data set that a plan names, by the option's name. Cost: reads them all."""
    return {where: _read(source, getattr(plan, "batch", None)) for where, source in sources(plan)}


def data_hashes(plan: Any) -> dict[str, str]:
    """The content hash of every data set that a plan names, by the option's name. Cost: reads them all."""
    return {where: source.load().content_hash for where, source in sources(plan)}


def _read(source: TaskSource, batch: int | None) -> Data:
    from ticketlab.tasks.splitting import preview

    dataset = source.load()
    notes = dataset.notes
    with contextlib.suppress(UserError):  # of a split that is not possible: a study that needs one says so
        train, more = preview(dataset, 0, source.sizes())
        notes += more
        if batch is not None and batch > train:
            notes += (f"There are {train} training examples: a step takes them all, not {batch}.",)
    return Data(source, dataset.content_hash, dataset.target, notes)
