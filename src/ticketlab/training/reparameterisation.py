"""What a network computes with, where that is not what is trained: θ = g(s, frozen), of which only s takes steps.

Scores under which frozen weights are chosen are trained by the same program as weights are, with the same batches, stops, curves
and checkpoints; all that differs is the function between what an optimiser moves and what the network is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ticketlab.networks.network import Params

__all__ = ["Reparameterisation", "Sum"]


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


@dataclass(frozen=True)
class Sum:
    """θ = s + c: frozen values c, of the structure of s, where a mask is 0, and 0 where it keeps.

    A masked weight in s is zero and stays zero, whatever c says of it, so nothing can move it.
    """

    def __call__(self, trained: Params, frozen: Any, key: Array) -> Params:
        return jax.tree.map(jnp.add, trained, frozen)
