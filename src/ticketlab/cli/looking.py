"""`--until decided`: seeds are added in planned looks until the claim is decided, or seeds or time run out.

The first look is at the plan's seeds, and each further look at twice the number before, up to four times the plan's. A
run folder records its looks, and a run continues from there. It repeats the last look, which costs no level, because
its seeds are the same.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ticketlab.cli.ending import Ending
from ticketlab.engine.display import Display
from ticketlab.engine.estimate import spoken
from ticketlab.errors import UserError
from ticketlab.laws.looks import MOST, schedule
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.store.folder import RunFolder

if TYPE_CHECKING:
    from rich.console import Console

    from ticketlab.claims.study import Cell
    from ticketlab.engine.runner import Runner
    from ticketlab.evidence.tables import Evidence
    from ticketlab.tangent.devices import Devices

__all__ = ["Finished", "Watched", "run_until_decided", "what_would_decide"]


SHOWN = 4  # reasons why a claim is undecided, on the screen


class TimeIsUp(Exception):
    """The time limit for adding seeds has passed."""


class Watched(Display):
    """A display that ends the run when its time is up.

    Arguments:
        console, claim: as for `Display`.
        seconds: the time limit from now; None for no limit.
    """

    def __init__(self, console: Console, claim: str, seconds: float | None = None) -> None:
        super().__init__(console, claim)
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> float | None:
        """The seconds left; None for no limit."""
        return None if self._end is None else self._end - time.monotonic()

    def progress(self, cell: Cell, what: str, fraction: float, left: float | None) -> None:
        super().progress(cell, what, fraction, left)
        if self.left is not None and self.left < 0:
            raise TimeIsUp


@dataclass(frozen=True)
class Finished:
    """A finished run.

    Arguments:
        folder: for the last plan.
        plan: with the seeds that were run.
        evidence: as stored.
    """

    folder: RunFolder
    plan: Any
    evidence: Evidence

    @property
    def claim(self) -> Verdict | None:
        """The verdict on the claim as a whole."""
        return next((v for v in self.evidence.verdicts if v.key == "claim"), None)

    @property
    def decided(self) -> bool:
        return self.claim is not None and self.claim.outcome is not Outcome.UNDECIDED


def run_until_decided(
    folder: RunFolder,
    plan: Any,
    ending: Ending,
    display: Watched,
    devices: Devices | None,
    runner: Runner | None = None,
) -> Finished:
    """Runs the looks of a planned sequence in order.

    Raises: as `RunFolder.run`; UserError if the time is up before the first look.
    """
    finished: Finished | None = None
    for seeds, most in _looks(folder, plan, display):
        if finished is not None and (said := _too_long(finished, seeds, display, runner)):
            display.note(said)
            break
        asked = replace(plan, seeds=seeds)
        of = RunFolder.of(folder.study, asked, folder.path, folder.registered)
        try:
            evidence = of.run(asked, display, display.note, devices, most, runner)
        except TimeIsUp:
            if finished is None:
                raise UserError(
                    f"--at-most {ending.at_most}, which ended before the first look",
                    "more time",
                    "Finished cells are kept: run the same command again.",
                ) from None
            display.note("The time is up. The conclusions are those of the last look.")
            last = finished
            last.folder.run(last.plan, display, display.note, devices, most, runner)
            break
        finished = Finished(of, asked, evidence)
        display.note(_said(finished))
        if finished.decided:
            break
    assert finished is not None
    return finished


def _looks(folder: RunFolder, plan: Any, display: Display) -> Iterator[tuple[int, int]]:
    """The seeds of each remaining look, beginning with the last look taken; and those of the final look.

    A sequence that was begun with other seeds stays as it was planned, which is noted.
    """
    before = folder.looks().so_far()
    planned = [look.most for look in before if look.most is not None]
    first, most = (before[0].seeds, planned[0]) if planned else (plan.seeds, MOST * plan.seeds)
    seen = max((look.seeds for look in before), default=0)
    looks = schedule(first, most)
    left = [seeds for seeds in looks if seeds >= seen] or [seen]
    if plan.seeds not in (*looks, *left):
        at = ", ".join(map(str, looks))
        display.note(
            f"The looks at this run were planned at {at} seeds, and stay so, without one at {plan.seeds}. "
            "For other looks give another --out."
        )
    return ((seeds, most) for seeds in left)


def _too_long(finished: Finished, seeds: int, display: Watched, runner: Runner | None) -> str | None:
    """The reason to skip the next look, if it would take longer than the time left, in as many places as the runner has."""
    pace = seconds_per_seed(finished) / (1 if runner is None else runner.places)
    needed = (seeds - finished.plan.seeds) * pace
    if display.left is None or needed <= display.left:
        return None
    return f"The next look, at {seeds} seeds, would take about {spoken(needed)}; {spoken(max(display.left, 0))} are left."


def seconds_per_seed(finished: Finished) -> float:
    """The seconds that one seed took."""
    return sum(float(cell["seconds"]) for cell in finished.folder.cells()) / finished.plan.seeds


def what_would_decide(
    finished: Finished, spread: Sequence[str] = (), places: int = 1, *, reasons: bool = True
) -> list[str]:
    """What would decide the claim; and the cheapest command, with its time.

    Arguments:
        spread: the options by which the run was spread, such as `--jobs 4`: without them no finished cell would be used again.
        places: the number of cells that run at the same time.
        reasons: whether to say it of the undecided questions too; not after looks that have said it.
    """
    claim = finished.claim
    if claim is None or claim.outcome is not Outcome.UNDECIDED:
        return []
    lines = ["", *(held_back(finished) if reasons else ())]
    if claim.enough_seeds is not None:
        more = (claim.enough_seeds - finished.plan.seeds) * seconds_per_seed(finished) / places
        where = shlex.join(
            [*shlex.split(finished.folder.command()), *spread, "--seeds", str(claim.enough_seeds)]
        )
        known = f"About {claim.enough_seeds} seeds would decide the claim"
        said = known if finished.plan.seeds > 1 else f"At least {claim.enough_seeds} seeds are needed"
        lines.append(f"{said}, about {spoken(more)}: {where}")
    elif not any(line.endswith(claim.would_decide) for line in lines):
        lines.append(claim.would_decide)
    return lines


def held_back(finished: Finished) -> list[str]:
    """Each undecided headline question with what would decide it; equal reasons share a line."""
    open_ = [v for v in finished.evidence.verdicts if v.headline and v.key != "claim" and v.would_decide]
    reasons: dict[str, list[str]] = {}
    for verdict in open_:
        reasons.setdefault(verdict.would_decide, []).append(verdict.question)
    lines = [f"{'; '.join(titles)}: {words}" for words, titles in reasons.items()]
    more = [f"The page has {len(lines) - SHOWN} more."] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]


def _said(finished: Finished) -> str:
    look, claim = finished.folder.look(), finished.claim
    assert look is not None
    outcome = (
        "nothing is decided yet" if claim is None else f"the claim as a whole {_OUTCOMES[claim.outcome]}"
    )
    return " ".join([f"{look.words()}: {outcome}.", *held_back(finished)])


_OUTCOMES = {Outcome.HOLDS: "holds", Outcome.FAILS: "fails", Outcome.UNDECIDED: "is undecided"}
