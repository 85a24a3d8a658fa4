"""Every claim on one network and one data set: the argument as data, how its parts stand, and the folder of a lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "argument": ["ARROWS", "PARTS", "Arrow", "Asked", "Every", "Found", "Part", "Some", "Undercut"],
        "standing": ["Standing", "standings"],
        "folder": ["Done", "LabFolder", "LabPlan"],
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
    from ticketlab.lab.folder import Done as Done
    from ticketlab.lab.folder import LabFolder as LabFolder
    from ticketlab.lab.folder import LabPlan as LabPlan
    from ticketlab.lab.standing import Standing as Standing
    from ticketlab.lab.standing import standings as standings
