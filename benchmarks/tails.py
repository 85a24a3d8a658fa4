"""How often the intervals of planted tails and scaling laws cover, and which verdicts the tails get.

    python benchmarks/tails.py [--repetitions 1000] [--draws 2000] [--noise 0.0] [--law -0.3] [--verdicts] [--seed 1]

With a law nothing else is repeated. Verdicts take as long again. Each tail is drawn and fitted anew in every repetition, with its
threshold chosen. With noise the values are measured with an error of that share of their deviation, and intervals are those
of the shape without it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.special import ndtri

from ticketlab.laws.scaling import EXPONENTIAL, POWER, POWER_ALONE, compared, means_of, scaling_law
from ticketlab.laws.tails import (
    Pareto,
    Returns,
    fit_tail,
    gain_ratio,
    judge,
    normal_shape,
)

SHAPES = (-0.3, -0.1, 0.0, 0.2)


def drawn(kind: float | str, count: int, rng: np.random.Generator) -> np.ndarray:
    p = rng.random(count)
    if kind == "normal":
        return ndtri(p)
    return Pareto(0.0 if kind == "exponential" else float(kind), 1.0).quantile(p)


def tails(
    laws: Sequence[float | str], repetitions: int, draws: int, noise: float, verdicts: bool, seed: int
) -> None:
    print(f"{repetitions} repetitions of {draws} tickets, noise {noise:g} of the deviation")
    for kind in laws:
        rng, began = np.random.default_rng(seed), time.perf_counter()
        inside, said = 0, dict.fromkeys(Returns, 0)
        for _ in range(repetitions):
            true = drawn(kind, draws, rng)
            error = noise * true.std()
            values = true + error * rng.standard_normal(draws)
            tail = fit_tail(values, rng, noise=error**2, resamples=3)  # which predict the best of n, no more
            low, high = tail.interval
            truth = (
                normal_shape(tail.share, tail.excesses)
                if kind == "normal"
                else float(kind != "exponential" and kind)
            )
            inside += low <= truth <= high
            if verdicts:
                said[judge(tail, gain_ratio(values, rng))] += 1
        words = ", ".join(f"{name} {count / repetitions:.1%}" for name, count in said.items() if count)
        seconds = (time.perf_counter() - began) / repetitions
        print(
            f"  {kind}: covers {inside} = {inside / repetitions:.1%}; {words} ({seconds:.2f} s each)",
            flush=True,
        )


def scaling(repetitions: int) -> None:
    sizes = np.geomspace(3e3, 1e6, 7)
    ratio = sizes / sizes[0]
    for true, loss, exponent, noise in (
        (POWER, 1 + 2 * ratio**-0.35, 0.35, 0.005),
        (POWER, 1 + 2 * ratio**-0.35, 0.35, 0.02),
        (POWER, 0.3 + 2 * ratio**-0.2, 0.2, 0.01),
        (POWER_ALONE, 2 * ratio**-0.2, 0.2, 0.01),
        (EXPONENTIAL, 1 + 2 * np.exp(-sizes / 1e5), None, 0.01),
    ):
        rng, inside, best = np.random.default_rng(2), 0, 0
        for _ in range(repetitions):
            means = means_of(
                np.repeat(sizes, 3), np.repeat(loss, 3) * np.exp(noise * rng.standard_normal(21))
            )
            best += compared(means)[0].curve is true
            if exponent is not None:
                low, high = scaling_law(means, rng).interval
                inside += low <= exponent <= high
        said = f"{true.name}, noise {noise:.1%}: preferred in {best / repetitions:.1%}"
        if exponent is not None:
            said += f"; the interval covers α = {exponent} in {inside / repetitions:.1%}"
        print(said, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument(
        "--law", help="a shape, exponential or normal; by default all of them, and scaling laws"
    )
    parser.add_argument("--verdicts", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    named = asked.law in ("exponential", "normal", None)
    laws = (
        (*SHAPES, "exponential", "normal")
        if asked.law is None
        else (asked.law if named else float(asked.law),)
    )
    tails(laws, asked.repetitions, asked.draws, asked.noise, asked.verdicts, asked.seed)
    if asked.law is None:
        scaling(asked.repetitions)


if __name__ == "__main__":
    main()
