"""Forms with and without an end on planted curves, means without what seeds share, and forecasts."""

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.laws.scaling import ENDING, ENDLESS, forecast, paired_means, scaling_law, without_end
from ticketlab.laws.scaling import law as law_of_means

SIZES = np.geomspace(1e3, 3.2e5, 7)
RATIO = SIZES / SIZES[0]
CURVES = {
    "power law with a floor": 1 + 1.5 * RATIO**-0.3,
    "power law": 3 * RATIO**-0.076,
    "logarithmic": 3 - 0.25 * np.log(RATIO),
    "exponential": 1 + 2 * np.exp(-RATIO / RATIO[-1]),
    "stretched exponential": 1 + 2 * np.exp(-2 * np.sqrt(RATIO / RATIO[-1])),
    "ended": 1 + 1.5 * np.minimum(RATIO, RATIO[-3]) ** -0.3,
}
GOES_ON = ("power law with a floor", "power law", "logarithmic")


def runs(curve, rng, seeds=3, noise=0.005, shared=0.03):
    return curve * np.exp(
        shared * rng.standard_normal((seeds, 1)) + noise * rng.standard_normal((seeds, len(curve)))
    )


@pytest.mark.parametrize("form", CURVES)
def test_forms_with_an_end_are_told_from_those_without(form) -> None:
    rng, right = np.random.default_rng(0), 0
    for _ in range(20):
        found = without_end(paired_means(SIZES, runs(CURVES[form], rng)))
        assert found.endless in ENDLESS
        assert found.ending in ENDING
        right += found.lead > 6 if form in GOES_ON else found.lead < -6
    assert right >= 19


def test_a_flat_curve_is_called_neither_way() -> None:
    rng = np.random.default_rng(1)
    leads = [without_end(paired_means(SIZES, runs(np.full(7, 2.0), rng))).lead for _ in range(20)]
    assert max(leads) < 6


def test_what_a_seed_adds_to_all_sizes_is_taken_out() -> None:
    rng = np.random.default_rng(2)
    noise = [paired_means(SIZES, runs(CURVES["power law"], rng)).errors[0] * np.sqrt(3) for _ in range(200)]
    assert np.sqrt(np.mean(np.square(noise))) == pytest.approx(0.005, rel=0.06)
    means = paired_means(SIZES, runs(CURVES["power law"], rng, seeds=4))
    assert means.freedom == 18


def test_intervals_of_the_exponent_cover_it_where_seeds_share_what_they_add(monkeypatch) -> None:
    """They come from the profile; seeds drawn again, which take most of a law's time, give another number."""
    monkeypatch.setattr(law_of_means, "RESAMPLES", 2)
    rng, inside = np.random.default_rng(3), 0
    for _ in range(60):
        law = scaling_law(paired_means(SIZES, runs(CURVES["power law with a floor"], rng)), rng)
        inside += law.interval[0] <= 0.3 <= law.interval[1]
    assert inside >= 52  # of 95 %: fewer than 1 in 100


def test_a_law_keeps_its_promise_and_an_end_does_not() -> None:
    law, ended = (forecast(SIZES, CURVES[form][None], 2)[0] for form in ("power law with a floor", "ended"))
    assert law[0] == pytest.approx(law[1], rel=1e-3)
    assert ended[1] == pytest.approx(0, abs=1e-3)
    assert ended[0] > 0.05


def test_pseudo_values_of_alike_seeds_are_the_forecast_itself() -> None:
    one = forecast(SIZES, CURVES["power law"][None], 1)
    many = forecast(SIZES, np.stack([CURVES["power law"]] * 3), 1)
    np.testing.assert_allclose(many, np.repeat(one, 3, axis=0), atol=1e-9)


def test_the_mean_of_pseudo_values_has_little_bias() -> None:
    rng = np.random.default_rng(5)
    promised, measured = forecast(SIZES, CURVES["power law"][None], 1)[0]
    found = [forecast(SIZES, runs(CURVES["power law"], rng, 5, 0.003), 1).mean(axis=0) for _ in range(150)]
    spread = np.std(found, axis=0) / np.sqrt(len(found))
    assert abs(np.mean(found, axis=0) - [promised, measured])[0] < 4 * spread[0] + 0.02 * promised


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="at least 2 seeds"):
        paired_means(SIZES, np.ones((1, 7)))
    with pytest.raises(UserError, match="4 sizes"):
        paired_means(SIZES[:3], np.ones((3, 3)))
    with pytest.raises(UserError, match="four others"):
        forecast(SIZES[:5], np.ones((2, 5)), 2)


def test_sizes_in_another_order_are_refused() -> None:
    """The smallest were left out as if they were the largest, and both falls were negative."""
    sizes, losses = np.geomspace(1e5, 1e3, 7), np.ones((3, 7))
    with pytest.raises(UserError, match="increasing order"):
        forecast(sizes, losses, left_out=1)
    with pytest.raises(UserError, match="increasing order"):
        paired_means(sizes, losses)
