"""Pools: the shapes they make, and those they refuse."""

import jax
import jaxtyping
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import Dense, Flatten, GlobalAverage, Pool, Pooling, sequential


def test_the_shapes_they_make() -> None:
    assert Pool(Pooling.MAX, 2).shape((5, 6, 2)) == (2, 3, 2)
    assert GlobalAverage().shape((5, 6, 2)) == (2,)


def test_a_name_is_as_good_as_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as in a user's program
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    network = sequential((Pool("max"), Flatten(), Dense(1)), (4, 4, 1), name="test")  # type: ignore[arg-type]
    assert network.tapped is not None
    _, inputs = network.tapped(network.init(jax.random.key(0)), x, {})
    np.testing.assert_array_equal(inputs["output"], [[5, 7, 13, 15]])
    with pytest.raises(UserError, match="one of max, average"):
        Pool("mean")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -3])
def test_windows_below_one_are_refused(size: int) -> None:
    with pytest.raises(UserError, match="pool"):
        Pool(Pooling.MAX, size)


def test_images_too_small_are_refused() -> None:
    with pytest.raises(UserError, match=r"1 × 7 pixels before a 2 × 2 pool.*Use larger images"):
        Pool(Pooling.MAX, 2).shape((1, 7, 3))
