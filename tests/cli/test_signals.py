"""An interruption waits for an import, comes again if it is swallowed, and not while it is on its way."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

START = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from ticketlab.cli.signals import Signals

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

signals = Signals()
"""


def said(tmp_path, body, **modules):
    """What a process prints that runs this while signals are taken."""
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    script = tmp_path / "script.py"
    block = textwrap.indent(textwrap.dedent(body), "    ")
    script.write_text(f"{START}\nwith signals.taken(for_good=True):\n{block}")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_an_import_is_finished_first(tmp_path):
    """Libraries in C++ that are interrupted while they are set up end the process."""
    module = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.2)\nwhole = True\n"
    found = said(
        tmp_path,
        """
        try:
            import slow
            time.sleep(20)
        except KeyboardInterrupt:
            print(slow.whole)
        """,
        slow=module,
    )
    assert found == ["True"]


def test_what_is_swallowed_comes_again(tmp_path):
    found = said(
        tmp_path,
        """
        try:
            try:
                interrupt()
                time.sleep(20)
            except KeyboardInterrupt:
                pass  # as a library might
            time.sleep(20)
            print("went on")
        except KeyboardInterrupt:
            print("again")
        """,
    )
    assert found == ["again"]


@pytest.mark.parametrize("ending", ["except KeyboardInterrupt", "finally"])
def test_what_is_on_its_way_does_not_come_again(tmp_path, ending):
    found = said(
        tmp_path,
        f"""
        try:
            try:
                interrupt()
                time.sleep(20)
            {ending}:
                time.sleep(1.2)  # a message, a file
                print("kept")
        except KeyboardInterrupt:
            pass
        signals.end()
        time.sleep(0.8)
        print("over")
        """,
    )
    assert found == ["kept", "over"]
