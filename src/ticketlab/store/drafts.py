"""Drafts: the state of an unfinished cell on disk, as named arrays in one file that is replaced as a whole; and its tickets.

The file is safetensors with its SHA-256 (32 bytes) at the end. A draft with a wrong checksum is damaged: it is removed, and
the cell starts again, since corrupt numbers would otherwise enter its tables. A killed run loses the work since the last
write. Names include the identity of the cell, so a draft of another plan, code or data set is never found.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ticketlab.store.failures import storing
from ticketlab.store.whole import write_whole

if TYPE_CHECKING:
    from ticketlab.tickets.ticket import Ticket

__all__ = ["DraftFile"]

EVERY = 20.0  # seconds between two writes
SEAL = 32  # bytes of a SHA-256


def _sealed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


class DraftFile:
    """The draft of one cell (see `studies.study.Draft`), as a safetensors file.

    Arguments:
        path: of the draft.
        tickets: the folder for tickets, created with the first one.
        about: text in every ticket's file, in addition to the study's own.
        note: receives a message on a damaged draft.
    """

    def __init__(
        self,
        path: Path,
        tickets: Path,
        about: Mapping[str, str],
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._path, self._tickets, self._about, self._note = path, tickets, about, note
        self._written = time.monotonic()

    def read(self) -> dict[str, np.ndarray] | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._note(f"A draft is not used: it cannot be read ({error.strerror}).")
            return None
        try:
            if _sealed(content[:-SEAL]) == content:
                return load(content[:-SEAL])
        except SafetensorError:
            pass
        self._note(f"A draft is not used: {self._path.name} is damaged. Its cell starts again.")
        with storing(self._path.parent):
            self._path.unlink()
        return None

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        from safetensors.numpy import save

        if time.monotonic() - self._written < EVERY:
            return
        content = save({name: np.asarray(a, order="C") for name, a in arrays.items()})
        write_whole(self._path, _sealed(content))
        self._written = time.monotonic()

    def leave(self, name: str, ticket: Ticket) -> None:
        from ticketlab.store.ticket_file import write_ticket

        with storing(self._tickets):
            self._tickets.mkdir(parents=True, exist_ok=True)
        about = {**self._about, **ticket.about}
        write_ticket(self._tickets / f"{name}.safetensors", replace(ticket, about=about))
