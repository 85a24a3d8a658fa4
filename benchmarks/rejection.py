"""Do probabilities of functions in training follow those among random networks that fit, if these are found by rejection alone?

    python benchmarks/rejection.py [--networks 4000000] [--runs 16384] [--seeds 3]

Boolean functions of 7 bits, 7–40–40–1 with He's weights and σ_b = 0.1, 12 training examples of the first bit, functions on 10
other inputs. A seed draws the inputs, the networks and the runs. Nothing but random networks is used for P_B: no chain, and no
limit of infinite width. The ceiling is what halves of the random networks show.
"""

from __future__ import annotations

import argparse
import time

import jax
import numpy as np
from scipy.stats import t

from ticketlab.functions import (
    RandomNetworks,
    TrainingRuns,
    agreement,
    collect,
    expected_acceptances,
    loglog_fit,
    unseen_mass,
)
from ticketlab.networks import MLP, Initialisation
from ticketlab.tasks import SQUARE
from ticketlab.tasks.boolean import all_inputs, signs
from ticketlab.training import Sgd, TrainingPlan

NETWORK = MLP(widths=(40, 40), initialisation=Initialisation(sigma_b=0.1)).build((7,), 1)
X, Y = signs(all_inputs(7), -1).astype(np.float32), all_inputs(7)[:, 0]
EXAMPLES, HELD_OUT = 12, 10
PLAN = TrainingPlan(20_000, 8, Sgd(0.02), evaluate_every=8)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=4_000_000)
    parser.add_argument("--runs", type=int, default=16_384)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    found = []
    for seed in range(options.seeds):
        begin, order = time.perf_counter(), np.random.default_rng(seed).permutation(128)
        on, off = order[:EXAMPLES], order[EXAMPLES : EXAMPLES + HELD_OUT]
        expected = expected_acceptances(NETWORK, X[on], Y[on], options.networks)
        networks = RandomNetworks(NETWORK, X[on], Y[on], X[off])
        bayes = collect(networks, jax.random.key(2 * seed), chunks=-(-options.networks // networks.chunk))
        runs = TrainingRuns(NETWORK, SQUARE, X[on], Y[on], X[off], PLAN)
        sgd = collect(runs, jax.random.key(2 * seed + 1), chunks=-(-options.runs // runs.chunk))
        one, other = bayes.counts.halves()
        fit, ceiling = loglog_fit(sgd.counts, bayes.counts), loglog_fit(one, other)
        plain, halves = agreement(sgd.counts, bayes.counts), agreement(one, other)
        found.append((fit.slope, fit.correlation, fit.decades))
        print(
            f"seed {seed}: {bayes.counts.total.sum()} of {bayes.tried} networks fit (expected {expected:.0f}), unseen "
            f"{unseen_mass(bayes.counts).mass:.4f}; {sgd.counts.total.sum()} of {sgd.tried} runs, unseen "
            f"{unseen_mass(sgd.counts).mass:.4f}; slope {fit.slope:.2f}, scatter {fit.scatter:.2f}, correlation "
            f"{fit.correlation:.3f} over {fit.decades:.1f} decades, with noise {plain.correlation:.2f} on {plain.both} functions"
            f"; halves: slope {ceiling.slope:.2f}, with noise {halves.correlation:.2f}; {time.perf_counter() - begin:.0f} s",
            flush=True,
        )
    values = np.array(found)
    half = t.ppf(0.975, len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    for name, mean, error in zip(("slope", "correlation", "decades"), values.mean(axis=0), half, strict=True):
        print(f"{name}: {mean:.3f} ({mean - error:.3f} to {mean + error:.3f})")


if __name__ == "__main__":
    main()
