"""The commands: each parses its words, calls the function that does the work, and prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ticketlab.cli.options import parse, read_one, read_requests
from ticketlab.cli.printing import new_table, show_table
from ticketlab.cli.streams import document
from ticketlab.engine.controls import shown
from ticketlab.errors import UserError
from ticketlab.plans import find_study, parse_choice, toml

if TYPE_CHECKING:
    from ticketlab.tasks.sources import TaskSource

__all__ = ["claims", "compare", "data", "lab", "plan", "pretrain", "register", "report", "run", "sweep"]

Studies = Mapping[str, str]


def run(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab run [CLAIM …|PLAN.toml …] [options]`: each claim in turn."""
    from ticketlab.cli.running import run_request
    from ticketlab.compiled_programs import keep_programs

    requests = read_requests(words, studies, "run")
    if requests[0].spread.printed():
        return 0
    # JAX lets only the first of several processes write; compiling can need all of them, and one would wait forever.
    if requests[0].spread.coordinator is None and (note := keep_programs(os.environ)):
        print(f"ticketlab: {note}", file=sys.stderr)
    devices = requests[0].spread.found()
    with requests[0].spread.runner() as runner:
        results = [run_request(request, devices, runner) for request in requests]
    if requests[0].json and (devices is None or devices.first):
        found = results[0] if len(results) == 1 else results
        document(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False))
    return 0


def plan(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab plan CLAIM [options]`: the plan as a file."""
    asked = read_one(words, studies, "plan")
    document(toml(asked.study.claim, asked.plan).removesuffix("\n"))
    return 0


def claims(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab claims`: the list of claims."""
    parse(_Nothing, words, command="claims", description="Lists the claims.")
    table = new_table("claim", "as people put it", "what is measured")
    for claim in studies:
        study = find_study(claim, studies)
        table.add_row(claim, study.statement, study.question)
    show_table(table)
    return 0


def report(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab report RUN`: writes the page again, from stored records."""
    from ticketlab.cli.running import write_report
    from ticketlab.store import RunFolder

    description = "Writes the report of a finished run again, from its stored records."
    asked = parse(_Report, words, command="report", description=description)
    print(write_report(RunFolder.open(asked.run, studies)))
    return 0


def lab(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab lab [options]`: every claim, and one page."""
    from ticketlab.cli.lab import lab

    return lab(words, studies)


def sweep(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab sweep CLAIM --over … [options]`: a grid of plans, and its map."""
    from ticketlab.cli.sweep import sweep

    return sweep(words, studies)


def compare(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab compare RUN RUN …`: runs side by side."""
    from ticketlab.cli.compare import compare

    return compare(words, studies)


def register(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab register PLAN.toml`: the protocol of a plan, before it is run."""
    from ticketlab.cli.register import register

    return register(words, studies)


def pretrain(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab pretrain [options]`: a trained network as a start."""
    from ticketlab.cli.pretrain import pretrain

    return pretrain(words, studies)


def data(words: Sequence[str], studies: Studies) -> int:
    """`ticketlab data list|check TASK`."""
    from ticketlab.choices import families, suggestion
    from ticketlab.tasks.sources import TaskSource

    command, *rest = words or ["list"]
    match command:
        case "list":
            parse(_Nothing, rest, command="data list", description="Lists the data sets.")
            return _data_list()
        case "check":
            description = "Reads data as a study would, and reports their content or what is wrong."
            asked = parse(_Check, rest, command="data check", description=description)
            return _data_check(parse_choice(asked.task, families()[TaskSource]))
        case "--help" | "-h":
            print("usage: ticketlab data list\n       ticketlab data check TASK")
            return 0
    raise UserError(
        f"`data {command}`", "`data list` or `data check TASK`", suggestion(command, ["list", "check"])
    )


@dataclass(frozen=True)
class _Nothing:
    pass


@dataclass(frozen=True)
class _Report:
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help="the run's folder")]


@dataclass(frozen=True)
class _Check:
    task: Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(
            metavar="TASK",
            help="as --task takes it: a path, a path with fields (birds.csv:target=species), or a name",
        ),
    ]


def _data_list() -> int:
    from ticketlab.tasks import available

    table = new_table("--task", "what it is", "examples", "here", "how to get or name it")
    for row in available():
        here = {True: "yes", False: "no", None: "yours"}[row.present]
        table.add_row(shown(row.name), row.what, row.size, here, row.how)
    show_table(table)
    return 0


def _data_check(task: TaskSource) -> int:
    from ticketlab.tasks import check

    table = new_table("", "")
    table.show_header = False
    for name, value in check(task):
        table.add_row(shown(name), shown(value))
    show_table(table)
    return 0
