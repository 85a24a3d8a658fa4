import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.claims.study import Cell
from ticketlab.engine.estimate import Estimate, spoken

CELLS = [Cell("a", weight=1.0), Cell("b", weight=3.0)]


def test_nothing_is_estimated_from_nothing():
    assert Estimate(CELLS).left(CELLS[0], 0.0, 5.0) is None
    assert Estimate(CELLS).left(CELLS[0], 0.001, 5.0) is None


def test_the_rest_takes_as_long_as_its_work_at_the_pace_so_far():
    estimate = Estimate(CELLS)
    assert estimate.left(CELLS[0], 0.5, 10.0) == pytest.approx(70.0)  # 0.5 of 4 took 10 s
    assert estimate.finish(CELLS[0], 20.0) == pytest.approx(60.0)
    assert estimate.left(CELLS[1], 0.0, 2.0) == pytest.approx(60.0)
    assert estimate.left(CELLS[1], 0.5, 40.0) == pytest.approx((20 + 40) / 2.5 * 1.5)
    assert estimate.finish(CELLS[1], 60.0) == 0.0


@given(st.floats(-1, 2), st.floats(0, 1e6))
def test_the_time_left_is_never_negative(fraction, seconds):
    left = Estimate(CELLS).left(CELLS[0], fraction, seconds)
    assert left is None or left >= 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (1234, "21 min"),
        (3599.9, "1 h"),
        (4800, "1 h 20 min"),
    ],
)
def test_times_are_spoken(seconds, words):
    assert spoken(seconds) == words
