"""A folder of several runs: it records what was asked, so that the same words continue it, and what could not be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ticketlab.claims.study import Study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Evidence
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.plans import read_plan
from ticketlab.store.failures import storing
from ticketlab.store.folder import RunFolder
from ticketlab.store.lost_plan import restore_plan
from ticketlab.store.records import read_record, strict, write_record
from ticketlab.store.tables import Damaged

__all__ = ["AskedFolder", "Done", "finished_run"]


@dataclass(frozen=True)
class Done:
    """A plan that was run.

    Arguments:
        study: the claim's study.
        folder: its run folder.
        plan: its plan.
        evidence: tables and verdicts.
    """

    study: Study
    folder: RunFolder
    plan: Any
    evidence: Evidence

    def outcome(self, levels: Levels) -> Outcome | None:
        """Of the claim as a whole, with these levels."""
        verdicts = self.study.conclude(self.plan, self.evidence.tables, levels).verdicts
        return next((v.outcome for v in verdicts if not v.question), None)

    @property
    def whole(self) -> Verdict | None:
        """The verdict on the claim as a whole."""
        return next((v for v in self.evidence.verdicts if not v.question), None)


def finished_run(path: Path, studies: Mapping[str, str]) -> Done | None:
    """The run in a folder; None if there is none, or it is not finished. A lost plan is restored from its cells."""
    restore_plan(path)
    if not (path / "plan.toml").exists():
        return None
    folder = RunFolder.open(path, studies)
    if not folder.finished():
        return None
    _, plan = read_plan(folder.path / "plan.toml", studies)
    return Done(folder.study, folder, plan, folder.evidence())


@dataclass(frozen=True)
class AskedFolder:
    """The folder, and the record in it.

    Arguments:
        path: its path.
        noun: what it holds ("lab"), which names its record (`lab.json`).
        asked: what was asked, as plain values.
    """

    path: Path
    noun: str
    asked: Mapping[str, Any]

    def prepare(self) -> None:
        """Creates the folder, or finds that the same was asked in it. Raises UserError for anything else."""
        before = self._record()
        if before is not None and before["asked"] == strict(self.asked):
            return
        if before is not None or (self.path.exists() and any(self.path.iterdir())):
            holds = f"which holds a {self.noun} of {before['asked']}" if before else "which is not empty"
            raise UserError(
                f"{self.path}, {holds}",
                f"an empty folder, or one of the same {self.noun}",
                "Choose another --out.",
            )
        with storing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.leave({})

    def leave(self, left_out: Mapping[str, str]) -> None:
        """Records what was left out, and why."""
        with storing(self.path):
            write_record(self._file, {"asked": dict(self.asked), "left_out": dict(left_out)})

    def left_out(self) -> dict[str, str]:
        """What was left out, and why."""
        return dict((self._record() or {}).get("left_out", {}))

    @property
    def _file(self) -> Path:
        return self.path / f"{self.noun}.json"

    def _record(self) -> dict[str, Any] | None:
        """What is kept; None if there is nothing, or nothing whole, of which runs alone are left: they know their plans."""
        if not self._file.exists():
            return None
        try:
            return read_record(self._file)
        except Damaged:
            return {"asked": dict(self.asked), "left_out": {}}
