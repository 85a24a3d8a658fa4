"""What every study is: a frozen plan, the cells it falls into, and the verdicts that are drawn from their tables.

A cell is the unit that is run, kept and resumed. It is a pure function of the plan, so that a run that was killed and started
again gives the same bits. A study never touches disk, screen or command line: it reports its progress through a callback, and
returns tables. A cell that takes long can note where it stands in a *draft*, so that a run that was killed goes on within it.

A study names the cells that it would run with nothing kept, and the seeds of each. They are run in *groups of seeds*: those that
are kept, and the rest. What a seed draws and what is computed for it depend on its number alone, never on the other seeds of its
group, so that a run of more seeds runs only the new ones and gives the same bits as one that began with all of them.
"""

from __future__ import annotations

import importlib
from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from ticketlab.evidence.tables import Evidence, Table
from ticketlab.laws.rules import USUAL, Levels

if TYPE_CHECKING:
    from ticketlab.evidence.arm import Arm
    from ticketlab.evidence.source import Source
    from ticketlab.laws.agenda import Agenda
    from ticketlab.laws.verdict import Verdict
    from ticketlab.tangent.devices import Devices
    from ticketlab.tickets.ticket import Ticket

__all__ = [
    "Blank", "Cell", "Draft", "DraftedStudy", "Progress", "Study", "cell_of", "groups", "of_losses", "seed_numbers", "silent",
]  # fmt: skip

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
        name: file-safe and unique in the study ("square").
        settings: what sets it apart from the other cells, JSON values only.
        weight: the expected share of the work of one of its seeds, in any unit (for the estimate of the time left).
        title: for progress lines ("square loss").
        seeds: whose numbers it computes, consecutive; none for a cell that is not cut into groups of seeds.
        together: whether all its seeds are computed in one program, which is faster; else each is a group of its own.
        part_of: the name of the cell that this is a group of; empty for one that is whole.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    title: str = ""
    seeds: tuple[int, ...] = ()
    together: bool = False
    part_of: str = ""

    @property
    def work(self) -> float:
        """The share of the work of all its seeds."""
        return self.weight * max(len(self.seeds), 1)

    def group(self, first: int, stop: int) -> Cell:
        """Its part with the seeds at these places."""
        seeds = self.seeds[first:stop]
        one = len(seeds) == 1
        numbers = f"seed{seeds[0]}" if one else f"seeds{seeds[0]}-{seeds[-1]}"
        words = f"seed {seeds[0]}" if one else f"seeds {seeds[0]} to {seeds[-1]}"
        return replace(
            self,
            name="-".join(filter(None, (self.name, numbers))),
            title=", ".join(filter(None, (self.title, words))),
            seeds=seeds,
            part_of=self.name,
        )


def seed_numbers(plan: Any) -> tuple[int, ...]:
    """The seeds of a plan: `seeds` of them, from `first_seed` on."""
    return tuple(range(plan.first_seed, plan.first_seed + plan.seeds))


def groups(cells: Sequence[Cell], kept: Callable[[Cell], bool]) -> tuple[Cell, ...]:
    """The cells, cut into groups of seeds: first of all those that are kept, and one group for all seeds between them.

    Arguments:
        cells: of a plan.
        kept: whether a group is kept, or begun.
    """
    return tuple(part for cell in cells for part in (_cut(cell, kept) if cell.seeds else (cell,)))


def _cut(cell: Cell, kept: Callable[[Cell], bool]) -> Iterator[Cell]:
    count = len(cell.seeds)
    if not cell.together:
        yield from (cell.group(place, place + 1) for place in range(count))
        return

    def longest(first: int) -> int | None:
        """Where the longest kept group ends that begins here."""
        return next((stop for stop in range(count, first, -1) if kept(cell.group(first, stop))), None)

    place = 0
    while place < count:
        stop = longest(place)
        if stop is None:
            stop = next((at for at in range(place + 1, count) if longest(at) is not None), count)
        yield cell.group(place, stop)
        place = stop


class Study(ABC):
    """A claim put to the test.

    Class attributes: `claim` (its identifier), `statement` (as people put it), `question` (what is asked, one sentence),
    `method` (paragraphs of plain words, for the report), `arms` (what is compared), `redraws` (what a seed draws anew, one
    sentence), `sources`, `needs` (tables without which there are no verdicts), `plan_type` (the frozen dataclass of its options,
    each with a default), and `cell` (name and title of the only cell of a study that has one).
    """

    claim: ClassVar[str]
    statement: ClassVar[str]
    question: ClassVar[str]
    method: ClassVar[tuple[str, ...]]
    arms: ClassVar[tuple[Arm, ...]] = ()
    redraws: ClassVar[str] = ""
    sources: ClassVar[tuple[Source, ...]]
    needs: ClassVar[tuple[str, ...]] = ("examples",)
    plan_type: ClassVar[type]
    cell: ClassVar[tuple[str, str]] = ("", "")

    def cells(self, plan: Any) -> tuple[Cell, ...]:
        """The cells of a plan, with all their seeds, in the order in which they should be run; checks the plan's options.

        Cheap: nothing is computed. By default there is one, `cell`.
        """
        name, title = self.cell
        return (Cell(name, title=title, seeds=seed_numbers(plan)),)

    def described(self) -> tuple[str, ...]:
        """The method, then what is compared and what a seed draws, in paragraphs."""
        arms = " ".join(f"{arm.name[0].upper()}{arm.name[1:]}: {arm.description}" for arm in self.arms)
        return (*self.method, *filter(None, (arms, self.redraws)))

    def remarks(self, plan: Any) -> tuple[str, ...]:
        """What a reader of this plan's results should know, one sentence each: what was left out, and why."""
        return ()

    def asked(self, plan: Any) -> Agenda | None:
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
        self, plan: Any, cell: Cell, draft: Draft, progress: Progress = silent, devices: Devices | None = None
    ) -> dict[str, Table]:
        """The same tables, from where the draft says that the cell stands; by default from the start."""
        return self.run(plan, cell, progress, devices)

    def brief(self, plan: Any, cell: Cell, tables: Mapping[str, Table]) -> str:
        """A finished cell's numbers in one short line for the screen ("test accuracy: …"); empty for none."""
        return ""

    def conclude(self, plan: Any, tables: Mapping[str, Table], levels: Levels = USUAL) -> Evidence:
        """Evidence and verdicts from the tables of all cells, each table concatenated over the cells that have it.

        Also called on the cells of which all seeds are finished so far, so that a verdict can be shown while others run:
        questions whose cells are not there are left out.

        Arguments:
            levels: with which *holds* and *fails* may be wrong; those of the look at the run.
        """
        known = all(name in tables for name in self.needs)
        return Evidence(dict(tables), tuple(self.verdicts(plan, tables, levels)) if known else ())

    def verdicts(self, plan: Any, tables: Mapping[str, Table], levels: Levels) -> Sequence[Verdict]:
        """The claim as a whole, then its questions; by default none."""
        return ()


class DraftedStudy(Study):
    """A study whose cells note where they stand."""

    def resume(
        self, plan: Any, cell: Cell, draft: Draft, progress: Progress = silent, devices: Devices | None = None
    ) -> dict[str, Table]:
        return cell_of(self).measure(plan, cell, draft, progress, devices)


def of_losses(plan: Any, weights: Mapping[str, float]) -> tuple[Cell, ...]:
    """A cell a loss, with the share of the work of each."""
    seeds = seed_numbers(plan)
    return tuple(Cell(loss, {"loss": loss}, weights[loss], f"{loss} loss", seeds) for loss in plan.losses)


def cell_of(study: Study) -> Any:
    """The module `cell` in the claim's folder, imported when a cell is run, because it needs JAX.

    It has `measure(plan, cell, draft, progress, devices) -> tables`.
    """
    return importlib.import_module(f"{type(study).__module__.rpartition('.')[0]}.cell")
