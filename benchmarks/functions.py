"""How many functions a second: training runs to a fit, random networks, and slices; next to a loop over one run at a time.

    python benchmarks/functions.py [--seconds 20]

Boolean functions of 7 bits, 7–40–40–1 with He's weights and σ_b = 0.1, 32 training examples of the first bit, functions on the 96
other inputs. Every sampler is compiled and started before it is timed. Threads are those that the process may use. PyTorch's loop
is measured if it is installed, on one and on two threads; the loop of one run at a time in JAX, with a compiled step, is measured
in any case. Each rate is also given for a second of one processor's work, which other processes on the machine disturb less.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.functions import GaussianBounces, RandomNetworks, Sampler, TrainingRuns, WeightSlices, collect
from ticketlab.infinite import effective_draws, split_r_hat
from ticketlab.networks import MLP, Initialisation
from ticketlab.tasks import LOGISTIC, SQUARE
from ticketlab.tasks.boolean import all_inputs, signs
from ticketlab.training import Adam, Sgd, TrainingPlan

NETWORK = MLP(widths=(40, 40), initialisation=Initialisation(sigma_b=0.1)).build((7,), 1)
X, Y = signs(all_inputs(7), -1).astype(np.float32), all_inputs(7)[:, 0]
ORDER = np.random.default_rng(0).permutation(128)
ON, OFF = ORDER[:32], ORDER[32:]
STEP = 0.02
ARMS = {
    "square, SGD, batch 8": (SQUARE, TrainingPlan(20_000, 8, Sgd(STEP), evaluate_every=8)),
    "square, SGD, full batch": (SQUARE, TrainingPlan(20_000, None, Sgd(STEP), evaluate_every=8)),
    "square, Adam, batch 8": (SQUARE, TrainingPlan(20_000, 8, Adam(0.002), evaluate_every=8)),
    "logistic, SGD, batch 8": (LOGISTIC, TrainingPlan(20_000, 8, Sgd(0.1), evaluate_every=8)),
}


def product_rate() -> float:
    """Floating-point operations a second in a large product of single precision."""
    a = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float32)
    found = []
    for _ in range(4):
        begin = time.perf_counter()
        a @ a
        found.append(time.perf_counter() - begin)
    return 2 * 2048**3 / min(found)


def rate(sampler: Sampler, seconds: float) -> tuple[float, float, float]:
    """Attempts a second, draws a second and attempts for a second of a processor's work, after a chunk that compiles."""
    state, _ = sampler.step(sampler.init(jax.random.key(0)))
    tried = drawn = 0
    begin, work = time.perf_counter(), time.process_time()
    while time.perf_counter() - begin < seconds:
        state, now = sampler.step(state)
        tried, drawn = tried + now.tried, drawn + len(now.functions)
    took = time.perf_counter() - begin
    return tried / took, drawn / took, tried / (time.process_time() - work)


def one_at_a_time(seconds: float) -> tuple[float, float]:
    """Runs a second, and in a processor-second, of a plain loop: one network, one compiled step, a check every 8 steps."""

    def loss(params, x, y):  # type: ignore[no-untyped-def]
        return 0.5 * jnp.mean((NETWORK.apply(params, x)[:, 0] - y) ** 2)

    @jax.jit
    def step(params, x, y):  # type: ignore[no-untyped-def]
        return jax.tree.map(lambda p, g: p - STEP * g, params, jax.grad(loss)(params, x, y))

    fits = jax.jit(lambda params, x, y: jnp.all(NETWORK.apply(params, x)[:, 0] * y > 0))
    x, y, rng = X[ON], 2.0 * Y[ON].astype(np.float32) - 1, np.random.default_rng(1)

    def run(seed: int) -> None:
        params = NETWORK.init(jax.random.key(seed))
        for number in range(20_000):
            if number % 4 == 0:
                order = rng.permutation(32).reshape(4, 8)
            if number % 8 == 0 and fits(params, x, y):
                return
            params = step(params, x[order[number % 4]], y[order[number % 4]])

    return _runs(run, seconds)


def torch_loop(seconds: float, threads: int) -> tuple[float, float]:
    """The same in PyTorch; the step is written out, which is faster than torch.optim."""
    import torch

    torch.set_num_threads(threads)
    x, y, rng = (
        torch.tensor(X[ON]),
        torch.tensor(2.0 * Y[ON] - 1, dtype=torch.float32),
        np.random.default_rng(1),
    )

    def run(seed: int) -> None:
        torch.manual_seed(seed)
        layers = [torch.nn.Linear(a, b) for a, b in ((7, 40), (40, 40), (40, 1))]
        for layer in layers:
            torch.nn.init.kaiming_normal_(layer.weight)
            torch.nn.init.normal_(layer.bias, std=0.1)
        model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
        params = list(model.parameters())
        for number in range(20_000):
            if number % 4 == 0:
                order = rng.permutation(32).reshape(4, 8)
            if number % 8 == 0:
                with torch.no_grad():
                    if bool((model(x)[:, 0] * y > 0).all()):
                        return
            rows = order[number % 4]
            loss = 0.5 * ((model(x[rows])[:, 0] - y[rows]) ** 2).mean()
            with torch.no_grad():
                for param, gradient in zip(params, torch.autograd.grad(loss, params), strict=True):
                    param -= STEP * gradient

    return _runs(run, seconds)


def _runs(run: Callable[[int], None], seconds: float) -> tuple[float, float]:
    run(0)
    begin, work, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < seconds:
        count += 1
        run(count)
    return count / (time.perf_counter() - begin), count / (time.process_time() - work)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    threads = len(os.sched_getaffinity(0))
    print(f"{threads} processors; float32 products at {product_rate() / 1e9:.0f} GFLOP/s (NumPy)")
    first: tuple[float, float] | None = None
    for name, (loss, plan) in ARMS.items():
        runs, fitted, worked = rate(TrainingRuns(NETWORK, loss, X[ON], Y[ON], X[OFF], plan), seconds)
        first = first or (runs, worked)
        print(
            f"{name}: {runs:.0f} runs/s, {worked:.0f} a processor-second; {fitted / runs:.1%} fit; "
            f"{600 * runs:.2g} in ten minutes",
            flush=True,
        )
    assert first is not None
    loops: dict[str, Callable[[float], tuple[float, float]]] = {"JAX": one_at_a_time}
    if importlib.util.find_spec("torch"):
        loops |= {
            f"PyTorch, {count} thread{'s' * (count > 1)}": partial(torch_loop, threads=count)
            for count in (1, 2)
        }
    for name, loop in loops.items():
        each, worked = loop(min(seconds, 10.0))
        print(
            f"one run at a time in {name}: {each:.1f} runs/s, {worked:.1f} a processor-second; "
            f"ours {first[0] / each:.0f} and {first[1] / worked:.0f} times that",
            flush=True,
        )
    if len(loops) == 1:
        print("PyTorch is not installed, so its loop was not measured")
    eight = ON[:8]
    tried, drawn, _ = rate(RandomNetworks(NETWORK, X[eight], Y[eight], X[OFF]), seconds)
    print(
        f"random networks: {tried:.0f}/s, {600 * tried:.2g} in ten minutes; {drawn:.0f}/s fit 8 examples",
        flush=True,
    )
    for title, sampler, chunks in (
        ("bouncing paths", GaussianBounces.of(NETWORK, X[ON], Y[ON], X[OFF]), int(3 * seconds)),
        ("weight slices", WeightSlices(NETWORK, X[ON], Y[ON], X[OFF]), int(seconds / 2)),
    ):
        state = sampler.init(jax.random.key(0))
        begin = time.perf_counter()
        found = collect(_Started(sampler, state), jax.random.key(0), chunks)
        took = time.perf_counter() - begin
        trace = found.trace.T.astype(float)
        effective = effective_draws(trace)
        print(
            f"{title}: {found.tried / took:.0f} moves/s, {effective / took:.0f} effective draws/s, "
            f"{600 * effective / took:.2g} in ten minutes; R-hat {split_r_hat(trace):.3f}",
            flush=True,
        )


class _Started:
    """A sampler whose start is not timed."""

    def __init__(self, sampler: Sampler, state: object) -> None:
        self.examples, self.step, self.init = sampler.examples, sampler.step, lambda key: state


if __name__ == "__main__":
    main()
