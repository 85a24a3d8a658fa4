"""The devices and processes over which a run is distributed, as requested on the command line.

`--devices` and `--coordinator` spread one cell; `--jobs` runs several cells at the same time.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from ticketlab.errors import UserError

if TYPE_CHECKING:
    from ticketlab.engine.runner import Runner
    from ticketlab.tangent.devices import Devices

__all__ = ["Spread"]

MOST = 256  # processes, or shares of one host's CPUs; each has its own threads


@dataclass(frozen=True)
class Spread:
    """The number of devices of a process, and the other processes.

    Arguments:
        devices: of this process; None means one device, or with a coordinator all devices.
        coordinator: "host:port" of process 0; None for a single process.
        processes: the number of processes.
        process: the number of this one.
        jobs: the number of processes of this host in which cells run; None to run them in this one.
    """

    devices: Annotated[
        int | None,
        tyro.conf.arg(
            metavar="INT",
            help="number of devices of this host over which to distribute examples: its accelerators, or shares of its CPUs "
            "(default: one; with several processes, all)",
            help_behavior_hint="",
        ),
    ] = None
    coordinator: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="HOST:PORT",
            help="the address of process 0; all processes are started with the same options except --process",
            help_behavior_hint="",
        ),
    ] = None
    processes: Annotated[
        int | None, tyro.conf.arg(metavar="INT", help="number of processes", help_behavior_hint="")
    ] = None
    process: Annotated[
        int | None, tyro.conf.arg(metavar="INT", help="number of this process, from 0", help_behavior_hint="")
    ] = None

    jobs: Annotated[
        int | None,
        tyro.conf.arg(
            metavar="INT",
            help="number of processes of this host in which cells run at the same time, one thread each "
            "(default: one cell after the other, with all threads)",
            help_behavior_hint="",
        ),
    ] = None

    def __post_init__(self) -> None:
        self._check_jobs()
        if self.devices is not None and not 1 <= self.devices <= MOST:
            raise UserError(
                f"--devices {self.devices}",
                f"1 to {MOST}, and no more than JAX finds",
                "Leave it out for one device.",
            )
        given = [value is not None for value in (self.coordinator, self.processes, self.process)]
        if any(given) and not all(given):
            names = ("--coordinator", "--processes", "--process")
            have = " and ".join(name for name, there in zip(names, given, strict=True) if there)
            raise UserError(
                f"{have} alone",
                "all of --coordinator, --processes and --process, or none",
                "For example --coordinator 192.168.0.10:7711 --processes 2 --process 0, and the same with --process 1.",
            )
        if self.process is not None and not 0 <= self.process < (self.processes or 0):
            raise UserError(
                f"--process {self.process} of --processes {self.processes}",
                "processes numbered from 0, each number below the number of processes",
            )

    def found(self) -> Devices | None:
        """The devices, after all processes have met; None for JAX's first device, as without any of these options.

        Raises UserError for more devices than there are, or if the processes do not meet.
        """
        if self.coordinator is None and (self.devices or 1) == 1:
            return None
        from ticketlab.tangent.devices import Devices, share_processors
        from ticketlab.tangent.processes import join

        if self.devices is not None:
            share_processors(self.devices)
        if self.coordinator is not None:
            assert self.processes is not None
            assert self.process is not None
            print(
                f"process {self.process} of {self.processes}, meeting at {self.coordinator}", file=sys.stderr
            )
            join(self.coordinator, self.processes, self.process)
        return Devices.of_each(self.devices)

    def _check_jobs(self) -> None:
        if self.jobs is None:
            return
        if not 1 <= self.jobs <= MOST:
            raise UserError(f"--jobs {self.jobs}", f"1 to {MOST}", "One for each core is most.")
        if self.devices is not None or self.coordinator is not None:
            other = "--devices" if self.devices is not None else "--coordinator"
            raise UserError(
                f"--jobs with {other}", "one of them", "--jobs runs several cells at once, the other spreads one."
            )

    @contextlib.contextmanager
    def runner(self) -> Iterator[Runner | None]:
        """Where the cells run, inside the block; None for this process."""
        if self.jobs is None:
            yield None
            return
        from ticketlab.engine.jobs import Jobs

        with Jobs(self.jobs) as jobs:
            yield jobs

    @property
    def words(self) -> list[str]:
        """The options, as typed."""
        values = {
            "--devices": self.devices,
            "--coordinator": self.coordinator,
            "--processes": self.processes,
            "--process": self.process,
            "--jobs": self.jobs,
        }
        return [word for name, value in values.items() if value is not None for word in (name, str(value))]
