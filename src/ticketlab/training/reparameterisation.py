"""Reparameterisation: the network computes with θ = g(s, frozen), and only s is trained.

Scores that select frozen weights are trained by the same program as weights, with the same batches, stops, curves and
checkpoints. Only the function g from the trained variables to the network's parameters differs.
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

    It is part of the compiled program, so it is a frozen dataclass: hashable, and equal ones compile once. Numbers that
        differ between replicas belong in `frozen`.
    """

    def __call__(self, trained: Params, frozen: Any, key: Array) -> Params:
        """The network's parameters.

        Arguments:
            trained: s, the trained variables.
            frozen: fixed values, any pytree of arrays.
            key: of this replica at this step, for random functions.
        """


@dataclass(frozen=True)
class Sum:
    """θ = s + c: c has the structure of s; it holds frozen values where the mask is 0 and is 0 where the mask keeps.

    A masked weight in s is zero and stays zero for any c, so nothing can move it.
    """

    def __call__(self, trained: Params, frozen: Any, key: Array) -> Params:
        return jax.tree.map(jnp.add, trained, frozen)
