"""Compiled programs are kept between runs, in the user's cache folder.

Otherwise every process compiles its programs again, and a short run spends most of its time on that. JAX can keep them on disk;
their content, its version and the compiler's flags are the key. It reads the location from the environment on import; if JAX is
already imported, the location is set in its configuration. The command line keeps programs, and so do the estimators. They are
separated by processor instructions, because hosts share home folders, and by the number of threads in NPROC, which the command
line sets, because the compiler divides loops among them.

A program that runs for a moment can take longer to compile than it will ever run. `quick_options` are those of a compiler that
takes a quarter of the time: on a processor it then neither fuses loops nor optimises them. Matrix products, which come from a
library, are as fast as before.

`TICKETLAB_CACHE` names another folder, or is `off`. A user's own JAX_COMPILATION_CACHE_DIR has priority. When a run starts, the
folder is reduced to a size limit; the files unread for longest go first. (JAX's own limit needs another package and a lock for
every read.)
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

__all__ = [
    "CACHE_VARIABLE",
    "MOST_BYTES",
    "cache_folder",
    "keep_programs",
    "keep_programs_if_allowed",
    "quick_options",
    "shrink",
]

CACHE_VARIABLE = "TICKETLAB_CACHE"
OFF = ("off", "0")
MOST_BYTES = 512 * 2**20
"""The size limit of the folder; the quick presets of all studies take a few per cent of it."""

SHORTEST_SECONDS = 0.0  # of compilation: the hundreds of small programs of a study add up

_PROCESSOR = Path("/proc/cpuinfo")  # of Linux


def keep_programs(environment: MutableMapping[str, str]) -> str | None:
    """Makes JAX keep compiled programs, unless the user has chosen otherwise; call it before anything is compiled.

    Arguments:
        environment: the variables of the process; those of JAX are set in it, so that child processes do the same.

    Returns: a note for the user if programs cannot be kept, else None.
    """
    if "JAX_COMPILATION_CACHE_DIR" in environment:
        return None
    place = None
    try:
        place = cache_folder(environment)
        if place is None:
            return None
        folder = place / _kind(environment)
        folder.mkdir(
            mode=0o700, parents=True, exist_ok=True
        )  # whoever can write here can run code as this user
        with tempfile.TemporaryFile(dir=folder):
            pass
        shrink(place, MOST_BYTES)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        where = f"in {place} " if place else ""
        return (
            f"compiled programs cannot be kept {where}({error}), so every run compiles them again. "
            f"Set {CACHE_VARIABLE}=FOLDER to use another folder, {CACHE_VARIABLE}=off to use none."
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


@cache
def keep_programs_if_allowed() -> None:
    """The same for a library: once in a process, without touching its environment or a choice that the user has made."""
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    if note := keep_programs(dict(os.environ)):
        warnings.warn(note, RuntimeWarning, stacklevel=2)
    compilation_cache.reset_cache()  # a program compiled before has settled that there is none


@cache
def quick_options() -> dict[str, Any] | None:
    """Options for `jax.jit` with which programs of a processor compile quickly; None elsewhere, or if JAX does not know them."""
    import jax

    options = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 0}
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(1.0).compile()
    except Exception:  # of a kind that depends on the version
        return None
    return options


def cache_folder(environment: Mapping[str, str], system: str = sys.platform) -> Path | None:
    """The folder for programs: TICKETLAB_CACHE, else the platform's cache folder; None to keep nothing.

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
    # The XDG specification says to ignore relative paths.
    return (Path(shared) if os.path.isabs(shared) else Path.home() / ".cache") / "ticketlab"


def shrink(folder: Path, most: int) -> None:
    """Removes files from a folder, the least recently used first, until at most `most` bytes are left.

    Another process may do the same at the same time, so a missing file is not an error.
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
