import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.claims.study import Cell
from ticketlab.engine.compiling import Compiling
from ticketlab.engine.estimate import Estimate, spoken

CELLS = [Cell("a", weight=1.0), Cell("b", weight=3.0)]


def test_nothing_is_estimated_from_nothing():
    assert Estimate(CELLS).left(CELLS[0], 0.0, 5.0) is None
    assert Estimate(CELLS).left(CELLS[0], 0.001, 5.0) is None  # most of that was compiling


def test_the_rest_takes_as_long_as_its_work_at_the_pace_of_late():
    estimate = Estimate(CELLS)
    assert estimate.left(CELLS[0], 0.25, 10.0) is None
    assert estimate.left(CELLS[0], 0.5, 12.0) == pytest.approx(28.0)  # a quarter of 4 took 2 s
    assert estimate.finish(CELLS[0], 16.0) == pytest.approx(24.0)
    assert estimate.left(CELLS[1], 0.5, 14.0) == pytest.approx(14.0)
    assert estimate.finish(CELLS[1], 28.0) == 0.0


def test_cells_that_say_nothing_on_the_way():
    cells = [Cell(name, weight=2.0) for name in "abcd"]
    estimate = Estimate(cells)
    assert estimate.finish(cells[0], 30.0) == pytest.approx(90.0)
    assert estimate.finish(cells[1], 10.0) == pytest.approx(20.0)  # the first compiled
    assert estimate.finish(cells[2], 14.0) == pytest.approx(12.0)


@pytest.mark.parametrize("idle", [0.0, 4.0, 8.0])
@pytest.mark.parametrize("whole", [20.0, 60.0, 600.0])
def test_the_first_estimate_is_right_within_a_factor_of_two_after_ten_seconds(idle, whole):
    """A study of one cell, of which nothing is done while data are read and modules imported."""
    cell, found = Cell("a"), []
    estimate = Estimate([cell])
    for step in range(1, int(whole) * 10):
        seconds = idle + 0.1 * step
        left = estimate.left(cell, 0.1 * step / whole, seconds)
        if 10 <= seconds <= 15 and left is not None:
            found.append(left / (whole - 0.1 * step))
    assert 0.5 <= min(found) <= max(found) <= 2.0


def test_compiling_is_counted():
    jax = pytest.importorskip("jax")
    compiling = Compiling()
    before = compiling.seconds()
    fresh = jax.jit(lambda x: x * 3 + before)
    fresh(1.0).block_until_ready()
    first = compiling.seconds()
    assert first > before
    fresh(2.0).block_until_ready()
    assert compiling.seconds() == first


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


def test_several_places_take_the_cells_in_turn():
    cells = [Cell(name, weight=2.0) for name in "abcde"]
    estimate = Estimate(cells)
    assert estimate.left(cells[0], 0.5, 10.0, 2) is None
    assert estimate.left(cells[1], 0.5, 10.0, 2) == pytest.approx(
        50.0
    )  # 2 × 10, then 2 × 20, and 20 for the fifth
    assert estimate.finish(cells[0], 20.0, 2) == pytest.approx(
        40.0
    )  # the third begins, while the second has 10 s left
    assert estimate.left(cells[1], 0.5, 10.0, 9) == pytest.approx(20.0)  # no place can make a cell shorter
    assert estimate.left(cells[1], 0.0, 0.0, 9) == pytest.approx(20.0)  # it began anew


def test_the_last_long_cell_counts_in_full():
    cells = [Cell("short", weight=1.0), Cell("long", weight=9.0)]
    estimate = Estimate(cells)
    estimate.left(cells[1], 1 / 9, 10.0, 2)
    assert estimate.finish(cells[0], 10.0, 2) == pytest.approx(80.0)
