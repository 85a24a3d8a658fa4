"""Cells on the workers of a Dask cluster, one cell a worker at a time; this process alone writes.

A cell is a pure function of the plan, so Dask may run it anywhere, and again when its worker is lost. Only that is repeated:
an error of the computation would come again, so it ends the run, after the cells that run at that moment. A cell that kills
its worker again and again is given up by the scheduler, and the others go on. If the scheduler is lost, this process waits
for it to come back and gives it the cells that are not finished.

No more cells are handed over than there are workers. So a worker that dies takes one cell with it, and a failure ends the
run soon.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from ticketlab.claims.study import Cell, Study
from ticketlab.engine import parcels
from ticketlab.engine.clusters import Started, started
from ticketlab.engine.errands import Depends, depends_here, digests, run_cell
from ticketlab.engine.jobs import given_up
from ticketlab.engine.places import Local, Place, Slurm
from ticketlab.engine.runner import Done, Work
from ticketlab.errors import UserError

__all__ = ["Cluster"]

NOBODY = 300.0  # seconds to wait for a worker, and for a scheduler that is gone
CONNECT = 10.0  # seconds for one attempt to reach the scheduler
TICK = 0.1
LOOK = 1.0  # seconds between two looks at the workers
LOSSES = 5  # of the scheduler, with no cell finished in between


class Cluster:
    """A runner, and a context manager that ends what it has started.

    Arguments:
        place: of the cluster.
        depends: what the cells of a plan depend on in the process that calls it; a function of a module.
        patience: seconds to wait for a worker, or for the scheduler to come back.
    """

    def __init__(self, place: Place, depends: Depends, patience: float | None = None) -> None:
        usual = place.wait * 60 if isinstance(place, Slurm) else NOBODY
        self._place, self._depends = place, depends
        self._patience = usual if patience is None else patience
        self._cluster: Started | None = None
        self._client: Any = None
        self._workers: dict[str, int] = {}  # by address: the number of threads
        self._refused: dict[str, str] = {}  # by address: in what the worker differs
        self._expected: dict[str, str] = {}
        self._topic = f"ticketlab-{uuid.uuid4().hex}"
        self._events: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._looked = self._seen = 0.0
        self._level = 0

    @property
    def places(self) -> int:
        return max(len(self._workers.keys() - self._refused.keys()), 1)

    def __enter__(self) -> Cluster:
        logger = logging.getLogger("distributed")
        self._level = logger.level
        logger.setLevel(logging.CRITICAL)  # what matters is said by the display
        try:
            self._cluster = started(self._place)
            self._client = self._connected()
        except (OSError, TimeoutError) as error:
            self.__exit__(None, None, None)
            raise UserError(
                f"no scheduler that answers at {self._place} ({error})",
                "one that runs, with the same certificate authority",
                "Start it: dask scheduler --protocol tls --tls-ca-file … --tls-cert … --tls-key …",
            ) from None
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._client is not None:
                with contextlib.suppress(Exception):
                    self._client.close(timeout=2)
            if self._cluster is not None:
                self._cluster.close()
        finally:
            self._client = self._cluster = None
            logging.getLogger("distributed").setLevel(self._level)

    # Before the first cell ----------------------------------------------------------------------------------------------

    def device(self, study: Study, plan: Any, note: Callable[[str], None]) -> Mapping[str, Any]:
        """The workers' device, after all that are there have been compared with this process and with each other.

        Raises: UserError if one would compute something else, or if there is none for too long.
        """
        order = parcels.ordered(study, plan)
        try:
            found = self._said(order, note)
        except (OSError, TimeoutError):
            raise self._gone() from None
        own = dict(self._depends(study, plan))
        devices = []
        for worker, said in found.items():
            if isinstance(said, BaseException):
                raise UserError(
                    f"the worker {worker}, which cannot run cells ({type(said).__name__}: {said})",
                    "workers in whose environment Ticketlab is installed, in the same version",
                )
            if "failed" in said:
                raise parcels.error_of(said["failed"])
            differing = [name for name in own if name != "device" and said["depends"][name] != own[name]]
            if differing:
                raise _differs({worker: " and ".join(differing)})
            devices.append((worker, said["depends"]["device"]))
        if several := {worker: "device or threads" for worker, device in devices if device != devices[0][1]}:
            raise _differs(several)
        self._expected = digests({**own, "device": devices[0][1]})
        return devices[0][1]

    def _said(self, order: parcels.Parcel, note: Callable[[str], None]) -> dict[str, Any]:
        """What each worker's results would depend on, or its error; without those that are lost while they are asked."""
        while True:
            self._wait_for_workers(note)
            found = self._client.run(depends_here, order, self._depends, on_error="return")
            if there := {worker: said for worker, said in found.items() if not isinstance(said, OSError)}:
                return there

    def _wait_for_workers(self, note: Callable[[str], None]) -> None:
        began, said = time.monotonic(), False
        self._seen = began
        while True:
            self._look()
            if self._workers:
                break
            if not said and time.monotonic() - began > 2:
                said = True
                note(f"Waiting for a worker of {self._address}.")
            time.sleep(TICK)
        if busy := [worker for worker, threads in self._workers.items() if threads != 1]:
            raise UserError(
                f"the worker {busy[0]} with {self._workers[busy[0]]} threads",
                "one thread a worker, because a cell is one program, and its numbers depend on the number of threads",
                "Start it with --nthreads 1, and --nworkers for one worker a core.",
            )

    # Cells ----------------------------------------------------------------------------------------------------------------

    def run(self, cells: Sequence[Cell], work: Work) -> Iterator[Done]:
        order = parcels.ordered(work.study, work.plan)
        flight = _Flight(cells)
        losses = 0
        try:
            while True:
                try:
                    self._look()
                    if not flight.ended:
                        self._fill(flight, order, work)
                except (OSError, TimeoutError):
                    losses += 1
                    self._again(flight, work, losses)
                if not flight.flying:
                    if flight.ended or not flight.waiting:
                        break
                    work.tell(flight.waiting[0], f"waiting for a worker of {self._address}", 0.0, 0.0)
                self._hear(flight, work)
                if self._client.status != "running" or any(
                    f.status in ("cancelled", "lost") for f in flight.flying
                ):
                    losses += 1
                    self._again(flight, work, losses)
                for future in [f for f in flight.flying if f.status in ("finished", "error")]:
                    done = self._answered(future, flight, work)
                    if done is not None:
                        losses = 0
                        yield done
        finally:  # also when the run is interrupted, or cannot be stored
            flight.land(self._client)
        if flight.failure:
            raise flight.failure
        if flight.lost:
            raise given_up(flight.lost, "worker", flight.deaths)

    def _fill(self, flight: _Flight, order: parcels.Parcel, work: Work) -> None:
        """Hands over a cell for every free worker."""
        good = sorted(self._workers.keys() - self._refused.keys())
        while flight.waiting and len(flight.flying) < len(good):
            cell = flight.waiting[0]
            future = self._client.submit(
                run_cell,
                order,
                parcels.packed_cell(cell),
                self._depends,
                self._expected,
                self._topic,
                key=f"{work.study.claim}-{cell.name}-{uuid.uuid4().hex}",
                pure=False,
                retries=0,
                workers=good if self._refused else None,
            )
            flight.flying[future] = flight.waiting.popleft()

    def _hear(self, flight: _Flight, work: Work) -> None:
        """Passes on progress for a moment."""
        cells = {str(future.key): cell for future, cell in flight.flying.items()}
        until = time.monotonic() + TICK
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                event = self._events.get(timeout=left)
                if cell := cells.get(event["key"]):
                    work.tell(cell, event["what"], event["fraction"], event["worked"])

    def _answered(self, future: Any, flight: _Flight, work: Work) -> Done | None:
        """What came of a cell: its tables; or None, and the reason is noted."""
        from distributed.scheduler import KilledWorker

        cell = flight.flying.pop(future)
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker):
            flight.lost.append(cell)
            flight.deaths = error.allowed_failures + 1
            work.tell(cell, "given up: it has killed its workers", 0.0, 0.0)
            return None
        if error is not None:
            flight.failure = flight.failure or error
            return None
        answer = future.result()
        content = answer["content"]
        match answer["what"]:
            case "failed":
                flight.failure = flight.failure or parcels.error_of(content)
                work.tell(cell, "failed; the cells that run are finished first", 0.0, 0.0)
                return None
            case "differs":
                self._refused[content["worker"]] = " and ".join(content["names"])
                flight.waiting.appendleft(cell)
                said = f"again elsewhere: the worker {content['worker']} differs in its {self._refused[content['worker']]}"
                work.tell(cell, said, 0.0, 0.0)
                return None
        for name, ticket in content["tickets"].items():
            work.draft(cell).leave(name, parcels.ticket_of(ticket))
        return Done(cell, parcels.tables_of(content["tables"]), content["seconds"], content["worked"])

    # Workers and scheduler -----------------------------------------------------------------------------------------------

    @property
    def _address(self) -> str:
        assert self._cluster is not None
        return self._cluster.address

    def _connected(self) -> Any:
        """A client of the scheduler; OSError or TimeoutError if there is none."""
        from distributed import Client

        assert self._cluster is not None
        client = Client(
            self._cluster.address,
            security=self._cluster.security,
            timeout=min(CONNECT, self._patience),
            set_as_default=False,
        )
        client.subscribe_topic(self._topic, lambda event: self._events.put(event[1]))
        self._seen, self._looked = time.monotonic(), 0.0
        return client

    def _look(self) -> None:
        """Which workers there are; UserError if there has been none of use for too long."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        known = self._client.scheduler_info(n_workers=-1)["workers"]
        self._workers = {address: info["nthreads"] for address, info in known.items()}
        if self._workers.keys() - self._refused.keys():
            self._seen = now
        elif now - self._seen > self._patience:
            if self._workers:
                raise _differs(self._refused)
            raise self._nobody(now - self._seen)

    def _nobody(self, seconds: float) -> UserError:
        if isinstance(self._place, Local):
            what = "The workers of this host ended as soon as they began."
        elif isinstance(self._place, Slurm):
            what = "`squeue` shows why its jobs wait or end; slurm:dry_run=true prints their script."
        else:
            what = f"Start one on each host: dask worker {self._address} --nthreads 1 --nworkers -1."
        return UserError(
            f"a cluster at {self._address} without a worker for {seconds:.0f} s",
            "at least one worker",
            f"{what} Finished cells are kept.",
        )

    def _gone(self) -> UserError:
        return UserError(
            f"a scheduler at {self._address} that is gone",
            "one that answers",
            "Finished cells are kept: start it again, and run the same command.",
        )

    def _again(self, flight: _Flight, work: Work, losses: int) -> None:
        """Waits for the scheduler to come back; cells that it had are to be handed over again."""
        cells = flight.grounded()
        with contextlib.suppress(Exception):
            self._client.close(timeout=1)
        until = time.monotonic() + self._patience
        if isinstance(self._place, Local) or losses > LOSSES:
            raise self._gone()
        while True:
            for cell in cells:
                work.tell(cell, "waiting for the scheduler to come back", 0.0, 0.0)
            try:
                self._client = self._connected()
                return
            except (OSError, TimeoutError):
                if time.monotonic() > until:
                    raise self._gone() from None
                time.sleep(TICK)


class _Flight:
    """The cells of a run that are not finished."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.waiting = deque(cells)
        self.flying: dict[Any, Cell] = {}  # by Dask's future
        self.lost: list[Cell] = []
        self.deaths = 0  # of workers, by each of these
        self.failure: BaseException | None = None

    @property
    def ended(self) -> bool:
        """Whether no more cells are handed over."""
        return self.failure is not None

    def grounded(self) -> list[Cell]:
        """Back to the waiting ones, in their order."""
        cells = list(self.flying.values())
        self.flying.clear()
        self.waiting.extendleft(reversed(cells))
        return cells

    def land(self, client: Any) -> None:
        """Nobody waits for the flying ones any more: their workers leave them at their next word on progress."""
        if self.flying and client is not None:
            with contextlib.suppress(Exception):
                client.cancel(list(self.flying), force=True)


def _differs(workers: Mapping[str, str]) -> UserError:
    named = "; ".join(f"{worker} in its {what}" for worker, what in workers.items())
    return UserError(
        f"workers that differ ({named})",
        "the same plan, code, data, libraries, devices and threads in all of them",
        "Install the same versions everywhere, give the data the same path, and set OMP_NUM_THREADS if hosts differ.",
    )
