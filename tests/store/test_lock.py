import os
import subprocess
import sys

import pytest

from ticketlab.errors import UserError
from ticketlab.store.lock import only_process

HOLD = """
import sys
from pathlib import Path
from ticketlab.store.lock import only_process
with only_process(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match=f"in which process {holder.pid} is running"),
            only_process(tmp_path),
        ):
            pass
        holder.kill()
        holder.wait()
    with only_process(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_one_process_cannot_run_twice_in_a_folder_either(tmp_path):
    with (
        only_process(tmp_path),
        pytest.raises(UserError, match="one process at a time"),
        only_process(tmp_path),
    ):
        pass
    with only_process(tmp_path):
        pass


def test_the_lock_ends_with_an_error(tmp_path):
    with pytest.raises(RuntimeError), only_process(tmp_path):
        raise RuntimeError
    with only_process(tmp_path):
        pass
