"""Where an unfinished cell stands, on disk: named arrays in one file, replaced as a whole every so often.

A run that is killed loses what was done since. The file's name carries the identity of its cell, so that a draft of another plan,
code or data set is never found.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ticketlab.store.failures import storing

__all__ = ["DraftFile"]

EVERY = 20.0  # seconds between two writes


class DraftFile:
    """The draft of one cell (see `studies.study.Draft`), as a safetensors file."""

    def __init__(self, path: Path) -> None:
        self._path, self._written = path, time.monotonic()

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
