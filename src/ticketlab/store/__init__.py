"""The store of a run: its folder, its finished cells, and the validity of kept cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "folder": ["RunFolder", "default_place"],
        "cells": ["CellFolders"],
        "identity": ["dependencies"],
        "tables": ["Damaged"],
        "layouts": ["torch_layout"],
        "ticket_file": ["read_ticket", "write_ticket"],
    },
)

if TYPE_CHECKING:
    from ticketlab.store.cells import CellFolders as CellFolders
    from ticketlab.store.folder import RunFolder as RunFolder
    from ticketlab.store.folder import default_place as default_place
    from ticketlab.store.identity import dependencies as dependencies
    from ticketlab.store.layouts import torch_layout as torch_layout
    from ticketlab.store.tables import Damaged as Damaged
    from ticketlab.store.ticket_file import read_ticket as read_ticket
    from ticketlab.store.ticket_file import write_ticket as write_ticket
