"""Images as vectors."""

from ticketlab.networks import Flatten


def test_all_axes_become_one() -> None:
    assert Flatten().shape((4, 5, 3)) == (60,)
