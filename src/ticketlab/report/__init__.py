"""The report of a run: one self-contained HTML page, made from stored records only.

Reading order: `page` (from a record), `stored` (from a run folder).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.report.page import render
    from ticketlab.report.stored import write

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"page": ["render"], "stored": ["write"]})

__all__ = ["render", "write"]
