"""The places of a Dask cluster, as `--cluster` names them: `local:4`, `slurm:queue=short,memory=8GB`, or a scheduler's address.

Whoever reaches a port of a cluster can run code there, as the user who started it. So what Ticketlab starts itself listens
to this host alone, or, for Slurm, to holders of a key that it makes for this one run. An address that leads elsewhere needs
TLS. This file imports nothing of Dask's, so that mistakes are explained before anything starts.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ticketlab.choices import Family
from ticketlab.errors import UserError
from ticketlab.plans import parse_choice

__all__ = ["Address", "Local", "Place", "Slurm", "check_address", "parse_place"]

_TIME = re.compile(r"(\d+-)?\d{1,2}(:\d{2}){1,2}|\d+-\d{1,2}|\d+")  # as Slurm takes it


@dataclass(frozen=True)
class Local:
    """Workers on this host.

    Arguments:
        workers: their number; by default one for each core.
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and not 1 <= self.workers <= 1024:
            raise UserError(f"{self.workers} workers", "1 to 1024")


@dataclass(frozen=True)
class Slurm:
    """A job of Slurm for each worker.

    Arguments:
        jobs: their number.
        queue: the partition.
        account: to be charged.
        memory: of a job.
        walltime: of a job; more than the longest cell takes.
        gpus: of a job, 0 or 1.
        interface: the network interface, on this host and on those of the jobs; by default that of the host's name.
        shared: a folder that this host and the jobs share, for the keys of this run; by default the home folder.
        directives: more options of sbatch, joined by `+`.
        prologue: a line of shell before the worker starts ("module load cuda").
        wait: minutes to wait for the first job, or for another when all have ended.
        dry_run: prints the job's script, and runs nothing.
    """

    jobs: int = 4
    queue: str | None = None
    account: str | None = None
    memory: str = "4GB"
    walltime: str = "01:00:00"
    gpus: int = 0
    interface: str | None = None
    shared: str = "~"
    directives: tuple[str, ...] = ()
    prologue: str | None = None
    wait: float = 60.0
    dry_run: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.jobs <= 1024:
            raise UserError(f"jobs = {self.jobs}", "1 to 1024")
        if self.gpus not in (0, 1):
            raise UserError(f"gpus = {self.gpus}", "0 or 1, since a cell runs on one device")
        if not re.fullmatch(r"\d+(\.\d+)? *[kKMGT]?i?B?", self.memory):
            raise UserError(f"memory = {self.memory}", "a size such as 8GB")
        if not _TIME.fullmatch(self.walltime):
            raise UserError(f"walltime = {self.walltime}", "a time such as 02:00:00, or 1-12 for 36 hours")
        # Each is a line of a script.
        for name in ("queue", "account", "interface", "prologue"):
            if (value := getattr(self, name)) and "\n" in value:
                raise UserError(f"{name} = {value!r}", "one line")


@dataclass(frozen=True)
class Address:
    """A scheduler that others have started.

    Arguments:
        address: "tls://host:port" or "tcp://host:port".
    """

    address: str


Place: TypeAlias = Local | Slurm | Address

_FAMILY = Family("cluster", {"local": Local, "slurm": Slurm})


def parse_place(text: str, insecure: bool = False) -> Place:
    """The place that a text names.

    Arguments:
        text: `local`, `local:4`, `slurm:field=value,…`, an address, or the file in which a scheduler has written its own.
        insecure: whether an address elsewhere may be without TLS.

    Raises: UserError for anything else, and for an address that anybody could listen to.
    """
    name = text.partition(":")[0]
    if name in _FAMILY.members:
        place = parse_choice(text, _FAMILY)
        assert isinstance(place, Local | Slurm)
        return place
    if text.endswith(".json") or (Path(text).is_file() and "://" not in text):
        text = _written(Path(text))
    if "://" not in text and re.fullmatch(r"[^:/]+:\d+|\[[0-9a-fA-F:]+\]:\d+", text):
        text = f"tls://{text}"
    if not re.fullmatch(r"(tls|tcp)://([^:/\[\]]+|\[[0-9a-fA-F:]+\]):\d{1,5}", text):
        raise UserError(
            f"--cluster {text}",
            "local, local:N, slurm:field=value,…, or an address such as tls://host:8786",
        )
    check_address(text, insecure)
    return Address(text)


def check_address(address: str, insecure: bool = False) -> None:
    """Raises UserError for an address outside this host without TLS, unless that is asked for."""
    scheme, _, rest = address.partition("://")
    if scheme == "tls" or insecure:
        return
    host = rest.rpartition(":")[0].strip("[]")
    if not _is_here(host):
        raise UserError(
            f"--cluster {address}, which is not on this host and has no TLS",
            f"tls://{rest}",
            "Whoever reaches a scheduler can run code on its workers, and reads all that is sent. "
            "In a network that you trust, add --insecure-cluster.",
        )


def _is_here(host: str) -> bool:
    """Whether a name leads to this host alone."""
    try:
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(address).is_loopback for address in found)


def _written(file: Path) -> str:
    """The address in a scheduler's file."""
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"--cluster {file}, which names no scheduler ({error})",
            "the file that `dask scheduler --scheduler-file` writes",
        ) from None
