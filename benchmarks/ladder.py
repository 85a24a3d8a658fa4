"""The rung that the ladder chooses against the other dense one, over a grid of problems: examples, outputs, parameters, loss.

Every problem is solved by both rungs, once to compile and then again; the shorter of two timed solves counts. Prints a line a
problem: the seconds predicted and taken by each rung, the choice, and how much slower it is than the better one. Ends with the
worst ratio, and with exit code 1 if it is above 1.5.

    python benchmarks/ladder.py [--only NUMBER …]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from itertools import product

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
    os.environ.setdefault(_name, "1")  # before NumPy: the rates of the ladder are those of one processor

import jax
import numpy as np

from ticketlab.networks import MLP
from ticketlab.tangent import Automatic, DenseDual, DensePrimal, Jacobian, Relative, ridge_path
from ticketlab.tangent.ladder import choose_rung
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.tasks.task import Split

FEATURES, LIMIT, MOST = 10, 1.5, 40.0
SIZES = [
    (60, 2),
    (150, 10),
    (150, 40),
    (400, 3),
    (400, 10),
    (1000, 2),
    (1000, 5),
    (3000, 1),
    (3000, 2),
    (600, 1),
]
WIDTHS = [(8,), (64, 16)]
LOSSES = (SQUARE, SOFTMAX_CROSS_ENTROPY)


def problems() -> list[tuple[int, int, tuple[int, ...], object]]:
    """(examples, outputs, widths, loss); softmax needs two outputs."""
    return [
        (n, max(k, 2) if loss is not SQUARE else k, w, loss)
        for (n, k), w, loss in product(SIZES, WIDTHS, LOSSES)
    ]


def data(n: int, k: int) -> Split:
    """Classes around centres, as one-hot rows, or noise around a line for one output."""
    draw = np.random.default_rng(n + k)
    labels = np.arange(n) % max(k, 2)
    x = (draw.normal(size=(max(k, 2), FEATURES)) * 2)[labels] + draw.normal(size=(n, FEATURES))
    y = np.eye(k)[labels] if k > 1 else x[:, :1] / 3
    return Split(x, y, np.arange(n))


def seconds(network: object, params: object, split: Split, loss: object, rung: object) -> float:
    def solve() -> float:
        begin = time.perf_counter()
        ridge_path(network, params, split, loss=loss, ridges=(Relative(1e-2),), centred=(True,), rung=rung)
        return time.perf_counter() - begin

    first = solve()
    return first if first > MOST else min(solve(), solve())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", type=int)
    options = parser.parse_args()
    worst = 0.0
    print(
        "| # | examples | outputs | parameters | loss | dual: predicted, taken | primal: predicted, taken | chosen | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for i, (n, k, widths, loss) in enumerate(problems()):
        if options.only and i not in options.only:
            continue
        split, network = data(n, k), MLP(widths).build((FEATURES,), k)
        params = network.init(jax.random.key(0))
        jacobian = Jacobian(network, params, split.x, dtype=np.float64)
        chosen = type(choose_rung(jacobian, Automatic(), quadratic=loss.quadratic).rung)
        predicted, taken = {}, {}
        for rung in (DenseDual(), DensePrimal()):
            predicted[type(rung)] = choose_rung(jacobian, rung, quadratic=loss.quadratic).seconds
            taken[type(rung)] = seconds(network, params, split, loss, rung)
        ratio = taken[chosen] / min(taken.values())
        worst = max(worst, ratio)
        both = " | ".join(f"{predicted[r]:.2g}, {taken[r]:.2g}" for r in (DenseDual, DensePrimal))
        words = f"{n} | {k} | {jacobian.columns} | {loss.name} | {both} | {chosen.__name__} | {ratio:.2f}"
        print(f"| {i} | {words} |", flush=True)
    print(f"\nworst ratio: {worst:.2f}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
