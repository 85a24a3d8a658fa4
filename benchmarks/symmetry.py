"""Matching of units: seconds next to the machine's matrix-product rate, recovered permutations, and barriers on MNIST.

    python benchmarks/symmetry.py speed      two MLPs of 3 × 512 units, and two ResNet-20, drawn at random
    python benchmarks/symmetry.py recovery   planted permutations, with noise of a fraction of each array's deviation
    TICKETLAB_DATA=… python benchmarks/symmetry.py barrier [--network mlp|resnet] [--examples N] [--epochs E] [--shared] \\
        [--restarts R]

`barrier` trains two networks from different starts, or with `--shared` from one start in different orders of the data. It prints
error and loss barriers along the line between them, on training and test data, by matching and with REPAIR. Straight-through
matching sees the first training examples only, as many as are on the lines.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import jax
import numpy as np

from ticketlab.networks import (
    MLP,
    LeNet5,
    Network,
    Normalisation,
    PreActResNet,
    ResNet,
    ResNet20,
    estimated_statistics,
)
from ticketlab.networks.params import Params
from ticketlab.symmetry import (
    Balanced,
    by_activations,
    canonical,
    disagreement,
    match_activations,
    match_straight_through,
    match_weights,
    parameter_distance,
    permuted,
    repaired_between,
)
from ticketlab.symmetry.matching import Matching
from ticketlab.tasks import Mnist
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Split
from ticketlab.tickets import barrier, lines
from ticketlab.training import Adam, Cosine, Replicas, TrainingData, TrainingPlan, stack, train

T = TypeVar("T")


def timed(function: Callable[[], T]) -> tuple[T, float]:
    begin = time.perf_counter()
    found = function()
    return found, time.perf_counter() - begin


def product_rate() -> float:
    """GFLOP/s of a large product of single precision."""
    a = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float32)
    return 2 * 2048**3 / min(timed(lambda: a @ a)[1] for _ in range(4)) / 1e9


# --- speed ---


def speed() -> None:
    images = np.random.default_rng(0).standard_normal((256, 32, 32, 3)).astype(np.float32)
    cases = {
        "MLP 3 × 512": (MLP((512,) * 3).build((28, 28, 1), 10), None, 5.0),
        "ResNet-20": (ResNet20().build((32, 32, 3), 10), images, 60.0),
    }
    print(f"matrix product: {product_rate():.0f} GFLOP/s")
    for name, (network, reference, limit) in cases.items():
        one, other = (network.init(jax.random.key(seed)) for seed in (0, 1))
        if network.statistics is not None:
            jax.jit(estimated_statistics, static_argnums=0)(network, one, images)
        forms, first = timed(
            lambda n=network, r=reference, p=(one, other): [canonical(n, q, reference=r) for q in p]
        )
        found, seconds = timed(lambda f=forms: match_weights(f[0].network, f[0].params, f[1].params))
        print(
            f"{name}: canonical forms {first:.2f} s ({forms[0].sweeps} sweeps), matching from {len(found.objectives)} starts "
            f"{seconds:.2f} s (limit {limit:g} s: {'met' if seconds < limit else 'MISSED'})"
        )


# --- recovery ---


def recovery(repetitions: int) -> None:
    cases: dict[str, Network] = {
        "MLP 12–40–30–20–3": MLP((40, 30, 20)).build((12,), 3),
        "LeNet-5": LeNet5().build((28, 28, 1), 10),
        "residual 30–50, plain": PreActResNet((30, 50), blocks=2, normalisation=None).build((8, 8, 3), 3),
        "residual 30–50, normalised": ResNet((30, 50), blocks=2).build((8, 8, 3), 3),
    }
    for name, network in cases.items():
        for noise in (0.0, 0.2, 0.5):
            found = [_recovered(network, seed, noise) for seed in range(repetitions)]
            single = sum("as it is" in from_one for _, from_one in found)
            print(
                f"{name}, noise {noise:g}: {sum(whole for whole, _ in found)} of {repetitions} recovered; "
                f"{single} by the ascent from the order as it is"
            )


def _recovered(network: Network, seed: int, noise: float) -> tuple[bool, set[str]]:
    """Whether all units come back, and the starts that reach the best objective."""
    draw = np.random.default_rng(seed)
    params = canonical(network, network.init(jax.random.key(seed))).params
    orders = {g.layer: draw.permutation(g.units) for g in network.unit_groups}
    planted = Matching(orders, {k: np.ones(len(o)) for k, o in orders.items()}, 0.0, "", {})
    moved = jax.tree.map(
        lambda a: a + noise * a.std() * draw.standard_normal(a.shape), permuted(network, params, planted)
    )
    found = match_weights(network, params, canonical(network, moved).params, seed=seed)
    whole = all(np.array_equal(orders[k][found.orders[k]], np.arange(len(orders[k]))) for k in orders)
    best = max(found.objectives.values())
    return whole, {name for name, value in found.objectives.items() if value > best - 1e-6}


# --- barriers ---


def mnist(examples: int) -> tuple[Split, Split]:
    """The first training examples and the official test part, standardised over all pixels."""
    data = Mnist().load()
    first_test = len(data.x) - data.official_test
    parts = []
    for chosen in (np.arange(min(examples, first_test)), np.arange(first_test, len(data.x))):
        labels = data.labels[chosen]
        parts.append(
            Split(data.x[chosen].astype(np.float32), np.eye(10, dtype=np.float32)[labels], chosen, labels)
        )
    mean, deviation = parts[0].x.mean(), parts[0].x.std()
    return tuple(replace(part, x=(part.x - mean) / deviation) for part in parts)  # type: ignore[return-value]


def trained(network: Network, part: Split, steps: int, batch: int, shared: bool) -> list[Params]:
    starts = [network.init(jax.random.key(0 if shared else seed)) for seed in (0, 1)]
    data = TrainingData(part.x, part.targets, part.x[:1000], part.targets[:1000])
    plan = TrainingPlan(
        steps=steps, batch=batch, optimiser=Adam(1e-3), schedule=Cosine(steps), evaluate_every=steps
    )
    keys = jax.random.split(jax.random.key(7), 2)
    result = train(network, SOFTMAX_CROSS_ENTROPY, data, plan, Replicas(stack(starts), order_keys=keys))
    return [jax.tree.map(lambda a, i=i: np.asarray(a[i]), result.params) for i in range(2)]


def barriers(asked: argparse.Namespace) -> None:
    kind, examples, epochs, shared, width = (
        asked.network,
        asked.examples,
        asked.epochs,
        asked.shared,
        asked.width,
    )
    train_part, test_part = mnist(examples)
    architecture = (
        MLP((512,) * 3) if kind == "mlp" else ResNet((width, 2 * width, 4 * width), 1, Normalisation.CHANNELS)
    )
    network, batch = architecture.build((28, 28, 1), 10), 100
    print(
        f"{network.name}, {len(train_part)} training examples of MNIST, {epochs:g} epochs, Adam 1e-3 with a cosine"
    )
    steps = round(epochs * len(train_part) / batch)
    print(f"matrix product: {product_rate():.0f} GFLOP/s", flush=True)
    (one, other), seconds = timed(lambda: trained(network, train_part, steps, batch, shared))
    print(f"trained in {seconds:.0f} s; {'one start' if shared else 'two starts'}")
    reference = train_part.x[:4096]
    forms = [canonical(network, p, form=Balanced(common=True), reference=reference) for p in (one, other)]
    a, b = (form.params for form in forms)
    apply = jax.jit(network.apply)
    outputs = [
        np.concatenate([apply(p, test_part.x[i : i + 1000]) for i in range(0, 10_000, 1000)])
        for p in (one, other)
    ]
    errors = [np.mean(np.argmax(f, axis=1) != test_part.labels) for f in outputs]
    print(
        f"test errors {100 * errors[0]:.2f} and {100 * errors[1]:.2f} %, disagreement {100 * disagreement(*outputs):.2f} %"
    )
    ways: dict[str, tuple[Params, Params]] = {"not matched": (one, other)}
    start = {"activations": by_activations(network, a, b, reference)}
    seen = (train_part.x[: asked.lines], train_part.targets[: asked.lines])
    searches: dict[str, tuple[Params, Params, Callable[[], Matching]]] = {
        "weights as they are": (one, other, lambda: match_weights(network, one, other)),
        "balanced, by weights": (a, b, lambda: match_weights(network, a, b)),
        f"balanced, by weights and activations, {asked.restarts} restarts": (
            *(a, b),
            lambda: match_weights(network, a, b, restarts=asked.restarts, starts=start),
        ),
        "balanced, by activations": (a, b, lambda: match_activations(network, a, b, reference)),
        "balanced, straight-through": (
            *(a, b),
            lambda: match_straight_through(network, SOFTMAX_CROSS_ENTROPY, a, b, *seen),
        ),
    }
    for name, (first, second, search) in searches.items():
        found, seconds = timed(search)
        print(
            f"{name}: {seconds:.1f} s, start {found.start}, objectives {_rounded(found.objectives)}",
            flush=True,
        )
        ways[name] = (first, permuted(network, second, found))
    for name, ends in ways.items():
        for repair in (False, True):
            _print_barriers(network, name, ends, repair, train_part, test_part, asked)


def _rounded(objectives: Any) -> dict[str, float]:
    return {name: round(value, 4) for name, value in objectives.items()}


def _print_barriers(
    network: Network,
    name: str,
    ends: tuple[Params, Params],
    repair: bool,
    train_part: Split,
    test_part: Split,
    asked: argparse.Namespace,
) -> None:
    found = []
    for part in (train_part, test_part):
        x, y = part.x[: asked.lines], part.targets[: asked.lines]
        at = lines(
            *(network, SOFTMAX_CROSS_ENTROPY, stack([ends[0]]), stack([ends[1]]), x, y),
            reference=train_part.x[:1024],
            points=asked.points,
            between=repaired_between if repair else None,
        )
        found += [100 * barrier(at.error)[0], barrier(at.loss)[0]]
    print(
        f"{name}{', REPAIR' if repair else ''}: distance {parameter_distance(*ends):.3f}; barrier of error (points) and loss: "
        f"train {found[0]:.2f}, {found[1]:.3f}; test {found[2]:.2f}, {found[3]:.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["speed", "recovery", "barrier"])
    parser.add_argument("--network", choices=["mlp", "resnet"], default="mlp")
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--lines", type=int, default=2000, help="examples of each part on the lines")
    parser.add_argument("--points", type=int, default=25, help="values of α")
    parser.add_argument(
        "--restarts", type=int, default=20, help="random orders to start from, in the longest search"
    )
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--shared", action="store_true")
    asked = parser.parse_args()
    if asked.what == "speed":
        speed()
    elif asked.what == "recovery":
        recovery(asked.repetitions)
    else:
        barriers(asked)


if __name__ == "__main__":
    main()
