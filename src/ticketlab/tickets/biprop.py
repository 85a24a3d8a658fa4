"""Biprop: a mask over the signs of random weights, with one gain per layer; for comparison, trained binary weights.

    θ = α · m(|s|) ⊙ sign(W),   α = Σ |W| ⊙ m / Σ m

Masks are learned as by edge-popup. α brings the kept signs nearest to the kept weights and is not differentiated. The
result has one bit per weight (two with the mask) and one number per layer. `Binarised` has neither a mask nor frozen
weights: w is trained through θ = α sign(w), where α is the mean of |w| in the layer.

Sources: Diffenderfer & Kailkhura 2021, arXiv 2103.09377, algorithm 1; Rastegari, Ordonez, Redmon, Farhadi 2016, arXiv
1603.05279, equation 6 (α), and Courbariaux, Bengio, David 2015, arXiv 1511.00363 (training binary weights).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from ticketlab.networks.layers import Layer
from ticketlab.networks.network import Network, Params
from ticketlab.networks.straight_through import straight_through
from ticketlab.tickets.learned import ScoredMask, draw_scores, ranked, top
from ticketlab.tickets.masks import prunable_layers

__all__ = ["Binarised", "Biprop"]


@dataclass(frozen=True)
class Biprop(ScoredMask):
    """The largest scores of each layer, over the signs of its weights."""

    def start(self, layer: Layer, key: Array, density: float) -> Array:
        return draw_scores(layer, key)

    def chosen(self, scores: Array, count: Array, key: Array) -> Array:
        return top(scores, count)

    def weight(self, weight: Array, mask: Array) -> Array:
        kept = lax.stop_gradient(mask)
        gain = jnp.sum(jnp.abs(weight) * kept) / jnp.maximum(jnp.sum(kept), 1.0)
        return gain * (mask * jnp.sign(weight))

    def mask(self, scores: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
        return ranked(scores, counts)


@dataclass(frozen=True)
class Binarised:
    """Trained weights, replaced in each layer by their signs times a gain: a `training.Reparameterisation`.

    Arguments:
        layers: the layers whose weights are binary.
    """

    layers: tuple[str, ...]

    @staticmethod
    def of(network: Network) -> Binarised:
        """All weights of a network; biases and normalisations are unchanged."""
        return Binarised(tuple(layer.name for layer in prunable_layers(network)))

    def __call__(self, trained: Params, frozen: Any, key: Array) -> Params:
        return {
            name: {**leaves, "weight": self.weight(leaves["weight"])} if name in self.layers else leaves
            for name, leaves in trained.items()
        }

    def weight(self, weight: Array) -> Array:
        """α sign(w); the gradient passes to w unchanged."""
        gain = jnp.mean(jnp.abs(weight))
        return straight_through(jnp.where(weight >= 0, gain, -gain), weight)
