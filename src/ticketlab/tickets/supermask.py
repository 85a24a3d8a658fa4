"""The Bernoulli supermask: every weight is kept with its own probability, and the probabilities are learned.

    m ~ Bernoulli(σ(s)),   ∂m/∂s := σ'(s)

Every step draws a new mask; the gradient passes through the draw as if it were its mean. Removed weights shrink a
layer's sums. Dynamic rescaling multiplies these by (weights)/(weights kept) for each drawn mask. The learned mask takes
the more probable value of each bit, s > 0; scores are also reported as means over drawn masks.

Source: Zhou, Lan, Liu, Yosinski 2019, arXiv 1905.01067, section 5.1 and equation 3 (rescaling).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Params
from ticketlab.networks.straight_through import straight_through
from ticketlab.tickets.learned import COUNTS, WEIGHTS, ScoredMask, learned_from

__all__ = ["Supermask"]

LARGEST = 0.999  # the initial probability if all are to be kept


@dataclass(frozen=True)
class Supermask(ScoredMask):
    """A probability for each weight. A density is the initial one; the search chooses the final density.

    Arguments:
        rescale: whether a layer is multiplied by the inverse of the fraction kept, mask by mask.
    """

    rescale: bool = True

    def start(self, layer: Layer, key: Array, density: float) -> Array:
        """σ(s) = density for all weights; randomness enters with the draws."""
        p = min(density, LARGEST)
        return jnp.full(layer.weight_shape, math.log(p / (1 - p)), jnp.float32)

    def chosen(self, scores: Array, count: Array, key: Array) -> Array:
        p = jax.nn.sigmoid(scores)
        return straight_through((jax.random.uniform(key, scores.shape, scores.dtype) < p).astype(p.dtype), p)

    def weight(self, weight: Array, mask: Array) -> Array:
        if not self.rescale:
            return weight * mask
        return weight * mask * (mask.size / jnp.maximum(jnp.sum(mask), 1.0))

    def mask(self, scores: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
        """s > 0; counts are not prescribed."""
        learned_from(scores)
        return {name: np.asarray(array > 0) for name, array in scores.items()}

    def sample(self, params: Params, scores: Params, key: Array) -> Params:
        """The parameters of one network under a mask drawn from its scores."""
        return self(scores, {WEIGHTS: params, COUNTS: dict.fromkeys(scores, 0)}, key)
