"""The program that `test_lost_process` runs in separate processes: one slow matrix-free solve with a checkpoint.

    python lost_program.py FOLDER square|cross-entropy [COORDINATOR PROCESSES PROCESS]

writes a line to FOLDER/log-PROCESS for every iteration that a progress line would show, FOLDER/checkpoint.npz after each, and at
the end the solution's Δθ and iterations to FOLDER/solution-PROCESS.npz.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from device_program import NETWORK, params, split

from ticketlab.tangent import (
    Absolute,
    ConjugateGradients,
    Devices,
    MatrixFree,
    NewtonOptions,
    checkpoint,
    join,
    ridge_path,
)
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE

LOSSES = {"square": SQUARE, "cross-entropy": SOFTMAX_CROSS_ENTROPY}
RIDGES = {"square": Absolute(0.1), "cross-entropy": Absolute(1e-3)}
PAUSE = 0.1  # seconds an iteration, so that it can be killed in the middle


def solve(folder: Path, loss: str, process: int, devices: Devices | None, pause: float = PAUSE) -> None:
    def watched(what: str, value: float) -> None:
        if what != "kernel":
            with open(folder / f"log-{process}", "a") as log:
                log.write(f"{what}: {value}\n")
            time.sleep(pause)

    (found,) = ridge_path(
        NETWORK,
        params(),
        split(),
        loss=LOSSES[loss],
        ridges=(RIDGES[loss],),
        rung=MatrixFree(ConjugateGradients(rank=0), checkpoint=folder / "checkpoint.npz"),
        options=NewtonOptions(tolerance=1e-12),
        devices=devices,
        progress=watched,
    )
    assert found.certificate.met
    step = np.concatenate([np.ravel(leaf) for leaf in found.step])
    np.savez(folder / f"solution-{process}.npz", step=step, iterations=found.certificate.iterations)


if __name__ == "__main__":
    folder, loss, coordinator, processes, process = sys.argv[1:]
    checkpoint.EVERY = 0.0
    join(coordinator, int(processes), int(process))
    solve(Path(folder), loss, int(process), Devices.found())
