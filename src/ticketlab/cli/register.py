"""`ticketlab register`: a plan's protocol, written down before the run, as a record and as a page with its digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ticketlab.cli.options import parse
from ticketlab.engine.controls import shown
from ticketlab.errors import UserError
from ticketlab.plans import find_study, read_plan, toml
from ticketlab.store.failures import storing
from ticketlab.store.protocol import SUFFIX, protocol_of, read_protocol
from ticketlab.store.records import write_text

__all__ = ["register"]

DESCRIPTION = (
    "Writes the protocol of a plan before it is run: question, rules, sizes and looks, as a page with its digest. A run of the "
    "plan file then says that it was registered, and what differs."
)


@dataclass(frozen=True)
class _Register:
    """What is asked.

    Arguments:
        plan: the plan file.
        until: as for a run.
    """

    plan: Annotated[
        Path,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="PLAN.toml", help="as `ticketlab plan CLAIM` writes it"),
    ]
    until: Annotated[
        Literal["decided"] | None,
        tyro.conf.arg(help="decided: the run will add seeds in planned looks", help_behavior_hint=""),
    ] = None


def register(words: Sequence[str], studies: Mapping[str, str]) -> int:
    """`ticketlab register PLAN.toml [--until decided]`."""
    from ticketlab.report.protocol_page import render_protocol

    asked = parse(_Register, words, command="register", description=DESCRIPTION)
    claim, plan = read_plan(asked.plan, studies)
    protocol = protocol_of(find_study(claim, studies), plan, until_decided=asked.until is not None)
    file, page = asked.plan.with_suffix(SUFFIX), asked.plan.with_suffix(".protocol.html")
    if file.exists() and (before := read_protocol(file)).digest != protocol.digest:
        raise UserError(
            f"{file}, which holds another protocol ({before.digest[:12]}…)",
            "a plan that is not registered yet",
            "A protocol is not changed afterwards: register the new plan under another name.",
        )
    with storing(file.parent):
        if not file.exists():
            protocol.write(file)
        kept = read_protocol(file)
        write_text(page, render_protocol(kept, toml(claim, plan, comments=False)))
    print(f"protocol  {shown(str(file))}")
    print(f"page      {shown(str(page))}")
    print(f"digest    {kept.digest}")
    return 0
