"""Criteria: a score for every weight, from the visible part of a network; the weights with the highest scores stay.

A criterion is a frozen choice with two members. `scores(seen, mask)` gives every weight a number, by layer, on the host. The
mask follows from these numbers and the counts alone, by rank; ties go to the lower index. `rounds` is the number of steps to
the counts: scores that depend on the remaining weights (SynFlow's) are computed again after every step. The number kept falls
exponentially, from n at the start to k at the end:

    k_r = ⌊n (k/n)^(r/R) + ½⌋,    r = 1 … R,

layer by layer where counts are given by layer. The last is k exactly.

Source of the schedule: Tanaka et al. 2020, arXiv 2006.05467, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array

from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import ConvexLoss
from ticketlab.tickets.masks import Mask, full_mask, kept
from ticketlab.tickets.ranking import Counts, best

__all__ = ["Criterion", "Scores", "Seen", "chosen", "stages"]

Scores = dict[str, np.ndarray]


@dataclass(frozen=True)
class Seen:
    """What a criterion may use of one network. What it does not need can be left out.

    Arguments:
        network: f.
        initial: θ_i, the initial weights.
        final: θ_f, the weights after training.
        loss, x, y: ℓ and examples, for criteria that use data.
        key: for random criteria.
    """

    network: Network
    initial: Params
    final: Params | None = None
    loss: ConvexLoss | None = None
    x: Any = None
    y: Any = None
    key: Array | None = None

    def require(self, criterion: object, *names: str) -> None:
        """Checks that all of these are given.

        Raises:
            UserError: naming what is missing, and the criterion that needs it.
        """
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            raise UserError(f"no {' or '.join(missing)} for {criterion}", f"{', '.join(names)} in Seen")


@runtime_checkable
class Criterion(Protocol):
    """A rule for which weights to keep."""

    @property
    def rounds(self) -> int:
        """The number of steps to the counts; 1 if scores do not depend on the remaining weights."""

    def scores(self, seen: Seen, mask: Mask) -> Scores:
        """A number for every weight, by layer; those of removed weights are ignored.

        Raises:
            UserError: if something that the criterion needs is missing.
        """


def chosen(criterion: Criterion, seen: Seen, counts: Counts, among: Mask | None = None) -> Scores:
    """The mask that a criterion chooses: exactly `counts` weights, those with the highest scores.

    Arguments:
        criterion: the criterion.
        seen: what it may use.
        counts: the number of weights kept, by layer, or one number for the whole network, with one ranking for all layers.
        among: the weights from which it chooses; None: all.

    Raises:
        UserError: for impossible counts, or if something that the criterion needs is missing.
        NumericalFailure: for a score that is not a number.

    Cost: `criterion.rounds` times its scores, and a sort of all weights.
    """
    mask = dict(full_mask(seen.network) if among is None else among)
    for stage in stages(counts, mask, criterion.rounds):
        mask = best(criterion.scores(seen, mask), stage, mask)
    return mask


def stages(counts: Counts, mask: Mask, rounds: int) -> list[Counts]:
    """The counts after each of R rounds, from those of a mask down to `counts`."""
    if isinstance(counts, int | np.integer):
        return [_between(kept(mask), int(counts), r / rounds) for r in range(1, rounds + 1)]
    if not isinstance(counts, Mapping) or set(counts) != set(mask):
        given = list(counts) if isinstance(counts, Mapping) else repr(counts)
        raise UserError(
            f"counts for {given}" if isinstance(counts, Mapping) else f"counts={given}",
            f"one whole number of weights, or one for each of {', '.join(mask)}",
        )
    sizes: Mapping[str, int] = {name: int(np.count_nonzero(array)) for name, array in mask.items()}
    return [
        {name: _between(size, counts[name], r / rounds) for name, size in sizes.items()}
        for r in range(1, rounds + 1)
    ]


def _between(n: int, k: int, share: float) -> int:
    if share == 1 or not 0 <= k <= n:
        return k  # the ranking refuses impossible counts
    return int(n * (k / n) ** share + 0.5) if n else 0
