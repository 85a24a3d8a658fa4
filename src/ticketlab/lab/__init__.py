"""Many runs at once: every claim on one network and data set, with the argument as data; and one claim over a grid of plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "argument": ["ARROWS", "PARTS", "Arrow", "Asked", "Every", "Found", "Part", "Some", "Undercut"],
        "standing": ["Standing", "standings"],
        "asked": ["AskedFolder", "Done", "finished_run"],
        "folder": ["LabFolder", "LabPlan"],
        "grid": ["Axis", "Grid", "Place", "grid_of"],
        "sweep_folder": ["SweepFolder"],
    },
)

if TYPE_CHECKING:
    from ticketlab.lab.argument import ARROWS as ARROWS
    from ticketlab.lab.argument import PARTS as PARTS
    from ticketlab.lab.argument import Arrow as Arrow
    from ticketlab.lab.argument import Asked as Asked
    from ticketlab.lab.argument import Every as Every
    from ticketlab.lab.argument import Found as Found
    from ticketlab.lab.argument import Part as Part
    from ticketlab.lab.argument import Some as Some
    from ticketlab.lab.argument import Undercut as Undercut
    from ticketlab.lab.asked import AskedFolder as AskedFolder
    from ticketlab.lab.asked import Done as Done
    from ticketlab.lab.asked import finished_run as finished_run
    from ticketlab.lab.folder import LabFolder as LabFolder
    from ticketlab.lab.folder import LabPlan as LabPlan
    from ticketlab.lab.grid import Axis as Axis
    from ticketlab.lab.grid import Grid as Grid
    from ticketlab.lab.grid import Place as Place
    from ticketlab.lab.grid import grid_of as grid_of
    from ticketlab.lab.standing import Standing as Standing
    from ticketlab.lab.standing import standings as standings
    from ticketlab.lab.sweep_folder import SweepFolder as SweepFolder
