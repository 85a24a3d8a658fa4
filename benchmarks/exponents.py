"""Are known exponents of size recovered? Students of many sizes learn tasks whose exponent is known, and `scaling_law` fits it.

    python benchmarks/exponents.py [parity | trained …] [--seeds 5] [--first-seed 100]

**parity.** Multitask sparse parity (Michaud et al. 2023, arXiv 2303.13506): task t of Zipf's law occurs with probability
∝ t^(−(a + 1)), and a network that has learnt the m most frequent tasks has the loss ∝ m^(−a). A hidden layer can hold a number of
tasks that is proportional to its width, so L ∝ P^(−a). Training sees the first 300 tasks, always in fresh examples; the loss is
that over all tasks of the law, of which the others are guessed.

**trained.** The package's task `teacher`, and students with two hidden layers. The published exponent is about 4/d (Sharma and
Kaplan 2020, arXiv 2004.10802): an approximation for functions without more structure than their smoothness.

The step sizes of trained students are those with the lowest validation loss; those of parity were chosen with other seeds, as
the one with which most tasks are learnt.
"""

from __future__ import annotations

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import zeta

from ticketlab.laws.scaling import paired_means, scaling_law, without_end
from ticketlab.networks import MLP
from ticketlab.tasks.losses import SQUARE
from ticketlab.tasks.sequences.draws import zipf
from ticketlab.tasks.sequences.sparse_parity import subsets
from ticketlab.tasks.sequences.teacher import drawn as taught
from ticketlab.training import Adam, Cosine, Replicas, RSquared, TrainingData, TrainingPlan, stack, train

TASKS, BITS, SUBSET = 300, 20, 2


def report(name: str, known: float, sizes: np.ndarray, losses: np.ndarray) -> None:
    means = paired_means(sizes, losses)
    law, rivals = scaling_law(means, np.random.default_rng(0)), without_end(means)
    low, high = law.interval
    falls = np.diff(np.log(losses).mean(axis=0)) / np.diff(np.log(sizes))
    print(f"{name}: known {known:.3g}, fitted {law.exponent:.3f} ({low:.3f} to {high:.3f})", end="; ")
    print("recovered" if low <= known <= high else "not recovered", end="; ")
    print(f"floor {law.floor:.2g}, fits: {law.fits}, best without an end: {rivals.endless.name}")
    print(f"    sizes {sizes.tolist()}, slopes between them {np.round(falls, 2).tolist()}", flush=True)


# --- multitask sparse parity ---


def parity(seeds: range, exponent: float) -> None:
    widths = np.array([8, 16, 32, 64, 128])
    losses = np.stack([parity_losses(seed, exponent, tuple(widths.tolist())) for seed in seeds])
    sizes = widths * (TASKS + BITS + 1) + 1
    report(f"parity, a = {exponent}", exponent, sizes, losses)


def parity_losses(
    seed: int,
    exponent: float,
    widths: tuple[int, ...],
    steps: int = 30_000,
    batch: int = 1024,
    step_size: float = 0.06,
) -> np.ndarray:
    """The loss over all tasks, by width."""
    ends = jnp.asarray(np.cumsum(zipf(TASKS, 1 + exponent)), jnp.float32)
    bits, key = jnp.asarray(subsets(TASKS, BITS, SUBSET, seed)), jax.random.key(seed)

    def signs(key: jax.Array, task: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = jax.random.bernoulli(key, 0.5, (len(task), BITS))
        odd = jnp.take_along_axis(x, bits[task], 1).sum(1) % 2
        return 2.0 * x - 1, 2.0 * odd - 1

    def loss(q: dict[str, jax.Array], task: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        hidden = jax.nn.relu(q["task"][task] + x @ q["bits"])  # the product with a one-hot code is a row
        return jnp.mean(jax.nn.softplus(-y * (hidden @ q["read"] + q["offset"])))

    def start(width: int) -> dict[str, jax.Array]:
        a, b, c = jax.random.split(jax.random.fold_in(key, width), 3)
        return {
            "task": 0.7 * jax.random.normal(a, (TASKS, width)),
            "bits": jax.random.normal(b, (BITS, width)) / BITS**0.5,
            "read": jax.random.normal(c, (width,)) / width**0.5,
            "offset": jnp.zeros(()),
        }

    adam = optax.adam(optax.cosine_decay_schedule(step_size, steps))

    def step(carried: list, number: jax.Array) -> tuple[list, None]:
        which, other = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, 0), number))
        task = jnp.minimum(jnp.searchsorted(ends, jax.random.uniform(which, (batch,))), TASKS - 1)
        examples, new = signs(other, task), []
        for q, state in carried:
            moved, state = adam.update(jax.grad(loss)(q, task, *examples), state)
            new.append((optax.apply_updates(q, moved), state))
        return new, None

    @jax.jit
    def by_task() -> jax.Array:
        first = [(q, adam.init(q)) for q in map(start, widths)]
        last, _ = jax.lax.scan(step, first, jnp.arange(steps))

        def of(task: jax.Array) -> jax.Array:
            many = jnp.full(1024, task)
            examples = signs(jax.random.fold_in(jax.random.fold_in(key, 1), task), many)
            return jnp.stack([loss(q, many, *examples) for q, _ in last])

        return jax.lax.map(of, jnp.arange(TASKS))

    found, every = np.asarray(by_task(), float), zeta(1 + exponent)
    weights = np.arange(1, TASKS + 1) ** -(1 + exponent)
    learnt = (found < np.log(2) / 2).sum(axis=0)
    total = (weights @ found + (every - weights.sum()) * np.log(2)) / every
    print(
        f"    seed {seed}: tasks learnt {learnt.tolist()}, losses {np.round(total, 4).tolist()}", flush=True
    )
    return total


# --- teacher and student ---


def trained(seeds: range, dimensions: float) -> None:
    dimensions = int(dimensions)
    count, tried, steps = 200_000, (0.01, 0.02, 0.04, 0.08), 40_000
    pairs = [taught(count + 20_000, dimensions, 100, 0.0, seed) for seed in seeds]
    x, y = (np.stack([pair[i] for pair in pairs]).astype(np.float32) for i in (0, 1))
    parts = [(a[:, :count], a[:, count:-10_000], a[:, -10_000:]) for a in (x, y)]
    sizes, losses = [], []
    for width in (8, 12, 16, 24, 32, 48):
        network, found = MLP(widths=(width, width)).build((dimensions,), 1), []
        first = stack([network.init(jax.random.key(seed)) for seed in seeds])
        plan = TrainingPlan(
            steps=steps,
            batch=512,
            optimiser=Adam(),
            schedule=Cosine(steps),
            evaluate_every=2000,
            score=RSquared(),
        )
        for step_size in tried:
            keys = jax.random.split(jax.random.key(width), len(seeds))
            replicas = Replicas(first, keys, step_sizes=np.full(len(seeds), step_size * (8 / width) ** 0.5))
            data = TrainingData(parts[0][0], parts[1][0], parts[0][1], parts[1][1])
            result = train(network, SQUARE, data, plan, replicas)
            assert result.best is not None
            outputs = jax.vmap(network.apply)(result.best.params, jnp.asarray(parts[0][2]))
            test = np.mean(np.square(np.asarray(outputs, float) - parts[1][2]), axis=(1, 2)) / 2
            found.append(
                (float(np.log(np.nanmin(result.curves.validation_loss, axis=0)).mean()), step_size, test)
            )
        sizes.append(sum(leaf[0].size for leaf in jax.tree.leaves(first)))
        _, chosen, test = min(found, key=lambda each: each[0])
        losses.append(test)
        print(
            f"    width {width}: step size {chosen}, losses {np.array2string(test, precision=3)}", flush=True
        )
    report(f"trained, d = {dimensions}", 4 / dimensions, np.array(sizes), np.array(losses).T)


PARTS = {"parity": (parity, (0.4, 0.8)), "trained": (trained, (4, 8))}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; by default all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    options = parser.parse_args()
    for part in options.parts or PARTS:
        run, settings = PARTS[part]
        for setting in settings:
            began = time.perf_counter()
            run(range(options.first_seed, options.first_seed + options.seeds), setting)
            print(f"    {time.perf_counter() - began:.0f} s", flush=True)
