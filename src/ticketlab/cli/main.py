"""The entry point: finds the command and turns its end into an exit code.

The codes are 0 done, 1 a fault in Ticketlab, 2 a user's mistake, 3 a numerical failure, 130 interrupted, and 141 if nobody
reads the output any more. Little is imported before signal handlers are set, and thread counts are set before anything
imports NumPy. Messages about failures go to the error stream, so that the output of a command can be piped.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence

from ticketlab.cli.signals import INTERRUPTED, Signals
from ticketlab.cli.streams import StreamFailure, guarded, say
from ticketlab.errors import NumericalFailure, UserError

__all__ = ["main"]

FAULT = 1
UNREAD = 141  # what a shell reports for a command whose reader has closed the pipe

OVERVIEW = """\
Ticketlab tests claims about lottery tickets in random networks, on your data and your network.

usage: ticketlab COMMAND [options]

  run [CLAIM …]        run a claim's study: live progress, verdict, report (no claim: all of them)
  run PLAN.toml        the same from a file
  claims               list the claims
  plan CLAIM           print a plan as a file, with every option explained, to edit and run
  register PLAN.toml   write down question, rules and sizes before a run, with a digest
  pretrain             train a network, as a start for `run CLAIM --start FILE`
  report RUN           write the report of a finished run again
  lab                  run every claim on one network and data set, with one page for the whole argument
  sweep CLAIM          run a claim over a grid of plans, and draw where it holds
  compare RUN RUN …    lay finished runs side by side
  data list            list the data sets, and how to use your own
  data check TASK      check whether data can be used, and show their content

  --help, -h           this text; after a command, its options
  --version            the version

examples:
  ticketlab run
  ticketlab run --preset quick
  ticketlab run tangent-minimum --task my-data.csv --network mlp:widths=256x256 --seeds 10
  ticketlab plan tangent-minimum > plan.toml && ticketlab run plan.toml

exit codes: 0 done, 1 a fault in Ticketlab, 2 a mistake in the request, 3 a numerical failure,
130 interrupted, 141 the reader of the output has closed it.
"""


def main(arguments: Sequence[str] | None = None, studies: Mapping[str, str] | None = None) -> int:
    """Runs one command.

    Arguments:
        arguments: the words after `ticketlab`; by default those of the process.
        studies: the claims that can be asked, to "module:Class"; by default `ticketlab.claims.CLAIMS`.

    Returns: the exit code.
    """
    signals = Signals()
    with signals.taken(for_good=arguments is None), guarded():
        words = list(sys.argv[1:] if arguments is None else arguments)
        code = _ended(words, studies, signals)
        if code != 0 and _one_of_several():
            _leave_at_once(code)
        return code


def _ended(words: list[str], studies: Mapping[str, str] | None, signals: Signals) -> int:
    """The command's exit code, even if the command or the streams fail."""
    try:
        code = _answered(words, studies, signals)
        sys.stdout.flush()
        return code
    except StreamFailure as failure:
        return _failed(failure)
    except KeyboardInterrupt:
        return _interrupted(signals)


def _answered(words: list[str], studies: Mapping[str, str] | None, signals: Signals) -> int:
    try:
        from ticketlab.engine.threads import limit_threads

        limit_threads(os.environ, 1 if _in_processes(words) else None)
        _replace_unprintable()
        return _dispatch(words, studies)
    except UserError as error:
        return _say(str(error), 2)
    except NumericalFailure as failure:
        return _say(f"numerical failure: {failure}", 3)
    except KeyboardInterrupt:
        return _interrupted(signals)
    except StreamFailure:
        raise
    except PermissionError as error:
        if error.filename is None:
            return _fault(error, words)
        wanted = "a file or folder that you may read and write"
        return _say(str(UserError(f"no permission for {error.filename}", wanted, "Give another path.")), 2)
    except SystemExit as end:  # tyro: 0 after help, 2 after a mistake that it has explained
        return end.code if isinstance(end.code, int) else 2
    except BaseException as error:
        if signals.came:  # other code has turned the interruption into another exception
            return _interrupted(signals)
        return _fault(error, words)


def _check_names(words: list[str]) -> None:
    """Tables are written under their whole path, by a library that takes UTF-8 alone."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise UserError(
            "a working folder that was removed", "one that exists", "Change to another."
        ) from None
    for name in (*words, here):
        if name.encode(errors="replace").decode() != name:
            raise UserError(
                f"the name {name!r}", "names in UTF-8", "Rename the file or folder, or set PYTHONUTF8=1."
            )


def _dispatch(words: list[str], studies: Mapping[str, str] | None) -> int:
    command, *rest = words or ["--help"]
    if command in ("--help", "-h", "help"):
        print(OVERVIEW, end="")
        return 0
    if command == "--version":
        import ticketlab

        print(ticketlab.__version__)
        return 0

    _check_names(words)
    from ticketlab.cli import commands

    table = {
        "run": commands.run,
        "claims": commands.claims,
        "plan": commands.plan,
        "report": commands.report,
        "data": commands.data,
        "lab": commands.lab,
        "sweep": commands.sweep,
        "compare": commands.compare,
        "register": commands.register,
        "pretrain": commands.pretrain,
    }
    if command not in table:
        from ticketlab.choices import suggestion

        raise UserError(f"the command {command!r}", f"one of {', '.join(table)}", suggestion(command, table))
    return table[command](rest, _all_studies() if studies is None else studies)


def _all_studies() -> Mapping[str, str]:
    from ticketlab.claims import CLAIMS

    return CLAIMS


def _fault(error: BaseException, words: list[str]) -> int:
    from ticketlab.cli.fault import explain, lack_of_memory

    if lack := lack_of_memory(error):
        return _say(f"numerical failure: {lack}", 3)
    return _say(explain(error, words), FAULT)


def _say(message: str, code: int) -> int:
    sys.stdout.flush()
    say(f"ticketlab: {message}")
    return code


def _interrupted(signals: Signals) -> int:
    signals.end()
    with contextlib.suppress(StreamFailure):
        sys.stdout.flush()
    say("ticketlab: interrupted")
    return INTERRUPTED


def _failed(failure: StreamFailure) -> int:
    """An output that nobody reads any more (`| head`) needs no message."""
    if failure.quiet:
        return UNREAD
    say(f"ticketlab: {failure}. Finished cells are kept.")
    return 2


def _in_processes(words: Sequence[str]) -> bool:
    """Whether cells run in processes of one thread each, whose number is part of what makes a cell the same."""
    return any(word.split("=")[0] in ("--jobs", "--cluster") for word in words)


def _one_of_several() -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and jax.distributed.is_initialized()


def _leave_at_once(code: int) -> None:
    """A normal exit would wait for the other processes, which wait for this one; closed connections end the wait."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(StreamFailure):
            stream.flush()
    os._exit(code)


def _replace_unprintable() -> None:
    """A terminal that cannot show λ gets a question mark, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="replace")
