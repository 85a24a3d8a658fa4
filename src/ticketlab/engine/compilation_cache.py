"""Compiled programs are kept from one run to the next, in the user's cache folder.

Every process compiles its programs anew, and a short run spends most of its time on that. JAX can keep them on disk, found again
by their content, by its version and by the compiler's flags. It reads where to from the environment when it is imported, and
must be told where it is imported already. Programs are kept apart by the processor's instructions, because home folders are
shared between hosts, and by the number of threads, because the compiler divides loops among them.

`TICKETLAB_CACHE` names another folder, or is `off`. Whoever has set JAX's own JAX_COMPILATION_CACHE_DIR keeps that. The folder is
held below a size when a run starts: what was not read for longest goes first. (JAX's own bound needs one more package, and
a lock for every read.)
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

__all__ = ["CACHE_VARIABLE", "MOST_BYTES", "cache_folder", "keep_programs", "shrink"]

CACHE_VARIABLE = "TICKETLAB_CACHE"
OFF = ("off", "0")
MOST_BYTES = 512 * 2**20
"""What a start leaves in the folder; the quick presets of all studies take a few per cent of it."""

SHORTEST_SECONDS = 0.0  # of compiling: a study has hundreds of small programs, which add up

_PROCESSOR = Path("/proc/cpuinfo")  # of Linux


def keep_programs(environment: MutableMapping[str, str]) -> str | None:
    """Has JAX keep compiled programs, unless the user has said otherwise; to be called before any is compiled.

    Arguments:
        environment: the process's variables; JAX's are set in it, so that processes it starts do the same.

    Returns: a note for the user when they cannot be kept, else None.
    """
    if "JAX_COMPILATION_CACHE_DIR" in environment:
        return None
    place = None
    try:
        place = cache_folder(environment)
        if place is None:
            return None
        folder = place / _kind(environment)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # who can write here can run code in our name
        with tempfile.TemporaryFile(dir=folder):
            pass
        shrink(place, MOST_BYTES)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        where = f"in {place} " if place else ""
        return (
            f"compiled programs cannot be kept {where}({error}), so that every run compiles them anew. "
            f"{CACHE_VARIABLE}=FOLDER names another place, {CACHE_VARIABLE}=off none."
        )
    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": SHORTEST_SECONDS,
    }
    for name, value in settings.items():
        if name.upper() not in environment:
            environment[name.upper()] = str(value)
            if "jax" in sys.modules:
                sys.modules["jax"].config.update(name, value)
    return None


def cache_folder(environment: Mapping[str, str], system: str = sys.platform) -> Path | None:
    """Where programs are kept: TICKETLAB_CACHE, else the platform's folder for caches; None for nowhere.

    Raises: RuntimeError without a home folder.
    """
    given = environment.get(CACHE_VARIABLE, "")
    if given.lower() in OFF:
        return None
    if given:
        return Path(given).expanduser().absolute()
    if system == "win32":
        local = environment.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "ticketlab" / "cache"
    if system == "darwin":
        return Path.home() / "Library" / "Caches" / "ticketlab"
    shared = environment.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    return (Path(shared) if os.path.isabs(shared) else Path.home() / ".cache") / "ticketlab"


def shrink(folder: Path, most: int) -> None:
    """Removes files from a folder, those not used for longest first, until at most `most` bytes are left.

    Another process may do the same at the same time: a file that is gone is no mistake.
    """
    files = []
    for path in folder.glob("programs-*/**/*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                stat = path.stat()
                files.append((max(stat.st_atime, stat.st_mtime), stat.st_size, path))
    surplus = sum(size for _, size, _ in files) - most
    for _, size, path in sorted(files):
        if surplus <= 0:
            break
        path.unlink(missing_ok=True)
        surplus -= size


def _kind(environment: Mapping[str, str]) -> str:
    """A folder's name for the programs of one kind of processor and one number of threads."""
    instructions = ""
    with suppress(OSError):
        lines = _PROCESSOR.read_text(errors="replace").splitlines()
        instructions = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    described = "\n".join((platform.machine(), instructions, environment.get("NPROC", "")))
    return f"programs-{hashlib.sha256(described.encode()).hexdigest()[:12]}"
