"""Residual sums: their shapes, their shortcuts, and what cannot be added."""

import pytest

from ticketlab.errors import UserError
from ticketlab.networks import Convolution, Dense, Flatten, Normalise, Residual


def test_its_shape_is_that_of_what_is_inside() -> None:
    assert Residual((Convolution(4, stride=2), Normalise())).shape((5, 6, 2)) == (3, 3, 4)
    assert Residual((Dense(4), Dense(3))).shape((5,)) == (3,)


def test_a_shortcut_is_the_smallest_layer_that_makes_the_bodys_shape() -> None:
    assert Residual((Convolution(2),)).shortcut((5, 6, 2)) is None
    assert Residual((Convolution(4),)).shortcut((5, 6, 2)) == Convolution(4, window=1)
    assert Residual((Convolution(2, stride=2),)).shortcut((5, 6, 2)) == Convolution(2, window=1, stride=2)
    assert Residual((Dense(4), Dense(3))).shortcut((5,)) == Dense(3)


def test_what_cannot_be_added_is_refused() -> None:
    with pytest.raises(UserError, match=r"\(4, 4, 2\) and \(3,\).*out of the sum"):
        Residual((Flatten(), Dense(3))).shape((4, 4, 2))
    with pytest.raises(UserError, match="sizes differ by a stride"):
        Residual((Convolution(2, window=3, padding="VALID"),)).shape((6, 6, 2))
    with pytest.raises(UserError, match="no stages in a residual sum"):
        Residual(())
