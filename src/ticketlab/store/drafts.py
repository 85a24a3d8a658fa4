"""Where an unfinished cell stands, on disk: named arrays in one file, replaced as a whole every so often; and tickets it leaves.

A run that is killed loses what was done since. Names carry the identity of the cell, so that a draft of another plan, code or
data set is never found.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ticketlab.store.failures import storing

if TYPE_CHECKING:
    from ticketlab.tickets.ticket import Ticket

__all__ = ["DraftFile"]

EVERY = 20.0  # seconds between two writes


class DraftFile:
    """The draft of one cell (see `studies.study.Draft`), as a safetensors file.

    Arguments:
        path: of the draft.
        tickets: the folder for tickets, made when the first is left.
        about: what every ticket's file says beside what the study says of it.
    """

    def __init__(self, path: Path, tickets: Path, about: Mapping[str, str]) -> None:
        self._path, self._tickets, self._about = path, tickets, about
        self._written = time.monotonic()

    def read(self) -> dict[str, np.ndarray] | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            return load(self._path.read_bytes())
        except (OSError, SafetensorError):
            return None

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        from safetensors.numpy import save

        if time.monotonic() - self._written < EVERY:
            return
        partial = self._path.with_name(f"{self._path.name}.partial")
        with storing(self._path.parent):
            partial.write_bytes(save({name: np.asarray(a, order="C") for name, a in arrays.items()}))
            os.replace(partial, self._path)
        self._written = time.monotonic()

    def leave(self, name: str, ticket: Ticket) -> None:
        from ticketlab.store.ticket_file import write_ticket

        with storing(self._tickets):
            self._tickets.mkdir(parents=True, exist_ok=True)
        about = {**self._about, **ticket.about}
        write_ticket(self._tickets / f"{name}.safetensors", replace(ticket, about=about))
