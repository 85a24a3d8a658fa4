"""One cell: one training set, the functions of training runs and of random networks that fit it; as rows of tidy tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from scipy.special import gammaln

from ticketlab.claims.random_pick.claim import CHUNK, Binary, RandomPickPlan
from ticketlab.claims.random_pick.formula import SHUFFLED, TITLES
from ticketlab.claims.rows import tables_of
from ticketlab.claims.start import Clock, built, drawn_task, largest_curvature
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import UserError
from ticketlab.evidence.tables import Table
from ticketlab.functions import (
    Collected,
    Counts,
    GaussianBounces,
    TrainingRuns,
    agreement,
    aligned,
    binary_targets,
    collect,
    corrected_total_variation,
    differences,
    energy_distance,
    error_spectrum,
    loglog_fit,
    lower_bound,
    mean_errors,
    packed,
    plug_in,
    same_labels,
    spectrum_distance,
    text,
    unseen_mass,
)
from ticketlab.infinite import effective_draws, split_r_hat
from ticketlab.networks.network import Network
from ticketlab.tangent.devices import Devices
from ticketlab.tasks import LOGISTIC, SQUARE
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.task import Split, Task
from ticketlab.training import Adam, Sgd, TrainingPlan

__all__ = ["BinaryExamples", "binary_examples", "measure"]

SHOWN = 100  # functions of each arm in the tables, the most frequent of either sampler
FEWER = 16  # times fewer runs on shuffled labels, which take many more steps to fit
STREAM = 71  # of the seeds' keys


@dataclass(frozen=True)
class BinaryExamples:
    """The training set S and the held-out set E, with binary labels."""

    on: Split
    off: Split
    labels: np.ndarray
    target: np.ndarray

    def shuffled(self, rng: np.random.Generator) -> BinaryExamples:
        return replace(self, labels=rng.permutation(self.labels))


def measure(
    plan: RandomPickPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """One cell's tables."""
    seed, clock = cell.seeds[0], Clock()
    progress("drawing examples", 0.0)
    task = drawn_task(plan.task, seed)
    examples = binary_examples(task, plan.binary)
    network = built(plan.network, task.input_shape, 1)
    key, rng = jax.random.fold_in(jax.random.key(seed), STREAM), np.random.default_rng((STREAM, seed))
    rows: dict[str, list[dict[str, Any]]] = {"laws": [], "functions": [], "spectra": []}
    cases = [("", examples, plan.arms), (SHUFFLED, examples.shuffled(rng), plan.arms[:1])]
    for case, (control, of, arms) in enumerate(cases):
        progress(f"random networks {control}".strip(), 0.05 + 0.75 * case)
        bayes = collect(_slices(plan, network, of), jax.random.fold_in(key, case), plan.draws // CHUNK)
        clock.lap(f"random networks {control}".strip())
        if not control:
            rows["spectra"] += _spectrum("bayes", seed, bayes.counts, of.target)
        for place, arm in enumerate(arms):
            name = control or arm
            progress(
                f"training: {TITLES.get(name, name)}",
                0.1 + 0.7 * (place + case * len(plan.arms)) / len(plan.arms),
            )
            arm_key = jax.random.fold_in(key, 100 + 10 * case + place)
            count = plan.runs // FEWER if control else plan.runs
            runs = _runs(plan, network, of, arm, count, jax.random.fold_in(key, 99))
            found = collect(runs, arm_key, count // runs.chunk)
            clock.lap(TITLES.get(name, name))
            about = {"training": name, "seed": seed}
            rows["laws"].append({**about, **_law_row(found, bayes, of, rng)})
            if not control:
                rows["functions"] += [
                    {**about, **row} for row in _function_rows(found.counts, bayes.counts, of.target)
                ]
                rows["spectra"] += _spectrum(arm, seed, found.counts, of.target)
    rows["timings"] = [
        {"seed": seed, "part": part, "seconds": value} for part, value in clock.seconds.items()
    ]
    return tables_of(rows, _MEANINGS)


def binary_examples(task: Task, binary: Binary) -> BinaryExamples:
    """The training part and the test part of a task whose classes are grouped in two."""
    if task.train.labels is None or task.test.labels is None:
        raise UserError(f"{task.name}, a regression task", "a task with classes", "Choose another --task.")

    def labels(part: Split) -> np.ndarray:
        assert part.labels is not None
        odd = part.labels % 2 if binary is Binary.PARITY else part.labels >= len(task.classes) / 2
        return np.asarray(odd, bool)

    on, off = labels(task.train), labels(task.test)
    if on.all() or not on.any():
        raise UserError(
            "training examples of one group of classes", "examples of both", "Choose more examples."
        )
    return BinaryExamples(task.train, task.test, on, packed(off))


def _slices(plan: RandomPickPlan, network: Network, of: BinaryExamples) -> GaussianBounces:
    # A step draws CHUNK functions: 16 from each of 256 chains.
    return GaussianBounces.of(network, of.on.x, of.labels, of.off.x, reference=of.target)


def _runs(
    plan: RandomPickPlan, network: Network, of: BinaryExamples, arm: str, count: int, key: jax.Array
) -> TrainingRuns:
    loss = LOGISTIC if arm == "logistic" else SQUARE
    batch = None if arm == "full-batch" else min(plan.batch, len(of.on))
    optimiser = Adam(plan.adam_step_size) if arm == "adam" else Sgd(_step_size(plan, network, loss, of, key))
    training = TrainingPlan(plan.steps, batch, optimiser, evaluate_every=8)
    chunk = math.gcd(count, CHUNK)
    return TrainingRuns(network, loss, of.on.x, of.labels, of.off.x, training, chunk)


def _step_size(
    plan: RandomPickPlan, network: Network, loss: ConvexLoss, of: BinaryExamples, key: jax.Array
) -> float:
    """A share of 2/h: h is the largest curvature of the loss of a random network."""
    part = replace(of.on, targets=binary_targets(loss, of.labels))
    return plan.step_share * 2 / largest_curvature(network, network.init(key), part, loss)


def _law_row(
    found: Collected, bayes: Collected, of: BinaryExamples, rng: np.random.Generator
) -> dict[str, float]:
    """The comparison of training's law with that of random networks that fit."""
    one, other, target = found.counts, bayes.counts, of.target
    trace = bayes.trace.T.astype(float)
    effective = effective_draws(trace)
    fit = _fit(one, other)
    apart = corrected_total_variation(one, other, rng)
    noisy, half = agreement(one, other), agreement(*other.halves())
    labels = same_labels(one, other)
    ones = np.unpackbits(target, count=one.examples).mean()
    share = of.labels.mean()
    return {
        "fitted": one.draws / found.tried,
        "r_hat": split_r_hat(trace),
        "effective": effective,
        "unseen": unseen_mass(one).mass,
        "bayes_unseen": unseen_mass(other).mass,
        "tv_low": lower_bound(one, other).estimate,
        "tv_high": plug_in(one, other),
        "tv_corrected": apart.estimate,
        "tv_within": apart.within,
        **fit,
        "both": noisy.both,
        "plain_correlation": noisy.correlation,
        "rank": noisy.rank,
        "ceiling": half.correlation,
        "rank_ceiling": half.rank,
        "label_rms": labels.rms,
        "label_correlation": labels.correlation,
        "energy": energy_distance(one, other, rng),
        "spectrum_distance": spectrum_distance(one, other, target),
        "error": mean_errors(one, target),
        "bayes_error": mean_errors(other, target),
        "chance": share * (1 - ones) + (1 - share) * ones,
    }


def _fit(one: Counts, other: Counts) -> dict[str, float]:
    """The log–log fit; NaN where no functions repeat."""
    try:
        fit = loglog_fit(one, other)
    except UserError:
        return dict.fromkeys(("slope", "scatter", "correlation", "decades"), 0.0)
    return {
        "slope": fit.slope,
        "scatter": fit.scatter,
        "correlation": fit.correlation,
        "decades": fit.decades,
    }


def _function_rows(one: Counts, other: Counts, target: np.ndarray) -> list[dict[str, Any]]:
    """The functions that either sampler drew most often, with what error-matched functions would have."""
    shown = np.unique(
        np.concatenate([one.most_frequent(SHOWN).functions, other.most_frequent(SHOWN).functions]), axis=0
    )
    table = Counts(shown, np.ones((len(shown), 1), np.int64), one.examples)
    places = [_looked_up(counts, table) for counts in (one, other)]
    errors, spectrum = differences(shown, target), error_spectrum(other, target)
    m = one.examples
    many = gammaln(m + 1) - gammaln(errors + 1) - gammaln(m - errors + 1)  # log C(m, e)
    return [
        {
            "function": text(function, m),
            "errors": int(e),
            "trained": int(a) / one.draws,
            "bayes": int(b) / other.draws,
            "matched": float(spectrum[e] * np.exp(-log_many)),
            "trained_count": int(a),
            "bayes_count": int(b),
        }
        for function, e, a, b, log_many in zip(shown, errors, *places, many, strict=True)
    ]


def _looked_up(counts: Counts, table: Counts) -> np.ndarray:
    """How often each function of a table was drawn."""
    drawn, asked = aligned(counts, table)
    result: np.ndarray = drawn.sum(axis=1)[asked.sum(axis=1) > 0]
    return result


def _spectrum(source: str, seed: int, counts: Counts, target: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"source": source, "seed": seed, "errors": e, "probability": float(p)}
        for e, p in enumerate(error_spectrum(counts, target))
        if p > 0
    ]


_MEANINGS = {
    "training": "the way of training",
    "fitted": "the share of runs that fit the training examples",
    "r_hat": "of the number of errors, over the chains",
    "effective": "draws of the chains, as if they were independent",
    "unseen": "the probability of functions that training did not draw",
    "bayes_unseen": "the same for random networks that fit",
    "tv_low": "total variation: a value whose mean is at most the truth",
    "tv_high": "total variation: the plug-in value, whose mean is at least the truth",
    "tv_corrected": "total variation between streams of both, minus that between streams of one",
    "tv_within": "total variation between streams of one sampler",
    "slope": "β of log P_SGD on log P_B",
    "scatter": "of log P_SGD around the line, in decades",
    "correlation": "of log P_SGD and log P_B, without the noise of counting",
    "decades": "between the probabilities of functions that random networks drew at least twice",
    "both": "functions that both drew",
    "plain_correlation": "of the logarithms of counts, on functions that both drew",
    "rank": "Spearman's correlation of counts",
    "ceiling": "the plain correlation between halves of the draws of random networks",
    "rank_ceiling": "Spearman's correlation between these halves",
    "label_rms": "root mean square of the differences in P(label = 1)",
    "label_correlation": "correlation of P(label = 1) over held-out examples",
    "energy": "energy distance, with the root of the Hamming distance",
    "spectrum_distance": "the largest difference of the distribution functions of errors",
    "error": "mean share of held-out examples on which training's functions err",
    "bayes_error": "the same for random networks that fit",
    "chance": "the error of labels drawn at random with the training labels' frequency",
    "function": "labels on the held-out examples",
    "trained": "share of the runs that end on it",
    "bayes": "share of the draws of random networks that fit",
    "matched": "the mean probability of all functions with equally many errors",
}
