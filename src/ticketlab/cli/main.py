"""Which command is meant, and how it ends: 0 done, 2 the user's mistake, 3 a numerical failure, 130 interrupted.

The thread counts are set first, before anything imports NumPy. Messages for people go to the error stream when they say why
something ended badly, so that what a command prints can be piped.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence

from ticketlab.engine.threads import limit_threads
from ticketlab.errors import NumericalFailure, UserError

__all__ = ["main"]

OVERVIEW = """\
Ticketlab puts claims about lottery tickets in random networks to the test, on your data and your network.

usage: ticketlab COMMAND [options]

  run [CLAIM …]        run a claim's study: live progress, verdict, report (no claim: all of them)
  run PLAN.toml        the same from a file
  claims               what can be asked
  plan CLAIM           print a plan as a file, every option explained, to edit and run
  report RUN           write the report of a finished run again
  data list            which data sets there are, and how to use your own
  data check PATH      whether a data file can be used, and what is in it

  --help, -h           this text; after a command, its options
  --version            the version

examples:
  ticketlab run
  ticketlab run --preset quick
  ticketlab run tangent-minimum --task my-data.csv --network mlp:widths=256x256 --seeds 10
  ticketlab plan tangent-minimum > plan.toml && ticketlab run plan.toml

exit codes: 0 done, 2 a mistake in what was asked, 3 a numerical failure, 130 interrupted.
"""


def main(arguments: Sequence[str] | None = None, studies: Mapping[str, str] | None = None) -> int:
    """Runs one command.

    Arguments:
        arguments: the words after `ticketlab`; by default those of the process.
        studies: the claims that can be asked, to "module:Class"; by default `ticketlab.studies.STUDIES`.

    Returns: the exit code.
    """
    limit_threads(os.environ)
    _replace_unprintable()
    try:
        code = _ended(arguments, studies)
    except BaseException:
        # A mistake of ours, raised again; but other processes would wait for this one for ever.
        if _one_of_several():
            traceback.print_exc()
            _leave_at_once(1)
        raise
    if code != 0 and _one_of_several():
        _leave_at_once(code)
    return code


def _ended(arguments: Sequence[str] | None, studies: Mapping[str, str] | None) -> int:
    try:
        return _dispatch(list(sys.argv[1:] if arguments is None else arguments), studies)
    except UserError as error:
        return _say(str(error), 2)
    except NumericalFailure as failure:
        return _say(f"numerical failure: {failure}", 3)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as end:  # tyro: 0 after help, 2 after a mistake that it has explained
        return end.code if isinstance(end.code, int) else 2


def _dispatch(words: list[str], studies: Mapping[str, str] | None) -> int:
    command, *rest = words or ["--help"]
    if command in ("--help", "-h", "help"):
        print(OVERVIEW, end="")
        return 0
    if command == "--version":
        import ticketlab

        print(ticketlab.__version__)
        return 0

    from ticketlab.cli import commands

    table = {
        "run": commands.run,
        "claims": commands.claims,
        "plan": commands.plan,
        "report": commands.report,
        "data": commands.data,
    }
    if command not in table:
        from ticketlab.choices import suggestion

        raise UserError(f"the command {command!r}", f"one of {', '.join(table)}", suggestion(command, table))
    return table[command](rest, _all_studies() if studies is None else studies)


def _all_studies() -> Mapping[str, str]:
    from ticketlab.studies import STUDIES

    return STUDIES


def _say(message: str, code: int) -> int:
    sys.stdout.flush()
    print(f"ticketlab: {message}", file=sys.stderr)
    return code


def _one_of_several() -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and jax.distributed.is_initialized()


def _leave_at_once(code: int) -> None:
    """An ordinary end would wait until the other processes are done, which wait for this one: closed connections tell them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _replace_unprintable() -> None:
    """A terminal that cannot show λ gets a question mark, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="replace")
