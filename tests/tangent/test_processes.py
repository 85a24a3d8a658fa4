"""Processes that do not meet report it clearly and in time; `test_devices` and `test_lost_process` test those that meet."""

import socket
import threading
import time

import pytest

from ticketlab.errors import UserError
from ticketlab.tangent import join
from ticketlab.tangent.processes import _listening, _token


@pytest.fixture
def free() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@pytest.mark.parametrize("address", ["", "host", "host:", ":7", "host:0", "host:70000", "host:7x"])
def test_an_address_that_cannot_be(address: str) -> None:
    with pytest.raises(UserError, match="host:port of process 0"):
        join(address, 2, 1)


@pytest.mark.parametrize(("processes", "process"), [(0, 0), (2, 2), (2, -1)])
def test_numbers_that_cannot_be(processes: int, process: int, free: int) -> None:
    with pytest.raises(UserError, match=f"got process {process} of {processes}"):
        join(f"127.0.0.1:{free}", processes, process)


def test_a_coordinator_that_cannot_be_reached(free: int) -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match=r"which process 1 cannot reach \(Connection refused\)"):
        join(f"127.0.0.1:{free}", 2, 1, patience=0.5)
    assert time.monotonic() - began < 5


def test_a_host_that_is_not_known(free: int) -> None:
    with pytest.raises(UserError, match="which process 1 cannot reach"):
        join(f"nowhere.invalid:{free}", 2, 1, patience=0.5)


def test_an_address_that_is_taken(free: int) -> None:
    with (
        socket.create_server(("127.0.0.1", free)),
        pytest.raises(UserError, match="where process 0 cannot listen"),
    ):
        join(f"127.0.0.1:{free}", 2, 0, patience=0.5)


def test_a_process_that_does_not_come(free: int) -> None:
    with pytest.raises(UserError, match="no sign of process 1, 2; expected 3 processes"):
        join(f"127.0.0.1:{free}", 3, 0, patience=0.5)


def say(port: int, *lines: str) -> threading.Thread:
    """Connects once for every line and sends it, as soon as a process listens."""

    def speak() -> None:
        for line in lines:
            for _ in range(500):
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                        connection.sendall(line.encode())
                        connection.recv(1)
                        break
                except ConnectionResetError:  # by an end that has not read it all
                    break
                except OSError:
                    time.sleep(0.01)

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ticketlab 1 of 3", "number 1 of 3; expected each number from 1 to 1 once, of 2"),
        ("ticketlab 0 of 2", "number 0 of 2;"),
        ("ticketlab 2 of 2", "number 2 of 2;"),
    ],
)
def test_a_process_that_was_asked_something_else(line: str, why: str, free: int) -> None:
    speaker = say(free, f"{line} token {_token()}\n")
    with pytest.raises(UserError, match=why):
        join(f"127.0.0.1:{free}", 2, 0, patience=20)
    speaker.join(timeout=10)


@pytest.mark.parametrize(
    "line",
    ["GET / HTTP/1.1\r\n", "ticketlab\n", "x" * 1000, "ticketlab 7 of 9\n", "ticketlab 1 of 2 token guess\n"],
)
def test_a_stranger_is_not_counted(line: str, free: int) -> None:
    say(free, line)
    with pytest.raises(UserError, match="no sign of process 1"):
        join(f"127.0.0.1:{free}", 2, 0, patience=1.0)


def test_it_listens_at_the_address_that_was_given(free: int) -> None:
    with _listening(f"127.0.0.2:{free}", "127.0.0.2", free) as listening:
        assert listening.getsockname() == ("127.0.0.2", free)


def test_processes_with_another_token_do_not_meet(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"ticketlab 1 of 2 token {_token()}\n"
    monkeypatch.setenv("TICKETLAB_TOKEN", "another")
    say(free, line)
    with pytest.raises(UserError, match="no sign of process 1"):
        join(f"127.0.0.1:{free}", 2, 0, patience=1.0)


def test_a_process_that_process_0_does_not_let_on(free: int) -> None:
    with socket.create_server(("127.0.0.1", free)) as listening:

        def refuse() -> None:
            connection, _ = listening.accept()
            connection.recv(100)
            connection.close()

        threading.Thread(target=refuse, daemon=True).start()
        with pytest.raises(UserError, match="a refusal from process 0"):
            join(f"127.0.0.1:{free}", 2, 1, patience=20)
