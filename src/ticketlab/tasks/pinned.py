"""Data that must stay as they are while a run goes on, because all its cells say which data they are of.

A run reads its data when it begins, and its cells read them again. Whoever reads data for a cell compares their content with that
of the beginning, so that a file which is edited meanwhile, even if it is put back later, is never learnt from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.sources import TaskSource

__all__ = ["changed", "check_pinned", "pinned"]

_EXPECTED: ContextVar[Mapping[TaskSource, str]] = ContextVar("expected")


@contextmanager
def pinned(hashes: Mapping[TaskSource, str]) -> Iterator[None]:
    """Within, `check_pinned` refuses data whose content is another.

    Arguments:
        hashes: the content hash of every data set.
    """
    token = _EXPECTED.set(hashes)
    try:
        yield
    finally:
        _EXPECTED.reset(token)


def check_pinned(source: TaskSource, dataset: Dataset) -> None:
    """Raises UserError when data that were just read are not those with which the run began."""
    expected = _EXPECTED.get({}).get(source)
    if expected not in (None, dataset.content_hash):
        raise changed([dataset.name])


def changed(names: Iterable[str]) -> UserError:
    """What is said of data that are no longer the same."""
    return UserError(
        f"data that changed while the run went on ({', '.join(names)})",
        "the data as they were when it began",
        "The cell that was running is not kept, and those before are. "
        "The same command begins anew with the data as they are now.",
    )
