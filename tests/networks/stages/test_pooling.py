"""Pools: the shapes they make, and those they refuse."""

import pytest

from ticketlab.errors import UserError
from ticketlab.networks import GlobalAverage, Pool, Pooling


def test_the_shapes_they_make() -> None:
    assert Pool(Pooling.MAX, 2).shape((5, 6, 2)) == (2, 3, 2)
    assert GlobalAverage().shape((5, 6, 2)) == (2,)


@pytest.mark.parametrize("size", [0, -3])
def test_windows_below_one_are_refused(size: int) -> None:
    with pytest.raises(UserError, match="pool"):
        Pool(Pooling.MAX, size)


def test_images_too_small_are_refused() -> None:
    with pytest.raises(UserError, match=r"1 × 7 pixels before a 2 × 2 pool.*Use larger images"):
        Pool(Pooling.MAX, 2).shape((1, 7, 3))
