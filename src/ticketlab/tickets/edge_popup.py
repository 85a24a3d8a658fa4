"""Edge-popup: keep the weights with the highest scores, and update the scores as if all weights were kept.

    θ = W ⊙ m(|s|) / √density,   m = 1 for the ⌊density·n + ½⌋ largest |s| of a layer,   ∂m/∂|s| := 1,
    so that ∂L/∂s = ∂L/∂θ ⊙ W ⊙ sign(s) / √density

An unused weight gets a gradient too: its score rises if using the weight would lower the loss. Division by √density
preserves the variance of a layer's sums.

Source: Ramanujan, Wortsman, Kembhavi, Farhadi, Rastegari 2019, arXiv 1911.13299, section 3 (and 4.1 for the scale).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ticketlab.networks.layers import Layer
from ticketlab.tickets.learned import ScoredMask, draw_scores, ranked, top

__all__ = ["EdgePopup"]


@dataclass(frozen=True)
class EdgePopup(ScoredMask):
    """The largest scores of each layer.

    Arguments:
        scaled: whether weights are divided by √density.
    """

    scaled: bool = True

    def start(self, layer: Layer, key: Array, density: float) -> Array:
        return draw_scores(layer, key)

    def chosen(self, scores: Array, count: Array, key: Array) -> Array:
        return top(scores, count)

    def weight(self, weight: Array, mask: Array) -> Array:
        if not self.scaled:
            return weight * mask
        kept = jnp.count_nonzero(mask).astype(weight.dtype)  # a count has no derivative
        return weight * mask * jnp.sqrt(mask.size / jnp.maximum(kept, 1.0))

    def mask(self, scores: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
        return ranked(scores, counts)
