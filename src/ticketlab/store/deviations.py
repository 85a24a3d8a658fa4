"""How a run differs from the protocol under which it was registered: each difference is a clause, for the screen and the page."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ticketlab.claims.study import Study
from ticketlab.claims.wording import listed
from ticketlab.laws.looks import Look
from ticketlab.plans import structure
from ticketlab.store.folder import RunFolder
from ticketlab.store.protocol import Protocol, asked_by

__all__ = ["deviations", "registration"]

OTHER = {
    "statement": "this version of Ticketlab states the claim in other words",
    "question": "this version of Ticketlab asks the question in other words",
    "rule": "this version of Ticketlab has other rules",
    "rules": "this version of Ticketlab has other rules",
    "sides": "this version of Ticketlab has other side questions",
    "gates": "this version of Ticketlab has other gates",
}
COUNTED = {"cells": "number of cells", "version": "version of Ticketlab"}


def deviations(protocol: Protocol, folder: RunFolder) -> list[str]:
    """How a run differs from its protocol, a clause each; none if nothing differs."""
    return [
        *_of_plan(protocol, folder.plan_table()),
        *_of_rules(protocol, folder.study),
        *_of_data(protocol, folder.data()),
        *_of_looks(protocol, folder.looks().so_far()),
        *_of_time(protocol, folder.cells()),
    ]


def registration(folder: RunFolder) -> str:
    """That a finished run was registered, and what differs; empty if it was not."""
    protocol = folder.protocol()
    if protocol is None:
        return ""
    differs = "; ".join(deviations(protocol, folder))
    said = f"Not as registered: {differs}." if differs else "Nothing differs."
    return f"{protocol.digest[:16]}…, written {protocol.written}. {said}"


def _of_plan(protocol: Protocol, plan: Mapping[str, Any]) -> Iterator[str]:
    before, now = dict(_flat(protocol.plan)), dict(_flat(plan))
    for name in dict.fromkeys((*before, *now)):
        one, other = before.get(name), now.get(name)
        planned = name == "seeds" and other in protocol.looks
        if one != other and (one, other) not in ((None, "none"), ("none", None)) and not planned:
            yield f"{name} is {other} instead of {one}"


def _flat(table: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value


def _of_rules(protocol: Protocol, study: Study) -> Iterator[str]:
    """Whether this version of the program would ask or decide anything else of the registered plan."""
    if study.claim != protocol.claim:
        yield f"the claim is {study.claim} instead of {protocol.claim}"
        return
    now = asked_by(study, structure(protocol.plan, study.plan_type), protocol.looks)
    other = [name for name, value in now.items() if value != getattr(protocol, name)]
    yield from dict.fromkeys(OTHER[name] for name in other if name in OTHER)
    for name in other:
        if name in COUNTED:
            yield f"the {COUNTED[name]} is {now[name]} instead of {getattr(protocol, name)}"


def _of_data(protocol: Protocol, data: Mapping[str, Any]) -> Iterator[str]:
    for where, own in data.items():
        if protocol.data.get(where) != own["hash"]:
            yield f"the content of the data ({where}) is another one"


def _of_looks(protocol: Protocol, looks: Sequence[Look]) -> Iterator[str]:
    most = protocol.looks[-1] if len(protocol.looks) > 1 else None
    other = [look for look in looks if look.seeds not in protocol.looks or look.most != most]
    if other:
        counts = list(dict.fromkeys(look.seeds for look in other))
        named = f"{listed([str(count) for count in counts])} seed{'s' if counts != [1] else ''}"
        yield (
            f"the look at {named} was not planned"
            if len(counts) == 1
            else f"the looks at {named} were not planned"
        )


def _of_time(protocol: Protocol, cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    written = datetime.datetime.fromisoformat(protocol.written)
    early = sum(datetime.datetime.fromisoformat(str(cell["finished"])) < written for cell in cells)
    if early:
        yield f"{early} of {len(cells)} cells were finished before the protocol was written"
