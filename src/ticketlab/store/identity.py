"""The identity of a cell: a hash of everything that its numbers depend on, which decides whether a kept cell is valid.

A cell depends on the claim, the plan's fields that matter to cells, the cell's own settings, the code that can affect it, the
content of the data, the numerical libraries, and the device with its threads. Imports run one way, so this code is everything
before the engine in the reading order, and the study's own module. Changes to figures, pages, the store, the report or the
command line leave kept cells valid. If any dependency were left out, an old result could pass for a new one.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import inspect
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ticketlab
from ticketlab.adapters.own_model import OwnModel
from ticketlab.claims.study import Cell, Study
from ticketlab.engine.threads import thread_counts
from ticketlab.errors import UserError
from ticketlab.plans import canonical_json, cell_fields
from ticketlab.store.data import data_hashes
from ticketlab.tasks.pinned import choices_of

if TYPE_CHECKING:
    from ticketlab.tangent.devices import Devices

__all__ = ["code_digest", "dependencies", "differences", "identity", "library_versions"]

LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "scikit-learn", "optax")
REACHING = (
    "errors.py",
    "compiler.py",
    "networks",
    "adapters",
    "tasks",
    "training",
    "tangent",
    "infinite",
    "units",
    "tickets",
    "symmetry",
    "functions",
    "laws",
    "evidence",
    "claims",
)


RANDOM = {"default_prng_impl": "threefry2x32", "threefry_partitionable": True, "random_seed_offset": 0}
"""JAX's settings that change what a key draws, as they usually are."""


def dependencies(
    study: Study,
    plan: Any,
    devices: Devices | None = None,
    data: Mapping[str, str] | None = None,
    elsewhere: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The dependencies of all cells of a plan, as JSON values: claim, plan, code, data, libraries, device, the user's own models.

    Arguments:
        devices: over which examples are distributed, if any.
        data: the content hash of every data set, by the option's name; by default the data are read.
        elsewhere: the device on which the cells run, if they run in other processes that differ from this one.
    """
    own = {where: dict(model.digest()) for where, model in choices_of(OwnModel, plan)}
    return {
        **({"model": own} if own else {}),
        "claim": study.claim,
        "plan": cell_fields(plan),
        "code": code_digest(type(study)),
        "data": data_hashes(plan) if data is None else dict(data),
        "libraries": library_versions(),
        "device": device(devices) if elsewhere is None else dict(elsewhere),
    }


def identity(depends: Mapping[str, Any], cell: Cell) -> str:
    """SHA-256 (hexadecimal) of everything that a cell depends on."""
    return hashlib.sha256(canonical_json({**depends, "cell": cell_record(cell)}).encode()).hexdigest()


def cell_record(cell: Cell) -> dict[str, Any]:
    return {"name": cell.name, "settings": dict(cell.settings), "seeds": list(cell.seeds)}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names of the differences between the dependencies of two cells, the most informative first."""
    return [
        key
        for key in ("plan", "cell", "data", "model", "code", "libraries", "device")
        if one.get(key) != other.get(key)
    ]


@functools.cache
def code_digest(study: type) -> str:
    """SHA-256 (hexadecimal) of the sources that can affect a study's cells, independent of their line ends."""
    package = Path(ticketlab.__file__).parent
    files = sorted(f for place in REACHING for f in _sources(package / place))
    try:
        own = Path(inspect.getfile(study))
    except (TypeError, OSError):
        raise UserError(
            f"the study {study.__name__}, whose source cannot be read",
            "a study defined in a file",
            "Kept results are valid only for the code that produced them: move the class to a module.",
        ) from None
    digest = hashlib.sha256()
    for file in files if package in own.parents else [*files, own]:
        name = file.relative_to(package).as_posix() if package in file.parents else file.name
        digest.update(name.encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """The versions of the libraries on which numbers depend."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def device(devices: Devices | None = None) -> dict[str, Any]:
    """The kind of device, and the settings that can change its rounding, or what a key draws if they are not the usual ones.

    One of these is the number of devices over which examples are distributed, because it changes the order of sums.
    """
    import jax

    drawing = {name: getattr(jax.config, f"jax_{name}", usual) for name, usual in RANDOM.items()}
    return {
        **({} if drawing == RANDOM else {"random": drawing}),
        "platform": jax.default_backend(),
        "kind": jax.local_devices()[0].device_kind,
        "x64": bool(jax.config.jax_enable_x64),  # type: ignore[attr-defined]
        "matmul_precision": jax.config.jax_default_matmul_precision,  # type: ignore[attr-defined]
        # A flag with a path is an output location, which changes no number and may name a person.
        "xla_flags": " ".join(
            f for f in os.environ.get("XLA_FLAGS", "").split() if "/" not in f and "\\" not in f
        ),
        "threads": thread_counts(os.environ),
        "spread": None if devices is None else {"devices": len(devices), "processes": devices.processes},
    }


def _sources(place: Path) -> Iterator[Path]:
    """The files of a place, except the pages of claims, on which no number depends."""
    files = [place] if place.is_file() else place.rglob("*.py")
    return (f for f in files if "page" not in (f.stem, f.parent.name))
