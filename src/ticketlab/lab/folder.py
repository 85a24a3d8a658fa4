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
from ticketlab.lab.asked import AskedFolder, Done, finished_run
from ticketlab.plans import presets

__all__ = ["LabFolder", "LabPlan"]


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
        own = getattr(base, "task", None)
        if own is not None and type(self.task) is type(own) and self.task == type(own)():
            del given["task"]
        for name in given:
            if not hasattr(base, name):
                raise UserError(
                    f"a {name} for {study.claim}", f"a claim that takes a {name}", "It has its own."
                )
        return replace(base, **given)


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

    @property
    def record(self) -> AskedFolder:
        """What was asked here, and why claims were left out."""
        return AskedFolder(self.path, "lab", self.asked)

    def done(self, studies: Mapping[str, str]) -> list[Done]:
        """The claims that are finished and were not left out, in the order of the list of claims."""
        out = self.record.left_out()
        found = (finished_run(self.run_path(claim), studies) for claim in studies if claim not in out)
        return [done for done in found if done is not None]
