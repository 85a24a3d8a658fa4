"""Cells in several processes of this host, one thread each; this process alone writes.

Many cells train small networks, whose operations are too short to share between cores. Processes share nothing, so N of them keep
N cores busy. Each is started once (a new interpreter, since a forked one would inherit JAX's locks) and takes one cell after the
other. Progress, drafts, tickets and tables come back through a pipe of its own.

A process that is killed, for example for lack of memory, is replaced, and its cell repeated from its draft. A cell that has
killed several is given up, and the others go on. An error of the computation is no accident: it would come again, so it ends the
run, after the cells that run at that moment.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ticketlab.claims.study import Cell, Draft, Study
from ticketlab.engine import parcels
from ticketlab.engine.parcels import Parcel
from ticketlab.engine.runner import Done, Work, measured
from ticketlab.engine.threads import POOLS, limit_threads
from ticketlab.errors import NumericalFailure, UserError

if TYPE_CHECKING:
    from ticketlab.tickets.ticket import Ticket

__all__ = ["DEATHS", "Jobs", "deaf", "given_up"]

DEATHS = 3  # of its process that a cell is allowed
DRAFTS = 25.0  # seconds between drafts, a little more than what a run folder asks for
TOLD = 0.1  # seconds between two messages on progress


class Jobs:
    """A runner, and a context manager that ends its processes.

    Arguments:
        count: of the processes; they start when there are cells for them.
    """

    def __init__(self, count: int) -> None:
        self.places = count
        self._helpers: list[_Helper] = []
        self._stillborn = 0
        self._unset: list[str] = []  # thread counts that were set here

    def __enter__(self) -> Jobs:
        # The record of a run, and the identity of its cells, are those of this process.
        self._unset = [name for name in POOLS if name not in os.environ]
        limit_threads(os.environ, 1)
        os.environ.setdefault(
            "XLA_PYTHON_CLIENT_PREALLOCATE", "false"
        )  # this process leaves GPUs to the others
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for helper in self._helpers:
            helper.end()
        self._helpers.clear()
        for name in self._unset:
            os.environ.pop(name, None)

    def device(self, study: Study, plan: Any, note: Callable[[str], None]) -> None:
        """That of this process: inside the block it has the thread counts of its processes."""
        return

    def run(self, cells: Sequence[Cell], work: Work) -> Iterator[Done]:
        order = parcels.ordered(work.study, work.plan)
        waiting, lost = deque(cells), list[Cell]()
        deaths: Counter[str] = Counter()
        failure: BaseException | None = None
        try:
            while True:
                while waiting and failure is None and (helper := self._idle()):
                    helper.begin(waiting.popleft(), order, work)
                busy = {helper.connection: helper for helper in self._helpers if helper.cell}
                if not busy:
                    break
                for connection in wait(list(busy), timeout=1.0):
                    helper = busy[connection]  # type: ignore[index]
                    cell = helper.cell
                    assert cell is not None
                    try:
                        what, content = helper.connection.recv()
                    except (EOFError, OSError):
                        self._buried(helper)
                        deaths[cell.name] += 1
                        if deaths[cell.name] > DEATHS:
                            lost.append(cell)
                            work.tell(cell, f"given up: it has ended {deaths[cell.name]} processes", 0.0, 0.0)
                        else:
                            waiting.appendleft(cell)
                            work.tell(cell, "again, since its process was killed", 0.0, 0.0)
                        continue
                    self._stillborn = 0
                    match what:
                        case "done":
                            helper.cell = None
                            tables = parcels.tables_of(content["tables"])
                            yield Done(cell, tables, content["seconds"], content["worked"])
                        case "failed":
                            helper.cell = None
                            failure = failure or parcels.error_of(content)
                            work.tell(cell, "failed; the cells that run are finished first", 0.0, 0.0)
                        case _:
                            helper.heard(what, content, work)
        finally:  # also when the run is interrupted, or cannot be stored
            for helper in [h for h in self._helpers if h.cell]:
                helper.end()
                self._helpers.remove(helper)
        if failure:
            raise failure
        if lost:
            raise given_up(lost, "process", DEATHS + 1)

    def _idle(self) -> _Helper | None:
        """A process without a cell, started if there is room for one."""
        for helper in self._helpers:
            if helper.cell is None:
                return helper
        if len(self._helpers) == self.places:
            return None
        taken = {helper.number for helper in self._helpers}
        number = next(n for n in range(self.places) if n not in taken)
        self._helpers.append(_Helper(number))
        return self._helpers[-1]

    def _buried(self, helper: _Helper) -> None:
        """Ends a process, if it has not ended; UserError if none of the last ones has ever answered."""
        code = helper.end()
        self._helpers.remove(helper)
        self._stillborn += 0 if helper.answered else 1
        if self._stillborn > DEATHS * self.places:
            raise UserError(
                f"processes that end before they begin (exit code {code})",
                "processes in which Ticketlab can be imported",
                'A script of your own needs `if __name__ == "__main__":` around what it runs.',
            )


def given_up(cells: Sequence[Cell], what: str, count: int) -> NumericalFailure:
    """The failure for cells whose processes were killed again and again."""
    names = ", ".join(cell.title or cell.name for cell in cells)
    plural = "" if count == 1 else "es" if what.endswith("s") else "s"
    return NumericalFailure(
        f"{names}: killed {count} {what}{plural}, probably for lack of memory. The other cells are kept. "
        "Give each more memory: fewer at a time, or a smaller network, task or batch."
    )


class _Helper:
    """One process, as seen from here."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.cell: Cell | None = None
        self.answered = False
        self._draft: Draft | None = None
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _surroundings(number), deaf():
            self._process.start()
        theirs.close()  # so that the pipe ends with the process

    def begin(self, cell: Cell, order: Parcel, work: Work) -> None:
        """Gives it a cell; if the process has died, its pipe says so when it is read."""
        self.cell, self._draft = cell, work.draft(cell)
        draft = self._draft.read()
        with contextlib.suppress(OSError):
            self.connection.send({"order": order, "cell": parcels.packed_cell(cell), "draft": draft})
        work.tell(cell, "", 0.0, 0.0)

    def heard(self, what: str, content: Any, work: Work) -> None:
        """Something from a cell that is not finished."""
        assert self.cell is not None
        assert self._draft is not None
        match what:
            case "progress":
                work.tell(self.cell, *content)
            case "draft":
                self._draft.write(content)
            case "ticket":
                name, ticket = content
                self._draft.leave(name, parcels.ticket_of(ticket))
            case "here":
                self.answered = True

    def end(self) -> int | None:
        """Ends the process; returns its exit code."""
        self.connection.close()
        self._process.kill()
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        return code


# In the other process ----------------------------------------------------------------------------------------------------


def _serve(connection: Connection) -> None:
    """Runs cells until the pipe is closed."""
    for name in ("SIGINT", "SIGHUP"):  # meant for the process that writes, which ends this one
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout = sys.stderr  # standard output is the other process's
    with contextlib.suppress(EOFError, OSError):
        connection.send(("here", None))
        while True:
            connection.send(_answer(connection.recv(), connection))


def _answer(request: Mapping[str, Any], connection: Connection) -> tuple[str, Parcel]:
    last, said = -TOLD, ""

    def tell(cell: Cell, what: str, fraction: float, worked: float) -> None:
        nonlocal last, said
        if (now := time.monotonic()) - last >= TOLD or what != said:
            last, said = now, what
            connection.send(("progress", (what, fraction, worked)))

    try:
        with parcels.opened(request["order"]) as (study, plan):
            draft = _Sent(connection, request["draft"])
            done = measured(Work(study, plan, lambda cell: draft, tell), parcels.cell_of(request["cell"]))
    except BaseException as error:
        return "failed", parcels.packed_error(error)
    return "done", {
        "tables": parcels.packed_tables(done.tables),
        "seconds": done.seconds,
        "worked": done.worked,
    }


class _Sent:
    """A draft that is kept by the other process."""

    def __init__(self, connection: Connection, before: Mapping[str, np.ndarray] | None) -> None:
        self._connection, self._before = connection, before
        self._written = time.monotonic()

    def read(self) -> Mapping[str, np.ndarray] | None:
        return self._before

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        if time.monotonic() - self._written >= DRAFTS:
            self._connection.send(("draft", {name: np.asarray(a) for name, a in arrays.items()}))
            self._written = time.monotonic()

    def leave(self, name: str, ticket: Ticket) -> None:
        self._connection.send(("ticket", (name, parcels.packed_ticket(ticket))))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


# How it is started -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _surroundings(number: int) -> Iterator[None]:
    """Inside the block, a new process gets one thread, unless the user has set another number, and one GPU if there are any."""
    before = dict(os.environ)
    limit_threads(os.environ, 1)
    share_gpus(os.environ, number)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def share_gpus(environment: MutableMapping[str, str], number: int) -> None:
    """The GPU of a process by its number, in turn; several processes on one GPU take memory as they need it."""
    environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    names = _gpus() if visible is None else [name for name in visible.split(",") if name]
    if names:
        environment["CUDA_VISIBLE_DEVICES"] = names[number % len(names)]


def _gpus() -> list[str]:
    """The numbers of the GPUs of this host, as NVIDIA's own tool lists them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(i) for i, _ in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Inside the block, a new process is deaf to Ctrl-C from its first moment: a shell sends it to all processes of a command."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # when it starts, it makes the thread hear again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
