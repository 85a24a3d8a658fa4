"""`ticketlab sweep`: one claim over a grid of plans, and the map of where it holds."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ticketlab.cli.left_out import LeftOut
from ticketlab.cli.options import Request, read_sweep
from ticketlab.engine.controls import shown
from ticketlab.engine.estimate import spoken
from ticketlab.errors import UserError, counted
from ticketlab.lab import Done, Grid, SweepFolder, grid_of
from ticketlab.plans import plan_hash

if TYPE_CHECKING:
    from ticketlab.engine.runner import Runner

__all__ = ["sweep"]


def sweep(words: Sequence[str], studies: Mapping[str, str]) -> int:
    """`ticketlab sweep CLAIM --over OPTION=VALUE,… [OPTION=VALUE,…] [options]`."""
    from ticketlab.compiled_programs import keep_programs

    asked = read_sweep(words, studies)
    if asked.spread.coordinator is not None:
        raise UserError("--coordinator for a sweep", "--jobs, --cluster or --devices")
    grid = grid_of(asked.plan, asked.over)
    for place in grid.places:
        asked.study.cells(place.plan)
    folder = SweepFolder(asked.out or _usual(asked.study.claim, grid), asked.study, grid)
    folder.record.prepare()
    if note := keep_programs(os.environ):
        print(f"ticketlab: {note}", file=sys.stderr)
    console = Console(highlight=False, markup=False)
    with asked.spread.runner() as runner:
        _run(folder, asked, console, runner, shlex.join(["ticketlab", "sweep", *words]))
    _show(folder, console)
    return 0


def _usual(claim: str, grid: Grid) -> Path:
    """`sweeps/<claim>-<first digits of a hash>`."""
    plans = "".join(plan_hash(claim, place.plan) for place in grid.places)
    return Path("sweeps") / f"{claim}-{plan_hash(claim, plans)[:8]}"


def _run(folder: SweepFolder, asked: Any, console: Console, runner: Runner | None, again: str) -> None:
    """Every plan in turn; those that cannot be run are recorded with the reason."""
    from ticketlab.cli.running import run_request

    left_out = LeftOut(folder.record, console, "sweep", again)
    done = dict(folder.all_done())
    new = [place for place in folder.grid.places if place.name not in done]
    devices = asked.spread.found()
    began = time.monotonic()
    for number, place in enumerate(new):
        left = (
            f", about {spoken((time.monotonic() - began) / number * (len(new) - number))} left"
            if number
            else ""
        )
        console.rule(f"{place.name}, {number + 1} of {len(new)}{left}", align="left")
        request = Request(folder.study, place.plan, folder.run_path(place), json=False, spread=asked.spread)
        with left_out.unless_refused(place.name):
            run_request(request, devices, runner)


def _show(folder: SweepFolder, console: Console) -> None:
    """Writes the page, and prints the map."""
    from ticketlab.report.sweep_page import write_sweep

    done = folder.all_done()
    page = write_sweep(folder, done)
    console.rule("the sweep", align="left")
    for place in folder.grid.places:
        console.print(shown(f"{_outcome(done.get(place.name)):<10} {place.name}"), soft_wrap=True)
    for name, why in folder.record.left_out().items():
        console.print(shown(f"left out   {name}: {why}"), soft_wrap=True)
    console.print(shown(f"page       {page} ({counted(len(done), 'plan')})"), soft_wrap=True)


def _outcome(done: Done | None) -> str:
    if done is None:
        return "left out"
    return str(done.whole.outcome) if done.whole else "no verdict"
