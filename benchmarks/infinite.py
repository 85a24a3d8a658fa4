"""Kernels of infinite width, NNGP and NTK in float64, compared with neural-tangents 0.6.5, in one command.

An MLP with three hidden ReLU layers on inputs of MNIST's size, and convolutional networks of three layers on 8 × 8 images,
flattened and with a mean over all pixels. Times are seconds of one core's work, without compilation. The peer runs whole (jit)
and in its own blocks, and the better counts. Its environment is that of benchmarks/kernel.py, which builds it once.

    python benchmarks/infinite.py [--peer FOLDER] [--only mlp flatten mean]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from kernel import peer_python

PEER_SCRIPT = Path(__file__).parent / "peers" / "neural_tangents_infinite.py"
SIZES = {"mlp": (2000, (28, 28, 1)), "flatten": (500, (8, 8, 1)), "mean": (60, (8, 8, 1))}
TITLES = {
    "mlp": "MLP, 3 hidden ReLU layers",
    "flatten": "3 convolutions, ReLU, flattened",
    "mean": "3 convolutions, ReLU, mean over pixels",
}
BATCHES = {"mlp": (0, 250, 500), "flatten": (0, 50, 100), "mean": (0, 10, 20)}


def network_of(name: str, shape: tuple[int, ...]) -> Any:
    from ticketlab.networks import (
        MLP,
        Activate,
        Activation,
        Convolution,
        Dense,
        Flatten,
        GlobalAverage,
        Parameterisation,
        sequential,
    )

    if name == "mlp":
        return MLP((512, 512, 512), parameterisation=Parameterisation.NTK).build(shape, 1)
    layers = (Convolution(64), Activate(Activation.RELU)) * 3
    end = Flatten() if name == "flatten" else GlobalAverage()
    return sequential((*layers, end, Dense(1)), shape, name=name, parameterisation=Parameterisation.NTK)


def ours(name: str, x: np.ndarray) -> tuple[float, np.ndarray]:
    from ticketlab.infinite import kernels

    network = network_of(name, x.shape[1:])
    seconds = []
    for _ in range(4):  # the first compiles
        begin = time.process_time()
        found = kernels(network, x)
        seconds.append(time.process_time() - begin)
    return min(seconds[1:]), np.stack([found.nngp, found.ntk])


def matrix_rate() -> float:
    """GFLOP of float64 matrix products in a second of one core's work."""
    import jax
    import jax.numpy as jnp

    from ticketlab.compiler import fast_products

    with jax.enable_x64(True):
        a = jnp.asarray(np.random.default_rng(0).standard_normal((1024, 1024)))
        product = jax.jit(jnp.matmul, compiler_options=fast_products())
        product(a, a).block_until_ready()
        begin = time.process_time()
        for _ in range(5):
            product(a, a).block_until_ready()
        return 5 * 2 * 1024**3 / (time.process_time() - begin) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--peer", type=Path, default=cache / "ticketlab" / "neural-tangents-0.6.5")
    parser.add_argument(
        "--limit", type=float, default=300, help="time limit in seconds for a run of the peer"
    )
    parser.add_argument("--only", nargs="*", choices=list(SIZES), default=list(SIZES))
    chosen = parser.parse_args()
    peer = peer_python(chosen.peer)
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}  # the peer's own
    print(f"{matrix_rate():.1f} GFLOP of float64 matrix products a core-second")
    for name in chosen.only:
        examples, shape = SIZES[name]
        x = np.random.default_rng(1).standard_normal((examples, *shape))
        seconds, mine = ours(name, x)
        pairs = examples * (examples + 1) / 2
        print(f"{TITLES[name]}, {examples} inputs {'×'.join(map(str, shape))}")
        print(
            f"  Ticketlab         {seconds:7.2f} core-seconds, {seconds / pairs * 1e6:.3f} μs a pair",
            flush=True,
        )
        with tempfile.TemporaryDirectory() as folder:
            inputs, out = Path(folder) / "x.npy", Path(folder) / "out.npy"
            np.save(inputs, x)
            for batch in BATCHES[name]:
                command = [str(peer), str(PEER_SCRIPT), str(inputs), name, str(batch), str(out)]
                title = f"peer, {f'blocks of {batch}' if batch else 'whole'}"
                try:
                    done = subprocess.run(
                        command, capture_output=True, text=True, timeout=chosen.limit, env=environment
                    )
                except subprocess.TimeoutExpired:
                    print(f"  {title:17} not finished after {chosen.limit:.0f} s")
                    continue
                if done.returncode:
                    print(f"  {title:17} {done.stderr.strip().splitlines()[-1][:100]}")
                    continue
                theirs, taken = np.load(out), float(done.stdout.split()[-1])
                error = np.abs(mine / theirs - 1)
                own = np.eye(examples, dtype=bool)
                print(
                    f"  {title:17} {taken:7.2f} core-seconds, {taken / seconds:.1f} × ours; "
                    f"largest relative difference {error[:, ~own].max():.0e}, of the diagonal {error[:, own].max():.0e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
