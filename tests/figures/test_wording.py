import math

import pytest

from ticketlab.figures import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (1797, "1\u202f797"),
        (0.01, "0.01"),
        (12.345, "12.3"),
        (-2.5, "−2.5"),
        (math.nan, "–"),
        (123456.7, "123\u202f457"),
    ],
)
def test_quantity(value, text):
    assert wording.quantity(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.2e-9, "3.2 × 10⁻⁹"),
        (1e-6, "10⁻⁶"),
        (-1e-6, "−10⁻⁶"),
        (-4e7, "−4 × 10⁷"),
        (0.0, "0"),
        (0.5, "0.5"),
        (math.inf, "–"),
    ],
)
def test_power(value, text):
    assert wording.power(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3.00"),
        (98.14, "98.1"),
        (110.4, "110"),
        (0.0, "0.00"),
        (0.5191, "0.519"),
        (9.999, "10.00"),
        (-0.0312, "−0.0312"),
        (1.2e-7, "1.2 × 10⁻⁷"),
    ],
)
def test_measure_keeps_zeros_at_the_end(value, text):
    assert wording.measure(value) == text


def test_an_estimate_has_two_digits_of_its_uncertainty():
    assert wording.estimate(-0.3149, (-0.7249, 0.0951), sign=True) == "−0.31 (−0.72 to +0.10)"
    assert wording.estimate(12.34, (2.34, 22.34)) == "12 (2 to 22)"
    assert wording.estimate(12.34, (2.34, 22.34), least=1) == "12.3 (2.3 to 22.3)"
    assert wording.plus_minus(2.594, (2.349, 2.839)) == "2.59 ± 0.24"
    assert wording.plus_minus(99.2, (98.3, 99.6)) == "99.20 −0.90 +0.40"


def test_what_four_decimals_do_not_show_is_written_in_powers_of_ten():
    assert wording.plus_minus(1.2e-5, (0.9e-5, 1.5e-5)) == "1.2 × 10⁻⁵ ± 3 × 10⁻⁶"
    assert wording.plus_minus(1.2e-5, (1.1e-5, 1.5e-5)) == "1.2 × 10⁻⁵ −10⁻⁶ +3 × 10⁻⁶"
    assert wording.estimate(1e-5, (-1e-6, 2e-5), sign=True) == "+10⁻⁵ (−10⁻⁶ to +2 × 10⁻⁵)"
    assert wording.estimate(0.0, (0.0, 0.0)) == "0.00 (0.00 to 0.00)"
    assert wording.plus_minus(6e-5, (5e-5, 7e-5)) == "0.0001 ± 0.0000"


def test_what_is_not_known_is_a_dash():
    assert wording.estimate(None, None) == "–"
    assert wording.estimate(math.nan, (math.nan, math.nan)) == "–"
    assert wording.estimate(1.5, None) == "1.50"
    assert wording.plus_minus(math.nan, None) == "–"
    assert wording.extent([math.nan]) == "–"


def test_zero_has_no_sign():
    assert wording.fixed(-0.001, 2) == "0.00"
    assert wording.signed(0.001, 2) == "0.00"
    assert wording.signed(0.01, 2) == "+0.01"


def test_lists_and_plurals():
    assert wording.listed([]) == ""
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.plural(1, "seed") == "1 seed"
    assert wording.plural(0, "seed") == "0 seeds"
    assert wording.plural(2, "axis", "axes") == "2 axes"
    assert wording.extent([2.0, 3.5, 2.5]) == "2 to 3.5"
    assert wording.extent([2.001, 2.002]) == "2"
