"""One study run from the command line: folder, live progress, evidence, report, and the last lines on the screen."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ticketlab.choices import plain
from ticketlab.cli.fault import lack_of_memory
from ticketlab.cli.looking import (
    Finished,
    Watched,
    run_until_decided,
    what_would_decide,
)
from ticketlab.cli.options import Request
from ticketlab.cli.streams import StreamFailure
from ticketlab.engine.controls import shown
from ticketlab.engine.estimate import spoken
from ticketlab.errors import NumericalFailure, UserError, counted
from ticketlab.store.deviations import deviations, registration
from ticketlab.store.failures import storing
from ticketlab.store.folder import RunFolder, verdict_records
from ticketlab.store.identity import dependencies
from ticketlab.store.protocol import read_protocol
from ticketlab.store.records import strict

if TYPE_CHECKING:
    from ticketlab.engine.runner import Runner
    from ticketlab.tangent.devices import Devices

__all__ = ["run_request", "write_report"]


def run_request(
    request: Request, devices: Devices | None = None, runner: Runner | None = None
) -> dict[str, Any]:
    """Runs one study to its end and stores everything; with several processes the first stores, the others only compute.

    Arguments:
        request: the request.
        devices: over which examples are distributed; by default all on one.
        runner: where the cells run; by default in this process.

    Returns: the result for machines: claim, outcome, verdicts, plan, digest, folder, report and seconds, as JSON values.

    Raises: UserError, NumericalFailure or KeyboardInterrupt, after a message on what is kept and how to continue.
    """
    if devices is None or devices.processes == 1:
        return _run(request, devices, runner)
    if request.ending.until is not None:
        raise UserError(
            "--until with several processes", "one process", "Or set the number of seeds: --seeds."
        )
    from ticketlab.engine.lockstep import compare, follow_study
    from ticketlab.tangent.processes import together, told

    with together():
        compare(dependencies(request.study, request.plan, devices))
        result: dict[str, Any] = {}
        if devices.first:
            result = _run(request, devices)
        else:
            follow_study(request.study, request.plan, devices)
        told(np.array(True))  # the first has stored everything: no process leaves earlier
    return result


def _run(request: Request, devices: Devices | None, runner: Runner | None = None) -> dict[str, Any]:
    console = Console(stderr=request.json, highlight=False, markup=False)
    study, plan = request.study, request.plan
    protocol = None if request.registered is None else read_protocol(request.registered)
    folder = RunFolder.of(study, plan, request.out, protocol)
    began = time.monotonic()
    console.print(f"{study.claim}: {study.question}", style="bold")
    console.print(shown(f"kept in {folder.path}"), soft_wrap=True)
    again = shlex.join([*shlex.split(folder.command()), *request.spread.words, *request.ending.words])
    watched = Watched(console, study.claim, request.ending.seconds)
    with _kept(console, folder, again), watched as display:
        if request.ending.until is None:
            evidence = folder.run(plan, display, display.note, devices, runner=runner)
            finished = Finished(folder, plan, evidence)
            if (look := finished.folder.look()) and look.extended:
                display.note(f"{look.words()}.")
        else:
            finished = run_until_decided(folder, plan, request.ending, watched, devices, runner)
        page = write_report(finished.folder)
    evidence = finished.evidence
    try:
        _conclude(console, again, finished, page, time.monotonic() - began)
        places = 1 if runner is None else runner.places
        looked = request.ending.until is not None
        for line in what_would_decide(finished, request.spread.words, places, reasons=not looked):
            console.print(shown(line), soft_wrap=True)
    except StreamFailure as failure:  # everything is stored, so a missing reader does not matter
        if not failure.quiet:
            raise
    return strict(
        {
            "claim": study.claim,
            "outcome": evidence.verdicts[0].outcome if evidence.verdicts else None,
            "verdicts": verdict_records(evidence.verdicts),
            "plan": plain(finished.plan),
            "look": None if (look := finished.folder.look()) is None else asdict(look),
            "digest": evidence.digest(),
            "protocol": _protocol(finished.folder),
            "folder": str(folder.path),
            "report": str(page),
            "seconds": round(time.monotonic() - began, 3),
        }
    )


def _protocol(folder: RunFolder) -> dict[str, Any] | None:
    """The digest of the protocol, and what differs, for machines."""
    protocol = folder.protocol()
    return None if protocol is None else {"digest": protocol.digest, "differs": deviations(protocol, folder)}


def write_report(folder: RunFolder) -> Path:
    """Writes the page of a finished run from its stored records."""
    from ticketlab import report

    with storing(folder.path):
        return report.write(folder)


@contextmanager
def _kept(console: Console, folder: RunFolder, again: str) -> Iterator[None]:
    """If a run ends early, reports what is kept and how to continue, and whether memory ran out."""
    from jax.errors import JaxRuntimeError

    try:
        yield
    except (KeyboardInterrupt, NumericalFailure, MemoryError, JaxRuntimeError) as end:
        count = folder.kept_cells()
        if count:
            console.print(
                shown(f"{counted(count, 'finished cell')} kept. Continue from there: {again}"), soft_wrap=True
            )
        if lack := lack_of_memory(end):
            raise lack from end
        raise


def _conclude(console: Console, again: str, finished: Finished, page: Path, seconds: float) -> None:
    """The last lines; verdicts have been shown as they were found."""
    console.print()
    console.print(shown(f"report    {page}"), soft_wrap=True)
    console.print(f"evidence  {finished.evidence.digest()}", soft_wrap=True)
    console.print(shown(f"again     {again}"), soft_wrap=True)
    if registered := registration(finished.folder):
        console.print(shown(f"protocol  {registered}"), soft_wrap=True)
    console.print(f"took      {spoken(seconds)}")
