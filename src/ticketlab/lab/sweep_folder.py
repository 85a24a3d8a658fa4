"""The folder of a sweep: one run folder for each plan of the grid.

sweep.json      what was asked, and why a plan was left out
PLAN/           the run folder of each plan, named by its values
sweep.html      the map

An interrupted sweep goes on when it is asked again with the same words: each run folder knows which of its cells are finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ticketlab.choices import plain
from ticketlab.claims.study import Study
from ticketlab.lab.asked import AskedFolder, Done, finished_run
from ticketlab.lab.grid import Grid, Place
from ticketlab.plans import plan_hash

__all__ = ["SweepFolder"]


@dataclass(frozen=True)
class SweepFolder:
    """The folder of one sweep.

    Arguments:
        path: its path.
        study: the claim's study.
        grid: the plans.
    """

    path: Path
    study: Study
    grid: Grid

    @property
    def page(self) -> Path:
        return self.path / "sweep.html"

    def run_path(self, place: Place) -> Path:
        return self.path / place.name

    @property
    def record(self) -> AskedFolder:
        """What was asked here, and why plans were left out."""
        asked = {
            "claim": self.study.claim,
            "over": {axis.name: list(axis.values) for axis in self.grid.axes},
            "plan": plain(self.grid.places[0].plan),
        }
        return AskedFolder(self.path, "sweep", asked)

    def done(self, place: Place) -> Done | None:
        """The finished run of a plan; None while it is not finished."""
        done = finished_run(self.run_path(place), {self.study.claim: _where(self.study)})
        asked = plan_hash(self.study.claim, place.plan)
        return done if done and plan_hash(self.study.claim, done.plan) == asked else None

    def all_done(self) -> Mapping[str, Done]:
        """The finished runs that were not left out, by the names of their places, in the order of the grid."""
        out = self.record.left_out()
        found = ((place.name, self.done(place)) for place in self.grid.places if place.name not in out)
        return {name: done for name, done in found if done is not None}


def _where(study: Study) -> str:
    return f"{type(study).__module__}:{type(study).__name__}"
