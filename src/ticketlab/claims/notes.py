"""What a cell notes while it runs: rows by table, and in its draft where it stands, from one piece of training to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from ticketlab.claims.rows import Rows, made, read_rows, written_rows
from ticketlab.claims.start import guessed
from ticketlab.claims.study import Draft
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.networks.network import Network
from ticketlab.tasks.task import Task
from ticketlab.tickets.masks import Mask
from ticketlab.tickets.pruned import Residue
from ticketlab.tickets.reach import effective_density
from ticketlab.training.optimisers import Optimiser
from ticketlab.training.result import Ended, TrainingState

__all__ = ["OF_MASKS", "PIECES", "Notes", "effective", "example_table", "left", "refuse_diverged"]

OF_MASKS = {  # what columns about masks, and the proof that removed weights took no part, mean
    "decisive": "whether the question is decided at this level",
    "density": "the fraction of the weights that is kept",
    "effective_density": "the fraction of the weights that is kept and lies on a path from an input to an output",
    "kept": "weights that are kept",
    "parameters_left": "of these, how many are not exactly zero at the end",
    "best": "how many are not exactly zero at the early stop",
    "moments": "how many of the optimiser's moments of pruned parameters are not exactly zero",
    "network_steps": "steps times networks",
}
PIECES = 10  # of a training; between them the draft is written


@runtime_checkable
class Trained(Protocol):
    """What is trained a piece at a time."""

    @property
    def step(self) -> int: ...
    @property
    def state(self) -> TrainingState: ...


T = TypeVar("T", bound=Trained)


@dataclass(frozen=True)
class Notes:
    """The rows of a cell so far, and the draft in which they are noted.

    Arguments:
        arrays: what an earlier process has noted; None if there was none.
    """

    rows: Rows
    draft: Draft
    arrays: Mapping[str, np.ndarray] | None

    @staticmethod
    def of(draft: Draft) -> Notes:
        """From the start, or from where the draft says."""
        arrays = draft.read()
        return Notes({} if arrays is None else read_rows(arrays["rows"]), draft, arrays)

    def add(self, table: str, *rows: Mapping[str, Any]) -> None:
        self.rows.setdefault(table, []).extend(map(dict, rows))

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Notes where the cell stands, with the rows so far."""
        self.draft.write({**arrays, "rows": written_rows(self.rows)})

    def timed(self, began: float, network_steps: int, **about: Any) -> None:
        """A row of seconds since `time.perf_counter()` was `began`."""
        self.add("timings", {**about, "network_steps": network_steps, "seconds": time.perf_counter() - began})

    def tables(self, names: Sequence[str], meanings: Mapping[str, str], *more: Table) -> dict[str, Table]:
        """The tables that there are of these names, and more, seed by seed."""
        own = (Table.from_rows(n, self.rows[n], meanings=meanings) for n in names if self.rows.get(n))
        return {table.name: table.by_seed() for table in (*own, *more)}

    def in_pieces(
        self,
        at: T,
        plan: Any,
        piece: int,
        go_on: Callable[[T, int, Callable[[float], None]], T],
        written: Callable[[T], Mapping[str, np.ndarray]],
        told: Callable[[float], None],
        where: str,
        **about: Any,
    ) -> T:
        """Trained to the end, a piece at a time; each is timed, and noted.

        Arguments:
            plan: with the steps of the training, and its optimiser.
            piece: steps.
            go_on: trains on to a step.
            written: the state as arrays.
            told: is told the step.
            where: in words, for a training that diverges.
            about: columns of the rows of times.
        """
        while at.step < plan.steps and _running(at.state):
            first, began = at.step, time.perf_counter()
            until = min((first // piece + 1) * piece, plan.steps)

            def progress(fraction: float, first: int = first, until: int = until) -> None:
                told(first + fraction * (until - first))

            at = go_on(at, until, progress)
            self.timed(began, len(np.asarray(at.state.steps)) * (at.step - first), **about)
            self.write(written(at))
        refuse_diverged(at.state, where, plan.steps, plan.optimiser)
        return at


def _running(state: TrainingState) -> bool:
    """Whether no network has diverged: they are ranked together, or compared."""
    return bool(np.all(np.asarray(state.ended) == Ended.NO))


def refuse_diverged(state: TrainingState, where: str, steps: int, optimiser: Optimiser) -> None:
    """Raises NumericalFailure where a network has diverged."""
    if not _running(state):
        raise NumericalFailure(
            f"Training diverged {where}, after {int(np.min(state.steps))} of {steps} steps: use a smaller step size than "
            f"{optimiser.step_size:g}."
        )


def left(proof: Residue) -> dict[str, int]:
    """What of pruned weights and of their moments is not exactly zero, as columns."""
    return {"parameters_left": proof.parameters, "best": proof.best, "moments": proof.moments}


def effective(network: Network, mask: Mask) -> float:
    """The effective density; NaN for a network that has none."""
    try:
        return effective_density(network, mask)
    except UserError:
        return float("nan")


def example_table(
    name: str,
    seeds: Sequence[int],
    task: Task,
    scores: Mapping[str, Any],
    meanings: Mapping[str, str],
    **about: Any,
) -> Table:
    """What was measured of every seed and test example.

    Arguments:
        scores: columns `[seeds, examples]`; None in the place of guessing.
        about: columns with one value, which come first.
    """
    ids = task.test.ids
    columns = {column: np.full(len(seeds) * len(ids), value) for column, value in about.items()}
    columns |= {"seed": np.repeat(seeds, len(ids)), "id": np.tile(ids, len(seeds))}
    columns = {c: of.astype(np.int64) if of.dtype.kind in "iu" else of for c, of in columns.items()}
    guess = np.tile(guessed(task), len(seeds))
    columns |= {
        c: guess if of is None else np.asarray(of, np.float64).reshape(-1) for c, of in scores.items()
    }
    return made(name, columns, meanings)
