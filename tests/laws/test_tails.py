"""Tails: fits compared with SciPy and with brute force, predictions with simulations, verdicts with planted tails."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import ndtri
from scipy.stats import genpareto
from scipy.stats import t as student

from ticketlab.errors import UserError
from ticketlab.laws.tails import (
    Pareto,
    Returns,
    best_in_sample,
    check_predictions,
    empirical_bayes,
    expected_best,
    extrapolated,
    fit_tail,
    gain_ratio,
    judge,
    maximum_likelihood,
    moment,
    normal_shape,
    pareto,
    predict_best,
    profile_bounds,
    reliability,
    weighted_moments,
)
from ticketlab.laws.tails.fit import SPLITS, _factor, _shape
from ticketlab.laws.tails.noise import with_noise
from ticketlab.laws.tails.threshold import candidates

SHAPES = (-0.7, -0.3, 0.0, 0.2, 0.6)


def drawn(shape, count, seed=0):
    """A sample with this tail, or a normal one."""
    p = np.random.default_rng(seed).random(count)
    return ndtri(p) if shape == "normal" else Pareto(shape, 2.0).quantile(p)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_law_is_that_of_scipy(shape) -> None:
    law, y = Pareto(shape, 2.0), np.linspace(0.01, 2.5, 7)
    assert law.survival(y) == pytest.approx(genpareto.sf(y, shape, scale=2.0))
    assert law.quantile(1 - law.survival(y)) == pytest.approx(y)
    assert law.likelihood(y) == pytest.approx(float(np.mean(genpareto.logpdf(y, shape, scale=2.0))))


@pytest.mark.parametrize("shape", SHAPES)
def test_maximum_likelihood_reaches_the_maximum_that_scipy_finds(shape) -> None:
    y = drawn(shape, 500)
    found = maximum_likelihood(y)
    other, _, scale = genpareto.fit(y, floc=0)
    assert found.likelihood(y) >= Pareto(other, scale).likelihood(y) - 1e-7
    assert (found.shape, found.scale) == (pytest.approx(other, abs=2e-3), pytest.approx(scale, rel=2e-3))


@pytest.mark.parametrize("shape", [1.0, 1.5])
def test_the_likelihood_of_a_heavy_tail_is_followed_as_far_as_it_rises(shape) -> None:
    """The largest of n excesses is about n^ξ of them, so θ·max y has no fixed end."""
    y = drawn(shape, 10_000)
    found = maximum_likelihood(y)
    low, high = profile_bounds(y, found, 3.84)
    assert found.likelihood(y) >= Pareto(shape, 2.0).likelihood(y)
    assert found.shape == pytest.approx(empirical_bayes(y).shape, abs=1e-3)
    assert low < shape < high


@pytest.mark.parametrize("distance", [-0.9, -0.1, -1e-3, 1e-3, 1.0, 300.0])
def test_the_slope_of_the_profile_is_that_of_its_values(distance) -> None:
    y = drawn(-0.2, 300)
    theta, step = distance / y.max(), 1e-5 * abs(distance) / y.max()
    before, after = pareto._profiles(np.array([theta - step, theta + step]), y)
    assert pareto._slope(theta, y) == pytest.approx((after - before) / (2 * step), rel=1e-4)


def test_the_slope_of_the_profile_goes_on_through_the_exponential_law() -> None:
    y = drawn(-0.2, 300)
    ends, at = (
        np.array([-1.1, -0.9, 0.9, 1.1]) * pareto.SERIES / y.max(),
        np.mean(y**2) / (2 * np.mean(y)) - y.mean(),
    )
    slopes = np.array([pareto._slope(theta, y) - at for theta in ends])
    assert pareto._slope(0.0, y) == pytest.approx(at, rel=1e-12)
    assert slopes / ends == pytest.approx(np.full(4, slopes[0] / ends[0]), rel=1e-3)


@pytest.mark.parametrize("count", [10, 74, 1000])
def test_shapes_over_a_grid_are_means_of_logarithms(count) -> None:
    y = drawn(0.3, count)
    for grid in (pareto.GRID, pareto.HEAVY):
        thetas = (grid - 1) / y.max()
        assert pareto._shapes_of_grid(thetas, y) == pytest.approx(pareto._shapes(thetas, y), rel=1e-11)


@pytest.mark.parametrize("shape", [-0.45, -0.2, 0.0, 0.3, 1.5])
def test_the_flat_point_is_the_highest_one(shape, monkeypatch) -> None:
    y = drawn(shape, 200)
    found = maximum_likelihood(y)
    monkeypatch.setattr(pareto, "_flat_point", lambda around, y: None)
    assert maximum_likelihood(y).shape == pytest.approx(found.shape, abs=1e-6)


def test_nothing_lies_beyond_the_end() -> None:
    law = Pareto(-0.25, 2.0)
    assert law.survival(np.array([law.end, 2 * law.end])).tolist() == [0.0, 0.0]


def test_the_scale_is_only_a_unit() -> None:
    y = drawn(-0.2, 300)
    for estimate in (maximum_likelihood, weighted_moments, empirical_bayes):
        one, other = estimate(y), estimate(1000 * y)
        assert (other.shape, other.scale) == (
            pytest.approx(one.shape, abs=1e-6),
            pytest.approx(1000 * one.scale, rel=1e-5),
        )


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_all_estimators_come_to_the_truth(shape) -> None:
    y = drawn(shape, 50_000)
    for estimate in (maximum_likelihood, weighted_moments, empirical_bayes):
        assert estimate(y).shape == pytest.approx(shape, abs=0.02)
    # a power law with ξ > 0 has its zero at u − σ/ξ; the moment estimator needs the scale that starts there
    if shape > 0:
        assert moment(y, 2.0 / shape) == pytest.approx(shape, abs=0.02)


def test_a_normal_tail_has_a_negative_shape_at_every_threshold() -> None:
    p = (np.arange(200_000) + 0.5) / 200_000
    found = [
        weighted_moments(ndtri(q + (1 - q) * p) - ndtri(q)).shape for q in (0.9, 0.95, 0.98, 0.99, 0.999)
    ]
    assert found == pytest.approx([-0.176, -0.142, -0.113, -0.098, -0.068], abs=6e-4)
    assert -0.25 < normal_shape(0.2, 400) < normal_shape(0.2, 4000) < normal_shape(0.01, 4000) < 0


def test_profile_bounds_are_where_the_likelihood_has_fallen() -> None:
    y = drawn(-0.1, 200)
    best = maximum_likelihood(y)
    for bound in profile_bounds(y, best, 3.84):
        least = minimize_scalar(
            lambda log, xi=bound: -Pareto(xi, float(np.exp(log))).likelihood(y),
            bounds=(np.log(max(-bound * y.max(), 1e-3)) + 1e-9, 5),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert 2 * len(y) * (best.likelihood(y) + least.fun) == pytest.approx(3.84, abs=1e-3)


def test_the_threshold_leaves_out_a_body_of_another_form() -> None:
    """One value in ten is an excess; the others are spread evenly far below."""
    rng = np.random.default_rng(1)
    values = np.where(rng.random(4000) < 0.1, rng.exponential(size=4000), -30 * rng.random(4000))
    tail = fit_tail(values, rng, resamples=10)
    assert tail.share < 0.11
    assert tail.interval[0] < 0 < tail.interval[1]
    assert tail.doubt is None


def test_the_interval_of_two_groups_is_that_of_one_degree_of_freedom() -> None:
    """Every half of the sample is one of the groups."""
    values, groups = drawn(0.1, 2000), np.repeat([0, 1], 1000)
    values = values * np.array([1.0, 1.5])[groups]
    found = fit_tail(values, np.random.default_rng(0), groups=groups, resamples=3)
    apart = np.subtract(*(_shape(values[groups == g], found.share) for g in (0, 1)))
    assert found.widened > 2
    low, high = found.interval
    assert high - low == pytest.approx(2 * student.ppf(0.975, 1) * abs(apart) / 2)


def test_a_draw_of_groups_may_have_hardly_any_tail() -> None:
    """Only the second of three groups has a long one. The first draw has six values above the threshold that suits it best."""
    rng, groups = np.random.default_rng([3, 165]), np.repeat([0, 1, 2], 1500)
    shapes = (0.1 + 0.15 * rng.standard_normal(3))[groups]
    values = np.expm1(-shapes * np.log(rng.random(4500))) / shapes
    assert np.all(np.isfinite(fit_tail(values, rng, groups=groups, resamples=3).draws))
    with pytest.raises(UserError, match="groups of which a draw has 0 values in the tail"):
        fit_tail(values * np.array([0.01, 1.0, 0.01])[groups], rng, groups=groups, resamples=60)


def test_values_that_come_in_groups_say_less() -> None:
    rng = np.random.default_rng(2)
    alone = drawn(0.1, 1000, 3)
    again, groups = np.repeat(alone, 4) + 1e-9 * rng.random(4000), np.repeat(np.arange(1000), 4)
    taken_for_independent, grouped = (fit_tail(again, rng, groups=g, resamples=40) for g in (None, groups))
    lengths = [t.interval[1] - t.interval[0] for t in (taken_for_independent, grouped)]
    assert lengths[1] > 1.4 * lengths[0]


def test_estimators_that_differ_cast_doubt() -> None:
    tail = fit_tail(drawn(-0.1, 1000), np.random.default_rng(0), resamples=3)
    assert tail.doubt is None
    other = replace(tail, shapes={**tail.shapes, "empirical Bayes": tail.law.shape + 0.2})
    assert "Two estimators" in str(other.doubt)
    assert judge(other, gain_ratio(drawn(-0.1, 1000), np.random.default_rng(0))) is Returns.UNDECIDED


def test_the_best_of_a_sample_is_that_of_all_subsets() -> None:
    rng = np.random.default_rng(4)
    quality, scored = rng.normal(size=8), rng.normal(size=8)
    for n in (1, 3, 8):
        subsets = [list(chosen) for chosen in combinations(range(8), n)]
        best = np.mean([quality[s].max() for s in subsets])
        elsewhere = np.mean([scored[s][np.argmax(quality[s])] for s in subsets])
        assert best_in_sample(quality, [n]) == pytest.approx([best])
        assert best_in_sample(quality, [n], scored) == pytest.approx([elsewhere])


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2])
def test_the_predicted_best_is_the_simulated_one(shape) -> None:
    rng = np.random.default_rng(5)
    tail = fit_tail(drawn(shape, 2000, 6), rng, resamples=20)
    known = replace(tail, threshold=0.0, share=1.0, law=Pareto(shape, 2.0), draws=np.empty((0, 4)))
    best = drawn(shape, 1_000_000, 7).reshape(2000, 500).max(axis=1)
    assert expected_best(known, 500) == pytest.approx(best.mean(), rel=0.03)
    prediction = predict_best(known, 500, np.random.default_rng(8))
    assert prediction.median == pytest.approx(np.median(best), rel=0.03)
    low, high = predict_best(tail, 500, rng).interval
    assert np.mean((low <= best) & (best <= high)) > 0.9


def test_predictions_are_compared_with_rivals() -> None:
    rng = np.random.default_rng(9)
    for shape, winner in ((-0.3, "generalised Pareto"), (0.2, "generalised Pareto")):
        values = drawn(shape, 40_000, 10)
        tail = fit_tail(values[:4000], rng, resamples=10)
        (check,) = check_predictions(tail, values[:4000], values[4000:], [1000, 10_000], rng)
        assert (check.count, check.blocks) == (1000, 36)
        assert min(check.crps, key=lambda name: check.crps[name]) == winner
        assert check.covered > 0.8


@pytest.mark.parametrize("law", ["normal", -0.3])
def test_intervals_are_as_wide_as_the_shape_varies(law: float | str) -> None:
    """The spread of ξ over fresh samples, where the likelihood expects too little of it: by a fifth, and by a tenth."""
    rng = np.random.default_rng(21)
    samples = [drawn(law, 2000, 100 + i) if law != "normal" else rng.normal(size=2000) for i in range(60)]
    found = [fit_tail(sample, rng, quantiles=(0.8,), resamples=3) for sample in samples]
    varies = np.std([tail.law.shape for tail in found], ddof=1)
    lengths = np.array([np.diff(tail.interval)[0] for tail in found]) / (2 * 1.96)
    assert np.mean(lengths) == pytest.approx(varies, rel=0.2)
    assert 1.05 < np.mean([tail.widened for tail in found]) < 1.4


def test_noise_is_taken_out_of_an_interval_and_makes_it_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticketlab.laws.tails.fit.SPLITS", 6)
    rng, moved = np.random.default_rng(22), []
    for seed in range(100, 108):
        true = drawn(-0.3, 40_000, seed)
        error = 0.4 * true.std()
        measured = true + error * rng.normal(size=len(true))
        as_it_is, without = (
            fit_tail(measured, rng, noise=n, quantiles=(0.95,), resamples=3) for n in (0, error**2)
        )
        moved.append(np.mean(without.interval) - np.mean(as_it_is.interval))
        assert np.diff(without.interval) > np.diff(as_it_is.interval)
        assert without.law == as_it_is.law
    assert np.mean(moved) < -0.01


def test_added_noise_is_subtracted_too_and_the_same_for_all_amounts() -> None:
    values = np.linspace(0, 1, 50)
    none, *some = with_noise(values, 0.04, np.random.default_rng(25), 4)
    assert np.array_equal(none, values[None])
    for more, of in zip((0.5, 1.0, 1.5, 2.0), some, strict=True):
        assert of.mean(axis=0) == pytest.approx(values)
        assert of - values == pytest.approx(np.sqrt(more) * (some[1] - values))
    with pytest.raises(UserError, match="an even number"):
        with_noise(values, 0.04, np.random.default_rng(25), 3)


def test_an_extrapolated_shape_hardly_depends_on_the_noise_that_was_added() -> None:
    """With other noise for every amount, and none of it subtracted, it varied by 0.05 here, and so did the interval."""
    rng = np.random.default_rng(26)
    true = drawn(-0.3, 2000, 27)
    error = 0.2 * true.std()
    measured = true + error * rng.normal(size=len(true))

    def shape(values):
        u = np.quantile(values, 0.8)
        return maximum_likelihood(values[values > u] - u).shape

    found = [extrapolated(measured, error**2, shape, rng, repeats=2) for _ in range(40)]
    assert np.std(found) < 0.035


def test_noise_gives_an_interval_student_s_factor_of_its_splits() -> None:
    assert _factor(None, 0.0, 0.95) == 1
    assert _factor(None, 1.0, 0.95) == pytest.approx(student.ppf(0.975, SPLITS) / 1.96, rel=1e-4)
    assert _factor(np.arange(2000) % 5, 1.0, 0.95) == pytest.approx(student.ppf(0.975, 4) / 1.96, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "words"), [({"fewest": 19}, "at least 20"), ({"groups": "one"}, "two groups")]
)
def test_what_cannot_be_halved_is_an_error(options: dict, words: str) -> None:
    rng = np.random.default_rng(24)
    if "groups" in options:
        options = {"groups": np.zeros(2000, int)}
    with pytest.raises(UserError, match=words):
        fit_tail(rng.normal(size=2000), rng, **options)


def test_two_halves_tell_signal_from_noise() -> None:
    rng = np.random.default_rng(11)
    true = rng.normal(size=50_000)
    one, other = (true + 0.4 * rng.normal(size=50_000) for _ in range(2))
    found = reliability(one, other)
    assert (found.signal, found.noise) == (pytest.approx(1, abs=0.03), pytest.approx(0.08, abs=0.003))
    assert found.ratio == pytest.approx(1 / 1.08, abs=0.003)
    assert not found.enough
    assert reliability(true, true).ratio == 1


def test_noise_is_followed_back_to_none() -> None:
    """Noise draws a short tail towards the normal one; extrapolation brings most of it back."""
    rng = np.random.default_rng(12)
    true = drawn(-0.3, 40_000, 13)
    noise = (0.3 * true.std()) ** 2
    measured = true + np.sqrt(noise) * rng.normal(size=len(true))

    def shape(values):
        (u,) = candidates(values, (0.95,)).thresholds
        return maximum_likelihood(values[values > u] - u).shape

    clean, naive, back = shape(true), shape(measured), extrapolated(measured, noise, shape, rng)
    assert clean + 0.03 < naive
    assert abs(back - clean) < 0.6 * abs(naive - clean)


@pytest.mark.parametrize(
    ("shape", "expected"), [(-0.3, Returns.SHORT), (0.05, Returns.STEADY), ("normal", Returns.NORMAL)]
)
def test_planted_tails_get_their_verdict(shape, expected) -> None:
    rng, values = np.random.default_rng(14), drawn(shape, 60_000, 15)
    tail, gain = fit_tail(values, rng, resamples=10), gain_ratio(values[:20_000], rng)
    assert judge(tail, gain) is expected
    if shape != "normal":
        assert gain.interval[0] < 10**shape < gain.interval[1]


def test_mistakes_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="Draw more tickets"):
        fit_tail(rng.normal(size=300), rng)
    with pytest.raises(UserError, match="finite"):
        fit_tail(np.full(1000, np.nan), rng)
    for equal in (np.ones(1000), np.round(20 * rng.random(1000)) / 20):
        with pytest.raises(
            UserError, match="different values above the lowest threshold.* continuous quality"
        ):
            fit_tail(equal, rng)
    with pytest.raises(UserError, match="noise=-1"):
        fit_tail(rng.normal(size=1000), rng, noise=-1.0)
    with pytest.raises(UserError, match="one group for each value"):
        fit_tail(rng.normal(size=1000), rng, groups=np.arange(3))
    with pytest.raises(UserError, match="lower threshold"):
        maximum_likelihood(np.ones(3))
    with pytest.raises(UserError, match="positive"):
        moment(rng.random(100), -1.0)
    with pytest.raises(UserError, match="numbers from 1 to 5"):
        best_in_sample(np.arange(5.0), [6])
    with pytest.raises(UserError, match="best_in_sample"):
        predict_best(fit_tail(rng.normal(size=1000), rng, resamples=3), 5, rng)
    with pytest.raises(UserError, match="Draw more"):
        gain_ratio(rng.normal(size=100), rng)
