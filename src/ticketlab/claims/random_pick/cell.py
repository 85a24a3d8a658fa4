"""One cell: one training set, the functions of training runs and of random networks that fit it; as rows of tidy tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ticketlab import functions
from ticketlab.claims.random_pick.claim import DRAWS, FEWER, WIDTH_DRAWS, Binary, RandomPickPlan
from ticketlab.claims.random_pick.formula import SHUFFLED, TITLES, WIDTH
from ticketlab.claims.rows import tables_of
from ticketlab.claims.start import Clock, built, check_classes, drawn_task, largest_curvature
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.evidence.tables import Table
from ticketlab.infinite import effective_draws, split_r_hat
from ticketlab.networks.network import Network
from ticketlab.tangent.devices import Devices
from ticketlab.tasks import LOGISTIC, SQUARE
from ticketlab.tasks.boolean import lempel_ziv
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tasks.sources import Boolean
from ticketlab.tasks.task import Split, Task
from ticketlab.training import Adam, Optimiser, Sgd, TrainingPlan

__all__ = [
    "BinaryExamples", "binary_examples", "majority_error", "measure", "random_labels_error", "step_size",
]  # fmt: skip

SHOWN = 100  # functions of each arm in the tables, the most frequent of either sampler
TOGETHER = 4096  # the most runs in a chunk
MOMENTUM = 0.9
OFTEN = 8  # steps between evaluations, or an epoch if it is longer
STREAM = 71  # of the seeds' keys
FITTED = ("slope", "scatter", "correlation", "decades")
THIN = 32  # moves between draws of the trained width; with 16, 4 096 draws were worth 910 to 1 250 independent ones


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
    seed, clock = cell.seeds[0], Clock()
    progress("drawing examples", 0.0)
    task = drawn_task(plan.task, seed)
    examples = binary_examples(task, plan.binary)
    network = built(plan.network, task.input_shape, 1)
    key, rng = jax.random.fold_in(jax.random.key(seed), STREAM), np.random.default_rng((STREAM, seed))
    order = _table_order(plan, examples)
    progress("random networks", 0.05)
    bayes = functions.collect(_chains(network, examples), jax.random.fold_in(key, 0), plan.draws // DRAWS)
    clock.lap("random networks")
    progress(WIDTH, 0.15)
    finite = _of_trained_width(plan, network, examples, jax.random.fold_in(key, 98))
    clock.lap(WIDTH)
    rows: dict[str, list[dict[str, Any]]] = {"laws": [], "functions": [], "labels": []}
    rows["spectra"] = _spectrum("bayes", seed, bayes.counts, examples.target)
    for place, arm in enumerate(plan.arms):
        progress(f"training: {TITLES[arm]}", 0.2 + 0.6 * place / len(plan.arms))
        runs = _runs(plan, network, examples, arm, plan.runs, jax.random.fold_in(key, 99))
        found = functions.collect(runs, jax.random.fold_in(key, 100 + place), plan.runs // runs.chunk)
        clock.lap(TITLES[arm])
        about = {"training": arm, "seed": seed}
        rows["laws"].append({**about, **_law_row(found, bayes, finite, examples, rng)})
        rows["functions"] += [
            {**about, **row} for row in _function_rows(found.counts, bayes.counts, examples.target, order)
        ]
        rows["labels"] += [
            {**about, **row} for row in _label_rows(found.counts, bayes.counts, examples.target)
        ]
        rows["spectra"] += _spectrum(arm, seed, found.counts, examples.target)
    progress("controls", 0.8)
    rows["controls"] = [{"seed": seed, **_control_row(examples, bayes, finite, rng)}]
    clock.lap("controls")
    rows["shuffled"] = []
    for number in range(plan.shuffles):
        progress(SHUFFLED, 0.85 + 0.15 * number / plan.shuffles)
        permuted = examples.shuffled(np.random.default_rng((STREAM, seed, number)))
        row = _shuffled_row(plan, network, permuted, jax.random.fold_in(key, 200 + number))
        rows["shuffled"].append({"seed": seed, "permutation": number, **row})
    clock.lap(SHUFFLED)
    rows["timings"] = clock.rows(seed=seed)
    return tables_of(rows, _MEANINGS)


def binary_examples(task: Task, binary: Binary) -> BinaryExamples:
    """The training part and the test part of a task whose classes are grouped in two."""
    check_classes(task)

    def labels(part: Split) -> np.ndarray:
        assert part.labels is not None
        odd = part.labels % 2 if binary is Binary.PARITY else part.labels >= len(task.classes) / 2
        return np.asarray(odd, bool)

    on, off = labels(task.train), labels(task.test)
    if on.all() or not on.any():
        raise UserError(
            "training examples of one group of classes", "examples of both", "Choose more examples."
        )
    return BinaryExamples(task.train, task.test, on, functions.packed(off))


def _table_order(plan: RandomPickPlan, of: BinaryExamples) -> np.ndarray | None:
    """The held-out inputs of a Boolean function in the order of its truth table; None for other data, which have no order."""
    if not isinstance(plan.task, Boolean):
        return None
    inputs = np.asarray(of.off.x).reshape(len(of.off), -1)
    return np.lexsort(inputs.T[::-1])


def _chains(network: Network, of: BinaryExamples, chains: int = DRAWS // 16) -> functions.GaussianBounces:
    """A step of these chains draws 16 functions from each."""
    return functions.GaussianBounces.of(
        network, of.on.x, of.labels, of.off.x, reference=of.target, chains=chains, draws=16
    )


def _of_trained_width(
    plan: RandomPickPlan, network: Network, of: BinaryExamples, key: jax.Array
) -> functions.Collected | None:
    """Functions of random networks of the trained width that fit; None if the plan asks for none."""
    if not plan.width_draws:
        return None
    slices = functions.WeightSlices(network, of.on.x, of.labels, of.off.x, reference=of.target, thin=THIN)
    return functions.collect(slices, key, plan.width_draws // WIDTH_DRAWS)


def _runs(
    plan: RandomPickPlan, network: Network, of: BinaryExamples, arm: str, count: int, key: jax.Array
) -> functions.TrainingRuns:
    loss = LOGISTIC if arm == "logistic" else SQUARE
    batch = {"full-batch": None, "single": 1}.get(arm, min(plan.batch, len(of.on)))
    if arm == "adam":
        optimiser: Optimiser = Adam(plan.adam_step_size)
    else:
        momentum = MOMENTUM if arm == "momentum" else 0.0
        size = (1 - momentum) * step_size(plan, network, loss, of, key)  # Σ_k μᵏ = 1/(1 − μ)
        optimiser = Sgd(size, momentum)
    epoch = 1 if batch is None else len(of.on) // batch
    training = TrainingPlan(plan.steps, batch, optimiser, evaluate_every=max(OFTEN, epoch))
    chunk = math.gcd(count, TOGETHER)
    return functions.TrainingRuns(network, loss, of.on.x, of.labels, of.off.x, training, chunk)


def step_size(plan: Any, network: Network, loss: ConvexLoss, of: BinaryExamples, key: jax.Array) -> float:
    """A share of 2/h: h is the largest curvature of the loss of a random network."""
    part = replace(of.on, targets=functions.binary_targets(loss, of.labels))
    return plan.step_share * 2 / largest_curvature(network, network.init(key), part, loss)


def _law_row(
    found: functions.Collected,
    bayes: functions.Collected,
    finite: functions.Collected | None,
    of: BinaryExamples,
    rng: np.random.Generator,
) -> dict[str, float]:
    """The comparison of training's law with that of random networks that fit, of infinite and of the trained width."""
    one, other, target = found.counts, bayes.counts, of.target
    trace = bayes.trace.T.astype(float)
    effective = effective_draws(trace)
    fit = _fit(one, other)
    apart = functions.corrected_total_variation(one, other, rng)
    noisy, half = functions.agreement(one, other), functions.agreement(*other.halves())
    labels = functions.same_labels(one, other)
    return {
        "fitted": one.draws / found.tried,
        "r_hat": split_r_hat(trace),
        "effective": effective,
        "unseen": functions.unseen_mass(one).mass,
        "bayes_unseen": functions.unseen_mass(other).mass,
        "tv_low": functions.lower_bound(one, other).estimate,
        "tv_low_width": math.nan if finite is None else functions.lower_bound(one, finite.counts).estimate,
        "tv_high": functions.plug_in(one, other),
        "tv_corrected": apart.estimate,
        "tv_within": apart.within,
        **fit,
        "both": noisy.both,
        "plain_correlation": noisy.correlation,
        "rank": noisy.rank,
        "ceiling": half.correlation,
        "rank_ceiling": half.rank,
        "rank_within": functions.rank_within_errors(one, other, target),
        "rank_within_ceiling": functions.rank_within_errors(*other.halves(), target),
        "label_rms": labels.rms,
        "label_correlation": labels.correlation,
        "energy": functions.energy_distance(one, other, rng),
        "spectrum_distance": functions.spectrum_distance(one, other, target),
        "error": functions.mean_errors(one, target),
        "bayes_error": functions.mean_errors(other, target),
        "chance": majority_error(of),
        "repeat": functions.repeat_probability(one),
        "bayes_repeat": functions.repeat_probability(other),
    }


def majority_error(of: BinaryExamples) -> float:
    """The held-out error of always giving the more frequent training label, of equally frequent ones 0."""
    ones = np.unpackbits(of.target, count=len(of.off)).mean()
    return float(1 - ones if of.labels.mean() > 0.5 else ones)


def random_labels_error(of: BinaryExamples) -> float:
    """The held-out error of labels drawn at random with the frequency of the training labels."""
    ones, share = np.unpackbits(of.target, count=len(of.off)).mean(), of.labels.mean()
    return float(share * (1 - ones) + (1 - share) * ones)


def _control_row(
    of: BinaryExamples,
    bayes: functions.Collected,
    finite: functions.Collected | None,
    rng: np.random.Generator,
) -> dict[str, float]:
    """What the law of random networks that fit is next to itself, to its errors alone, and to that of the trained width."""
    halves = bayes.counts.halves()
    fit = _fit(*halves)
    found = {
        "halves_low": functions.lower_bound(*halves).estimate,
        "halves_slope": fit["slope"],
        "halves_correlation": fit["correlation"],
        "matched_low": functions.matched_lower_bound(bayes.counts, of.target),
    }
    if finite is None:
        missing = ("width_tv", "width_error", "width_effective", "width_r_hat")
        return {**found, **dict.fromkeys(missing, math.nan)}
    trace = finite.trace.T.astype(float)
    return {
        **found,
        "width_tv": functions.corrected_total_variation(finite.counts, bayes.counts, rng).estimate,
        "width_error": functions.mean_errors(finite.counts, of.target),
        "width_effective": effective_draws(trace),
        "width_r_hat": split_r_hat(trace),
    }


def _shuffled_row(
    plan: RandomPickPlan, network: Network, of: BinaryExamples, key: jax.Array
) -> dict[str, float]:
    """Training and random networks that fit labels which say nothing of the held-out ones."""
    count = plan.runs // FEWER
    step, training, chains = jax.random.split(key, 3)
    trained = functions.collect(_runs(plan, network, of, plan.arms[0], count, step), training, 1)
    bayes = functions.collect(_chains(network, of, chains=16), chains, 1).counts
    if not trained.counts.draws:
        raise NumericalFailure(
            f"none of {count} runs fits permuted labels in {plan.steps} steps; at least one must. Use more --steps."
        )
    return {
        "fitted": trained.counts.draws / trained.tried,
        "error": functions.mean_errors(trained.counts, of.target),
        "bayes_error": functions.mean_errors(bayes, of.target),
        "random_labels": random_labels_error(of),
        "repeat": functions.repeat_probability(trained.counts),
        "bayes_repeat": functions.repeat_probability(bayes),
    }


def _fit(one: functions.Counts, other: functions.Counts) -> dict[str, float]:
    """The log–log fit; zeros where no functions repeat."""
    try:
        fit = functions.loglog_fit(one, other)
    except UserError:
        return dict.fromkeys(FITTED, 0.0)
    return {name: getattr(fit, name) for name in FITTED}


def _function_rows(
    one: functions.Counts, other: functions.Counts, target: np.ndarray, order: np.ndarray | None
) -> list[dict[str, Any]]:
    """The functions that either sampler drew most often, with what error-matched functions would have."""
    shown = np.unique(
        np.concatenate([one.most_frequent(SHOWN).functions, other.most_frequent(SHOWN).functions]), axis=0
    )
    table = functions.Counts(shown, np.ones((len(shown), 1), np.int64), one.examples)
    places = [_looked_up(counts, table) for counts in (one, other)]
    errors = functions.differences(shown, target)
    matched = functions.matched_probability(functions.error_spectrum(other, target), errors)
    return [
        {
            "function": (labels := functions.text(function, one.examples)),
            "errors": int(e),
            "complexity": math.nan if order is None else lempel_ziv("".join(labels[i] for i in order)),
            "trained": int(a) / one.draws,
            "bayes": int(b) / other.draws,
            "matched": float(p),
            "trained_count": int(a),
            "bayes_count": int(b),
        }
        for function, e, a, b, p in zip(shown, errors, *places, matched, strict=True)
    ]


def _looked_up(counts: functions.Counts, table: functions.Counts) -> np.ndarray:
    """How often each function of a table was drawn."""
    drawn, asked = functions.aligned(counts, table)
    result: np.ndarray = drawn.sum(axis=1)[asked.sum(axis=1) > 0]
    return result


def _label_rows(one: functions.Counts, other: functions.Counts, target: np.ndarray) -> list[dict[str, Any]]:
    """How probable each held-out label is, which is known even where no function is drawn twice."""
    truth = np.unpackbits(target, count=one.examples)
    return [
        {"example": i, "label": int(y), "trained_one": float(p), "bayes_one": float(q)}
        for i, (y, p, q) in enumerate(
            zip(truth, functions.marginals(one), functions.marginals(other), strict=True)
        )
    ]


def _spectrum(source: str, seed: int, counts: functions.Counts, target: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"source": source, "seed": seed, "errors": e, "probability": float(p)}
        for e, p in enumerate(functions.error_spectrum(counts, target))
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
    "tv_low_width": "the same from random networks of the trained width; NaN where these were not drawn",
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
    "chance": "the error of always giving the more frequent training label",
    "random_labels": "the error of labels drawn at random with the training labels' frequency",
    "rank_within": "Spearman's correlation among functions with equally many errors",
    "rank_within_ceiling": "the same between halves of the draws of random networks",
    "repeat": "the probability that two runs end on the same function",
    "bayes_repeat": "the same for random networks that fit",
    "halves_low": "total variation between halves of the draws of random networks, from below",
    "halves_slope": "β of one half on the other",
    "halves_correlation": "of the logarithms of probabilities in both halves, without the noise of counting",
    "matched_low": "total variation between random networks that fit and their error-matched law, from below",
    "width_tv": "total variation between random networks of the trained width and of infinite width, without chance",
    "width_error": "mean share of held-out examples on which networks of the trained width err",
    "width_effective": "draws of their chains, as if they were independent",
    "width_r_hat": "of their number of errors, over the chains",
    "trained_one": "the share of runs whose function has the label 1 on this held-out example",
    "bayes_one": "the same for random networks that fit",
    "permutation": "of the training labels",
    "complexity": "of Lempel and Ziv, in bits, of the held-out labels in the order of the truth table",
    "function": "labels on the held-out examples",
    "trained": "share of the runs that end on it",
    "bayes": "share of the draws of random networks that fit",
    "matched": "the mean probability of all functions with equally many errors",
}
