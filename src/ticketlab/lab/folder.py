"""The folder of a lab: one run folder for each claim, and a record of what was asked and what could not be run.

lab.json        what was asked, and why a claim was left out
CLAIM/          the run folder of each claim
lab.html        the page

A lab that was interrupted is asked again with the same words, and goes on: each run folder knows which of its cells are finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ticketlab.claims.study import Study
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Evidence
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Outcome
from ticketlab.plans import presets, read_plan
from ticketlab.store.failures import storing
from ticketlab.store.folder import RunFolder
from ticketlab.store.records import read_record, write_record
from ticketlab.store.tables import Damaged

__all__ = ["Done", "LabFolder", "LabPlan"]


@dataclass(frozen=True)
class LabPlan:
    """What a lab asks: every claim, on one task and one network where its plan has them.

    Arguments:
        task: the data; None for those of each claim's own plan. Data of the same name without fields are the plan's own, with
            its numbers of examples.
        network: the architecture; None for that of each claim's own plan.
        seeds: None for those of each claim's own plan.
        preset: of each claim that has one of this name; the default plan of the others.
    """

    task: Any = None
    network: Any = None
    seeds: int | None = None
    preset: str = "default"

    def plan(self, study: Study) -> Any:
        """The plan of a claim. Raises UserError where the claim cannot be asked of this task or network."""
        named = presets(study.plan_type)
        given = {
            name: value for name in ("task", "network", "seeds") if (value := getattr(self, name)) is not None
        }
        base = named.get(self.preset, named["default"])
        if type(given.get("task")) is type(getattr(base, "task", None)) and self.task == type(self.task)():
            del given["task"]
        for name in given:
            if not hasattr(base, name):
                raise UserError(
                    f"a {name} for {study.claim}", f"a claim that takes a {name}", "It has its own."
                )
        return replace(base, **given)


@dataclass(frozen=True)
class Done:
    """A claim that was run.

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


@dataclass(frozen=True)
class LabFolder:
    """The folder of one lab.

    Arguments:
        path: its path.
        asked: what was asked, as plain values.
    """

    path: Path
    asked: Mapping[str, Any]

    @property
    def page(self) -> Path:
        return self.path / "lab.html"

    def run_path(self, claim: str) -> Path:
        return self.path / claim

    def prepare(self) -> None:
        """Creates the folder, or finds that it belongs to the same lab. Raises UserError for another one."""
        before = self._record()
        if before is not None and before["asked"] == dict(self.asked):
            return
        if before is not None or (self.path.exists() and any(self.path.iterdir())):
            holds = f"which holds a lab of {before['asked']}" if before else "which is not empty"
            raise UserError(
                f"{self.path}, {holds}", "an empty folder, or one of the same lab", "Choose another --out."
            )
        with storing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.leave({})

    def leave(self, left_out: Mapping[str, str]) -> None:
        """Records why claims were left out."""
        with storing(self.path):
            write_record(self.path / "lab.json", {"asked": dict(self.asked), "left_out": dict(left_out)})

    def left_out(self) -> dict[str, str]:
        """Why claims were left out."""
        return dict((self._record() or {}).get("left_out", {}))

    def _record(self) -> dict[str, Any] | None:
        """What is kept; None if there is nothing, or nothing whole, of which runs alone are left: they know their plans."""
        file = self.path / "lab.json"
        if not file.exists():
            return None
        try:
            return read_record(file)
        except Damaged:
            return {"asked": dict(self.asked), "left_out": {}}

    def done(self, studies: Mapping[str, str]) -> list[Done]:
        """The claims that are finished, in the order of the list of claims."""
        return [done for claim in studies if (done := self._done(claim, studies)) is not None]

    def _done(self, claim: str, studies: Mapping[str, str]) -> Done | None:
        if not (self.run_path(claim) / "plan.toml").exists():
            return None
        folder = RunFolder.open(self.run_path(claim), studies)
        if not folder.finished():
            return None
        _, plan = read_plan(folder.path / "plan.toml", studies)
        return Done(folder.study, folder, plan, folder.evidence())
