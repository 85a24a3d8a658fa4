"""Step sizes on one scale for all widths of a family: maximal update for Adam, by comparing shapes with the narrowest member.

Adam moves every weight by about the step size, whatever the size of its gradient. A sum over n inputs then moves n times as far.
So in a layer whose fan-in is r times that of the narrowest member weights move by 1/r, and all others by 1:

    θ = θ₀ + c ⊙ s,    c = 1/r for weights with r times the inputs, 1 for other parameters,

and Adam trains s from 0. A read-out that has r times the inputs starts smaller by 1/√r than its usual draw, so that outputs at
the start vanish with width. Attention heads have a fixed number of features, and more of them with width. The narrowest member
is trained by plain Adam.

Source: Yang et al. 2022, Tensor Programs V, arXiv 2203.03466, table 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ticketlab.networks.network import Network, Params

__all__ = ["Moved", "factors", "start"]


@dataclass(frozen=True)
class Moved:
    """θ = θ₀ + c ⊙ s, with θ₀ and c fixed."""

    def __call__(self, trained: Params, frozen: Any, key: Array) -> Params:
        return jax.tree.map(lambda s, start, factor: start + factor * s, trained, *frozen)


def factors(network: Network, narrowest: Network) -> Params:
    """c, a number for each array of parameters."""
    wide, narrow = (jax.eval_shape(n.init, jax.random.key(0)) for n in (network, narrowest))
    return jax.tree.map(lambda a, b: jnp.float32(1 / _ratio(a, b)), wide, narrow)


def start(network: Network, narrowest: Network, key: Array) -> Params:
    """θ₀: the usual draw, with a smaller read-out."""
    params = network.init(key)
    narrow = jax.eval_shape(narrowest.init, jax.random.key(0))

    def drawn(a: Any, b: Any) -> Any:
        ends = a.ndim > 1 and a.shape[-1] == b.shape[-1]
        return a / math.sqrt(_ratio(a, b)) if ends else a

    return jax.tree.map(drawn, params, narrow)


def _ratio(wide: Any, narrow: Any) -> float:
    """How many times more inputs a unit has; 1 for biases and gains. Units lie along the last axis."""
    if len(wide.shape) < 2:
        return 1.0
    return math.prod(wide.shape[:-1]) / math.prod(narrow.shape[:-1])
