"""The number of threads of the numerical libraries: at most one for each core that this process may use.

BLAS, OpenMP and XLA size their thread pools on import, from the cores of the machine rather than those that this process may
use. In a container or next to another job the surplus threads wait for each other: a fit of half a second once took twenty. So
the counts are set in the environment before NumPy is imported. The user's own settings have priority.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

__all__ = ["POOLS", "available_cores", "limit_threads", "thread_counts"]

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC")
"""The variables read by OpenMP, OpenBLAS, MKL, Accelerate and XLA."""

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # the processor time of a Linux container; absent elsewhere


def available_cores() -> int:
    """The cores that this process may use: by affinity and a container's quota if set, else all."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return cores


def limit_threads(environment: MutableMapping[str, str], count: int | None = None) -> None:
    """Sets the missing thread counts; one count set by the user (OMP_NUM_THREADS first) applies to all.

    Arguments:
        count: where the user has set none; by default the cores that this process may use.
    """
    given = next((environment[name] for name in POOLS if environment.get(name, "").isdecimal()), None)
    for name in POOLS:
        environment.setdefault(name, given or str(count or available_cores()))


def thread_counts(environment: Mapping[str, str]) -> dict[str, str]:
    """The counts that are set, for the record of a run."""
    return {name: environment[name] for name in POOLS if name in environment}
