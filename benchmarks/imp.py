"""Network-steps per second of iterative magnitude pruning: all seeds, levels and controls in one program, against PyTorch.

LeNet-300-100 on random images of MNIST's size (only time is measured), Adam 1.2e-3, batch 60. Each round prunes 20 % of the
weights and 10 % of the output layer; every ticket has two controls, reinitialised and shuffled. Both sides do the same work:
masked weights, masked gradients, and an evaluation on 5 000 validation examples every 100 steps. PyTorch trains one network at
a time in an ordinary eager loop, with one thread and with two; the better result counts. The two sides are measured in turn.

    python benchmarks/imp.py                  a small part of the curve, three times
    python benchmarks/imp.py --whole          5 000 steps per level, 12 levels, 5 seeds: the whole curve, once
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from typing import Any

import jax
import numpy as np
import torch

from ticketlab.networks import LeNet300100
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tickets import (
    Companions,
    LayerWise,
    Search,
    controls,
    density,
    first_level,
    next_level,
    require_pruned,
    trained,
)
from ticketlab.training import Adam, TrainingData, TrainingPlan

EXAMPLES, VALIDATION, EVERY, BATCH, STEP_SIZE = 55_000, 5_000, 100, 60, 1.2e-3
WANTED = 1.5


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((EXAMPLES + VALIDATION, 784)).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, len(x))]
    return x[:EXAMPLES], y[:EXAMPLES], x[EXAMPLES:], y[EXAMPLES:]


def search(steps: int, seeds: int) -> tuple[Search, Companions]:
    network = LeNet300100().build((784,), 10)
    keys = jax.random.split(jax.random.key(0), seeds)
    plan = TrainingPlan(steps=steps, batch=BATCH, optimiser=Adam(STEP_SIZE), evaluate_every=EVERY)
    params = jax.vmap(network.init)(keys)
    found = Search(network, SOFTMAX_CROSS_ENTROPY, TrainingData(*data()), plan, params, keys, LayerWise())
    return found, controls(("reinitialised", "shuffled"), found, LeNet300100(), keys)


def ours(steps: int, levels: int, seeds: int) -> tuple[float, float, float]:
    """Network-steps per second of the whole search, the share of time spent in training, and the final density."""
    of, beside = search(steps, seeds)
    begin = time.perf_counter()
    level, training = first_level(of), 0.0
    for number in range(levels + 1):
        if number:
            level = next_level(of, level, beside)
        before = time.perf_counter()
        level = trained(of, level, steps)
        training += time.perf_counter() - before
        require_pruned(of.plan.optimiser, level.state, level.all_masks())
    seconds = time.perf_counter() - begin
    return seeds * (1 + 3 * levels) * steps / seconds, training / seconds, density(level.masks[0])


def peer(steps: int, arrays: tuple[Any, ...]) -> float:
    """Network-steps per second of one masked network in PyTorch, with the current number of threads."""
    x, y, validation_x, validation_y = arrays
    sizes = (784, 300, 100, 10)
    layers: list[Any] = []
    for a, b in pairwise(sizes):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    weights = [m.weight for m in model if isinstance(m, torch.nn.Linear)]
    masks = [(torch.rand_like(w) < 0.21).float() for w in weights]
    optimiser = torch.optim.Adam(model.parameters(), lr=STEP_SIZE)
    loss = torch.nn.functional.cross_entropy
    with torch.no_grad():
        for w, m in zip(weights, masks, strict=True):
            w.mul_(m)
    begin, done = time.perf_counter(), 0
    while done < steps:
        order = torch.randperm(len(x))
        for i in range(0, len(x) - BATCH + 1, BATCH):
            rows = order[i : i + BATCH]
            optimiser.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            for w, m in zip(weights, masks, strict=True):
                w.grad.mul_(m)
            optimiser.step()
            done += 1
            if done % EVERY == 0:
                with torch.no_grad():
                    loss(model(validation_x), validation_y).item()
            if done == steps:
                break
    return done / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--whole", action="store_true", help="5 000 steps per level, 12 levels, 5 seeds")
    steps, levels, seeds, repeats = (5000, 12, 5, 1) if parser.parse_args().whole else (200, 3, 5, 3)
    print(f"PyTorch {torch.__version__}, JAX {jax.__version__} on {jax.default_backend()}")
    x, y, vx, vy = data()
    arrays = tuple(torch.from_numpy(a) for a in (x, y.argmax(1), vx, vy.argmax(1)))
    ours(EVERY, 1, seeds)  # compiles
    mine, theirs = [], []
    for _ in range(repeats):
        mine.append(ours(steps, levels, seeds))
        for threads in (1, 2):
            torch.set_num_threads(threads)
            theirs.append((peer(max(1000, steps), arrays), threads))
    rate, share, last = sorted(mine)[repeats // 2]
    best = max(float(np.median([r for r, t in theirs if t == threads])) for threads in (1, 2))
    print(f"{seeds} seeds, {levels} levels to density {last:.3f}, two controls, {steps} steps per level")
    print(f"  one program  {rate:8.0f} network-steps/s, {share:.0%} of the time in training")
    print(f"  PyTorch      {best:8.0f} network-steps/s, best of one and two threads")
    print(f"  wanted: at least {WANTED:g} ×; reached {rate / best:.2f} ×")


if __name__ == "__main__":
    main()
