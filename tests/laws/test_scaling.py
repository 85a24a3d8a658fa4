"""Scaling laws: planted ones are found again, their intervals cover them, and other forms are told apart."""

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.special import stdtrit

from ticketlab.errors import UserError
from ticketlab.laws.scaling import (
    CONSTANT,
    EXPONENTIAL,
    LOGARITHMIC,
    POWER,
    POWER_ALONE,
    SATURATING,
    common_exponent,
    compared,
    fit_curve,
    means_of,
    scaling_law,
)
from ticketlab.laws.scaling.law import _fit, _profile

SIZES = np.geomspace(3e3, 1e6, 7)


def losses(exponent=0.35, floor=1.0, noise=0.01, seeds=3, seed=0, sizes=SIZES, amount=2.0):
    """Sizes and losses of all runs."""
    law = floor + amount * (sizes / sizes[0]) ** -exponent
    rng = np.random.default_rng(seed)
    return np.repeat(sizes, seeds), np.repeat(law, seeds) * np.exp(
        noise * rng.standard_normal(seeds * len(sizes))
    )


def test_an_exact_law_is_found_exactly() -> None:
    law = 0.7 + 30 * SIZES**-0.42
    fitted = fit_curve(POWER, SIZES, law, np.full(7, 0.01))
    assert fitted.searched["α"] == pytest.approx(0.42, rel=1e-5)
    assert fitted.linear == {"E": pytest.approx(0.7, rel=1e-4), "A": pytest.approx(30, rel=1e-4)}
    assert fitted.at(np.array([1e7])) == pytest.approx([0.7 + 30 * 1e7**-0.42], rel=1e-4)


def test_an_exact_law_fits_where_seeds_do_not_differ() -> None:
    law = scaling_law(means_of(*losses(noise=0.0)), np.random.default_rng(0))
    assert law.fits
    assert law.keeps_improving


def test_a_form_that_is_relative_to_the_largest_size_keeps_that_of_its_fit() -> None:
    fitted = fit_curve(LOGARITHMIC, SIZES, 1 + 0.3 * np.log(1e6 / SIZES), np.full(7, 0.01))
    for size in (1e4, 1e6, 1e7):
        assert fitted.at(np.array([size])) == pytest.approx([1 + 0.3 * np.log(1e6 / size)])


def test_the_fit_is_that_of_a_general_solver() -> None:
    means = means_of(*losses(noise=0.02))
    fitted = fit_curve(POWER, means.sizes, means.losses, means.errors)

    def residuals(v):
        return (np.exp(v[0]) + np.exp(v[1]) * means.sizes ** -v[2] - means.losses) / (
            means.losses * means.errors
        )

    found = least_squares(residuals, [0.0, 3.0, 0.3], x_scale=[1, 1, 0.1], xtol=1e-14, ftol=1e-14)
    assert fitted.misfit == pytest.approx(2 * found.cost, rel=1e-6)
    assert fitted.searched["α"] == pytest.approx(found.x[2], rel=1e-3)


@pytest.mark.parametrize("curve", [EXPONENTIAL, LOGARITHMIC, POWER_ALONE, SATURATING])
def test_other_forms_are_told_apart(curve) -> None:
    p = SIZES if curve is not SATURATING else np.geomspace(1e3, 1e6, 12)
    true = {
        EXPONENTIAL.name: 1 + 2 * np.exp(-p / 1e5),
        LOGARITHMIC.name: 1 + 0.3 * np.log(p.max() / p),
        POWER_ALONE.name: 40 * p**-0.2,
        SATURATING.name: 0.5 + 20 * np.minimum(p, 6e4) ** -0.4,
    }[curve.name]
    rng = np.random.default_rng(1)
    means = means_of(np.repeat(p, 4), np.repeat(true, 4) * np.exp(0.004 * rng.standard_normal(4 * len(p))))
    assert compared(means)[0].curve is curve


def test_without_its_floor_an_exponent_is_far_too_small() -> None:
    means = means_of(*losses(noise=0.005))
    with_floor, alone = (
        fit_curve(c, means.sizes, means.losses, means.errors).searched["α"] for c in (POWER, POWER_ALONE)
    )
    assert with_floor == pytest.approx(0.35, abs=0.03)
    assert alone < 0.6 * with_floor


def test_a_law_comes_with_all_that_is_known_about_it() -> None:
    law = scaling_law(means_of(*losses()), np.random.default_rng(0))
    assert law.interval[0] < 0.35 < law.interval[1]
    assert law.exponent == pytest.approx(0.35, abs=4 * law.spread)
    assert law.fits
    assert law.preferred is law.forms[0]
    assert law.forms[0].curve is POWER
    assert law.keeps_improving
    assert law.left_out < 0.05
    assert law.last_gain[1] < law.last_gain[0] < law.last_gain[2]
    assert law.floor == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("count", [5, 7])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.66])
def test_an_end_within_the_last_step_is_fitted_exactly(count, part) -> None:
    sizes = np.geomspace(1e3, 3.2e5, count)
    end = sizes[-2] * (sizes[-1] / sizes[-2]) ** part
    true = 1 + 1.5 * (np.minimum(sizes, end) / sizes[0]) ** -0.3
    fitted = fit_curve(SATURATING, sizes, true, np.full(count, 0.002))
    assert fitted.misfit < 1e-3
    assert fitted.searched == {"α": pytest.approx(0.3, rel=1e-3), "P*": pytest.approx(end, rel=1e-3)}


def test_with_five_sizes_what_has_ended_does_not_keep_improving() -> None:
    sizes = np.geomspace(1e3, 3.2e5, 5)
    ended = 1 + 1.5 * (np.minimum(sizes, sizes[2]) / sizes[0]) ** -0.3
    rng = np.random.default_rng(3)
    runs = np.repeat(ended, 3) * np.exp(0.003 * rng.standard_normal(15))
    assert not scaling_law(means_of(np.repeat(sizes, 3), runs), rng).keeps_improving


def test_what_has_ended_does_not_keep_improving() -> None:
    p = np.geomspace(1e3, 1e6, 12)
    true = 0.5 + 20 * np.minimum(p, 2e4) ** -0.4
    rng = np.random.default_rng(2)
    ended = means_of(np.repeat(p, 4), np.repeat(true, 4) * np.exp(0.004 * rng.standard_normal(48)))
    flat = means_of(np.repeat(p, 4), np.exp(0.02 * rng.standard_normal(48)))
    assert not scaling_law(ended, rng).keeps_improving
    assert not scaling_law(flat, rng).keeps_improving
    assert CONSTANT.name in {form.curve.name for form in compared(flat)[:3]}


def test_intervals_cover_planted_exponents() -> None:
    inside = 0
    for seed in range(100):
        means = means_of(*losses(exponent=0.25, floor=0.5, seed=seed))
        fitted = _fit(POWER, means)
        low, high = _profile(POWER, means, fitted, float(stdtrit(means.freedom, 0.975)) ** 2)
        inside += low <= 0.25 <= high
    assert inside >= 89


def test_one_exponent_or_several() -> None:
    same = [means_of(*losses(exponent=0.3, floor=f, seed=s)) for f, s in ((0.5, 1), (1.0, 2))]
    apart = [means_of(*losses(exponent=a, seed=s)) for a, s in ((0.2, 1), (0.6, 2))]
    alpha, probability = common_exponent(same)
    assert alpha == pytest.approx(0.3, abs=0.03)
    assert probability > 0.05
    assert common_exponent(apart)[1] < 1e-6
    with pytest.raises(UserError, match="at least 2"):
        common_exponent(same[:1])


def test_equal_exponents_are_called_different_as_rarely_as_is_said() -> None:
    called = sum(
        common_exponent(
            [
                means_of(*losses(exponent=0.3, floor=f, seed=1000 + 2 * i + j))
                for j, f in enumerate((0.5, 1.0))
            ]
        )[1]
        < 0.05
        for i in range(100)
    )
    assert called <= 12  # of 5 in a hundred: more in 1 of 1 000


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="at least 4"):
        means_of(np.array([1.0, 2, 3]), np.ones(3))
    with pytest.raises(UserError, match="more seeds"):
        means_of(np.arange(1.0, 6), np.ones(5))
    with pytest.raises(UserError, match="positive"):
        means_of(np.arange(5.0), np.ones(5))
