"""Several processes that work as one: they meet, run the same program in step, and do not wait for a lost process.

JAX joins processes to one set of devices, but aborts a process without an error to its caller if another does not arrive. So
there is a roll call first. Process 0 listens at the coordinator's address, and the others report their numbers. When all have
arrived, JAX takes over the address. From then on the processes exchange only sums and gathers over their devices. Such a sum
also sends what only process 0 has, such as a file that only it reads. A process that dies closes its connections, and the next
sum or gather fails in the others. If a host vanishes, its missing heartbeats reveal it. If process 0 is lost, JAX may notice in
a thread of its own before the next sum or gather; it then aborts the others with its own message.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import hmac
import os
import socket
import sys
import time
from collections.abc import Iterator

import jax
import numpy as np
from jax.errors import JaxRuntimeError
from jax.experimental import multihost_utils

from ticketlab.errors import UserError

__all__ = ["join", "same_everywhere", "together", "told"]

PATIENCE = 300.0  # seconds to wait for all processes, which may be started by hand
HEARTBEAT = (
    30  # seconds without a heartbeat after which all other processes end; a busy process sends heartbeats
)
GOODBYE = 600  # seconds that a finished process waits for others that still write their results
TOKEN = "TICKETLAB_TOKEN"  # the variable with a secret shared by all processes
LONGEST = 256  # bytes of a line in the roll call
_GO = b"go\n"
_GONE = ("gloo", "nccl", "coordination", "connection", "heartbeat", "socket closed")


def join(coordinator: str, processes: int, process: int, *, patience: float = PATIENCE) -> None:
    """Joins this process to others that share their devices; call it before anything asks JAX for a device.

    Arguments:
        coordinator: "host:port" of process 0, which all can reach.
        processes: the number of processes.
        process: the number of this one, from 0.
        patience: seconds to wait for the others.

    Raises:
        UserError: for impossible numbers or an impossible address; if process 0 cannot listen there or the others cannot
            reach it; if not all have arrived in time.
    """
    host, port = _address(coordinator)
    if processes < 1 or not 0 <= process < processes:
        raise UserError(
            f"process {process} of {processes}",
            "processes numbered from 0, each number below the number of processes",
            "Give all the same number of processes, and each its own process number.",
        )
    until = time.monotonic() + patience
    if process == 0:
        _call_roll(coordinator, host, port, processes, until)
    else:
        _answer(coordinator, host, port, processes, process, until)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        coordinator_address=coordinator,
        num_processes=processes,
        process_id=process,
        initialization_timeout=max(10, round(patience)),
        heartbeat_timeout_seconds=HEARTBEAT,
        shutdown_timeout_seconds=GOODBYE,
        coordinator_bind_address=coordinator,
    )


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Reports a failure of the block because another process is lost. This process can then only exit, soon and with 1.

    Raises:
        UserError: if another process is lost.
    """
    try:
        yield
    except JaxRuntimeError as error:
        if not jax.distributed.is_initialized() or not any(sign in str(error).lower() for sign in _GONE):
            raise
        atexit.register(_end)
        raise UserError(
            f"the end of another of the {jax.process_count()} processes ({str(error).splitlines()[0][:120]})",
            "all processes to run until the work is done",
            "See the messages of the others, and start all again: finished cells and checkpoints are used.",
        ) from error


def told(array: np.ndarray) -> np.ndarray:
    """The array of process 0, in every process; shapes and types must agree. Cost: a sum over processes."""
    sent = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)  # unchanged, in any JAX precision
    with together():
        received = np.asarray(multihost_utils.broadcast_one_to_all(sent))
    return np.frombuffer(received.tobytes(), array.dtype).reshape(array.shape)


def same_everywhere(array: np.ndarray) -> np.ndarray:
    """For each entry along the first axis, whether it has the same bits in all processes."""
    rows = np.stack([np.frombuffer(np.ascontiguousarray(row).tobytes(), np.uint8) for row in array])
    with together():
        gathered = np.asarray(multihost_utils.process_allgather(rows[None], tiled=True))
    return np.asarray((gathered == gathered[:1]).all(axis=(0, 2)))


def _end() -> None:
    """Exits instead of JAX, which would wait for the lost process and then abort."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _address(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UserError(
            f"{coordinator!r} as the coordinator",
            "host:port of process 0, with a port from 1 to 65535",
            "For example 192.168.0.10:7711, the same for all processes.",
        )
    return host.strip("[]"), int(port)


def _token() -> str:
    """A process's credential at the roll call: a digest of TICKETLAB_TOKEN, which may be any text, or of nothing if unset."""
    return hashlib.sha256(os.environ.get(TOKEN, "").encode()).hexdigest()


def _call_roll(coordinator: str, host: str, port: int, processes: int, until: float) -> None:
    """Waits until every other process has reported, then lets them continue."""
    with contextlib.ExitStack() as open_:
        listening = open_.enter_context(_listening(coordinator, host, port))
        present: dict[int, socket.socket] = {}
        while len(present) < processes - 1:
            listening.settimeout(max(0.0, until - time.monotonic()) or 0.001)
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                missing = sorted(set(range(1, processes)) - set(present))
                raise UserError(
                    f"no sign of process {', '.join(map(str, missing))}",
                    f"{processes} processes that meet at {coordinator}",
                    "Start all processes with the same coordinator, and check the hosts' firewalls.",
                ) from None
            open_.enter_context(connection)
            said = _line(connection, min(until, time.monotonic() + 10.0))
            _write_down(said, connection, present, processes)
        for connection in present.values():
            connection.sendall(_GO)


def _write_down(
    line: bytes, connection: socket.socket, present: dict[int, socket.socket], processes: int
) -> None:
    """Records the processes that report; ignores other connections and those without the token."""
    said, _, token = line.decode("ascii", "replace").strip().partition(" token ")
    word, _, numbers = said.partition(" ")
    process, _, of = numbers.partition(" of ")
    if not hmac.compare_digest(token.encode(), _token().encode()):
        return
    if word != "ticketlab" or not process.isdecimal() or not of.isdecimal():
        return
    if int(of) != processes or not 0 < int(process) < processes or int(process) in present:
        raise UserError(
            f"a process that reports number {process} of {of}"
            + (", twice" if int(process) in present else ""),
            f"each number from 1 to {processes - 1} once, of {processes}",
            "Give all processes the same coordinator and number of processes, and each its own process number.",
        )
    present[int(process)] = connection


def _answer(coordinator: str, host: str, port: int, processes: int, process: int, until: float) -> None:
    """Finds process 0, reports this process's number, and waits for permission to continue."""
    reason = "no answer"
    while (left := until - time.monotonic()) > 0:
        try:
            with socket.create_connection((host, port), timeout=min(left, 10.0)) as connection:
                connection.sendall(f"ticketlab {process} of {processes} token {_token()}\n".encode())
                if _line(connection, until) == _GO:
                    return
                raise UserError(
                    f"a refusal from process 0 at {coordinator}",
                    f"a place for process {process} of {processes} there",
                    "See the message of process 0.",
                )
        except OSError as error:
            reason = error.strerror or str(error)
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))
    raise UserError(
        f"{coordinator} as the coordinator, which process {process} cannot reach ({reason})",
        "the address of process 0, which listens there until all have come",
        "Start process 0 too, and check the firewall of its host.",
    )


def _line(connection: socket.socket, until: float) -> bytes:
    """The text from the other side up to the end of a line; empty if it stays silent."""
    said = b""
    with contextlib.suppress(OSError):
        while not said.endswith(b"\n") and len(said) < LONGEST:
            connection.settimeout(max(0.001, until - time.monotonic()))
            more = connection.recv(LONGEST - len(said))
            if not more:
                break
            said += more
    return said


def _listening(coordinator: str, host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"{coordinator} as the coordinator, where process 0 cannot listen ({error.strerror or error})",
            "an address of the host of process 0, and a free port there",
            "Choose another address, the same for all processes.",
        ) from None
