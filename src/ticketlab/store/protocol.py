"""A protocol: what a study will ask and how it will decide, written down before it is run, with a digest that can be published.

The digest is the SHA-256 of the content: claim, question, rules, plan, data, looks, and version. The time at which it was written
is not part of it. It proves nothing by itself: what proves is where the digest was published before the run.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ticketlab
from ticketlab.choices import plain
from ticketlab.claims.study import Study
from ticketlab.errors import UserError
from ticketlab.laws.looks import MOST, schedule
from ticketlab.plans import canonical_json
from ticketlab.store.data import data_hashes
from ticketlab.store.records import read_record, strict, write_record
from ticketlab.store.tables import Damaged

__all__ = ["SUFFIX", "Protocol", "asked_by", "protocol_of", "read_protocol"]

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
    seeds = getattr(plan, "seeds", 1)
    looks = schedule(seeds, MOST * seeds) if until_decided else (seeds,)
    return Protocol(
        **asked_by(study, plan, looks),
        plan=plain(plan),
        data=data_hashes(plan),
        looks=looks,
        written=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def asked_by(study: Study, plan: Any, looks: Sequence[int]) -> dict[str, Any]:
    """The parts of a protocol that follow from this version of the program, by name."""
    agenda = study.asked(plan)
    last = dataclasses.replace(plan, seeds=looks[-1]) if hasattr(plan, "seeds") else plan
    return {
        "claim": study.claim,
        "statement": study.statement,
        "question": study.question,
        "rule": agenda.rule if agenda else "",
        "rules": tuple(agenda.rules()) if agenda else (),
        "sides": tuple(agenda.side_rules()) if agenda else (),
        "gates": tuple(agenda.gates()) if agenda else (),
        "cells": sum(max(len(cell.seeds), 1) for cell in study.cells(last)),
        "version": ticketlab.__version__,
    }


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
