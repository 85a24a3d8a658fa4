"""Pictures of filters: some of each bank, what each of them likes best, and the test images to which it responds most.

The response of a filter to an image is the mean over pixels of the rectified map, |tanh(k ∗ x)|.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.galleries import FILTER, pictures
from ticketlab.evidence.pictures import strip
from ticketlab.units import FrontEnd, best_stimuli_of_filters

__all__ = ["filter_pictures"]

SHOWN = 4  # filters of each bank
STARTS = 2  # of the search for a best stimulus
FRONT = FrontEnd(rectify="absolute", normalise=False, pool="none")


def filter_pictures(
    banks: Mapping[str, np.ndarray], images: np.ndarray, key: jax.Array
) -> list[dict[str, Any]]:
    """The rows of some evenly spaced filters of each bank.

    Arguments:
        banks: first-stage filters k by name.
        images: test images.
        key: of the search for best stimuli.
    """
    rows = []
    for name, filters in banks.items():
        count = filters.shape[3]
        units = np.unique(np.linspace(0, count - 1, min(count, SHOWN)).round().astype(int))
        stimuli = best_stimuli_of_filters(FRONT, filters, units, images.shape[1:], key, starts=STARTS)
        shown = np.concatenate([images, stimuli]).astype(np.float32)
        maps = FRONT.stage(jnp.asarray(filters[..., units]), jnp.asarray(shown))
        responses = np.asarray(jnp.mean(maps, axis=(1, 2))).T
        for i, unit in enumerate(units.tolist()):
            about = {"filters_of": name, "filter": unit + 1}
            own, likes = responses[i, : len(images)], float(responses[i, len(images) + i])
            k = np.moveaxis(filters[..., unit], 2, 0)[..., None]  # one picture for each map of the input
            (stimulus, *others) = pictures(images, own, stimuli[i], likes, **about)
            first = {**about, "column": FILTER, "png": strip(k, signed=True), "response": float("nan")}
            rows += [first, stimulus, *others]
    return rows
