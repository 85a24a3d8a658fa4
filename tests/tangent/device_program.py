"""The program that `test_devices` runs in separate processes, because JAX fixes its number of devices when it starts.

    python device_program.py OUT part|everything DEVICES [COORDINATOR PROCESSES PROCESS]

writes products and solutions over all devices, of all processes, to OUT.npz.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import jax
import numpy as np

from ticketlab.networks import MLP, Activation, Params
from ticketlab.tangent import (
    Absolute,
    DenseDual,
    DensePrimal,
    Devices,
    Jacobian,
    Layers,
    MatrixFree,
    NewtonOptions,
    join,
    predict_all,
    ridge_path,
    tangent_kernel,
)
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss, Split

NETWORK = MLP((7, 6), activation=Activation.TANH).build((4,), 3)
EXAMPLES = 11  # in sweeps of 2 a device: over four devices of 8 and 3, filled up to 4; over one of 2, …, 1
RUNGS = {"dual": DenseDual(), "primal": DensePrimal(), "matrix-free": MatrixFree()}


def split() -> Split:
    draw = np.random.default_rng(0)
    labels = draw.permutation(np.arange(EXAMPLES) % 3)
    x = draw.normal(size=(EXAMPLES, 4)).astype(np.float32)
    return Split(x, np.eye(3, dtype=np.float32)[labels], np.arange(EXAMPLES), labels)


def params() -> Params:
    return NETWORK.init(jax.random.key(1))


def products(devices: Devices | None) -> dict[str, np.ndarray]:
    """What J is asked for, by name; of some of the layers, in either precision."""
    draw, found = np.random.default_rng(2), {}
    # With the smaller memory, blocks of one example, and few of them held: 11 in a circle.
    for dtype, memory in ((np.float32, 2**30), (np.float64, 2**13)):
        selection = Layers(("dense1", "output"))
        j = Jacobian(NETWORK, params(), split().x, selection, dtype, batch=2, devices=devices)
        u = draw.normal(size=(2, EXAMPLES, 3))
        steps = j.pull_back(u)
        name = np.dtype(dtype).name
        found[f"outputs {name}"] = np.asarray(j.outputs())
        found[f"gram {name}"] = np.asarray(j.gram(u))
        found[f"squared norm {name}"] = j.squared_norm(u)
        found[f"pull back {name}"] = np.stack([np.concatenate([np.ravel(d) for d in one]) for one in steps])
        found[f"push forward {name}"] = np.asarray(j.push_forward(steps))
        found[f"kernel {name}"] = np.asarray(tangent_kernel(j, memory=memory))
        found[f"at one example {name}"] = np.asarray(j.at(split().x[:1]).jvp(steps[0]))
    return found


def solutions(
    devices: Devices | None, losses: Iterable[ConvexLoss], rungs: Iterable[str]
) -> dict[str, np.ndarray]:
    """Tangent minima on the training inputs, by name."""
    found = {}
    for loss in losses:
        for rung in rungs:
            path = ridge_path(
                NETWORK,
                params(),
                split(),
                loss=loss,
                ridges=(Absolute(1e-2), Absolute(1.0)),
                rung=RUNGS[rung],
                options=NewtonOptions(tolerance=1e-12),
                devices=devices,
            )
            assert all(s.certificate.met for s in path)
            found[f"solution {rung} {loss.name}"] = predict_all(path, split().x)
    return found


def a_part(devices: Devices | None) -> dict[str, np.ndarray]:
    return products(devices) | solutions(devices, [SQUARE], ["matrix-free"])


def everything(devices: Devices | None) -> dict[str, np.ndarray]:
    return products(devices) | solutions(devices, [SQUARE, SOFTMAX_CROSS_ENTROPY], RUNGS)


if __name__ == "__main__":
    out, part, count, *several = sys.argv[1:]
    if several:
        join(several[0], int(several[1]), int(several[2]))
    spread = Devices.found()
    assert len(spread) == int(count), jax.devices()
    np.savez(out, **{"part": a_part, "everything": everything}[part](spread))
