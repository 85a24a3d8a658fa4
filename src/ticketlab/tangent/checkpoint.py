"""Where a long solve stands, on disk: the coefficients u, for one problem at a time, replaced as a whole every so often.

A solve that was killed goes on from there. Conjugate gradients lose the directions they had, not the point they had reached. The
file says which problem it belongs to; one that belongs to another is left alone and not used.
"""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError
from ticketlab.tangent.jacobian import Jacobian

__all__ = ["Checkpoint"]

EVERY = 20.0  # seconds


@dataclass
class Checkpoint:
    """A file for the problems of one Jacobian.

    Arguments:
        path: of the file (NPZ); its folder exists.
        jacobian: network, θ₀, inputs and what moves: what the problem is about, with r = y − f₀ and λ.

    Raises:
        UserError: for a folder that does not exist; from `save`, for a file that cannot be written.
    """

    path: Path
    jacobian: Jacobian
    _saved: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if not self.path.parent.is_dir():
            raise UserError(
                f"{self.path} as a checkpoint", "a file in a folder that exists", "Make the folder first."
            )

    def load(self, r: Float[np.ndarray, "n k"], ridge: float) -> tuple[Float[np.ndarray, "n k"], int] | None:
        """u, and how many iterations it took; None where nothing usable is kept."""
        try:
            with open(self.path, "rb") as file, np.load(file, allow_pickle=False) as kept:
                if str(kept["problem"]) != self._problem(r, ridge):
                    return None
                return np.asarray(kept["u"], np.float64), int(kept["iterations"])
        except (FileNotFoundError, KeyError, ValueError, OSError, zipfile.BadZipFile):
            return None

    def save(
        self, r: Float[np.ndarray, "n k"], ridge: float, u: Float[np.ndarray, "n k"], iterations: int
    ) -> None:
        """Write, unless the last time was a moment ago."""
        if time.monotonic() - self._saved < EVERY:
            return
        partial = self.path.with_name(self.path.name + ".partial")
        try:
            with open(partial, "wb") as file:
                np.savez(file, u=u, iterations=iterations, problem=self._problem(r, ridge))
            os.replace(partial, self.path)
        except OSError as error:
            raise UserError(
                f"{self.path} as a checkpoint: {error.strerror or error}",
                f"a file that can be written, of {u.nbytes / 1e6:.1f} MB",
                "Make room, or name another place; the file of the last time is kept.",
            ) from error
        self._saved = time.monotonic()

    def _problem(self, r: Float[np.ndarray, "n k"], ridge: float) -> str:
        return f"{self._identity} r={_digest(r)} ridge={ridge!r}"

    @cached_property
    def _identity(self) -> str:
        masks = self.jacobian.selection.masks(self.jacobian.params)
        leaves = jax.tree.leaves(self.jacobian.params)
        return f"{self.jacobian.network.name} {_digest(self.jacobian.x, *leaves, *masks)}"


def _digest(*arrays: Any) -> str:
    digest = hashlib.sha256()
    for array in map(np.asarray, arrays):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
