"""A study run to its end: each cell once, where a runner runs it, and verdicts as soon as they can be drawn.

Cells are cut into groups of seeds: those that are kept, and the rest.

A cell that the keeper has is not run again. Every other cell is run, handed to the keeper, and used as the keeper
returns it. So the evidence of a run that was stopped and continued equals, bit for bit, that of an uninterrupted run.
After each cell the study draws the verdicts that its tables allow. The engine uses neither disk nor screen; both belong
to the keeper and the observer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ticketlab.claims.study import Cell, Study, groups
from ticketlab.engine.estimate import Estimate
from ticketlab.engine.keeper import Keeper, Tables, WorkingMemory
from ticketlab.engine.lockstep import Telling
from ticketlab.engine.runner import Done, InProcess, Runner, Work
from ticketlab.evidence.tables import Evidence, Table, concatenate
from ticketlab.laws.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from ticketlab.tangent.devices import Devices

__all__ = ["Observer", "Silence", "run_study"]


@runtime_checkable
class Observer(Protocol):
    """Receives the events of a run, for the screen. Seconds left are None while they cannot be estimated."""

    def begins(self, cells: Sequence[Cell], kept: Sequence[Cell]) -> None: ...
    def progress(self, cell: Cell, what: str, fraction: float, left: float | None) -> None: ...
    def finished(self, cell: Cell, brief: str, seconds: float, left: float | None) -> None: ...
    def verdict(self, verdict: Verdict) -> None: ...


class Silence:
    """Shows nothing."""

    def begins(self, cells: Sequence[Cell], kept: Sequence[Cell]) -> None:
        pass

    def progress(self, cell: Cell, what: str, fraction: float, left: float | None) -> None:
        pass

    def finished(self, cell: Cell, brief: str, seconds: float, left: float | None) -> None:
        pass

    def verdict(self, verdict: Verdict) -> None:
        pass


def run_study(
    study: Study,
    plan: Any,
    keeper: Keeper | None = None,
    observer: Observer | None = None,
    devices: Devices | None = None,
    runner: Runner | None = None,
) -> Evidence:
    """Runs the cells of a plan that are not kept yet, and draws the conclusions.

    Arguments:
        study: the study.
        plan: an instance of `study.plan_type`.
        keeper: keeps finished cells; by default nothing is kept.
        observer: receives progress and verdicts; none by default.
        devices: over which examples are distributed; by default all on one. With several processes, the others call
            `lockstep.follow_study` at the same time.
        runner: where the cells run; by default here, one after the other.

    Returns: the evidence, equal for equal plans on the same kind of device (except measured tables).

    Raises: UserError and NumericalFailure from the study, KeyboardInterrupt; cells finished before are kept in every case.
    """
    keeper = WorkingMemory() if keeper is None else keeper
    observer = Silence() if observer is None else observer
    runner = InProcess() if runner is None else runner
    if devices is not None and devices.processes > 1:
        keeper = Telling(keeper)
    cells = groups(study.cells(plan), keeper.has)
    if len({cell.name for cell in cells}) < len(cells):
        raise ValueError(f"two cells of {study.claim!r} have the same name")
    done = {cell.name: tables for cell in cells if (tables := keeper.load(cell)) is not None}
    observer.begins(cells, [c for c in cells if c.name in done])
    left = [c for c in cells if c.name not in done]
    estimate = Estimate(left)
    shown: dict[str, Verdict] = {}

    def tell(cell: Cell, what: str, fraction: float, worked: float) -> None:
        observer.progress(cell, what, fraction, estimate.left(cell, fraction, worked, runner.places))

    work = Work(study, plan, keeper.draft, tell, devices)
    # Closed at once if anything fails here, so that no process goes on for a run that has ended.
    with contextlib.closing(_each(runner, left, work)) as finished:
        for cell, tables, seconds, worked in finished:
            rest = estimate.finish(cell, worked, runner.places)
            done[cell.name] = keeper.save(cell, tables, seconds)
            observer.finished(cell, study.brief(plan, cell, done[cell.name]), seconds, rest)
            if len(done) < len(cells) and (known := gather(cells, done)):
                _show(_concluded(study, plan, known, keeper), shown, observer)

    evidence = _concluded(study, plan, gather(cells, done), keeper)
    _show(evidence, shown, observer)
    return evidence


def _each(runner: Runner, cells: Sequence[Cell], work: Work) -> Generator[Done, None, None]:
    yield from runner.run(cells, work)


def _concluded(study: Study, plan: Any, tables: Tables, keeper: Keeper) -> Evidence:
    """What follows at the level of this look; with what would decide the rest, which would be judged at that of the next."""
    evidence = study.conclude(plan, tables, keeper.levels())
    if all(v.outcome is not Outcome.UNDECIDED for v in evidence.verdicts):
        return evidence
    later = study.conclude(plan, tables, keeper.later()).verdicts
    verdicts = tuple(
        replace(now, would_decide=then.would_decide, enough_seeds=then.enough_seeds)
        if now.outcome is Outcome.UNDECIDED
        else now
        for now, then in zip(evidence.verdicts, later, strict=True)
    )
    return replace(evidence, verdicts=verdicts)


def gather(cells: Sequence[Cell], done: Mapping[str, Tables]) -> dict[str, Table]:
    """Each table concatenated over the cells whose seeds are all finished, in the order of the plan."""
    parts: dict[str, list[Table]] = {}
    open_ = {cell.part_of for cell in cells if cell.name not in done and cell.seeds}
    for cell in cells:
        if cell.seeds and cell.part_of in open_:
            continue
        for name, table in done.get(cell.name, {}).items():
            parts.setdefault(name, []).append(table)
    return {name: concatenate(name, tables) for name, tables in parts.items()}


def _show(evidence: Evidence, shown: dict[str, Verdict], observer: Observer) -> None:
    """Reports the verdicts that are new or have changed; the claim as a whole comes last."""
    for verdict in sorted(evidence.verdicts, key=lambda v: not v.question):
        if shown.get(verdict.question) != verdict:
            shown[verdict.question] = verdict
            observer.verdict(verdict)
