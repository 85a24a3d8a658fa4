"""What a network computes with, where that is not what is trained: θ = g(s, frozen), of which only s takes steps.

Scores under which frozen weights are chosen are trained by the same program as weights are, with the same batches, stops, curves
and checkpoints; all that differs is the function between what an optimiser moves and what the network is given.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array

from ticketlab.networks.network import Params

__all__ = ["Reparameterisation"]


@runtime_checkable
class Reparameterisation(Protocol):
    """θ = g(s, frozen, key), a pure function of one replica, differentiable in s.

    It is part of what is compiled, so it is hashable, and equal ones compile once: a frozen dataclass. Numbers in which replicas
    differ belong in `frozen`.
    """

    def __call__(self, trained: Params, frozen: Any, key: Array) -> Params:
        """The network's parameters.

        Arguments:
            trained: s, what takes steps.
            frozen: what does not, any pytree of arrays.
            key: of this replica at this step, for those that draw.
        """
