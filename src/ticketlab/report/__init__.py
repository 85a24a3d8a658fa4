"""The report of a run: one self-contained HTML page, made from stored records only.

Reading order: `record` (what a page is made from), `wording`, `palette`, `spread`, `axes`, `figure`, `rows`, `lines`,
`forest` (the figure of every study), `tables`, `times`, `setting`, `presentation` and a folder for the figures of each claim,
`page`, `stored` (from a run folder).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.report.page import render
    from ticketlab.report.record import Record
    from ticketlab.report.stored import write

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"page": ["render"], "record": ["Record"], "stored": ["write"]}
)

__all__ = ["Record", "render", "write"]
