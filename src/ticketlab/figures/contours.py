"""Contours of a quantity over a grid of points, by contourpy.

Between neighbouring points the quantity is taken to be linear. Squares with an unknown corner have no contour.
"""

from __future__ import annotations

from itertools import pairwise

import contourpy
import numpy as np
from jaxtyping import Float

__all__ = ["Segment", "contour"]

Point = tuple[float, float]
Segment = tuple[Point, Point]


def contour(values: Float[np.ndarray, "rows columns"], level: float) -> list[Segment]:
    """The pieces of the contour at a level.

    Arguments:
        values: at the points of the grid; NaN where it is not known.
        level: of the contour.

    Returns: pairs of points (column, row), in units of the grid's steps from its first point. A saddle is cut so that the mean of
        its corners decides which ends belong together.
    """
    if min(values.shape) < 2:
        return []
    lines = contourpy.contour_generator(z=np.ma.masked_invalid(values), corner_mask=False).lines(level)
    pieces = (pair for line in lines for pair in pairwise(np.asarray(line).tolist()))
    # A contour through a point of the grid passes it once for each side: pieces of no length are left out.
    return [((x0, y0), (x1, y1)) for (x0, y0), (x1, y1) in pieces if (x0, y0) != (x1, y1)]
