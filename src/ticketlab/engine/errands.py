"""What a Dask worker does for a run: it says what its results would depend on, and runs cells.

Everything comes and goes as built-in values (see `parcels`). A worker stores nothing: drafts are dropped, because a worker
that is lost is lost with its disk, and tickets come back beside the tables. Before its first cell of a plan, every worker
process compares what its results depend on with what the others' do, also one that was started again or joined late.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ticketlab.claims.study import Cell, Study
from ticketlab.engine import parcels
from ticketlab.engine.parcels import Parcel
from ticketlab.engine.runner import Work, measured
from ticketlab.engine.threads import limit_threads
from ticketlab.plans import canonical_json

if TYPE_CHECKING:
    from ticketlab.tickets.ticket import Ticket

__all__ = ["Depends", "depends_here", "digests", "run_cell"]

Depends = Callable[[Study, Any], Mapping[str, Any]]
"""What the cells of a plan depend on in this process, by name, as JSON values."""

TOLD = 0.25  # seconds between two messages on progress


class Cancelled(Exception):
    """Nobody waits for this cell any more."""


def depends_here(order: Parcel, depends: Depends) -> Parcel:
    """What cells would depend on in this worker; or the error, if it cannot be said."""
    if "jax" not in sys.modules:  # Dask sets some thread counts, but not XLA's
        limit_threads(os.environ, 1)
    try:
        with parcels.opened({**order, "data": {}}) as (study, plan):
            return {"depends": dict(depends(study, plan))}
    except Exception as error:
        return {"failed": parcels.packed_error(error)}


def digests(depends: Mapping[str, Any]) -> dict[str, str]:
    """A hash of each dependency."""
    return {
        name: hashlib.sha256(canonical_json(value).encode()).hexdigest() for name, value in depends.items()
    }


def run_cell(
    order: Parcel, cell: Parcel, depends: Depends, expected: Mapping[str, str], topic: str
) -> Parcel:
    """A cell's tables, tickets and times; or its error, or how this worker differs from the others."""
    from distributed import get_worker

    worker = get_worker()
    found = _here(order["study"], order["plan"], depends, tuple(sorted(order["data"].items())))
    if "failed" in found:
        return {"what": "failed", "content": found["failed"]}
    if differing := [name for name, digest in expected.items() if found["digests"].get(name) != digest]:
        return {"what": "differs", "content": {"names": differing, "worker": worker.address}}
    key, last = worker.get_current_task(), -TOLD

    def tell(cell: Cell, what: str, fraction: float, worked: float) -> None:
        nonlocal last
        if (now := time.monotonic()) - last < TOLD:
            return
        last = now
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise Cancelled
        worker.log_event(topic, {"key": str(key), "what": what, "fraction": fraction, "worked": worked})

    tickets = _Collected()
    try:
        with parcels.opened(order) as (study, plan):
            done = measured(Work(study, plan, lambda cell: tickets, tell), parcels.cell_of(cell))
    except (Exception, KeyboardInterrupt) as error:
        return {"what": "failed", "content": parcels.packed_error(error)}
    return {
        "what": "done",
        "content": {
            "tables": parcels.packed_tables(done.tables),
            "tickets": tickets.left,
            "seconds": done.seconds,
            "worked": done.worked,
        },
    }


@functools.lru_cache(maxsize=8)
def _here(study: str, plan: str, depends: Depends, data: tuple[tuple[str, str], ...]) -> Parcel:
    """Found once by each process for a plan, and again if the run has other data."""
    found = depends_here({"study": study, "plan": plan}, depends)
    return found if "failed" in found else {"digests": digests(found["depends"])}


class _Collected:
    """A draft that keeps nothing but tickets."""

    def __init__(self) -> None:
        self.left: dict[str, Parcel] = {}

    def read(self) -> Mapping[str, np.ndarray] | None:
        return None

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        pass

    def leave(self, name: str, ticket: Ticket) -> None:
        self.left[name] = parcels.packed_ticket(ticket)
