"""Pictures of a cell: what a unit likes best, and the images to which it responds most, as rows of its table "pictures".

Next to the nine strongest images stand nine from the middle of the ranks, from the 50 % to the 90 % quantile. The strongest alone
make any unit look like a detector. Responses are in standard deviations over the images, from their
mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ticketlab.evidence.pictures import strip

__all__ = ["FILTER", "MEANINGS", "MIDDLING", "STIMULUS", "STRONGEST", "pictures", "shown_classes"]

FILTER, STIMULUS = "filter", "best stimulus"
STRONGEST, MIDDLING = "strongest test images", "from the middle to the top tenth"
SHOWN = 9
CLASSES = 5
MEANINGS = {
    "column": "what is shown",
    "png": "the picture, or several side by side: a PNG in base 64",
    "response": "the unit's mean response to what is shown, in standard deviations over test images",
}


def shown_classes(count: int) -> list[int]:
    """Some classes, evenly spaced, from the first to the last."""
    return sorted(set(np.linspace(0, count - 1, min(count, CLASSES)).round().astype(int).tolist()))


def pictures(
    images: Float[np.ndarray, "n height width channels"],
    responses: Float[np.ndarray, " n"],
    stimulus: Float[np.ndarray, "height width channels"],
    likes: float,
    **about: Any,
) -> list[dict[str, Any]]:
    """The rows of one unit.

    Arguments:
        images, responses: test images, and what the unit makes of them.
        stimulus: the image that it likes best.
        likes: its response to that.
        about: columns that say whose unit it is.
    """
    order = np.argsort(responses, kind="stable")
    middle = order[np.round(np.linspace(0.5, 0.9, SHOWN) * (len(order) - 1)).astype(int)]
    mean, spread = float(np.mean(responses)), max(float(np.std(responses)), 1e-30)
    found = [(STIMULUS, strip(stimulus[None]), likes)]
    found += [
        (column, strip(images[of]), float(np.mean(responses[of])))
        for column, of in ((STRONGEST, order[::-1][:SHOWN]), (MIDDLING, middle))
    ]
    return [
        {**about, "column": column, "png": png, "response": (value - mean) / spread}
        for column, png, value in found
    ]
