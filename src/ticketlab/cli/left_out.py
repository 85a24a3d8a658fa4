"""Many runs, in a lab or a sweep: those that are not up to date are run, one after the other.

What cannot be run is left out with its reason, and the others go on.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console

from ticketlab.cli.options import Request
from ticketlab.engine.controls import shown
from ticketlab.engine.estimate import spoken
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.lab import AskedFolder
from ticketlab.store.data import content_hash
from ticketlab.store.folder import RunFolder

if TYPE_CHECKING:
    from ticketlab.engine.runner import Runner
    from ticketlab.tangent.devices import Devices

__all__ = ["LeftOut", "run_each"]


@dataclass(frozen=True)
class LeftOut:
    """What was left out so far.

    Arguments:
        record: where it is kept.
        console: where it is said.
        whole: the name of all runs together: "lab", "sweep".
        again: the command that continues them.
    """

    record: AskedFolder
    console: Console
    whole: str
    again: str
    reasons: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def unless_refused(self, name: str) -> Iterator[None]:
        """Around one run. A failure of the disk is not of this run alone, and is raised."""
        try:
            yield
        except (UserError, NumericalFailure) as reason:
            if isinstance(reason.__cause__, OSError):
                raise
            self.reasons[name] = str(reason)
            self.console.print(shown(f"{name} was left out: {reason}"), soft_wrap=True)
        except KeyboardInterrupt:
            said = f"The {self.whole} is not finished. Continue from there: {self.again}"
            self.console.print(shown(said), soft_wrap=True)
            raise
        finally:
            self.record.leave(self.reasons)


def run_each(
    requests: Mapping[str, Request], left_out: LeftOut, devices: Devices | None, runner: Runner | None
) -> None:
    """Runs every request, by name, whose results are not there or not valid any more.

    Arguments:
        devices, runner: as for `run_request`.

    Cost: reads the data of the results that are there, equal choices once.
    """
    from ticketlab.cli.running import run_request

    due = _due(requests, left_out, devices, runner)
    began = time.monotonic()
    for number, name in enumerate(due):
        pace = (time.monotonic() - began) / max(number, 1)
        left = f", about {spoken(pace * (len(due) - number))} left" if number else ""
        left_out.console.rule(f"{name}, {number + 1} of {len(due)}{left}", align="left")
        with left_out.unless_refused(name):
            run_request(requests[name], devices, runner)


def _due(
    requests: Mapping[str, Request], left_out: LeftOut, devices: Devices | None, runner: Runner | None
) -> list[str]:
    """The names of the requests for which `run_request` would compute or write anything new."""
    due, hashed = [], functools.cache(content_hash)

    def note(text: str) -> None:
        left_out.console.print(shown(text), soft_wrap=True)

    for name, asked in requests.items():
        with left_out.unless_refused(name):
            folder = RunFolder.of(asked.study, asked.plan, asked.out)
            if not folder.up_to_date(asked.plan, note, devices, runner, hashed):
                due.append(name)
    return due
