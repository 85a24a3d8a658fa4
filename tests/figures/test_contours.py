"""Contours lie where the linear function between neighbours has the level, and cross every square that they should."""

import numpy as np
import pytest

from ticketlab.figures.contours import contour


def test_a_plane_has_straight_contours() -> None:
    rows, columns = np.mgrid[0:4, 0:5].astype(float)
    values = 2 * columns - 3 * rows
    segments = contour(values, 0.5)
    assert segments
    ends = np.array([end for segment in segments for end in segment])
    np.testing.assert_allclose(2 * ends[:, 0] - 3 * ends[:, 1], 0.5, atol=1e-12)


def test_a_circle_is_closed_and_has_its_radius() -> None:
    rows, columns = np.mgrid[-10:11, -10:11].astype(float)
    segments = contour(rows**2 + columns**2, 49.0)
    ends = [tuple(np.round(end, 9)) for segment in segments for end in segment]
    assert all(ends.count(end) == 2 for end in ends)
    radii = np.hypot(*(np.array(ends).T - 10))
    np.testing.assert_allclose(radii, 7, atol=0.03)


@pytest.mark.parametrize(("middle", "joined"), [(1.0, True), (-1.0, False)])
def test_in_a_saddle_the_mean_decides(middle, joined) -> None:
    """High at two opposite corners: their region is one piece if the middle is high."""
    values = np.array([[1.0 + middle / 2, -1.0 + middle / 2], [-1.0 + middle / 2, 1.0 + middle / 2]])
    segments = contour(values, 0.0)
    assert len(segments) == 2
    around_low = [abs((x0 + x1) / 2 - (y0 + y1) / 2) > 0.3 for (x0, y0), (x1, y1) in segments]
    assert all(around_low) is joined


def test_unknown_corners_have_no_contour() -> None:
    values = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, np.nan]])
    assert [max(x for x, _ in segment) for segment in contour(values, 0.5)] == [0.5]
    assert contour(values, 1.5) == []
    assert contour(values, 5.0) == []
