"""Trained networks inside random ones: how long the mask takes, how large the random network is, and how near it comes.

    python benchmarks/constructions.py                    digits, LeNet-300-100 and LeNet-5 (the last two with TICKETLAB_DATA)
    python benchmarks/constructions.py --only digits      one of them
    python benchmarks/constructions.py --inputs 10000     fewer inputs in the check; a convolutional check is slow

Targets are trained here, on pixels from 0 to 1, so the first layer needs one sum for every weight. Every line is one
construction: what was drawn, what the mask keeps, the rate of failures at the first attempt, and [attack, certificate]. The
second table has the rate of failures of single weights against the curve that has no fitted constant, and against the law.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from dataclasses import replace

import jax
import numpy as np

from ticketlab.networks import MLP, LeNet5, LeNet300100
from ticketlab.tasks import Digits, Mnist, split
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.tickets.constructions import (
    Construction,
    DoubleDepth,
    FittingSum,
    GoldenBins,
    HeNormal,
    Hyperbolic,
    OneMoreLayer,
    PickOne,
    SubsetSum,
    Target,
    WrittenEdges,
    agreement,
    exchanged,
    failure_chance,
    law,
    pools,
    shortfall,
    sign_network,
)
from ticketlab.training import Adam, Replicas, TrainingData, TrainingPlan, stack, train

EPSILON = 0.01
COUNTS, TOLERANCES, SAMPLE = (8, 12, 16, 20, 24, 32), (0.1, 0.03, 0.01, 0.003, 0.001), 4000
EXCHANGES = 4


def trained(name: str) -> tuple[Target, Task]:
    source, architecture, steps = {
        "digits": (Digits(), MLP((64,)), 1500),
        "lenet-300-100": (Mnist(), LeNet300100(), 9000),
        "lenet-5": (Mnist(), LeNet5(), 2500),
    }[name]
    task = split(replace(source.load(), standardise=False), 0, source.sizes())
    network = architecture.build(task.input_shape, task.outputs)
    plan = TrainingPlan(steps=steps, batch=60, optimiser=Adam(1.2e-3), evaluate_every=250)
    replicas = Replicas(stack([network.init(jax.random.key(0))]), jax.random.key(1))
    result = train(network, SOFTMAX_CROSS_ENTROPY, TrainingData.of(task), plan, replicas)
    params = jax.tree.map(lambda a: np.asarray(a[0]), (result.best or result).params)
    return Target(architecture, task.input_shape, task.outputs, params), task


def accuracy(function, task: Task) -> float:
    x = task.test.x
    outputs = [np.asarray(function(x[i : i + 100])) for i in range(0, len(x), 100)]
    return float(np.mean(np.concatenate(outputs).argmax(1) == task.test.labels))


def line(name: str, construction: Construction, task: Task, inputs: int) -> None:
    found = agreement(construction, task.test.x, np.random.default_rng(0), inputs=inputs)
    target = construction.target
    worst = max(report.attempts for report in construction.reports)
    print(
        f"  {name:34s} g/N {construction.size / target.weights:7.1f}  kept/N {construction.kept / target.weights:5.2f}"
        f"  λ {construction.factor:8.2g}  failed {construction.failure_rate:8.2g}  attempts {worst:2d}"
        f"  [{found.attack:.3g}, {found.certificate:.3g}]  own {found.beyond:.2g}  relative {found.relative:.2g}"
        f"  agree {found.agreement:.4f}  {construction.milliseconds:.3f} ms/weight"
        f"  {construction.seconds:.1f} + {found.seconds:.1f} s",
        flush=True,
    )
    assert found.attack <= found.certificate
    assert found.beyond <= 1


def constructions(name: str, target: Target, task: Task, inputs: int) -> None:
    plans = {"depth 2L, U[−1, 1], n = 32": DoubleDepth(signed=False)}
    if name == "digits":
        wide = Hyperbolic()
        plans |= {
            "… smallest subsets": DoubleDepth(signed=False, search=SubsetSum(fewest=True)),
            "… He, constant carried": DoubleDepth(signed=False, law=HeNormal()),
            "pick-one, n = 400": DoubleDepth(400, signed=False, search=PickOne(), attempts=60),
            "fitting sum, hyperbolic, n = 96": DoubleDepth(96, signed=False, law=wide, search=FittingSum()),
            "golden bins, hyperbolic, n = 192": DoubleDepth(
                192, signed=False, law=wide, search=GoldenBins(bins=13), attempts=60
            ),
        }
    if name != "lenet-5":
        plans |= {"multigraph, 8 bits": WrittenEdges(8, signed=False)}
    if name == "digits":
        plans |= {"depth L + 1, n = 24": OneMoreLayer(signed=False)}
    for title, plan in plans.items():
        line(title, plan(target, 0), task, inputs)


def failures(target: Target) -> None:
    """Failures of single weights, for one random network: measured, by the curve, and by the law itself.

    The law: each pool of products is tried with the targets of other weights of its source. Standard errors of both differences
    have sources as clusters, since the weights of a source share its units. A star marks what lies outside of three of them.
    """
    asked = near_curve = near_law = 0
    for count in COUNTS:
        cells = []
        found = pools(DoubleDepth(count, signed=False), target, 1, SAMPLE, np.random.default_rng(1))
        pool, error = shortfall(found)
        wanted = found.relative[1]
        others = [exchanged(found, by) for by in range(1, EXCHANGES + 1)]
        theirs = [shortfall(other)[1] for other in others]
        size = int(found.source.max()) + 1
        for tolerance in TOLERANCES:
            chance, failed = failure_chance(pool, wanted, tolerance), error > tolerance
            by_source = np.bincount(found.source, failed - chance, size)
            good = abs(by_source.sum()) <= 3 * np.sqrt(np.sum(by_source**2))
            by_law, spread = law(
                found, failed, [(o, e > tolerance) for o, e in zip(others, theirs, strict=True)]
            )
            same = abs(failed.sum() - by_law) <= 3 * spread
            if chance.sum() > 5:
                asked, near_curve, near_law = asked + 1, near_curve + good, near_law + same
            rates = [failed.sum(), chance.sum(), by_law]
            cells.append(
                "/".join(f"{rate / len(error):.4f}" for rate in rates) + " *"[not good] + " *"[not same]
            )
        print(f"  n = {count:2d}  " + "  ".join(cells), flush=True)
    print(
        f"  of {asked} rates with an expected count above 5, {near_curve} lie within three standard errors of the curve and "
        f"{near_law} within three of the law"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["digits", "lenet-300-100", "lenet-5"])
    parser.add_argument("--inputs", type=int, default=100_000)
    options = parser.parse_args()
    names = [options.only] if options.only else ["digits", "lenet-300-100", "lenet-5"]
    if not os.environ.get("TICKETLAB_DATA"):
        names = [name for name in names if name == "digits"]
    a = np.random.default_rng(0).standard_normal((1500, 1500), np.float32)
    begin = time.perf_counter()
    for _ in range(10):
        a @ a
    print(
        f"matrix products of this machine: {10 * 2 * 1500**3 / (time.perf_counter() - begin) / 1e9:.0f} GFLOP/s"
    )
    for name in names:
        target, task = trained(name)
        params = jax.tree.map(jax.numpy.asarray, target.params)
        own = accuracy(jax.jit(lambda x, t=target, p=params: t.network.apply(p, x)), task)
        print(f"{name}: {target.weights} weights, test accuracy {own:.4f}, ε = {EPSILON}")
        constructions(name, target, task, options.inputs)
        if name != "lenet-5":
            of = sign_network(target, EPSILON)
            print(
                f"  random signs would need {of.weights:.2g} weights ({of.gigabytes:.2g} GB), depth {of.depth}"
            )
            print(
                f"  measured/curve/law of failures, ε = {', '.join(map(str, TOLERANCES))} of the largest weight"
            )
            failures(target)
    print(f"largest memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


if __name__ == "__main__":
    main()
