"""Repetitions: they keep the shape, and stages that do not are refused."""

import pytest

from ticketlab.errors import UserError
from ticketlab.networks import Convolution, Dense, Normalise, Repeat


def test_the_shape_is_kept() -> None:
    assert Repeat((Convolution(4), Normalise()), 3).shape((5, 6, 4)) == (5, 6, 4)


def test_what_cannot_be_repeated_is_refused() -> None:
    with pytest.raises(UserError, match="keep the shape"):
        Repeat((Dense(4),), 2).shape((5,))
    with pytest.raises(UserError, match="0 repetitions"):
        Repeat((Dense(4),), 0)
