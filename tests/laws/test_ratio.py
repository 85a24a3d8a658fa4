"""Fieller's interval: exact by hand, covering where the denominator is noisy, unbounded where it may be 0."""

import numpy as np
import pytest
import scipy.optimize

from ticketlab.laws.decide import outlook
from ticketlab.laws.difference import Difference, of_seeds, paired_difference
from ticketlab.laws.ratio import Ratio
from ticketlab.laws.rules import USUAL, Above


def of(a: np.ndarray, b: np.ndarray) -> Ratio:
    return Ratio(of_seeds(a), of_seeds(b), of_seeds(a - b))


def drawn(rng: np.random.Generator, noise: float, seeds: int = 6) -> Ratio:
    common = noise * rng.standard_normal(seeds)
    a = 0.6 + common + 0.5 * noise * rng.standard_normal(seeds)
    return of(a, 1.0 + common + 0.5 * noise * rng.standard_normal(seeds))


def test_its_bounds_are_the_ratios_that_a_test_just_accepts() -> None:
    rng = np.random.default_rng(0)
    a, b = 0.6 + 0.1 * rng.standard_normal(8), 1 + 0.1 * rng.standard_normal(8)

    def rejected(ratio: float) -> float:
        apart = of_seeds(a - ratio * b)
        return abs(apart.mean) - apart.half_width(0.025)

    low, high = of(a, b).interval()
    mean = a.mean() / b.mean()
    assert low == pytest.approx(scipy.optimize.brentq(rejected, -5, mean))
    assert high == pytest.approx(scipy.optimize.brentq(rejected, mean, 5))
    assert low < of(a, b).mean < high
    assert of(a, b).mean - low != pytest.approx(high - of(a, b).mean, rel=1e-3)  # not symmetric


@pytest.mark.parametrize("noise", [0.05, 0.5, 1.0])
def test_it_covers_whatever_the_noise_of_the_denominator(noise: float) -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(1000):
        low, high = drawn(rng, noise).interval()
        covered += low <= 0.6 <= high
    assert 928 <= covered <= 985


def test_a_denominator_that_may_be_zero_bounds_nothing() -> None:
    rng = np.random.default_rng(2)
    ratio = of(rng.standard_normal(5), rng.standard_normal(5))
    assert ratio.interval() == (float("-inf"), float("inf"))
    assert of(np.ones(1), np.ones(1)).interval() == (float("-inf"), float("inf"))
    assert of(np.ones(3), -np.ones(3) + 0.01 * rng.standard_normal(3)).interval() == (
        float("-inf"),
        float("inf"),
    )


def test_of_test_examples_too() -> None:
    rng = np.random.default_rng(3)
    seed, example = np.repeat(np.arange(4), 300), np.tile(np.arange(300), 4)
    a, b = (rng.random(1200) < 0.5).astype(float), (rng.random(1200) < 0.8).astype(float)
    ratio = Ratio(*(paired_difference(d, seed, example) for d in (a, b, a - b)))
    low, high = ratio.interval()
    assert low < 0.625 < high
    closer = ratio.of_size(seeds=400, examples=30_000).interval()
    assert closer[1] - closer[0] < (high - low) / 3


def test_what_would_decide_it_is_said() -> None:
    ratio = drawn(np.random.default_rng(4), 0.3)
    limit = ratio.mean - 0.02
    assert "seeds would decide it" in outlook(ratio, Above(limit), USUAL).words


def test_variances_that_belong_to_no_correlation_give_no_certainty() -> None:
    """Each variance is estimated by itself, so that of a − b may be 0 where a and b are as uncertain as different numbers."""
    above, below, apart = (
        Difference(mean, v, seeds=5) for mean, v in ((0.27, 1e-4), (0.3, 4e-4), (-0.03, 0.0))
    )
    low, high = Ratio(above, below, apart).interval()
    t = 2.776  # Student's, of 4 degrees of freedom
    ends = [(0.27 + sign * t * 0.01) / (0.3 + sign * t * 0.02) for sign in (1, -1)]
    assert (low, high) == pytest.approx(tuple(ends), rel=1e-3)
    assert high - low > 0.05
