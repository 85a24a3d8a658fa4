"""Exponents of power laws, and whether their intervals cover the truth as often as they say."""

import numpy as np
import pytest

from ticketlab.laws.power_law import power_law

WIDTHS = np.array([32.0, 64, 128, 256])


def values(exponent: float, noise: float, seeds: int, draw: np.random.Generator):
    width = np.tile(WIDTHS, seeds)
    seed = np.repeat(np.arange(seeds), len(WIDTHS))
    return width, 3.0 * width**-exponent * np.exp(noise * draw.standard_normal(width.size)), seed


def test_an_exact_law_is_found_exactly() -> None:
    law = power_law(*values(0.7, 0.0, 4, np.random.default_rng(0)))
    assert law.exponent.mean == pytest.approx(0.7)
    assert law.exponent.standard_error == pytest.approx(0, abs=1e-12)
    assert law.level == pytest.approx(3.0)
    assert law.misfit == pytest.approx(0, abs=1e-12)
    assert law.at(100.0) == pytest.approx(3.0 * 100**-0.7)
    assert law.each == pytest.approx((0.7,) * 4)


def test_intervals_cover_as_often_as_they_say() -> None:
    draw = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        low, high = power_law(*values(0.5, 0.3, 5, draw)).exponent.interval()
        inside += low <= 0.5 <= high
    assert inside / 400 == pytest.approx(0.95, abs=0.03)


def test_each_seed_has_a_level_of_its_own() -> None:
    width, value, seed = values(0.5, 0.0, 3, np.random.default_rng(0))
    law = power_law(width, value * 10.0**seed, seed)
    assert law.exponent.mean == pytest.approx(0.5)
    assert law.misfit == pytest.approx(0, abs=1e-12)


def test_what_is_no_power_law_has_a_misfit() -> None:
    width, _, seed = values(0.5, 0.0, 3, np.random.default_rng(0))
    assert power_law(width, np.exp(-width / 50), seed).misfit > 0.3


def test_one_seed_has_no_interval() -> None:
    assert power_law(*values(0.5, 0.1, 1, np.random.default_rng(0))).exponent.interval() == (-np.inf, np.inf)


def test_exact_zeros_are_rounding() -> None:
    assert np.isfinite(power_law(WIDTHS, np.zeros(4), np.zeros(4, int)).exponent.mean)
