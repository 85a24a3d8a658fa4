"""Dense layers: the shapes they make, and those they refuse."""

import pytest

from ticketlab.errors import UserError
from ticketlab.networks import Dense


def test_its_units_are_its_shape() -> None:
    assert Dense(7).shape((60,)) == (7,)


@pytest.mark.parametrize("size", [0, -3])
def test_fewer_than_one_unit_is_refused(size: int) -> None:
    with pytest.raises(UserError, match=f"{size} units in a dense layer.*at least 1"):
        Dense(size)


def test_a_dense_layer_wants_flat_activations() -> None:
    with pytest.raises(UserError, match="Put a Flatten before it"):
        Dense(3).shape((4, 4, 2))
