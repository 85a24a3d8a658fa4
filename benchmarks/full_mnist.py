"""The tangent-space minimum of a real network on all of MNIST: 60 000 examples, 10 outputs, a kernel never formed.

MLP 784–512–512–10, ReLU, NTK parameterisation, ridge 0.01 × mean diag(K), square loss, with f₀ kept. Printed: seconds of every
part, seconds a product against its floor (the least number of operations at the machine's own matrix-product rate), the relative
duality gap against time, test accuracy, the same work in epochs of stochastic gradient descent, and peak memory. By block
descent, or by conjugate gradients with a low-rank preconditioner or (rank 0) without.

    TICKETLAB_DATA=… python benchmarks/full_mnist.py [examples] [blocks ROWS | rank R] [ridge] [tolerance]
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import jax
import numpy as np

from tangent import matrix_rate, peak_memory
from ticketlab.networks import MLP, Parameterisation
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
from ticketlab.tasks import SQUARE, Mnist
from ticketlab.tasks.task import Split

WIDTH, TOLERANCE, RIDGE = 512, 1e-2, 1e-2


def mnist(examples: int) -> tuple[Split, Split]:
    """The first so many of the official training part, and the official test part, standardised by the training mean and
    deviation over all pixels."""
    data = Mnist().load()
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


def product_flops(examples: int) -> float:
    """Two operations a multiply–add: for each layer of n_in × n_out weights Wᵀδ and aᵀδ back, aΔW and (Δa)W forward; the inputs
    of the first layer do not move, so that it has two of the four."""
    first, hidden, last = 784 * WIDTH, WIDTH * WIDTH, WIDTH * 10
    return 2.0 * examples * (2 * first + 4 * hidden + 4 * last)


def main() -> None:
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    kind, size = sys.argv[2:4] if len(sys.argv) > 3 else ("blocks", "1000")
    method = BlockDescent(int(size)) if kind == "blocks" else ConjugateGradients(int(size))
    ridge = float(sys.argv[4]) if len(sys.argv) > 4 else RIDGE
    tolerance = float(sys.argv[5]) if len(sys.argv) > 5 else TOLERANCE
    rate = matrix_rate(np.float32)
    print(
        f"JAX {jax.__version__} on {jax.devices()[0].device_kind}; matrix product {rate:.0f} GFLOP/s float32"
    )
    train, test = mnist(examples)
    network = MLP(widths=(WIDTH, WIDTH), parameterisation=Parameterisation.NTK).build(train.x.shape[1:], 10)
    params = network.init(jax.random.key(0))

    products = Products(Jacobian(network, params, train.x))
    u = np.random.default_rng(0).standard_normal((examples, 10))
    products.gram(u)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        products.gram(u)
        seconds.append(time.perf_counter() - begin)
    floor = product_flops(examples) / 1e9 / rate
    print(
        f"a product with K: {min(seconds):.2f} s for {product_flops(examples) / 1e9:.0f} GFLOP, floor {floor:.2f} s "
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
        ridges=(Relative(ridge),),
        rung=MatrixFree(method),
        options=NewtonOptions(tolerance=tolerance),
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
        f"{total:.0f} s in all: preparation {stats.kernel_seconds:.0f}, {certificate.iterations} iterations "
        f"{stats.solve_seconds:.0f} ({stats.solve_seconds / max(certificate.iterations, 1):.2f} each), certificate "
        f"{stats.certificate_seconds:.0f}; within 10 % of the minimum after {own} by its own account, {certified} certified"
    )
    # An epoch of gradient descent takes the forward pass and the products of the reverse sweep.
    epoch = 2.0 * examples * (2 * 784 * WIDTH + 3 * WIDTH * WIDTH + 3 * WIDTH * 10)
    print(
        f"test accuracy {100 * correct:.2f} %; as much work as {certificate.iterations * product_flops(examples) / epoch:.0f} "
        f"epochs of gradient descent; peak memory {peak_memory():.1f} GB"
    )


if __name__ == "__main__":
    main()
