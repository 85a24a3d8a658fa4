"""The state of a long solve on disk: the coefficients u, replaced as a whole at intervals.

For the square loss the file holds one problem at a time, for other losses all that are solved together. A killed solve
continues from it. Conjugate gradients lose their directions and Newton's method its current step, but both keep the point
they had reached. The file identifies its problem; a file of another problem is not used, and is replaced.

With several processes, only the first reads and writes; it sends the others what it has read.
"""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.newton import FunctionSpaceProblem, Standing
from ticketlab.tangent.processes import told

__all__ = ["Checkpoint"]

EVERY = 20.0  # seconds

Arrays = Mapping[str, np.ndarray]


@dataclass
class Checkpoint:
    """A file for the problems of one Jacobian.

    Arguments:
        path: of the file (NPZ); its folder exists.
        jacobian: network, θ₀, inputs and selection; these identify the problem, with loss, targets, f₀ and λ.

    Raises:
        UserError: for a folder that does not exist; from `save`, for a file that cannot be written.
    """

    path: Path
    jacobian: Jacobian
    _saved: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if not self._told(np.array(self.path.parent.is_dir())):
            raise UserError(
                f"{self.path} as a checkpoint", "a file in a folder that exists", "Make the folder first."
            )

    def load(self, r: Float[np.ndarray, "n k"], ridge: float) -> tuple[Float[np.ndarray, "n k"], int] | None:
        """Square loss: u and its number of iterations; None if there is nothing usable."""
        nothing = {"u": np.zeros(r.shape), "iterations": np.array(0)}
        kept = self._read(self._square(r, ridge), nothing)
        return None if kept is None else (kept["u"], int(kept["iterations"]))

    def save(
        self, r: Float[np.ndarray, "n k"], ridge: float, u: Float[np.ndarray, "n k"], iterations: int
    ) -> None:
        """Write, unless the last time was a moment ago."""
        if self._due:
            self._write(self._square(r, ridge), {"u": u, "iterations": np.array(iterations)})

    def load_path(self, problem: FunctionSpaceProblem) -> Standing | None:
        """Other losses: the states of the problems; None if there is nothing usable."""
        kept = self._read(self._path(problem), _arrays(Standing.nothing(problem)))
        return None if kept is None else Standing(**kept)

    def save_path(self, problem: FunctionSpaceProblem, standing: Standing) -> None:
        """Write, unless the last time was a moment ago."""
        if self._due:
            self._write(self._path(problem), _arrays(standing))

    @property
    def _due(self) -> bool:
        return self._first and time.monotonic() - self._saved >= EVERY

    @property
    def _first(self) -> bool:
        return self.jacobian.devices is None or self.jacobian.devices.first

    def _told(self, array: np.ndarray) -> np.ndarray:
        """The first process's value, in every process."""
        devices = self.jacobian.devices
        return array if devices is None or devices.processes == 1 else told(array)

    def _read(self, problem: str, like: Arrays) -> dict[str, np.ndarray] | None:
        """The arrays stored for a problem, if their shapes and types match these."""
        kept = self._from_disk(problem, like) if self._first else None
        if not self._told(np.array(kept is not None)):
            return None
        return {
            name: self._told(np.asarray((kept or like)[name], array.dtype)) for name, array in like.items()
        }

    def _from_disk(self, problem: str, like: Arrays) -> Arrays | None:
        try:
            with open(self.path, "rb") as file, np.load(file, allow_pickle=False) as kept:
                if str(kept["problem"]) != problem:
                    return None
                found = {name: kept[name] for name in like}
        except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile):
            return None
        return found if all(found[name].shape == array.shape for name, array in like.items()) else None

    def _write(self, problem: str, arrays: Arrays) -> None:
        partial = self.path.with_name(self.path.name + ".partial")
        try:
            with open(partial, "wb") as file:
                np.savez(file, allow_pickle=False, problem=problem, **arrays)
            os.replace(partial, self.path)
        except OSError as error:
            raise UserError(
                f"{self.path} as a checkpoint: {error.strerror or error}",
                f"a file that can be written, of {sum(a.nbytes for a in arrays.values()) / 1e6:.1f} MB",
                "Free some space, or give another path; the previous file is kept.",
            ) from error
        self._saved = time.monotonic()

    def _square(self, r: Float[np.ndarray, "n k"], ridge: float) -> str:
        return f"{self._identity} r={_digest(r)} ridge={ridge!r}"

    def _path(self, problem: FunctionSpaceProblem) -> str:
        given = _digest(problem.targets, problem.offsets, problem.ridges)
        return f"{self._identity} {problem.loss.name} given={given}"

    @cached_property
    def _identity(self) -> str:
        masks = self.jacobian.selection.masks(self.jacobian.params)
        leaves = jax.tree.leaves(self.jacobian.params)
        return f"{self.jacobian.network.name} {_digest(self.jacobian.x, *leaves, *masks)}"


def _arrays(standing: Standing) -> dict[str, np.ndarray]:
    return {f.name: getattr(standing, f.name) for f in fields(standing)}


def _digest(*arrays: Any) -> str:
    digest = hashlib.sha256()
    for array in map(np.asarray, arrays):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
