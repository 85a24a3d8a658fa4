"""One cell of a study, measured without a run around it."""

from ticketlab.claims.study import Blank, Cell, cell_of, seed_numbers, silent


def measured(study, plan, draft=None, progress=silent, seeds=(), **settings):
    """The tables of a cell with these settings; by default of all the plan's seeds, and with nothing noted."""
    cell = Cell("", settings, seeds=tuple(seeds) or seed_numbers(plan))
    return cell_of(study).measure(plan, cell, draft or Blank(), progress, None)
