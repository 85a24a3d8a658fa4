"""The tangent-space minimum of a real network on all of MNIST: 60 000 examples, 10 outputs, a kernel never formed.

MLP 784–512–512–10, ReLU, NTK parameterisation, ridge 0.01 × mean diag(K), square loss, with f₀ kept. Prints the seconds of
every part, the seconds per product and their floor (the least number of operations at the machine's own matrix-product rate),
the relative duality gap against time, test accuracy, the equivalent epochs of stochastic gradient descent, and peak memory.
Uses block descent, or conjugate gradients with a low-rank preconditioner or (rank 0) without.

    TICKETLAB_DATA=… python benchmarks/full_mnist.py [--examples N] [--blocks ROWS | --rank R] [--ridge λ] [--tolerance GAP]

All of CIFAR-10 with Conv-4, which needs a GPU in practice:

    TICKETLAB_DATA=… python benchmarks/full_mnist.py --task cifar10 --network conv:depth=4,parameterisation=ntk
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace

import jax
import numpy as np

from tangent import matrix_rate, peak_memory
from ticketlab.choices import family
from ticketlab.networks import MLP, Architecture, Network, Parameterisation
from ticketlab.plans import parse_choice
from ticketlab.tangent import (
    BlockDescent,
    ConjugateGradients,
    Jacobian,
    MatrixFree,
    NewtonOptions,
    Products,
    Relative,
    ridge_path,
)
from ticketlab.tasks import SQUARE, Cifar10, Mnist
from ticketlab.tasks.task import Split

SOURCES = {"mnist": Mnist(), "cifar10": Cifar10()}


def mnist(examples: int, task: str = "mnist") -> tuple[Split, Split]:
    """The first training examples and the official test part, standardised by the training mean and deviation over all pixels."""
    data = SOURCES[task].load()
    first_test = len(data.x) - data.official_test
    parts = []
    for chosen in (np.arange(min(examples, first_test)), np.arange(first_test, len(data.x))):
        labels = data.labels[chosen]
        parts.append(
            Split(data.x[chosen].astype(np.float32), np.eye(10, dtype=np.float32)[labels], chosen, labels)
        )
    mean, deviation = parts[0].x.mean(), parts[0].x.std()
    train, test = (replace(part, x=(part.x - mean) / deviation) for part in parts)
    return train, test


def flops(network: Network, examples: int) -> tuple[float, float]:
    """Operations of a product with K and of an epoch of gradient descent; a multiply–add counts as two.

    For each layer a product takes Wᵀδ and aᵀδ backward, aΔW and (Δa)W forward; an epoch takes a forward pass, Wᵀδ and aᵀδ. The
    inputs of the first layer are fixed, so it needs only two of the four, and two of the three.
    """
    first, *others = (
        layer.inputs * math.prod(layer.output_shape)
        for layer in network.require_layers("counting")
        if layer.stage.weighted
    )
    return 2.0 * examples * (2 * first + 4 * sum(others)), 2.0 * examples * (2 * first + 3 * sum(others))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=SOURCES, default="mnist")
    parser.add_argument("--network", help="as on ticketlab's command line (default: the MLP)")
    parser.add_argument("--examples", type=int, default=60_000)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--blocks", type=int, default=1000)
    way.add_argument("--rank", type=int)
    parser.add_argument("--ridge", type=float, default=1e-2)
    parser.add_argument("--tolerance", type=float, default=1e-2)
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    method = BlockDescent(asked.blocks) if asked.rank is None else ConjugateGradients(asked.rank)
    rate = matrix_rate(np.float32)
    print(
        f"JAX {jax.__version__} on {jax.devices()[0].device_kind}; matrix product {rate:.0f} GFLOP/s float32"
    )
    train, test = mnist(asked.examples, asked.task)
    examples = len(train)
    architecture = MLP(widths=(512, 512), parameterisation=Parameterisation.NTK)
    if asked.network:
        architecture = parse_choice(asked.network, family(Architecture))
    network = architecture.build(train.x.shape[1:], 10)
    needed, epoch = flops(network, examples)
    print(f"{network.name}, {examples} examples of {asked.task}, ridge {asked.ridge:g}")
    params = network.init(jax.random.key(0))

    products = Products(Jacobian(network, params, train.x))
    u = np.random.default_rng(0).standard_normal((examples, 10))
    products.gram(u)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        products.gram(u)
        seconds.append(time.perf_counter() - begin)
    floor = needed / 1e9 / rate
    print(
        f"a product with K: {min(seconds):.2f} s for {needed / 1e9:.0f} GFLOP, floor {floor:.2f} s "
        f"({100 * floor / min(seconds):.0f} % of the matrix product's rate); activations {products.kept_bytes / 1e9:.1f} GB"
    )
    del products

    begin, said, history = time.perf_counter(), -1e9, []

    def progress(what: str, value: float) -> None:
        nonlocal said
        now = time.perf_counter() - begin
        history.append((now, what, value))
        if now - said > 10 or what == "certificate":
            print(f"  {now:6.1f} s  {what}: {value:.2e}", flush=True)
            said = now

    (solution,) = ridge_path(
        network,
        params,
        train,
        loss=SQUARE,
        ridges=(Relative(asked.ridge),),
        rung=MatrixFree(method),
        options=NewtonOptions(tolerance=asked.tolerance),
        progress=progress,
    )
    total = time.perf_counter() - begin
    own = next(
        (f"{at:.0f} s" for at, what, gap in history if what not in ("kernel", "certificate") and gap <= 0.1),
        "never",
    )
    certified = next(
        (f"{at:.0f} s" for at, what, gap in history if what == "certificate" and gap <= 0.1), "never"
    )
    correct = np.mean(np.argmax(solution.predict(test.x), axis=1) == test.labels)
    certificate, stats = solution.certificate, solution.stats
    print(f"{stats.rung}; {certificate.message()}")
    print(
        f"{total:.0f} s in total: preparation {stats.kernel_seconds:.0f}, {certificate.iterations} iterations "
        f"{stats.solve_seconds:.0f} ({stats.solve_seconds / max(certificate.iterations, 1):.2f} each), certificate "
        f"{stats.certificate_seconds:.0f}; within 10 % of the minimum after {own} by its own estimate, {certified} certified"
    )
    print(
        f"test accuracy {100 * correct:.2f} %; equivalent to {certificate.iterations * needed / epoch:.0f} "
        f"epochs of gradient descent; peak memory {peak_memory():.1f} GB"
    )


if __name__ == "__main__":
    main()
