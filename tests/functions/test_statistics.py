"""Statistics of two tables of counts, on laws that are known."""

import math
from itertools import product

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.functions import (
    Counts,
    agreement,
    corrected_total_variation,
    distances,
    energy_distance,
    error_spectrum,
    loglog_fit,
    lower_bound,
    marginals,
    matched_lower_bound,
    matched_probability,
    mean_errors,
    packed,
    plug_in,
    rank_within_errors,
    repeat_probability,
    same_labels,
    spectrum_distance,
    unseen_mass,
    upper_bound,
)

ALL = packed(np.array(list(product([0, 1], repeat=8)), bool))
NAMES = np.stack([np.arange(30_000) >> 8, np.arange(30_000) & 255], axis=1).astype(np.uint8)


def drawn(rng, law, draws, streams=8):
    """A table of draws from a law over the first functions."""
    functions = ALL if len(law) <= len(ALL) else NAMES
    by_stream = np.stack([rng.multinomial(draws // streams, law) for _ in range(streams)], axis=1)
    return Counts(functions[: len(law)], by_stream, 8 * functions.shape[1])


def zipf(size, exponent=1.3):
    law = np.arange(1.0, size + 1) ** -exponent
    return law / law.sum()


def mixture(law, share):
    """A law at distance `share`: that much of its mass goes to functions that had next to none."""
    other = (1 - share) * law
    other[-20:] += share / 20
    return other


def distance(p, q):
    return 0.5 * np.abs(p - q).sum()


def test_unseen_mass_covers_what_was_not_drawn():
    law, inside, rng = zipf(4000), 0, np.random.default_rng(0)
    for _ in range(200):
        counts = drawn(rng, law, 1600)
        found = unseen_mass(counts)
        truth = law[counts.total == 0].sum()
        inside += abs(found.mass - truth) <= 1.96 * found.standard_error
    assert 0.9 <= inside / 200 <= 0.99
    assert unseen_mass(Counts(ALL[:0], np.zeros((0, 8), int), 8)).mass == 1


def test_a_planted_distance_lies_between_the_bounds():
    law = zipf(2000)
    other = mixture(law, 0.3)
    truth = distance(law, other)
    assert truth == pytest.approx(0.3, abs=0.01)
    rng, below, above, means = np.random.default_rng(1), 0, 0, []
    for _ in range(60):
        a, b = drawn(rng, law, 8000), drawn(rng, other, 8000)
        below += lower_bound(a, b).bound <= truth
        above += upper_bound(a, b).bound >= truth
        means.append(lower_bound(a, b).estimate)
    assert below >= 57
    assert above == 60
    assert 0.2 < np.mean(means) <= truth


def test_the_lower_bound_of_equal_laws_is_below_zero():
    rng, law = np.random.default_rng(2), zipf(2000)
    assert sum(lower_bound(drawn(rng, law, 4000), drawn(rng, law, 4000)).bound > 0 for _ in range(100)) <= 3


def test_the_corrected_distance_of_two_halves_is_zero():
    rng, law, inside, plain = np.random.default_rng(3), zipf(300, 1.0), 0, []
    for _ in range(200):
        a, b = drawn(rng, law, 800), drawn(rng, law, 1600)
        low, high = corrected_total_variation(a, b, rng).interval()
        inside += low <= 0 <= high
        plain.append(plug_in(a, b))
    assert 0.92 <= inside / 200 <= 0.985
    assert np.mean(plain) > 0.15  # which is what chance alone makes of one law


def test_the_corrected_distance_of_different_laws():
    rng, law = np.random.default_rng(4), zipf(200)
    other = mixture(law, 0.3)
    found = corrected_total_variation(drawn(rng, law, 40_000), drawn(rng, other, 40_000), rng)
    low, high = found.interval()
    assert 0.2 < low < high < distance(law, other) + 0.02
    with pytest.raises(UserError, match="streams"):
        corrected_total_variation(drawn(rng, law, 8).of_streams(slice(0, 1)), drawn(rng, law, 8), rng)


@pytest.mark.parametrize(
    ("slope", "scatter"), [(1.0, 0.0), (0.7, 0.3), pytest.param(1.3, 0.4, marks=pytest.mark.slow)]
)
def test_the_fit_finds_slope_and_scatter_of_planted_laws(slope, scatter):
    found = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        q = zipf(10_000, 1.6)
        p = np.exp(slope * np.log(q) + scatter * math.log(10) * rng.standard_normal(len(q)))
        found.append(loglog_fit(drawn(rng, p / p.sum(), 20_000), drawn(rng, q, 80_000)))
    assert np.mean([f.slope for f in found]) == pytest.approx(slope, abs=0.08)
    assert np.mean([f.scatter for f in found]) == pytest.approx(scatter, abs=0.08)
    assert min(f.decades for f in found) > 3
    assert (min(f.correlation for f in found) > 0.99) == (scatter == 0)


def test_dropping_zeros_would_bend_the_line():
    """The plain line through functions that both drew, which the fit replaces, is far from the planted slope."""
    rng = np.random.default_rng(0)
    q = zipf(20_000, 1.6)
    a, b = drawn(rng, q, 20_000), drawn(rng, q, 80_000)
    both = (a.total > 0) & (b.total > 0) & (b.total < 100)
    plain = np.polyfit(np.log(b.total[both]), np.log(a.total[both]), 1)[0]
    assert plain < 0.8
    assert loglog_fit(a, b).slope == pytest.approx(1, abs=0.1)


def test_agreement_is_highest_for_one_law():
    rng, law = np.random.default_rng(5), zipf(500)
    halves = agreement(*drawn(rng, law, 20_000).halves())
    others = agreement(drawn(rng, law, 20_000), drawn(rng, rng.permutation(law), 20_000))
    assert halves.correlation > 0.8 > 0.3 > abs(others.correlation)
    assert halves.rank > 0.5 > abs(others.rank)
    assert math.isnan(agreement(drawn(rng, law[:1] / law[0], 8), drawn(rng, law[:1] / law[0], 8)).rank)


def test_the_fit_says_when_there_is_nothing_to_fit():
    rng = np.random.default_rng(6)
    with pytest.raises(UserError, match="Draw more"):
        loglog_fit(drawn(rng, zipf(30_000, 0.01), 800), drawn(rng, zipf(30_000, 0.01), 8))


def test_coarse_measures_against_all_draws():
    rng = np.random.default_rng(7)
    law, other = rng.dirichlet(np.full(256, 0.1)), rng.dirichlet(np.full(256, 0.1))
    a, b = drawn(rng, law, 800), drawn(rng, other, 400)
    x, y = (np.repeat(counts.functions, counts.total, axis=0) for counts in (a, b))
    bits = [np.unpackbits(f, axis=1) for f in (x, y)]
    assert marginals(a) == pytest.approx(bits[0].mean(axis=0))
    p, q = (b.mean(axis=0) for b in bits)
    assert same_labels(a, b).rms == pytest.approx(np.sqrt(np.mean((p - q) ** 2)))
    assert same_labels(a, b).correlation == pytest.approx(np.corrcoef(p, q)[0, 1])
    errors = [(f ^ np.unpackbits(ALL[5])).sum(axis=1) for f in bits]
    assert error_spectrum(a, ALL[5]) == pytest.approx(np.bincount(errors[0], minlength=9) / 800)
    assert mean_errors(a, ALL[5]) == pytest.approx(errors[0].mean() / 8)
    below = [[(e <= k).mean() for k in range(9)] for e in errors]
    assert spectrum_distance(a, b, ALL[5]) == pytest.approx(np.abs(np.subtract(*below)).max())


def test_energy_distance_is_unbiased_and_sees_more_than_single_labels():
    """Both labels alike, or both unlike: single labels are fair coins, and the Hamming distance would see no difference."""
    rng = np.random.default_rng(8)
    alike, unlike = np.zeros(256), np.zeros(256)
    alike[[0b00000000, 0b11000000]] = unlike[[0b01000000, 0b10000000]] = 0.5
    truth = 1.0 - 0.5 * math.sqrt(2)  # E√d is 1 across, and ½√2 within each
    found = energy_distance(drawn(rng, alike, 800), drawn(rng, unlike, 800), rng)
    assert found == pytest.approx(truth, abs=0.03)
    assert same_labels(drawn(rng, alike, 20_000), drawn(rng, unlike, 20_000)).rms < 0.02
    law = rng.dirichlet(np.full(256, 0.1))
    nothing = [energy_distance(drawn(rng, law, 80), drawn(rng, law, 80), rng) for _ in range(100)]
    assert abs(np.mean(nothing)) < 3 * np.std(nothing) / math.sqrt(100)
    assert distances(ALL[:2], ALL[:2]).tolist() == [[0, 1], [1, 0]]


def by_errors_alone(rng, target):
    """A law in which functions with equally many errors are equally probable."""
    errors = np.bitwise_count(ALL[:, 0] ^ ALL[target, 0]).astype(int)
    spectrum = rng.dirichlet(np.ones(9))
    return matched_probability(spectrum, errors), errors, spectrum


def test_the_error_matched_law_has_the_errors_and_nothing_else():
    rng = np.random.default_rng(9)
    matched, errors, spectrum = by_errors_alone(rng, 37)
    assert np.bincount(errors, weights=matched) == pytest.approx(spectrum)
    assert all(np.ptp(matched[errors == e]) == 0 for e in range(9))
    nothing = [matched_lower_bound(drawn(rng, matched, 2000), ALL[37]) for _ in range(100)]
    assert np.mean(nothing) < 2 * np.std(nothing) / 10
    law = rng.dirichlet(np.full(256, 0.1))
    truth = distance(law, matched_probability(np.bincount(errors, weights=law), errors))
    some = [matched_lower_bound(drawn(rng, law, 2000), ALL[37]) for _ in range(100)]
    assert truth - 0.05 < np.mean(some) < truth


def test_ranks_within_errors_see_only_what_errors_leave_open():
    rng = np.random.default_rng(10)
    matched, _, _ = by_errors_alone(rng, 0)
    pairs = [(drawn(rng, matched, 4000), drawn(rng, matched, 4000)) for _ in range(50)]
    found = [rank_within_errors(a, b, ALL[0]) for a, b in pairs]
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(50)
    assert np.mean([agreement(a, b).rank for a, b in pairs]) > 0.4  # errors alone make ranks agree
    law = matched * rng.lognormal(0, 1, 256)
    law /= law.sum()
    assert rank_within_errors(drawn(rng, law, 4000), drawn(rng, law, 4000), ALL[0]) > 0.5


def test_the_probability_of_a_repeat_is_unbiased():
    rng, law = np.random.default_rng(11), zipf(200)
    found = [repeat_probability(drawn(rng, law, 40)) for _ in range(400)]
    assert np.mean(found) == pytest.approx((law**2).sum(), abs=3 * np.std(found) / 20)
    assert math.isnan(repeat_probability(drawn(rng, law, 1)))
