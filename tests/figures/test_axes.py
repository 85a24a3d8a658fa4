import math

import pytest

from ticketlab.figures.axes import axis_at, linear_axis, logarithmic_axis


def test_a_linear_axis_holds_its_values_with_room():
    low, high = linear_axis("", [2.0, 4.0, math.nan]).plotly()["range"]
    assert low < 2 < 4 < high


def test_an_included_end_is_exact():
    assert linear_axis("", [2.0, 4.0], include=0.0).low == 0.0
    assert linear_axis("", [-1.0, 4.0], include=0.0).low < -1


@pytest.mark.parametrize("include", [None, 0.0, 3.0])
@pytest.mark.parametrize("values", [[], [math.nan], [3.0], [0.0], [3.0, 3.0]])
def test_a_linear_axis_is_never_empty(values, include):
    low, high = linear_axis("", values, include=include).plotly()["range"]
    assert -math.inf < low < high < math.inf


@pytest.mark.parametrize(
    "values", [[], [0.0, -1.0], [5.0], [1e-17, 1e3], [12.0, 130.0], [1e-6, 10.0], [3e-5, 4e-5]]
)
def test_a_logarithmic_axis_has_ticks_in_its_range(values):
    made = logarithmic_axis("", values).plotly()
    low, high = made["range"]
    assert low < high
    assert 1 <= len(made["tickvals"]) <= 9
    assert len(made["tickvals"]) == len(made["ticktext"])
    assert all(low <= math.log10(t) <= high for t in made["tickvals"])
    assert all(low <= math.log10(v) <= high for v in values if v > 0)


def test_ticks_are_written_as_powers_or_plainly():
    assert logarithmic_axis("", [1e-6, 10.0]).plotly()["ticktext"][0] == "10⁻⁶"
    assert logarithmic_axis("", [1.0, 1000.0]).plotly()["ticktext"] == ["1", "10", "100", "1\u202f000"]
    assert logarithmic_axis("", [12.0, 130.0]).plotly()["ticktext"] == ["20", "50", "100"]
    assert logarithmic_axis("", [69.0, 86.0]).plotly()["ticktext"] == ["70", "80", "90"]


@pytest.mark.parametrize(("low", "high"), [(-5.7, 0.3), (0.0, 100.0), (0.0, 1e-3), (93.1, 97.2), (-1e4, 3e4)])
def test_a_linear_axis_has_a_few_round_ticks(low, high):
    made = linear_axis("", [low, high])
    assert 3 <= len(made.ticks) <= 6
    assert all(made.low <= v <= made.high for v, _ in made.ticks)
    assert len({text for _, text in made.ticks}) == len(made.ticks)


def test_places_are_per_cent_from_the_low_end():
    assert axis_at("", [1.0, 100.0], reverse=True).place(10.0) == pytest.approx(50)
    assert linear_axis("", [0.0, 1.0], include=0.0).place(-3.0) == 0.0
