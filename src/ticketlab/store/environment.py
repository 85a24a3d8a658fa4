"""The environment of a run: versions, device and threads, without names of people, machines or folders."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ticketlab
from ticketlab.store.identity import device, library_versions

if TYPE_CHECKING:
    from ticketlab.tangent.devices import Devices

__all__ = ["environment"]


def environment(devices: Devices | None = None, elsewhere: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The environment of this process and the devices over which it distributes examples, as JSON values.

    Arguments:
        elsewhere: the device on which the cells run, if they run in other processes that differ from this one.
    """
    return {
        "ticketlab": ticketlab.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": library_versions(),
        "device": device(devices) if elsewhere is None else dict(elsewhere),
    }


def _commit() -> str:
    """The Git commit of the package's sources, with "+" for changed files; empty for an installed package."""
    package = Path(ticketlab.__file__).parent
    try:
        tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py")
        changed = _git(package, "status", "--porcelain", ".")
        return _git(package, "rev-parse", "HEAD") + ("+" if changed else "") if tracked else ""
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
