"""The number of lanes and of simultaneous groups, from the bytes that one replica needs.

On a CPU lanes depend only on the network and the batch; on other devices, on the number of replicas too. They never depend on
free memory or the number of workers, because products of another shape may round differently. Free memory only limits the
number of simultaneous groups, which changes no bit.
"""

from __future__ import annotations

import os
from pathlib import Path

import jax

__all__ = ["available_bytes", "default_lanes", "default_workers"]

_CACHE_BYTES = 512 * 1024  # of a processor's second-level cache, in which a group's step should fit
_ACCELERATOR_BYTES = 4 * 1024**3
_MOST_LANES = 64  # on a CPU, where more do not help


def default_lanes(platform: str, step_bytes: int, replicas: int) -> int:
    """The number of lanes in one program: a power of two.

    CPU: the most whose arrays of one step (`step_bytes` per replica) fit in the cache. Other devices: all, up to 4 GiB.
    """
    if platform == "cpu":
        return _power_of_two_up_to(min(_MOST_LANES, _CACHE_BYTES // step_bytes))
    return min(_power_of_two_up_to(_ACCELERATOR_BYTES // step_bytes), 2 * _power_of_two_up_to(replicas))


def default_workers(platform: str) -> int:
    """Simultaneous groups: one for each processor that this process may use, or one on any other device."""
    if platform != "cpu":
        return 1
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def available_bytes(device: jax.Device) -> int:
    """Half of the memory that is free on the device now; 2 GiB if the system does not report it."""
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        free = stats.get("bytes_limit", 4 * 1024**3) - stats.get("bytes_in_use", 0)
        return max(free, 0) // 2
    for read in (_linux_available, _free_pages):
        try:
            return read() // 2
        except (AttributeError, OSError, StopIteration, ValueError):  # not on every system
            continue
    return 2 * 1024**3


def _linux_available() -> int:
    """Free memory plus file caches that the system can drop."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def _free_pages() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _power_of_two_up_to(n: int) -> int:
    return 1 << (max(n, 1).bit_length() - 1)
