"""Convolutions: the shapes they make, and those they refuse."""

import jaxtyping
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import Convolution


def test_the_shapes_it_makes() -> None:
    assert Convolution(8, window=3).shape((5, 6, 2)) == (5, 6, 8)
    assert Convolution(8, window=3, stride=2).shape((5, 6, 2)) == (3, 3, 8)
    assert Convolution(8, window=3, padding="VALID").shape((5, 6, 2)) == (3, 4, 8)
    assert Convolution(8, window=3, stride=2, padding="VALID").shape((5, 6, 2)) == (2, 2, 8)


@pytest.mark.parametrize("size", [0, -3])
def test_sizes_below_one_are_refused(size: int) -> None:
    with pytest.raises(UserError, match="channels"):
        Convolution(size)
    with pytest.raises(UserError, match="window"):
        Convolution(4, window=size)
    with pytest.raises(UserError, match="stride"):
        Convolution(4, stride=size)


def test_another_padding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX takes it in small letters too, of which the shape would know nothing."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as in a user's program
    with pytest.raises(UserError, match="padding='valid'"):
        Convolution(4, padding="valid")  # type: ignore[arg-type]


def test_images_too_small_are_refused() -> None:
    with pytest.raises(UserError, match="4 × 4 pixels before a 5 × 5 convolution without padding"):
        Convolution(6, 5, padding="VALID").shape((4, 4, 1))


def test_images_without_channels_are_refused() -> None:
    with pytest.raises(UserError, match=r"\(28, 28\).*height, width, channels.*last axis of size 1"):
        Convolution(6).shape((28, 28))
