"""The devices and processes over which a run is distributed, as requested on the command line.

`--devices` and `--coordinator` spread one cell; `--jobs` and `--cluster` run several cells at the same time.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from ticketlab.engine.places import Slurm, parse_place
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
        cluster: the place of a Dask cluster on which cells run (see `engine.places`).
        insecure_cluster: whether its address may be elsewhere without TLS.
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
    cluster: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="PLACE",
            help="Dask workers on which cells run at the same time: local[:N], slurm[:field=value,…], or a scheduler's "
            "address (tls://host:8786) or file",
            help_behavior_hint="",
        ),
    ] = None
    insecure_cluster: Annotated[
        bool,
        tyro.conf.arg(
            help="allows an address outside this host without TLS: whoever reaches it can run code there",
            help_behavior_hint="",
        ),
    ] = False

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
        """At most one way to spread a run; and a cluster that can be used."""
        if self.jobs is not None and not 1 <= self.jobs <= MOST:
            raise UserError(f"--jobs {self.jobs}", f"1 to {MOST}", "One for each core is most.")
        ways = {
            "--jobs": self.jobs,
            "--cluster": self.cluster,
            "--devices": self.devices,
            "--coordinator": self.coordinator,
        }
        given = [name for name, value in ways.items() if value is not None]
        if len(given) > 1 and given[0] in ("--jobs", "--cluster"):
            raise UserError(
                " with ".join(given[:2]),
                "one of them",
                "--jobs and --cluster run several cells at once, --devices and --coordinator spread one.",
            )
        if self.cluster is not None:
            parse_place(self.cluster, self.insecure_cluster)
        elif self.insecure_cluster:
            raise UserError("--insecure-cluster alone", "it together with --cluster ADDRESS")

    def printed(self) -> bool:
        """Prints the script of a job if nothing else is asked, and returns whether it was."""
        place = None if self.cluster is None else parse_place(self.cluster, self.insecure_cluster)
        if not isinstance(place, Slurm) or not place.dry_run:
            return False
        from ticketlab.engine.clusters import job_script

        print(job_script(place), end="")
        return True

    def need_one_process(self, what: str) -> None:
        """Raises UserError if several processes were to run this together: each would write the folder and the page."""
        if self.coordinator is not None:
            raise UserError(f"--coordinator for {what}", "--jobs, --cluster or --devices")

    @contextlib.contextmanager
    def runner(self) -> Iterator[Runner | None]:
        """Where the cells run, inside the block; None for this process."""
        if self.jobs is not None:
            from ticketlab.engine.jobs import Jobs

            with Jobs(self.jobs) as jobs:
                yield jobs
        elif self.cluster is not None:
            from ticketlab.engine.cluster import Cluster
            from ticketlab.store.identity import dependencies

            with Cluster(parse_place(self.cluster, self.insecure_cluster), dependencies) as cluster:
                yield cluster
        else:
            yield None

    @property
    def words(self) -> list[str]:
        """The options, as typed."""
        values = {
            "--devices": self.devices,
            "--coordinator": self.coordinator,
            "--processes": self.processes,
            "--process": self.process,
            "--jobs": self.jobs,
            "--cluster": self.cluster,
        }
        words = [word for name, value in values.items() if value is not None for word in (name, str(value))]
        return [*words, *(["--insecure-cluster"] if self.insecure_cluster else [])]
