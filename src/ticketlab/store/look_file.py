"""The looks at a run folder: `looks.json`, by question, with the seeds and the level of each look.

Two runs ask the same question if their plans differ only in the number of seeds. A look is recorded before its first verdict
is shown, so that a look counts even if it is interrupted afterwards. There is a copy, because nothing else in the folder says
at which level an earlier look was taken: the one is restored from the other if it is lost or damaged.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from ticketlab.choices import plain
from ticketlab.errors import UserError
from ticketlab.laws.looks import Look, look_at
from ticketlab.plans import canonical_json
from ticketlab.store.records import read_record, write_record
from ticketlab.store.tables import Damaged

__all__ = ["Looks", "question_hash"]

NAMES = ("looks.json", "looks-copy.json")


def question_hash(claim: str, plan: Any) -> str:
    """SHA-256 (hexadecimal) of a claim and every field of its plan except the number of seeds."""
    fields = {name: value for name, value in plain(plan).items() if name != "seeds"}
    return hashlib.sha256(canonical_json({"claim": claim, "plan": fields}).encode()).hexdigest()


class Looks:
    """The looks at one question in a run folder.

    Arguments:
        folder: of the run.
        claim, plan: the question.
    """

    def __init__(self, folder: Path, claim: str, plan: Any) -> None:
        self._files = [folder / name for name in NAMES]
        self._question = question_hash(claim, plan)

    def so_far(self) -> tuple[Look, ...]:
        """The recorded looks, in order."""
        return tuple(Look(**look) for look in self._all().get(self._question, ()))

    def note(self, seeds: int, most: int | None = None) -> Look:
        """The look at this number of seeds, recorded if it is new; arguments as for `laws.looks.look_at`."""
        before = self.so_far()
        look = look_at(seeds, before, most)
        if look not in before:
            noted = [dataclasses.asdict(each) for each in (*before, look)]
            self._write({**self._all(), self._question: noted})
        elif any(_looks(file) is None for file in self._files):
            self._write(self._all())
        return look

    def by_hand(self) -> Look:
        """The next look if the run were extended by hand now."""
        before = self.so_far()
        return look_at(1 + max((look.seeds for look in before), default=0), before)

    def _write(self, looks: dict[str, Any]) -> None:
        for file in self._files:
            write_record(file, {"looks": looks})

    def _all(self) -> dict[str, Any]:
        """The looks of the copy with more of them, in case a process was killed between writing the two."""
        whole = [looks for file in self._files if (looks := _looks(file)) is not None]
        if not whole and any(file.exists() for file in self._files):
            raise UserError(
                f"{self._files[0]}, which is damaged, and so is its copy",
                "the record of the looks at this run",
                "Without it the level of another look is unknown: give another --out.",
            )
        return max(whole, key=lambda looks: sum(map(len, looks.values())), default={})


def _looks(file: Path) -> dict[str, Any] | None:
    """The looks in a file; None if it is missing or damaged."""
    try:
        found: dict[str, Any] = read_record(file)["looks"]
    except (Damaged, KeyError):
        return None
    return found
