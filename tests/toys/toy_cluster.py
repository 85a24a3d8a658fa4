"""A Dask scheduler and its workers with TLS on this host, each in a process of its own, started again when they end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ticketlab.claims.study import Study

HERE = Path(__file__).parent


class Supervised:
    """A command that is run again whenever it ends."""

    def __init__(self, words: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._words, self._environment, self._log = words, environment, log
        self.process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._ended:
            with self._log.open("ab") as log:
                self.process = subprocess.Popen(
                    self._words, env=dict(self._environment), stdout=log, stderr=log
                )
                self.process.wait()
                time.sleep(0.1)

    def kill(self) -> None:
        """As a power failure does it: a new one is started."""
        if self.process is not None:
            self.process.kill()

    def begin_to_end(self) -> None:
        self._ended = True
        if self.process is not None:
            self.process.terminate()  # a nanny ends its worker

    def end(self) -> None:
        self._thread.join(timeout=20)
        self.kill()


class ToyCluster:
    """A scheduler and workers. Their keys are in `folder`, where the workers also look for flags (see `toy_study`)."""

    def __init__(self, folder: Path, workers: int) -> None:
        from distributed import Security

        self.folder, self.keys = folder, folder / "keys"
        self.keys.mkdir()
        keys = Security.temporary()
        for name, text in (
            ("ca", keys.tls_ca_file),
            ("cert", keys.tls_client_cert),
            ("key", keys.tls_client_key),
        ):
            (self.keys / f"{name}.pem").write_text(text)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tls://127.0.0.1:{port}"
        own = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
            "TOY_FLAGS": str(folder),
            "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "spawn",
        }
        tls = [
            f"--tls-ca-file={self.keys}/ca.pem",
            f"--tls-cert={self.keys}/cert.pem",
            f"--tls-key={self.keys}/key.pem",
        ]
        quiet = ["--dashboard-address", "127.0.0.1:0"]
        scheduler = [
            "dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--protocol",
            "tls",
            *quiet,
            *tls,
        ]
        worker = [
            "dask_worker",
            self.address,
            "--nthreads",
            "1",
            "--memory-limit",
            "0",
            "--host",
            "127.0.0.1",
            *quiet,
            *tls,
        ]

        def start(name: str, words: list[str]) -> Supervised:
            command = [sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:]]
            return Supervised(command, {**own, "TOY_WORKER": name}, folder / f"{name}.log")

        self.scheduler = start("scheduler", scheduler)
        self.workers = [start(str(i), worker) for i in range(workers)]

    def settings(self) -> dict[str, str]:
        """What Dask's configuration must say to reach it."""
        return {
            "distributed.comm.tls.ca-file": f"{self.keys}/ca.pem",
            "distributed.comm.tls.client.cert": f"{self.keys}/cert.pem",
            "distributed.comm.tls.client.key": f"{self.keys}/key.pem",
        }

    def environment(self) -> dict[str, str]:
        """The same, for another process."""
        named = {name: name.upper().replace(".", "__").replace("-", "_") for name in self.settings()}
        return {f"DASK_{named[name]}": value for name, value in self.settings().items()}

    def end(self) -> None:
        every = [*self.workers, self.scheduler]
        for one in every:
            one.begin_to_end()
        for one in every:
            one.end()


def allow_failures(count: int, dask_scheduler: Any = None) -> None:
    """Run on the scheduler."""
    dask_scheduler.allowed_failures = count


def depends(study: Study, plan: Any) -> dict[str, Any]:
    """What cells depend on, without JAX; a worker differs in its libraries while its flag is there."""
    flag = Path(os.environ.get("TOY_FLAGS", "/nowhere")) / f"odd-{os.environ.get('TOY_WORKER', '')}"
    return {
        "plan": repr(plan),
        "libraries": "odd" if flag.exists() else "usual",
        "device": {"platform": "cpu"},
    }
