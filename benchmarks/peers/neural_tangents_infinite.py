"""Kernels of infinite width by neural-tangents 0.6.5 in float64, for benchmarks/infinite.py; runs in its own environment.

    python neural_tangents_infinite.py INPUTS.npy NETWORK BATCH OUT.npy

It prints the seconds of the second run, which compiles nothing. BATCH is the side of its blocks of examples, 0 for none.
"""

from __future__ import annotations

import sys
import time
import types

sys.modules["neural_tangents.experimental"] = types.ModuleType("experimental")  # avoids starting TensorFlow

import jax

jax.config.update("jax_enable_x64", True)

import neural_tangents as nt
import numpy as np
from neural_tangents import stax


def kernel_of(name: str):
    def dense(units: int):
        return stax.Dense(units, W_std=2**0.5, b_std=0.1)

    def convolution(units: int):
        return stax.Conv(units, (3, 3), padding="SAME", W_std=2**0.5, b_std=0.1)

    if name == "mlp":
        layers = [layer for _ in range(3) for layer in (dense(512), stax.Relu())]
        return stax.serial(stax.Flatten(), *layers, dense(1))[2]
    layers = [layer for _ in range(3) for layer in (convolution(64), stax.Relu())]
    return stax.serial(*layers, stax.Flatten() if name == "flatten" else stax.GlobalAvgPool(), dense(1))[2]


def main(path: str, name: str, batch: str, out: str) -> None:
    x = np.load(path)
    kernel = kernel_of(name)

    def whole(x):
        found = kernel(x, None, ("nngp", "ntk"))
        return found.nngp, found.ntk

    if int(batch):
        blocked = nt.batch(kernel, batch_size=int(batch), device_count=0)

        def function(x):
            found = blocked(x, None, ("nngp", "ntk"))
            return found.nngp, found.ntk
    else:
        function = jax.jit(whole)
    for _ in range(2):
        begin = time.process_time()
        nngp, ntk = jax.block_until_ready(function(x))
        seconds = time.process_time() - begin
    np.save(out, np.stack([nngp, ntk]))
    print(seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
