"""Contours of a quantity over a grid of points, by marching squares.

Between neighbouring points the quantity is taken to be linear. In each square of four points a contour enters and leaves where
the level lies between two neighbours. Where it does so on all four sides, the mean of the square decides which ends belong
together. Squares with an unknown corner have no contour.

Source: Lorensen & Cline 1987, Marching cubes; the two-dimensional case.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

__all__ = ["Segment", "contour"]

Point = tuple[float, float]
Segment = tuple[Point, Point]


def contour(values: Float[np.ndarray, "rows columns"], level: float) -> list[Segment]:
    """The pieces of the contour at a level.

    Arguments:
        values: at the points of the grid; NaN where it is not known.
        level: of the contour. A value that equals it counts as above.

    Returns: pairs of points (column, row), in units of the grid's steps from its first point.
    """
    rows, columns = values.shape
    return [
        segment
        for row in range(rows - 1)
        for column in range(columns - 1)
        for segment in _square(values[row : row + 2, column : column + 2], level, (column, row))
    ]


def _square(corners: Float[np.ndarray, "2 2"], level: float, at: tuple[int, int]) -> Iterator[Segment]:
    if not np.isfinite(corners).all():
        return
    # Corners in a circle: (0, 0), (1, 0), (1, 1), (0, 1) as column and row; side i leads from corner i to the next.
    places = ((0, 0), (1, 0), (1, 1), (0, 1))
    around = [float(corners[row, column]) for column, row in places]
    above = [value >= level for value in around]
    crossed = [side for side in range(4) if above[side] != above[(side + 1) % 4]]
    ends = {side: _crossing(side, around, level, places, at) for side in crossed}
    if len(crossed) == 2:
        yield ends[crossed[0]], ends[crossed[1]]
    elif len(crossed) == 4:
        joined = (sum(around) / 4 >= level) == above[0]  # whether corner 0 belongs with the middle
        first, second = ((0, 1), (2, 3)) if joined else ((3, 0), (1, 2))
        yield ends[first[0]], ends[first[1]]
        yield ends[second[0]], ends[second[1]]


def _crossing(
    side: int, around: list[float], level: float, places: tuple[tuple[int, int], ...], at: tuple[int, int]
) -> Point:
    """Where a side of a square has the level."""
    one, other = side, (side + 1) % 4
    share = (level - around[one]) / (around[other] - around[one])
    (x0, y0), (x1, y1) = places[one], places[other]
    return at[0] + x0 + share * (x1 - x0), at[1] + y0 + share * (y1 - y0)
