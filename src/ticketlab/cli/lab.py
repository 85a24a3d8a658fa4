"""`ticketlab lab`: every claim on one network and one data set, one after the other, and the page of them all."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from ticketlab.choices import families, plain, suggestion
from ticketlab.cli.left_out import LeftOut, run_each
from ticketlab.cli.options import Request, parse
from ticketlab.cli.spread import Spread
from ticketlab.engine.controls import shown
from ticketlab.errors import UserError, counted
from ticketlab.lab import LabFolder, LabPlan
from ticketlab.plans import find_study, parse_choice, presets

__all__ = ["lab"]

DESCRIPTION = (
    "Runs every claim on one network and one data set, and writes one page: the argument as a map, with the verdict on each "
    "part. Interrupted, it goes on where it was when it is asked again."
)


@dataclass(frozen=True)
class _Lab:
    """What is asked.

    Arguments:
        task: the data, as `ticketlab run` takes it.
        network: the architecture, as `ticketlab run` takes it.
        seeds: how many draws, for every claim.
        preset: of each claim that has one of this name.
        only: these claims alone.
        out: the lab's folder.
        spread: over which devices and processes.
    """

    task: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="TASK", help="the data of every claim (default: each claim's own)", help_behavior_hint=""
        ),
    ] = None
    network: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="NETWORK",
            help="the network of every claim (default: each claim's own)",
            help_behavior_hint="",
        ),
    ] = None
    seeds: Annotated[
        int | None,
        tyro.conf.arg(help="seeds of every claim (default: each claim's own)", help_behavior_hint=""),
    ] = None
    preset: Annotated[str, tyro.conf.arg(help="a ready-made plan of each claim that has it")] = "default"
    only: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="CLAIM …", help="these claims alone (default: all)", help_behavior_hint=""),
    ] = ()
    out: Annotated[Path, tyro.conf.arg(help="the lab's folder, with a run folder for each claim")] = Path(
        "lab"
    )
    spread: Annotated[Spread, tyro.conf.arg(name="")] = Spread()


def lab(words: Sequence[str], studies: Mapping[str, str]) -> int:
    """`ticketlab lab [options]`."""
    from ticketlab.compiled_programs import keep_programs

    asked = parse(_Lab, words, command="lab", description=DESCRIPTION)
    asked.spread.need_one_process("a lab")
    if asked.seeds is not None and asked.seeds < 1:
        raise UserError(f"--seeds {asked.seeds}", "at least 1")
    for claim in asked.only:
        if claim not in studies:
            raise UserError(f"claim {claim!r}", f"one of {', '.join(studies)}", suggestion(claim, studies))
    _check_preset(asked.preset, asked.only or tuple(studies), studies)
    plan = _plan(asked)
    if asked.spread.printed():
        return 0
    folder = LabFolder(asked.out, _in_words(asked, plan))
    folder.record.prepare()
    if note := keep_programs(os.environ):
        print(f"ticketlab: {note}", file=sys.stderr)
    console = Console(highlight=False, markup=False)
    left_out = LeftOut(folder.record, console, "lab", shlex.join(["ticketlab", "lab", *words]))
    requests = _requests(folder, asked, plan, studies, left_out)
    devices = asked.spread.found()
    with asked.spread.runner() as runner:
        run_each(requests, left_out, devices, runner)
    _write(folder, asked, studies, console)
    return 0


def _check_preset(preset: str, claims: Sequence[str], studies: Mapping[str, str]) -> None:
    """A preset that no claim has is a mistake; claims without it are named, since their default plans may take long."""
    has = {claim: presets(find_study(claim, studies).plan_type) for claim in claims}
    known = list(dict.fromkeys(name for named in has.values() for name in named))
    if preset not in known:
        raise UserError(f"--preset {preset}", f"one of {', '.join(known)}", suggestion(preset, known))
    for claim in (claim for claim, named in has.items() if preset not in named):
        print(f"{claim} has no preset {preset}, and runs by its default plan.", file=sys.stderr)


def _plan(asked: _Lab) -> LabPlan:
    from ticketlab.networks.architecture import Architecture
    from ticketlab.tasks.sources import TaskSource

    of = families()
    return LabPlan(
        None if asked.task is None else parse_choice(asked.task, of[TaskSource]),
        None if asked.network is None else parse_choice(asked.network, of[Architecture]),
        asked.seeds,
        asked.preset,
    )


def _in_words(asked: _Lab, plan: LabPlan) -> dict[str, Any]:
    """What was asked as plain values, however it was spelt."""
    from ticketlab.networks.architecture import Architecture
    from ticketlab.tasks.sources import TaskSource

    return {
        "task": plain(plan.task, TaskSource),
        "network": plain(plan.network, Architecture),
        "seeds": plan.seeds,
        "preset": asked.preset,
        "only": sorted(asked.only),
    }


def _requests(
    folder: LabFolder, asked: _Lab, plan: LabPlan, studies: Mapping[str, str], left_out: LeftOut
) -> dict[str, Request]:
    """A run of each claim; claims that cannot be asked of this task or network are left out."""
    found = {}
    for claim in asked.only or tuple(studies):
        study = find_study(claim, studies)
        with left_out.unless_refused(claim):
            own = plan.plan(study)
            found[claim] = Request(study, own, folder.run_path(claim), json=False, spread=asked.spread)
    return found


def _write(folder: LabFolder, asked: _Lab, studies: Mapping[str, str], console: Console) -> None:
    from ticketlab.report.lab_page import write_lab

    done = folder.done(studies)
    own = "each claim's own"
    facts = {
        "Data": asked.task or own,
        "Network": asked.network or own,
        "Plans": asked.preset,
        "Seeds": str(asked.seeds or own),
    }
    page = write_lab(folder, done, facts)
    console.rule("the lab", align="left")
    for each in done:
        whole = next((v for v in each.evidence.verdicts if not v.question), None)
        console.print(
            shown(f"{whole.outcome if whole else 'no verdict':<10} {each.study.claim}"), soft_wrap=True
        )
    for claim, why in folder.record.left_out().items():
        console.print(shown(f"left out   {claim}: {why}"), soft_wrap=True)
    console.print(shown(f"page       {page} ({counted(len(done), 'claim')})"), soft_wrap=True)
