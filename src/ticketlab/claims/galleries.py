"""Pictures of a cell: what a unit likes best, and the images to which it responds most, as rows of its table "pictures".

Next to the nine strongest images stand nine from the middle of the ranks, from the 50 % to the 90 % quantile. The strongest alone
make any unit look like a detector. Responses are in standard deviations over the images, from their
mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.evidence.pictures import strip
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.task import Task
from ticketlab.units import NetworkUnits, Scan, best_stimuli

__all__ = [
    "FILTER", "MEANINGS", "MIDDLING", "STIMULUS", "STRONGEST", "marking_units", "pictures", "shown_classes", "unit_pictures",
]  # fmt: skip

FILTER, STIMULUS = "filter", "best stimulus"
STRONGEST, MIDDLING = "strongest test images", "from the middle to the top tenth"
SHOWN = 9
CLASSES = 5
STARTS = 2  # of the search for a best stimulus
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


def marking_units(found: Scan, classes: int) -> dict[int, int]:
    """For each class that is shown the unit whose high responses mark it best on all test images, which that choice flatters."""
    labels = shown_classes(classes)
    return dict(zip(labels, np.argmax(found.auc[:, labels], axis=0).tolist(), strict=True))


def unit_pictures(
    task: Task, network: Network, params: Params, found: Scan, units: Mapping[int, int], key: jax.Array
) -> list[dict[str, Any]]:
    """What one unit for each of some classes likes, with its AUC for the class in this network.

    Arguments:
        task: of images.
        params: of the network whose units they are.
        found: its scan on the test images.
        units: by class.
        key: of the search for best stimuli.
    """
    places = {label: found.place(unit) for label, unit in units.items()}
    stimuli: dict[int, np.ndarray] = {}
    for layer in dict.fromkeys(group.layer for group, _ in places.values()):
        of = {label: number for label, (group, number) in places.items() if group.layer == layer}
        images = best_stimuli(network, params, layer, np.array([*of.values()]), key, starts=STARTS)
        stimuli |= dict(zip(of, images, strict=True))
    shown = np.concatenate([task.test.x, np.stack([stimuli[label] for label in units])]).astype(np.float32)
    first = min(units.values())
    responses = NetworkUnits(network, params, shown, task.train.x).read(first, max(units.values()) + 1)
    n, rows = len(task.test.x), []
    for i, (label, unit) in enumerate(units.items()):
        own = responses[unit - first]
        about = {"class": task.classes[label], "unit": found.name(unit), "auc": float(found.auc[unit, label])}
        rows += pictures(task.test.x, own[:n], stimuli[label], float(own[n + i]), **about)
    return rows
