"""The dense dual solve: a 10 000 × 10 000 tangent kernel formed in blocks, factorised, and a ridge path solved with certificates.

MLP 784–512–512–10, 1 000 examples, 10 outputs, random inputs; also MNIST if TICKETLAB_DATA is set. Prints the seconds
of every part, the peak memory of the process, and the fraction of the machine's own matrix-product rate reached in
forming the kernel.

    python benchmarks/tangent.py
"""

from __future__ import annotations

import os
import time

import jax
import jax.numpy as jnp
import numpy as np
import psutil

from ticketlab.networks import MLP
from ticketlab.tangent import (
    MINIMUM_NORM,
    Jacobian,
    NewtonOptions,
    Relative,
    kernel_cost,
    ridge_path,
    tangent_kernel,
)
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, Mnist
from ticketlab.tasks.task import Split

EXAMPLES, OUTPUTS = 1000, 10
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)


def random_inputs() -> Split:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, OUTPUTS, EXAMPLES)
    x = rng.standard_normal((EXAMPLES, 28, 28, 1)).astype(np.float32)
    return Split(x, np.eye(OUTPUTS, dtype=np.float32)[labels], np.arange(EXAMPLES), labels)


def matrix_rate(dtype: type) -> float:
    """GFLOP/s of a 4096³ matrix product."""
    with jax.enable_x64(dtype is np.float64):
        a = jnp.asarray(np.random.default_rng(0).standard_normal((4096, 4096)), dtype)
        product = jax.jit(jnp.matmul)
        product(a, a).block_until_ready()
        seconds = []
        for _ in range(3):
            begin = time.perf_counter()
            product(a, a).block_until_ready()
            seconds.append(time.perf_counter() - begin)
    return 2 * 4096**3 / min(seconds) / 1e9


def peak_memory() -> float:
    """The process's peak resident memory so far, in GB."""
    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return info.peak_wset / 1e9
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9


def kernel(split: Split, dtype: type, rate: float) -> None:
    network = MLP(widths=(512, 512)).build((28, 28, 1), OUTPUTS)
    jacobian = Jacobian(network, network.init(jax.random.key(0)), split.x, dtype=dtype)
    tangent_kernel(jacobian).block_until_ready()  # compiles
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        tangent_kernel(jacobian).block_until_ready()
        seconds.append(time.perf_counter() - begin)
    half = kernel_cost(jacobian).flops / 1e9 / 2
    print(
        f"  kernel in {np.dtype(dtype).name}: {min(seconds):5.2f} s for {half:.0f} GFLOP (the symmetric half), "
        f"{half / min(seconds):.0f} GFLOP/s, {half / min(seconds) / rate:.0%} of the matrix product's"
    )


def solve(split: Split) -> None:
    network = MLP(widths=(512, 512)).build((28, 28, 1), OUTPUTS)
    params = network.init(jax.random.key(0))
    options = NewtonOptions(tolerance=1e-4)
    for loss in (SQUARE, SOFTMAX_CROSS_ENTROPY):
        limit = (MINIMUM_NORM,) if loss is SQUARE else ()
        begin = time.perf_counter()
        path = ridge_path(
            network, params, split, loss=loss, ridges=(*map(Relative, RIDGES), *limit), options=options
        )
        seconds, stats = time.perf_counter() - begin, path[0].stats
        gap = max(s.certificate.duality_gap for s in path)
        print(
            f"  {loss.name}: {seconds:5.1f} s for {len(path)} ridges (kernel {stats.kernel_seconds:.1f}, "
            f"factor {stats.factor_seconds:.1f}, solve {stats.solve_seconds:.1f}, certificate {stats.certificate_seconds:.1f}); "
            f"iterations {[s.certificate.iterations for s in path]}; largest relative gap {gap:.0e}, "
            f"all met: {all(s.certificate.met for s in path)}; peak memory {peak_memory():.2f} GB"
        )


def main() -> None:
    rates = {dtype: matrix_rate(dtype) for dtype in (np.float32, np.float64)}
    print(
        f"JAX {jax.__version__}; matrix product: {rates[np.float32]:.0f} GFLOP/s float32, {rates[np.float64]:.0f} float64"
    )
    data = {"random inputs": random_inputs()}
    if "TICKETLAB_DATA" in os.environ:
        data["MNIST"] = Mnist(train=EXAMPLES, validation=100, test=100).task(seed=0).train
    for name, split in data.items():
        print(f"\nMLP 784–512–512–10, {EXAMPLES} examples, {name}: 10 000 × 10 000")
        solve(split)
        for dtype, rate in rates.items():
            kernel(split, dtype, rate)


if __name__ == "__main__":
    main()
