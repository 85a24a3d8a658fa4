"""The time of a scan of units, next to the rate of matrix products and to the network's own forward pass.

    python benchmarks/units.py mlp     5 layers of 1 024 units, 10 000 images of 28 × 28 pixels, 999 permutations
    python benchmarks/units.py conv    Conv-6, 32 × 32 × 3 pixels: reading its units against its forward pass

Times are those of the processors that the process may use. Images and labels are random: no time depends on them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ticketlab.networks import MLP, ConvNet, evaluate
from ticketlab.units import Matrix, NetworkUnits, scan

CLASSES = 10
LIMIT_SECONDS, LIMIT_RATIO = 60.0, 1.5


def seconds(function: Callable[[], Any], times: int = 1) -> float:
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        function()
        found.append(time.perf_counter() - begin)
    return min(found)


def product_rate() -> float:
    """Floating-point operations a second in a large product of single precision."""
    draw = np.random.default_rng(0)
    a = draw.standard_normal((1024, 10_000)).astype(np.float32)
    b = draw.standard_normal((10_000, 1024)).astype(np.float32)
    return 2 * 1024 * 10_000 * 1024 / seconds(lambda: a @ b, 4)


def mlp(images: int, permutations: int) -> bool:
    draw = np.random.default_rng(0)
    x = draw.standard_normal((images, 28, 28, 1)).astype(np.float32)
    labels = draw.permutation(np.arange(images) % CLASSES)
    network = MLP(widths=(1024,) * 5).build((28, 28, 1), CLASSES)
    params = network.init(jax.random.key(0))
    units = NetworkUnits(network, params, x)
    units.read(0, 1)  # compiles
    values: list[np.ndarray] = []
    reading = seconds(lambda: values.append(units.read(0, units.units)))
    rate = product_rate()
    rest = seconds(lambda: scan(Matrix(values[0]), labels, permutations=permutations, seed=0))
    few = seconds(lambda: scan(Matrix(values[0]), labels, permutations=19, seed=0))
    operations = 2 * units.units * images * (permutations - 19) * (CLASSES - 1)
    share = operations / (rest - few) / rate
    print(f"{units.units} units, {images} images, {permutations} permutations")
    print(
        f"reading {reading:.1f} s; ranks, thresholds and 19 permutations {few:.1f} s; all of the scan {rest:.1f} s"
    )
    print(
        f"permutations at {operations / (rest - few) / 1e9:.0f} GFLOP/s, {share:.0%} of {rate / 1e9:.0f} GFLOP/s"
    )
    print(f"together {reading + rest:.1f} s, limit {LIMIT_SECONDS:g} s")
    return reading + rest < LIMIT_SECONDS


def conv(images: int) -> bool:
    x = np.random.default_rng(0).standard_normal((images, 32, 32, 3)).astype(np.float32)
    network = ConvNet(depth=6).build((32, 32, 3), CLASSES)
    params = network.init(jax.random.key(0))
    units = NetworkUnits(network, params, x)
    units.read(0, 1)
    np.asarray(evaluate(network, params, x[:2048], x))
    forward = seconds(lambda: np.asarray(evaluate(network, params, x, x)), 2)
    reading = seconds(lambda: units.read(0, units.units), 2)
    print(
        f"Conv-6, {images} images, {units.units} units: forward pass {forward:.1f} s, reading {reading:.1f} s"
    )
    print(f"ratio {reading / forward:.2f}, limit {LIMIT_RATIO:g}")
    return reading / forward < LIMIT_RATIO


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("mlp", "conv", "all"), default="all")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--permutations", type=int, default=999)
    options = parser.parse_args()
    good = True
    if options.what != "conv":
        good &= mlp(options.images, options.permutations)
    if options.what != "mlp":
        good &= conv(min(options.images, 4096))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
