"""A protocol: what a study will ask and how it will decide, written down before it is run, with a digest that can be published.

The digest is the SHA-256 of the content: claim, question, rules, plan, data, looks, and version. The time at which it was written
is not part of it. It proves nothing by itself: what proves is where the digest was published before the run.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ticketlab
from ticketlab.choices import plain
from ticketlab.claims.study import Study
from ticketlab.errors import UserError
from ticketlab.laws.looks import MOST, Look, schedule
from ticketlab.plans import canonical_json, structure
from ticketlab.store.data import data_hashes
from ticketlab.store.records import read_record, strict, write_record
from ticketlab.store.tables import Damaged

if TYPE_CHECKING:
    from ticketlab.store.folder import RunFolder

__all__ = ["SUFFIX", "Protocol", "deviations", "protocol_of", "read_protocol", "registration"]

SUFFIX = ".protocol.json"


@dataclass(frozen=True)
class Protocol:
    """What was written down.

    Arguments:
        claim, statement, question: what is asked.
        rule: of the claim as a whole; empty for a study that prints its rules with its verdicts alone.
        rules: title and rule of every question that counts.
        sides: the same of side questions.
        gates: conditions without which the claim stays undecided.
        plan: the plan as plain values.
        data: the content hash of every data set, by the option's name.
        looks: the seeds at which verdicts will be looked at; more than one for a planned sequence.
        cells: how many there are at the last look.
        version: of Ticketlab.
        written: when, in UTC.
    """

    claim: str
    statement: str
    question: str
    rule: str
    rules: tuple[tuple[str, str], ...]
    sides: tuple[tuple[str, str], ...]
    gates: tuple[str, ...]
    plan: Mapping[str, Any]
    data: Mapping[str, str]
    looks: tuple[int, ...]
    cells: int
    version: str
    written: str

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything but the time."""
        content = {name: value for name, value in strict(vars(self)).items() if name != "written"}
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()

    def write(self, file: Path) -> None:
        write_record(file, dict(vars(self)))


def protocol_of(study: Study, plan: Any, *, until_decided: bool = False) -> Protocol:
    """The protocol of a plan, now. Cost: reads the data.

    Arguments:
        study, plan: what will be run.
        until_decided: whether seeds will be added in planned looks, as by `--until decided`.
    """
    agenda = study.asked(plan)
    seeds = getattr(plan, "seeds", 1)
    looks = schedule(seeds, MOST * seeds) if until_decided else (seeds,)
    last = dataclasses.replace(plan, seeds=looks[-1]) if hasattr(plan, "seeds") else plan
    return Protocol(
        claim=study.claim,
        statement=study.statement,
        question=study.question,
        rule=agenda.rule if agenda else "",
        rules=tuple(agenda.rules()) if agenda else (),
        sides=tuple(agenda.side_rules()) if agenda else (),
        gates=tuple(agenda.gates()) if agenda else (),
        plan=plain(plan),
        data=data_hashes(plan),
        looks=looks,
        cells=sum(max(len(cell.seeds), 1) for cell in study.cells(last)),
        version=ticketlab.__version__,
        written=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def read_protocol(file: Path) -> Protocol:
    """A protocol from its file. Raises UserError if it is damaged or was altered."""
    try:
        record = read_record(file)
        pairs = {name: tuple((title, rule) for title, rule in record[name]) for name in ("rules", "sides")}
        return Protocol(
            **{**record, **pairs, "gates": tuple(record["gates"]), "looks": tuple(record["looks"])}
        )
    except (Damaged, KeyError, TypeError, ValueError) as damage:
        raise UserError(
            f"the protocol {file}, which is damaged or was altered ({damage})",
            "what `ticketlab register` wrote",
        ) from None


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
    """Whether this version of the program would decide the registered plan by other rules."""
    agenda = study.asked(structure(protocol.plan, study.plan_type))
    if (agenda.rule if agenda else "") != protocol.rule or tuple(
        agenda.rules() if agenda else ()
    ) != protocol.rules:
        yield "the rules of this version of Ticketlab are other ones"
    if ticketlab.__version__ != protocol.version:
        yield f"the version of Ticketlab is {ticketlab.__version__} instead of {protocol.version}"


def _of_data(protocol: Protocol, data: Mapping[str, Any]) -> Iterator[str]:
    for where, own in data.items():
        if protocol.data.get(where) != own["hash"]:
            yield f"the content of the data ({where}) is another one"


def _of_looks(protocol: Protocol, looks: Sequence[Look]) -> Iterator[str]:
    most = protocol.looks[-1] if len(protocol.looks) > 1 else None
    other = [look for look in looks if look.seeds not in protocol.looks or look.most != most]
    if other:
        yield f"{len(other)} of {len(looks)} looks were not planned (at {', '.join(str(look.seeds) for look in other)} seeds)"


def _of_time(protocol: Protocol, cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    written = datetime.datetime.fromisoformat(protocol.written)
    early = sum(datetime.datetime.fromisoformat(str(cell["finished"])) < written for cell in cells)
    if early:
        yield f"{early} of {len(cells)} cells were finished before the protocol was written"
