"""The test examples in random order, so that their halves are alike, with true and permuted targets.

A skill is a share of the targets' variance, so the targets of a half must not all be equal. Where few examples differ from the
rest, a random order can leave all of them in one half. Such an order is drawn again.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ticketlab.claims.start import taken
from ticketlab.errors import UserError
from ticketlab.tasks.task import Split

__all__ = ["in_halves"]


def in_halves(test: Split, rng: np.random.Generator) -> tuple[Split, Float[np.ndarray, "2 n k"]]:
    """The examples in random order, and their targets, true and permuted; those of every half vary.

    Raises: UserError if fewer than two examples differ from the most frequent target.
    """
    _, counts = np.unique(test.targets, axis=0, return_counts=True)
    if (others := len(test) - int(counts.max())) < 2:
        raise UserError(
            f"{len(test)} test examples, {others} of them with another target than the most frequent one",
            "at least 2, one for each half of the examples",
            "Take more test examples, or a task whose targets vary more.",
        )
    test = taken(test, _order(test.targets, rng))
    return test, np.stack([test.targets, test.targets[_order(test.targets, rng)]])


def _order(targets: Float[np.ndarray, "n k"], rng: np.random.Generator) -> np.ndarray:
    order, cut = rng.permutation(len(targets)), len(targets) // 2
    while not (_vary(targets[order[:cut]]) and _vary(targets[order[cut:]])):
        order = rng.permutation(len(targets))
    return order


def _vary(targets: Float[np.ndarray, "n k"]) -> bool:
    return bool(np.any(targets != targets[0]))
