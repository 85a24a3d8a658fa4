"""The data sets and starts of a plan as a run reads them: their content, and what a reader of its results should know of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ticketlab.claims.wording import listed
from ticketlab.errors import UserError
from ticketlab.networks.start_file import TRAINED_ON, StartFile
from ticketlab.tasks.pinned import read_from_files, sources, starts

if TYPE_CHECKING:
    from ticketlab.networks.pretrained import Pretrained
    from ticketlab.tasks.dataset import Dataset
    from ticketlab.tasks.sources import TaskSource

__all__ = ["Data", "content_hash", "data_hashes", "read_data"]


@dataclass(frozen=True)
class Data:
    """One data set of a plan, or one start.

    Arguments:
        source: its source; of a start the network.
        hash: of its content.
        target: the name of the target, if the file has one.
        notes: how ambiguous parts were read, what was left out, and what the parts of its split share, one sentence each.
        start: of a start, what a seed draws and what it does not.
    """

    source: TaskSource | Pretrained
    hash: str
    target: str
    notes: tuple[str, ...]
    start: str = ""

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        said = {"start": self.start} if self.start else {}
        return {"hash": self.hash, "target": self.target, "notes": list(self.notes), **said}


def read_data(plan: Any) -> dict[str, Data]:
    """Every data set and start that a plan names, by the option's name. Cost: reads them all.

    Raises:
        UserError: for data that cannot be read, and for a start that does not fit the network.
    """
    data = {where: _read(source, getattr(plan, "batch", None)) for where, source in sources(plan)}
    return {**data, **{where: _started(network, plan) for where, network in starts(plan)}}


def content_hash(choice: TaskSource | Pretrained) -> str:
    """That of a data set or a start. Cost: reads it."""
    from ticketlab.networks.pretrained import Pretrained

    return choice.digest() if isinstance(choice, Pretrained) else choice.load().content_hash


def data_hashes(plan: Any, hashed: Callable[[TaskSource | Pretrained], str] = content_hash) -> dict[str, str]:
    """The content hash of every data set and start that a plan names, by the option's name. Cost: as `hashed`, for each."""
    return {where: hashed(choice) for where, choice in read_from_files(plan)}


def _read(source: TaskSource, batch: int | None) -> Data:
    from ticketlab.tasks.splitting import preview

    dataset = source.load()
    notes = dataset.notes
    with contextlib.suppress(UserError):  # of a split that is not possible: a study that needs one says so
        train, more = preview(dataset, 0, source.sizes())
        notes += more
        if batch is not None and batch > train:
            notes += (f"There are {train} training examples: a step takes them all, not {batch}.",)
    return Data(source, dataset.content_hash, dataset.target, notes)


def _known(of_start: Mapping[str, str], dataset: Dataset) -> str:
    """What a start may know of test examples: a seed draws these from all examples, if no part of them is kept for testing."""
    if dataset.official_test or of_start.get(TRAINED_ON, dataset.content_hash) != dataset.content_hash:
        return ""
    drawn = "seeds draw some of these for testing, and scores say less of new ones."
    if TRAINED_ON in of_start:
        return f" It was trained on examples of this data set: {drawn}"
    return f" The file does not say what it was trained on. If it was on examples of this data set, {drawn}"


def _started(network: Pretrained, plan: Any) -> Data:
    """A start, fitted to the plan's data."""
    task, digest = plan.task.task(seed=0), network.digest()
    drawn = network.drawn(task.input_shape, task.outputs)
    anew = f" It draws {listed(drawn)} anew." if drawn else ""
    known = _known(StartFile.read(network.start).metadata, plan.task.load())
    said = (
        f"Every seed starts at the parameters of {Path(network.start).name} (SHA-256 {digest[:16]}…), not at random ones.{anew} "
        "Where random networks or random starts are spoken of, this start is meant, except for controls. Everything else is "
        f"drawn as stated. Intervals say nothing about other starts.{known}"
    )
    return Data(network, digest, "", (), said)
