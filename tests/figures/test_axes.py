import math

import pytest

from ticketlab.figures.axes import linear_axis, logarithmic_axis


def test_a_linear_axis_holds_its_values_with_room():
    low, high = linear_axis("", [2.0, 4.0, math.nan])["range"]
    assert low < 2 < 4 < high


def test_an_included_end_is_exact():
    assert linear_axis("", [2.0, 4.0], include=0.0)["range"][0] == 0.0
    assert linear_axis("", [-1.0, 4.0], include=0.0)["range"][0] < -1


@pytest.mark.parametrize("values", [[], [math.nan], [3.0], [0.0], [3.0, 3.0]])
def test_a_linear_axis_is_never_empty(values):
    low, high = linear_axis("", values)["range"]
    assert -math.inf < low < high < math.inf


@pytest.mark.parametrize("values", [[], [0.0, -1.0], [5.0], [1e-17, 1e3], [12.0, 130.0], [1e-6, 10.0]])
def test_a_logarithmic_axis_has_ticks_in_its_range(values):
    made = logarithmic_axis("", values)
    low, high = made["range"]
    assert low < high
    assert 1 <= len(made["tickvals"]) <= 9
    assert len(made["tickvals"]) == len(made["ticktext"])
    assert all(low <= math.log10(t) <= high for t in made["tickvals"])
    assert all(low <= math.log10(v) <= high for v in values if v > 0)


def test_ticks_are_written_as_powers_or_plainly():
    assert logarithmic_axis("", [1e-6, 10.0])["ticktext"][0] == "10⁻⁶"
    assert logarithmic_axis("", [1.0, 1000.0])["ticktext"] == ["1", "10", "100", "1\u202f000"]
    assert logarithmic_axis("", [12.0, 130.0])["ticktext"] == ["20", "50", "100"]
