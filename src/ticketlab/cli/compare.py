"""`ticketlab compare`: finished runs side by side, on the screen and as one page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ticketlab.cli.options import parse
from ticketlab.cli.printing import new_table, show_table
from ticketlab.engine.controls import shown
from ticketlab.errors import UserError, counted
from ticketlab.lab import Done, finished_run
from ticketlab.store.folder import RunFolder
from ticketlab.store.lost_plan import restore_plan

__all__ = ["compare", "lay_out"]

DESCRIPTION = (
    "Lays finished runs side by side: data, sizes, seeds, what differs, and the answers to each question."
)


@dataclass(frozen=True)
class _Compare:
    """What is asked.

    Arguments:
        runs: their folders.
        out: the page.
    """

    runs: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN …", help="folders of runs, of labs or of sweeps", help_behavior_hint=""),
    ]
    out: Annotated[Path, tyro.conf.arg(help="the page")] = Path("comparison.html")


def compare(words: Sequence[str], studies: Mapping[str, str]) -> int:
    """`ticketlab compare RUN RUN … [--out PAGE]`."""
    asked = parse(_Compare, words, command="compare", description=DESCRIPTION)
    return lay_out(asked.runs, asked.out, studies)


def lay_out(given: Sequence[Path], page: Path, studies: Mapping[str, str]) -> int:
    """Writes the page, and prints the table of the runs."""
    from ticketlab.report.comparison_page import side_by_side, write_comparison

    paths = list({os.path.abspath(path): path for place in given for path in _runs(place)}.values())
    if len(paths) < 2:
        raise UserError(counted(len(paths), "run"), "two or more", "`ticketlab compare RUN RUN …`")
    runs = dict(zip(_labels(paths), (_finished(path, studies) for path in paths), strict=True))
    unfinished = _unfinished(given)
    write_comparison(page, runs, unfinished)
    found = side_by_side(runs)
    table = new_table(*found.head)
    for row in found.rows:
        table.add_row(*map(shown, row))
    show_table(table)
    for path in unfinished:
        print(shown(f"left out  {path}, which is not finished"))
    print(f"page  {shown(str(page))}")
    return 0


def _runs(path: Path) -> Iterator[Path]:
    """The folder itself, or those of the finished runs in the folder of a lab or a sweep."""
    restore_plan(path)
    if (path / "plan.toml").exists():
        yield path
        return
    within = sorted(file.parent for file in path.glob("*/evidence.json"))
    if not within:
        raise UserError(
            f"{path}, which holds no finished run",
            "the folder of a run, a lab or a sweep",
            "Its path is printed when it ends.",
        )
    yield from within


def _finished(path: Path, studies: Mapping[str, str]) -> Done:
    done = finished_run(path, studies)
    if done is None:
        RunFolder.open(path, studies).evidence()  # raises, and says why it cannot be read
    assert done is not None
    return done


def _unfinished(given: Sequence[Path]) -> list[str]:
    """The runs in the folders of labs and sweeps that are not finished, and cannot be laid beside the others."""
    within = sorted({file.parent for path in given for file in path.glob("*/cells")})
    return [str(path) for path in within if not (path / "evidence.json").exists()]


def _labels(paths: Sequence[Path]) -> list[str]:
    """The paths without the folders that all have in common."""
    whole = [os.path.abspath(path) for path in paths]
    common = os.path.commonpath([os.path.dirname(path) for path in whole])
    return [os.path.relpath(path, common) for path in whole]
