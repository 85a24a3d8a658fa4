"""The samplers against each other and against slow references: one law, drawn in different ways."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.stats import chi2

from ticketlab.errors import UserError
from ticketlab.functions import (
    GaussianBounces,
    RandomNetworks,
    TrainingRuns,
    WeightSlices,
    collect,
    expected_acceptances,
    marginals,
    packed,
    unpacked,
)
from ticketlab.functions.training_runs import binary_targets
from ticketlab.infinite import effective_draws, kernels, orthant_probability, split_r_hat
from ticketlab.networks import MLP, Distribution, Initialisation, Normalisation
from ticketlab.tasks import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.tasks.boolean import all_inputs, signs
from ticketlab.training import (
    Adam,
    BinaryAccuracy,
    Interpolation,
    Replicas,
    Sgd,
    SignAccuracy,
    TrainingData,
    TrainingPlan,
    train,
)

BIASED = Initialisation(sigma_b=0.3)
X = signs(all_inputs(4), -1).astype(np.float32)
NETWORK = MLP(widths=(5,), initialisation=BIASED).build((4,), 1)
KEY = jax.random.key(0)


def law(counts):
    """Frequencies of all functions on m examples, by their number."""
    numbers = counts.functions[:, 0] >> (8 - counts.examples)
    return np.bincount(numbers, weights=counts.total, minlength=2**counts.examples).astype(int)


def chi_square(one, other):
    """The p-value of one law for two tables; rare functions are taken together."""
    rare = one + other < 10
    tables = [np.append(t[~rare], t[rare].sum()) for t in (one, other)]
    tables = [t[tables[0] + tables[1] > 0] for t in tables]
    n = [t.sum() for t in tables]
    both = tables[0] + tables[1]
    statistic = sum(
        ((t - both * k / sum(n)) ** 2 / (both * k / sum(n))).sum() for t, k in zip(tables, n, strict=True)
    )
    return chi2.sf(statistic, len(both) - 1)


# --- infinite width ---


def rejected(covariance, labels, draws, rng):
    """The slow reference: draws of the process, of which those with the right labels are kept."""
    factor = np.linalg.cholesky(covariance + 1e-12 * np.eye(len(covariance)))
    kept = []
    for _ in range(draws // 100_000):
        f = rng.standard_normal((100_000, len(covariance))) @ factor.T > 0
        kept.append(f[(f[:, : len(labels)] == labels).all(axis=1), len(labels) :])
    return np.concatenate(kept)


def paths_against_rejection(target, draws, chunks):
    rng = np.random.default_rng(target)
    network = MLP(widths=(5, 5), initialisation=BIASED).build((5,), 1)
    inputs = signs(all_inputs(5), -1)[rng.permutation(32)[:14]].astype(float)
    covariance = kernels(network, inputs, get="nngp").nngp
    labels = rng.random(8) < 0.5
    if target % 2 == 0:  # half of the targets are likely ones
        labels = (np.linalg.cholesky(covariance) @ rng.standard_normal(14) > 0)[:8]
    reference = rejected(covariance, labels, draws, rng)
    sampler = GaussianBounces(covariance, labels, chains=128, draws=25)
    found = collect(sampler, jax.random.key(target), chunks)
    numbers = np.bincount(packed(reference)[:, 0] >> 2, minlength=64) if len(reference) else np.zeros(64, int)
    trace = found.trace.T.astype(float)
    assert split_r_hat(trace) < 1.02
    assert effective_draws(trace) > 0.6 * found.counts.draws
    return len(reference), chi_square(law(found.counts), numbers)


def test_paths_have_the_law_of_rejection():
    accepted, p = paths_against_rejection(target=0, draws=400_000, chunks=4)
    assert accepted > 300
    assert p > 0.001


@pytest.mark.slow
def test_paths_have_the_law_of_rejection_for_twenty_targets():
    found = [paths_against_rejection(target, draws=4_000_000, chunks=32) for target in range(20)]
    assert sum(accepted > 300 for accepted, _ in found) >= 15
    assert min(p for _, p in found) > 0.001


def test_paths_have_the_orthants_of_larger_sets():
    """With 40 training examples rejection would keep nothing; P(one more sign | S) is a ratio of two orthant probabilities."""
    rng = np.random.default_rng(3)
    network = MLP(widths=(5, 5), initialisation=BIASED).build((7,), 1)
    inputs = signs(all_inputs(7), -1)[rng.permutation(128)[:44]].astype(float)
    covariance = kernels(network, inputs, get="nngp").nngp
    labels = inputs[:40, 0] > 0
    found = collect(GaussianBounces(covariance, labels, chains=256, draws=40), KEY, 1)
    assert effective_draws(found.trace.T.astype(float)) > 0.8 * found.counts.draws
    y = np.where(labels, 1.0, -1.0)
    whole = orthant_probability(KEY, covariance[:40, :40], y)
    for i, p in enumerate(marginals(found.counts)):
        some = [*range(40), 40 + i]
        more = orthant_probability(KEY, covariance[np.ix_(some, some)], np.append(y, 1.0))
        expected = np.exp(more.log_probability - whole.log_probability)
        error = np.hypot(
            expected * np.hypot(more.relative_error, whole.relative_error), np.sqrt(0.25 / 10_240)
        )
        assert abs(p - expected) < 4 * error


def test_a_law_that_is_wrong_is_found_out():
    """The same comparison, with held-out outputs that do not follow those on S."""
    rng = np.random.default_rng(0)
    network = MLP(widths=(5, 5), initialisation=BIASED).build((5,), 1)
    covariance = kernels(network, signs(all_inputs(5), -1)[:14].astype(float), get="nngp").nngp
    labels = np.ones(8, bool)
    apart = covariance.copy()
    apart[:8, 8:] *= 0.8
    apart[8:, :8] *= 0.8
    numbers = np.bincount(packed(rejected(covariance, labels, 400_000, rng))[:, 0] >> 2, minlength=64)
    found = collect(GaussianBounces(apart, labels, chains=128, draws=25), KEY, 4)
    assert chi_square(law(found.counts), numbers) < 1e-6


def test_paths_continue_to_the_bit_and_refuse_copies():
    sampler = GaussianBounces.of(NETWORK, X[:6], [0, 1, 1, 0, 1, 1], X[6:], chains=4, draws=3)
    state = sampler.init(KEY)
    state, _ = sampler.step(state)
    one, other = sampler.step(state)[1], sampler.step(dict(state))[1]
    assert (one.functions == other.functions).all()
    assert sampler.examples == 10
    with pytest.raises(ArithmeticError, match="copies"):
        GaussianBounces(np.ones((4, 4)), np.array([1, 1, 0])).init(KEY)
    with pytest.raises(UserError, match="held-out"):
        GaussianBounces(np.eye(3), np.array([1, 1, 0]))


# --- finite width ---


def test_random_networks_are_kept_if_they_fit():
    labels = np.array([1, 0, 1, 1])
    sampler = RandomNetworks(NETWORK, X[:4], labels, X[4:], chunk=1024)
    drawn = sampler.step(sampler.step(sampler.init(KEY))[0])[1]
    keys = jax.vmap(lambda i: jax.random.fold_in(KEY, i))(np.arange(1024, 2048, dtype=np.uint32))
    outputs = np.array(jax.vmap(lambda k: NETWORK.apply(NETWORK.init(k), X)[:, 0])(keys)) > 0
    fits = (outputs[:, :4] == labels).all(axis=1)
    assert (unpacked(drawn.functions, 12) == outputs[fits][:, 4:]).all()
    assert (drawn.streams == np.flatnonzero(fits) % 8).all()
    assert drawn.tried == 1024


def test_expectation_propagation_foretells_how_many_fit():
    wide = MLP(widths=(64,), initialisation=BIASED).build((4,), 1)
    labels = np.array([1, 0, 1, 1])
    found = collect(RandomNetworks(wide, X[:4], labels, X[4:], chunk=1024), KEY, 4)
    assert found.counts.draws == pytest.approx(
        expected_acceptances(wide, X[:4], labels, found.tried), rel=0.2
    )


def test_a_perceptron_without_bias_gives_every_number_of_ones_equally_often():
    """Theorem 4.1 of arXiv 1909.11522: on {0, 1}ⁿ without a bias, the number of ones is uniform on 0 … 2ⁿ − 1."""
    perceptron = MLP(widths=(), bias=False).build((3,), 1)
    inputs = all_inputs(3).astype(np.float32)
    drawn = collect(RandomNetworks(perceptron, inputs[:0], np.zeros(0), inputs, chunk=8192), KEY, 1).counts
    ones = np.bitwise_count(drawn.functions).ravel()
    table = np.bincount(ones, weights=drawn.total, minlength=9)
    assert table[8] == 0
    assert chi2.sf(((table[:8] - 1024) ** 2 / 1024).sum(), 7) > 0.001


@pytest.mark.slow
def test_weight_slices_have_the_law_of_rejection():
    for target in range(3):
        rng = np.random.default_rng(target)
        order = rng.permutation(16)
        on, off = X[order[:6]], X[order[6:12]]
        labels = rng.random(6) < 0.5
        reference = collect(RandomNetworks(NETWORK, on, labels, off), jax.random.key(target), 16)
        sampler = WeightSlices(NETWORK, on, labels, off, chains=64, draws=20, thin=40, burn=400)
        found = collect(sampler, jax.random.key(10 + target), 4)
        trace = found.trace.T.astype(float)
        assert split_r_hat(trace) < 1.05
        # Draws of a chain are not independent, so equally many effective ones are compared.
        share = min(1.0, effective_draws(trace) / found.counts.draws)
        thinned = (law(found.counts) * share).astype(int)
        assert reference.counts.draws > 1000
        assert chi_square(thinned, law(reference.counts)) > 0.001


def test_weight_slices_need_gaussian_weights():
    for network in (
        MLP(widths=(5,), initialisation=Initialisation(distribution=Distribution.UNIFORM)).build((4,), 1),
        MLP(widths=(5,), normalisation=Normalisation.CHANNELS).build((4,), 1),
    ):
        with pytest.raises(UserError, match="Gaussian"):
            WeightSlices(network, X[:4], np.array([1, 0, 1, 1]), X[4:])


# --- training ---

RUNS = TrainingRuns(
    NETWORK,
    SQUARE,
    X[:6],
    np.array([1, 0, 1, 1, 0, 0]),
    X[6:],
    TrainingPlan(steps=160, batch=2, optimiser=Sgd(0.1), evaluate_every=4),
    chunk=24,
)


@pytest.mark.parametrize("every", [4, 7])  # stages of 32 steps end between evaluations of every 7th
def test_runs_are_those_of_a_plain_call_of_the_training_program(every: int):
    """In stages and packed, a run has the bits that it has in one call; and it fits S."""
    runs = replace(RUNS, plan=replace(RUNS.plan, evaluate_every=every))
    functions, fits, steps = runs.run(KEY, np.arange(24, 48))
    keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(KEY, i)))(
        np.arange(24, 48, dtype=np.uint32)
    )
    plan = replace(runs.plan, stop=Interpolation(), score=SignAccuracy())
    data = TrainingData(X[:6], binary_targets(SQUARE, RUNS.labels.astype(bool)))
    plain = train(
        NETWORK, SQUARE, data, plan, Replicas(jax.vmap(NETWORK.init)(keys[:, 0]), order_keys=keys[:, 1])
    )
    assert (steps == plain.steps).all()
    assert len(set(steps.tolist())) > 3  # several stages
    outputs = np.array(jax.vmap(NETWORK.apply, in_axes=(0, None))(plain.params, X))[..., 0]
    assert (unpacked(functions, 10) == (outputs[:, 6:] > 0)).all()
    assert (fits == ((outputs[:, :6] > 0) == RUNS.labels).all(axis=1)).all()
    assert 0 < fits.sum() < 24
    state, drawn = runs.step(runs.step(runs.init(KEY))[0])
    assert (drawn.functions == functions[fits]).all()
    assert (drawn.streams == np.arange(24, 48)[fits] % 8).all()
    assert (drawn.tried, int(state["chunk"])) == (24, 2)


def test_one_output_is_for_losses_of_one_output():
    with pytest.raises(UserError, match="softmax"):
        binary_targets(SOFTMAX_CROSS_ENTROPY, np.ones(3, bool))
    assert binary_targets(LOGISTIC, np.array([True, False])).ravel().tolist() == [1, 0]
    with pytest.raises(UserError, match="one output"):
        replace(RUNS, network=MLP(widths=(5,)).build((4,), 2))
    with pytest.raises(UserError, match="label 0 or 1"):
        replace(RUNS, labels=np.array([1, -1, 1, 1, -1, -1]))


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "optimiser"), [(LOGISTIC, Sgd(0.3)), (SQUARE, Adam(0.02))])
def test_other_losses_and_optimisers_fit(loss, optimiser):
    runs = replace(RUNS, loss=loss, plan=replace(RUNS.plan, steps=4000, optimiser=optimiser))
    _, fits, _ = runs.run(KEY, np.arange(64))
    assert fits.mean() > 0.9
    assert BinaryAccuracy()(np.ones((1, 1)), np.ones((1, 1))) == 1
