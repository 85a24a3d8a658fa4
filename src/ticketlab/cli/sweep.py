"""`ticketlab sweep`: one claim over a grid of plans, and the map of where it holds."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from ticketlab.cli.left_out import LeftOut, run_each
from ticketlab.cli.options import Request, read_one
from ticketlab.engine.controls import shown
from ticketlab.errors import counted
from ticketlab.lab import Done, Grid, SweepFolder, grid_of
from ticketlab.plans import plan_hash

__all__ = ["sweep"]


def sweep(words: Sequence[str], studies: Mapping[str, str]) -> int:
    """`ticketlab sweep CLAIM --over OPTION=VALUE,… [OPTION=VALUE,…] [options]`."""
    from ticketlab.compiled_programs import keep_programs

    asked = read_one(words, studies, "sweep")
    asked.spread.need_one_process("a sweep")
    grid = grid_of(asked.plan, asked.over)
    for place in grid.places:
        asked.study.cells(place.plan)
    if asked.spread.printed():
        return 0
    folder = SweepFolder(asked.out or _usual(asked.study.claim, grid), asked.study, grid)
    folder.record.prepare()
    if note := keep_programs(os.environ):
        print(f"ticketlab: {note}", file=sys.stderr)
    console = Console(highlight=False, markup=False)
    requests = {
        place.name: Request(asked.study, place.plan, folder.run_path(place), json=False, spread=asked.spread)
        for place in grid.places
    }
    left_out = LeftOut(folder.record, console, "sweep", shlex.join(["ticketlab", "sweep", *words]))
    devices = asked.spread.found()
    with asked.spread.runner() as runner:
        run_each(requests, left_out, devices, runner)
    _show(folder, console)
    return 0


def _usual(claim: str, grid: Grid) -> Path:
    """`sweeps/<claim>-<first digits of a hash>`."""
    plans = "".join(plan_hash(claim, place.plan) for place in grid.places)
    return Path("sweeps") / f"{claim}-{plan_hash(claim, plans)[:8]}"


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
