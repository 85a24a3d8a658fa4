"""A Dask cluster started or found: its scheduler's address, the keys to reach it, and how it is ended.

Everything has TLS by default. A cluster of this host makes its keys in memory. One of Slurm's jobs writes them, for the time
of the run, to a folder that only its user can read. A scheduler that others have started uses the files that Dask's
configuration names.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ticketlab.engine.jobs import DEATHS, deaf
from ticketlab.engine.places import Address, Local, Place, Slurm
from ticketlab.engine.threads import POOLS, available_cores, limit_threads
from ticketlab.errors import UserError

__all__ = ["Started", "job_script", "started"]

TLS_FILES = {
    "distributed.comm.tls.ca-file": "DASK_DISTRIBUTED__COMM__TLS__CA_FILE",
    "distributed.comm.tls.client.cert": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT",
    "distributed.comm.tls.client.key": "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY",
}


@dataclass
class Started:
    """A cluster that can be reached.

    Arguments:
        address: of its scheduler.
        security: Dask's `Security` with which to reach it; None without TLS.
        ends: what to call at the end, the last first.
    """

    address: str
    security: Any = None
    ends: list[Callable[[], Any]] = field(default_factory=list)

    def close(self) -> None:
        for end in reversed(self.ends):
            with contextlib.suppress(Exception):
                end()


def started(place: Place) -> Started:
    """Starts a cluster, or names the one that is there.

    Raises: UserError if Dask is not installed, if keys are missing, and for a dry run.
    """
    if isinstance(place, Slurm) and place.dry_run:
        raise UserError(
            "slurm:dry_run=true", "jobs that are to be started", "`job_script` returns their script."
        )
    _installed("distributed", "cryptography", *(("dask_jobqueue",) if isinstance(place, Slurm) else ()))
    match place:
        case Local():
            return _local(place)
        case Slurm():
            return _slurm(place)
        case Address():
            return _found(place)


def job_script(place: Slurm) -> str:
    """The script that Slurm would get; nothing is started."""
    _installed("distributed", "dask_jobqueue")
    from dask_jobqueue.slurm import SLURMJob

    with _settings():
        job = SLURMJob(scheduler="tls://HOST:PORT", name="ticketlab", protocol="tls://", **_job(place))
        return job.job_script()


def _local(place: Local) -> Started:
    from distributed import LocalCluster, Security

    security = Security.temporary()
    with _undone() as ends:
        ends.enter_context(_settings())
        with deaf():  # its threads and processes, and those that they start
            cluster = LocalCluster(
                n_workers=place.workers or available_cores(),
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                protocol="tls",
                security=security,
                memory_limit=0,  # arrays of JAX would count as unmanaged, and their worker be killed
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
        return Started(cluster.scheduler_address, security, [ends.pop_all().close, cluster.close])


def _slurm(place: Slurm) -> Started:
    from dask_jobqueue import SLURMCluster
    from distributed import Security

    with _undone() as ends:
        ends.enter_context(_settings())
        if shutil.which("sbatch") is None:
            raise UserError("--cluster slurm", "a host where `sbatch` can be run", "Run it on a login node.")
        try:
            keys = tempfile.mkdtemp(prefix=".ticketlab-keys-", dir=Path(place.shared).expanduser())
        except OSError as error:
            raise UserError(
                f"shared={place.shared} ({error.strerror})", "a folder that can be written"
            ) from None
        ends.callback(shutil.rmtree, keys, ignore_errors=True)
        security = Security.temporary()
        cluster = SLURMCluster(
            n_workers=0,
            security=security,
            protocol="tls://",
            shared_temp_directory=keys,
            silence_logs=logging.CRITICAL,
            scheduler_options={"dashboard_address": "127.0.0.1:0"},
            **_job(place),
        )
        ends.callback(cluster.close)
        cluster.scale(jobs=place.jobs)
        return Started(cluster.scheduler_address, security, [ends.pop_all().close])


def _job(place: Slurm) -> dict[str, Any]:
    """What dask-jobqueue makes a job's script of."""
    threads = [f"export {name}={os.environ.get(name, '1')}" for name in POOLS]
    optional = {name: value for name in ("queue", "account", "interface") if (value := getattr(place, name))}
    return {
        "cores": 1,
        "processes": 1,
        "job_name": "ticketlab",
        "memory": place.memory,
        "walltime": place.walltime,
        "job_extra_directives": [*(["--gres=gpu:1"] if place.gpus else []), *place.directives],
        "job_script_prologue": [*threads, *filter(None, [place.prologue])],
        # The job's own limit counts; Dask's would kill a worker whose memory JAX holds.
        "worker_extra_args": ["--memory-limit", "0", "--dashboard-address", "127.0.0.1:0"],
        **optional,
    }


def _found(place: Address) -> Started:
    import dask
    from distributed import Security

    if not place.address.startswith("tls://"):
        return Started(place.address, Security(require_encryption=False))
    missing = [
        variable
        for name, variable in TLS_FILES.items()
        if not (file := dask.config.get(name, None)) or not Path(file).is_file()
    ]
    if missing:
        raise UserError(
            f"--cluster {place.address} without {', '.join(missing)}",
            "the files of a certificate authority, and of this client's certificate and key",
            "Set these variables, or write Dask's configuration. The scheduler and its workers need the same authority.",
        )
    return Started(place.address, Security(require_encryption=True))


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """Inside the block, Dask's settings and the environment that it hands to workers are those of this package."""
    import dask

    before = dict(os.environ)
    limit_threads(os.environ, 1)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    settings = {
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.scheduler.worker-ttl": "30 minutes",  # a long compilation may keep a worker from answering
        "distributed.nanny.pre-spawn-environ": {name: os.environ[name] for name in POOLS},
        "distributed.worker.multiprocessing-method": "spawn",  # a forked process would inherit JAX's locks
        "distributed.admin.low-level-log-length": 100,
    }
    try:
        with dask.config.set(settings):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _undone() -> Iterator[contextlib.ExitStack]:
    """A stack that is closed if starting fails."""
    with contextlib.ExitStack() as stack:
        yield stack


def _installed(*modules: str) -> None:
    import importlib.util

    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"--cluster without {' and '.join(missing).replace('_', '-')}",
            "Dask, which is an extra",
            "pip install 'ticketlab[cluster]'. For processes of this host, --jobs needs nothing more.",
        )
