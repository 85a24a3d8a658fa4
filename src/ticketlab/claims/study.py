"""What every study is: a frozen plan, the cells it falls into, and the verdicts that are drawn from their tables.

A cell is the unit that is run, kept and resumed. It is a pure function of the plan, so that a run that was killed and started
again gives the same bits. A study never touches disk, screen or command line: it reports its progress through a callback, and
returns tables. A cell that takes long can note where it stands in a *draft*, so that a run that was killed goes on within it.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from ticketlab.evidence.tables import Evidence, Table

if TYPE_CHECKING:
    from ticketlab.evidence.arm import Arm
    from ticketlab.evidence.source import Source
    from ticketlab.laws.asked import Asked
    from ticketlab.tangent.devices import Devices
    from ticketlab.tickets.ticket import Ticket

__all__ = [
    "Blank",
    "Cell",
    "Draft",
    "DraftedStudy",
    "Progress",
    "Study",
    "all_seeds",
    "cell_of",
    "cells_by_loss",
    "complete",
    "silent",
]

Progress = Callable[[str, float], None]
"""`progress(what is being done, fraction of this cell that is done)`."""


def silent(what: str, fraction: float) -> None:
    """No progress is shown."""


@runtime_checkable
class Draft(Protocol):
    """Where one unfinished cell stands, kept for when the process dies; what it holds is the study's affair."""

    def read(self) -> Mapping[str, np.ndarray] | None:
        """What was written last; None if there is nothing, or nothing whole."""

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps this in place of what was written before; it may not be done if that was a moment ago."""

    def leave(self, name: str, ticket: Ticket) -> None:
        """Leaves a ticket of the cell behind, for good; the same name again is the same ticket."""


class Blank:
    """A draft that keeps nothing, and leaves nothing."""

    def read(self) -> Mapping[str, np.ndarray] | None:
        return None

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        pass

    def leave(self, name: str, ticket: Ticket) -> None:
        pass


@dataclass(frozen=True)
class Cell:
    """One independent piece of a study.

    Arguments:
        name: file-safe and unique in the study ("square-seed0").
        settings: what sets it apart from the other cells, JSON values only.
        weight: its expected share of the work, in any unit (for the estimate of the time left).
        title: for progress lines ("square loss, seed 0").
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    title: str = ""


def cells_by_loss(losses: Sequence[str], seeds: int, weights: Mapping[str, float]) -> tuple[Cell, ...]:
    """A cell for each loss and seed, all seeds of a loss before the next loss.

    Arguments:
        losses: by name.
        seeds: how many; 0, 1, ….
        weights: the share of the work that a cell of each loss has.
    """
    return tuple(
        Cell(f"{loss}-seed{seed}", {"loss": loss, "seed": seed}, weights[loss], f"{loss} loss, seed {seed}")
        for loss in losses
        for seed in range(seeds)
    )


def all_seeds(table: Table, seeds: int) -> bool:
    """Whether the cells of all seeds have been run; no question is asked before."""
    return len(np.unique(table["seed"])) >= seeds


def complete(table: Table, column: str, values: Sequence[str], seeds: int) -> list[str]:
    """Those values of a column (losses, say) of which the cells of all seeds have been run; questions are asked of no others."""
    return [v for v in values if all_seeds(table.where(**{column: v}), seeds)]


class Study(ABC):
    """A claim put to the test.

    Class attributes: `claim` (its identifier), `statement` (as people put it), `question` (what is asked, one sentence),
    `method` (paragraphs of plain words, for the report), `arms` (what is compared), `redraws` (what a seed draws anew, one
    sentence), `sources`, and `plan_type` (the frozen dataclass of its options, each with a default).
    """

    claim: ClassVar[str]
    statement: ClassVar[str]
    question: ClassVar[str]
    method: ClassVar[tuple[str, ...]]
    arms: ClassVar[tuple[Arm, ...]] = ()
    redraws: ClassVar[str] = ""
    sources: ClassVar[tuple[Source, ...]]
    plan_type: ClassVar[type]

    @abstractmethod
    def cells(self, plan: Any) -> tuple[Cell, ...]:
        """The cells of a plan, in the order in which they should be run. Cheap; checks the plan's options."""

    def asked(self, plan: Any) -> Asked | None:
        """The questions of a plan with their rules, before anything is measured; None for a study without a formula."""
        return None

    def run(
        self, plan: Any, cell: Cell, progress: Progress = silent, devices: Devices | None = None
    ) -> dict[str, Table]:
        """One cell's tables by name; by default those that `measure` in the claim's `cell.py` returns.

        They are deterministic, but for tables marked `measured`.

        Arguments:
            plan, cell: what is run.
            progress: is told how far it is.
            devices: over which examples are spread in products with J, and rows of K (default: all on one). Results differ by
                the order of sums alone. Those of several processes are given to all of them, which run the cell in step.
        """
        return cell_of(self).measure(plan, cell, Blank(), progress, devices)

    def resume(
        self,
        plan: Any,
        cell: Cell,
        draft: Draft,
        progress: Progress = silent,
        devices: Devices | None = None,
    ) -> dict[str, Table]:
        """The same tables, from where the draft says that the cell stands; by default from the start."""
        return self.run(plan, cell, progress, devices)

    def brief(self, plan: Any, cell: Cell, tables: Mapping[str, Table]) -> str:
        """A finished cell's numbers in one short line for the screen ("test accuracy: …"); empty for none."""
        return ""

    @abstractmethod
    def conclude(self, plan: Any, tables: Mapping[str, Table]) -> Evidence:
        """Evidence and verdicts from the tables of all cells, each table concatenated over the cells that have it.

        Also called on the cells finished so far, so that a verdict can be shown while others run: questions whose cells
        are not complete are left out.
        """


class DraftedStudy(Study):
    """A study whose cells note where they stand."""

    def resume(
        self,
        plan: Any,
        cell: Cell,
        draft: Draft,
        progress: Progress = silent,
        devices: Devices | None = None,
    ) -> dict[str, Table]:
        return cell_of(self).measure(plan, cell, draft, progress, devices)


def cell_of(study: Study) -> Any:
    """The module `cell` in the claim's folder, imported when a cell is run, because it needs JAX.

    It has `measure(plan, cell, draft, progress, devices) -> tables`.
    """
    return importlib.import_module(f"{type(study).__module__.rpartition('.')[0]}.cell")
