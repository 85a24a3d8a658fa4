"""How many threads the numerical libraries may start: as many as this process has cores, and never more.

BLAS, OpenMP and XLA each size their pools on their own when they are first imported, from the cores of the machine rather
than those this process may use; in a container or next to another job the surplus threads wait for each other, and a fit of
half a second has been seen to take twenty. So the counts are set in the environment, before NumPy is imported. What the
user has set is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

__all__ = ["POOLS", "available_cores", "limit_threads", "thread_counts"]

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC")
"""The variables read by OpenMP, OpenBLAS, MKL, Accelerate and XLA."""

_QUOTA = Path(
    "/sys/fs/cgroup/cpu.max"
)  # where Linux containers say how much processor time they have; absent elsewhere


def available_cores() -> int:
    """The cores that this process may use: by affinity and by a container's quota where there are such, else all."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return cores


def limit_threads(environment: MutableMapping[str, str]) -> None:
    """Sets the thread counts that are not set; one count that the user has set (OMP_NUM_THREADS first) holds for all."""
    given = next((environment[name] for name in POOLS if environment.get(name, "").isdecimal()), None)
    for name in POOLS:
        environment.setdefault(name, given or str(available_cores()))


def thread_counts(environment: Mapping[str, str]) -> dict[str, str]:
    """The counts that are set, for the record of a run."""
    return {name: environment[name] for name in POOLS if name in environment}
