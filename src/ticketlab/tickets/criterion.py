"""What a criterion is: a score for every weight, from what may be seen of a network; the weights with the highest stay.

A criterion is a frozen choice with two members. `scores(seen, mask)` gives every weight a number, by layer, on the host; what is
kept follows from these numbers and from the counts alone, by rank, of equals the lower index. `rounds` says in how many steps one
goes down to the counts: scores that depend on the weights that are left (SynFlow's) are taken again after every step. On the
way the number that is kept falls exponentially, from n at the start to k at the end:

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
    """What a criterion may look at, of one network. What it does not need can be left out.

    Arguments:
        network: f.
        initial: θ_i, where the weights were drawn.
        final: θ_f, where training took them.
        loss, x, y: ℓ and examples, for criteria that look at data.
        key: for criteria that draw.
    """

    network: Network
    initial: Params
    final: Params | None = None
    loss: ConvexLoss | None = None
    x: Any = None
    y: Any = None
    key: Array | None = None

    def require(self, criterion: object, *names: str) -> None:
        """Nothing, if all of these are there.

        Raises:
            UserError: with what is missing, and for which criterion.
        """
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            raise UserError(
                f"nothing as {', '.join(missing)} for {criterion}", f"{', '.join(names)} in what is seen"
            )


@runtime_checkable
class Criterion(Protocol):
    """A rule that says which weights are kept."""

    @property
    def rounds(self) -> int:
        """In how many steps the counts are reached; 1 where scores do not depend on what is left."""

    def scores(self, seen: Seen, mask: Mask) -> Scores:
        """A number for every weight, by layer; those that the mask has removed are not looked at.

        Raises:
            UserError: where something is not there that the criterion has to see.
        """


def chosen(criterion: Criterion, seen: Seen, counts: Counts, among: Mask | None = None) -> Scores:
    """The mask that a criterion chooses: exactly so many weights, those of the highest scores.

    Arguments:
        criterion: which.
        seen: what it looks at.
        counts: how many weights are kept, by layer or, as one number with one rank for all layers, in the whole network.
        among: the weights from which it chooses; None: all.

    Raises:
        UserError: for counts that there are not, or for something that the criterion does not see.
        NumericalFailure: for a score that is not a number.

    Cost: `criterion.rounds` times its scores, and a sort of all weights.
    """
    mask = dict(full_mask(seen.network) if among is None else among)
    for stage in stages(counts, mask, criterion.rounds):
        mask = best(criterion.scores(seen, mask), stage, mask)
    return mask


def stages(counts: Counts, mask: Mask, rounds: int) -> list[Counts]:
    """The counts after each of R rounds, from what a mask keeps down to `counts`."""
    if isinstance(counts, int):
        return [_between(kept(mask), counts, r / rounds) for r in range(1, rounds + 1)]
    sizes: Mapping[str, int] = {name: int(np.count_nonzero(array)) for name, array in mask.items()}
    return [
        {name: _between(size, counts[name], r / rounds) for name, size in sizes.items()}
        for r in range(1, rounds + 1)
    ]


def _between(n: int, k: int, share: float) -> int:
    if share == 1 or not 0 <= k <= n:
        return k  # impossible counts are refused where they are ranked
    return int(n * (k / n) ** share + 0.5) if n else 0
