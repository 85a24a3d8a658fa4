"""How many replicas go side by side, and how many at a time: both follow from the bytes that one replica needs.

Lanes are chosen from the network, the batch and the kind of device alone, never from the memory that happens to be free or
from the number of workers, because products of another shape may round differently. What is free decides only how many groups
run at the same time, which changes no bit.
"""

from __future__ import annotations

import os
from pathlib import Path

import jax

__all__ = ["available_bytes", "default_lanes", "default_workers"]

_CACHE_BYTES = 512 * 1024  # of the second-level cache of a processor, that a group's step should stay in
_ACCELERATOR_BYTES = 4 * 1024**3
_MOST_LANES = 64  # on a CPU, where more win nothing


def default_lanes(platform: str, step_bytes: int, replicas: int) -> int:
    """Replicas side by side in one program: a power of two.

    CPU: as many as keep one step's arrays (`step_bytes` a replica) in the processor's cache. Other devices: all, up to 4 GiB.
    """
    if platform == "cpu":
        return _power_of_two_up_to(min(_MOST_LANES, _CACHE_BYTES // step_bytes))
    return min(_power_of_two_up_to(_ACCELERATOR_BYTES // step_bytes), 2 * _power_of_two_up_to(replicas))


def default_workers(platform: str) -> int:
    """Groups at the same time: one a processor that this process may use, or one for any other device."""
    if platform != "cpu":
        return 1
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def available_bytes(device: jax.Device) -> int:
    """Half of the memory that is available on the device now; 2 GiB where the system does not say."""
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
    """What is free, and what holds copies of files that can be given up."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def _free_pages() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _power_of_two_up_to(n: int) -> int:
    return 1 << (max(n, 1).bit_length() - 1)
