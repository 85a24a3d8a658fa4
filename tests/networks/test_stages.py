"""Stages: the shapes they make, and those they refuse."""

import pytest

from ticketlab.errors import UserError
from ticketlab.networks import (
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Normalise,
    Pool,
    Pooling,
    Repeat,
    Residual,
)


def test_the_shapes_they_make() -> None:
    assert Flatten().shape((4, 5, 3)) == (60,)
    assert Dense(7).shape((60,)) == (7,)
    assert Convolution(8, window=3).shape((5, 6, 2)) == (5, 6, 8)
    assert Convolution(8, window=3, stride=2).shape((5, 6, 2)) == (3, 3, 8)
    assert Convolution(8, window=3, padding="VALID").shape((5, 6, 2)) == (3, 4, 8)
    assert Convolution(8, window=3, stride=2, padding="VALID").shape((5, 6, 2)) == (2, 2, 8)
    assert Pool(Pooling.MAX, 2).shape((5, 6, 2)) == (2, 3, 2)
    assert GlobalAverage().shape((5, 6, 2)) == (2,)


@pytest.mark.parametrize("size", [0, -3])
def test_sizes_below_one_are_refused(size: int) -> None:
    with pytest.raises(UserError, match=f"{size} units in a dense layer.*at least 1"):
        Dense(size)
    with pytest.raises(UserError, match="channels"):
        Convolution(size)
    with pytest.raises(UserError, match="window"):
        Convolution(4, window=size)
    with pytest.raises(UserError, match="stride"):
        Convolution(4, stride=size)
    with pytest.raises(UserError, match="pool"):
        Pool(Pooling.MAX, size)


def test_images_too_small_are_refused() -> None:
    with pytest.raises(UserError, match=r"1 × 7 pixels before a 2 × 2 pool.*Use larger images"):
        Pool(Pooling.MAX, 2).shape((1, 7, 3))
    with pytest.raises(UserError, match="4 × 4 pixels before a 5 × 5 convolution without padding"):
        Convolution(6, 5, padding="VALID").shape((4, 4, 1))


def test_images_without_channels_are_refused() -> None:
    with pytest.raises(UserError, match=r"\(28, 28\).*height, width, channels.*one channel"):
        Convolution(6).shape((28, 28))


def test_a_dense_layer_wants_flat_activations() -> None:
    with pytest.raises(UserError, match="Put a Flatten before it"):
        Dense(3).shape((4, 4, 2))


def test_nested_stages_make_the_shape_of_what_is_inside() -> None:
    assert Residual((Convolution(4, stride=2), Normalise())).shape((5, 6, 2)) == (3, 3, 4)
    assert Residual((Dense(4), Dense(3))).shape((5,)) == (3,)
    assert Repeat((Convolution(4), Normalise()), 3).shape((5, 6, 4)) == (5, 6, 4)


def test_a_shortcut_is_the_smallest_layer_that_makes_the_bodys_shape() -> None:
    assert Residual((Convolution(2),)).shortcut((5, 6, 2)) is None
    assert Residual((Convolution(4),)).shortcut((5, 6, 2)) == Convolution(4, window=1)
    assert Residual((Convolution(2, stride=2),)).shortcut((5, 6, 2)) == Convolution(2, window=1, stride=2)
    assert Residual((Dense(4), Dense(3))).shortcut((5,)) == Dense(3)


def test_nested_stages_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match=r"\(4, 4, 2\) and \(3,\).*outside of the sum"):
        Residual((Flatten(), Dense(3))).shape((4, 4, 2))
    with pytest.raises(UserError, match="stride makes one of the other"):
        Residual((Convolution(2, window=3, padding="VALID"),)).shape((6, 6, 2))
    with pytest.raises(UserError, match="no stages in a residual sum"):
        Residual(())
    with pytest.raises(UserError, match="keep the shape"):
        Repeat((Dense(4),), 2).shape((5,))
    with pytest.raises(UserError, match="0 repetitions"):
        Repeat((Dense(4),), 0)
    with pytest.raises(UserError, match="one channel before a normalisation"):
        Normalise().shape((4, 4, 1))
