"""Normalisations: what they can be over."""

import pytest

from ticketlab.errors import UserError
from ticketlab.networks import Normalisation, Normalise


def test_one_channel_can_be_normalised_over_the_batch_only() -> None:
    assert Normalise(Normalisation.BATCH).shape((1,)) == (1,)
    for given in ((1,), (4, 4, 1)):
        with pytest.raises(UserError, match="one channel before a normalisation"):
            Normalise(Normalisation.CHANNELS).shape(given)
    with pytest.raises(UserError, match="one of channels, batch"):
        Normalisation("layers")
