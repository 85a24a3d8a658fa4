"""What a run tells its keeper and its observer, kept for tests."""

from __future__ import annotations

from toy_draft import Memory

from ticketlab.engine.keeper import WorkingMemory
from ticketlab.engine.run import Silence


class Keeping(WorkingMemory):
    """Keeps cells and drafts, by cell."""

    def __init__(self):
        self.saved, self.drafts = [], {}

    def save(self, cell, tables, seconds):
        self.saved.append(cell.name)
        return tables

    def draft(self, cell):
        return self.drafts.setdefault(cell.name, Memory())


class Said(Silence):
    def __init__(self):
        self.said, self.left = [], []

    def progress(self, cell, what, fraction, left):
        self.said.append((cell.name, what))
        self.left.append(left)
