"""How fast random tickets are drawn and scored, and the tails of their qualities.

    python benchmarks/tickets.py [--networks 100000] [--units 1000000]

Networks of 64–64–10 and units of 64 inputs are scored on 1 000 digits, for true and permuted targets. A matrix product
of the same machine is timed too. Without compiling: a first call does that.
"""

from __future__ import annotations

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.start import built, drawn_task
from ticketlab.claims.ticket_tail.kinds import CHUNK, Drum, Kind, draw
from ticketlab.networks import MLP
from ticketlab.tasks import Digits


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=1_000_000)
    asked = parser.parse_args()
    print(f"a product of two matrices of 2 000 × 2 000: {product():.0f} GFLOP/s")
    kinds: dict[Kind, int] = {"network": asked.networks, "unit": asked.units}
    kinds |= dict.fromkeys(("mask", "read-out", "tangent direction", "probe"), 2 * CHUNK)
    task = drawn_task(Digits(train=300, validation=100, test=1000), 0)
    network = built(MLP(widths=(64,)), task.input_shape, task.outputs)
    rng = np.random.default_rng(0)
    test, train = (
        jnp.asarray(np.stack([part.targets, rng.permutation(part.targets)]))
        for part in (task.test, task.train)
    )
    params = network.init(jax.random.key(0))
    drum = Drum(params, jnp.asarray(task.test.x), test, jnp.asarray(task.train.x), train, jax.random.key(1))
    for kind, count in kinds.items():
        draw(kind, network, drum, CHUNK * (64 if kind == "unit" else 1))  # compiles
        began = time.perf_counter()
        found, _ = draw(kind, network, drum, count)
        seconds = time.perf_counter() - began
        best = float(found.whole.max())
        print(
            f"{count} {kind}s: {seconds:.1f} s, {count / seconds:.0f} a second; the best explains {best:.1%}",
            flush=True,
        )


def product() -> float:
    a = jnp.ones((2000, 2000))
    (a @ a).block_until_ready()
    began = time.perf_counter()
    for _ in range(5):
        (a @ a).block_until_ready()
    return 5 * 2 * 2000**3 / (time.perf_counter() - began) / 1e9


if __name__ == "__main__":
    main()
