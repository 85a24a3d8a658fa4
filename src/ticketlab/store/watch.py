"""Watches the data, which must not change during a run, because every cell records the data that it used.

The content is hashed when a run begins, and compared whenever a cell reads the data (`tasks.pinned`). Before a cell is kept,
the place, times and size of every file are compared with those at the start, which costs nothing. Only if they differ is the
content hashed again. Changed data end the run, and the current cell, which may have read either version, is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ticketlab.tasks import pinned

__all__ = ["Watch"]

Stamp = tuple[str, int, int, int, int]


class Watch:
    """Detects changes in a plan's data.

    Arguments:
        plan: names the data; their files are recorded immediately, before their content is hashed.
        hashed: gives the content hash of every data set, by the name of its option.
    """

    def __init__(self, plan: Any, hashed: Callable[[Any], Mapping[str, str]]) -> None:
        self._plan, self._hashed = plan, hashed
        self._stamps = _stamps(plan)

    def check(self, first: Mapping[str, str]) -> None:
        """Raises UserError if a data set has changed since the run began."""
        stamps = _stamps(self._plan)
        if stamps == self._stamps:
            return
        found = self._hashed(self._plan)
        changed = [name for name, hash in first.items() if found.get(name) != hash]
        if changed:
            raise pinned.changed(changed)
        self._stamps = stamps


def _stamps(plan: Any) -> list[Stamp]:
    return [stamp for _, source in pinned.read_from_files(plan) for stamp in _files(source)]


def _files(source: Any) -> Iterator[Stamp]:
    from ticketlab.networks.pretrained import Pretrained
    from ticketlab.tasks.sources import NamedFolder, OwnFile

    if not isinstance(source, NamedFolder | OwnFile | Pretrained):
        return
    place = source.path() if isinstance(source, NamedFolder) else source.where()
    for file in sorted([place, *(place.rglob("*") if place.is_dir() else ())]):
        yield _stamp(file)


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except OSError:
        return (str(file), 0, 0, 0, 0)
    return (str(file), found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
